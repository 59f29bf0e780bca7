//! The operators of our own ([`crate::operator`]) as ONNX Runtime takes them.

mod convolution;
mod normalisation;
mod pooling;

use std::sync::Arc;

use ort::operator::OperatorDomain;

use crate::operator::DOMAIN;
pub(super) use convolution::Ready;

/// Their domain, for a session of the model of this digest that is to know them.
pub(super) fn domain(model: [u8; 32], ready: &Arc<Ready>) -> ort::Result<OperatorDomain> {
    OperatorDomain::new(DOMAIN)?
        .add(normalisation::LocalResponseNormalisation)?
        .add(pooling::MaxPoolOfBytes)?
        .add(convolution::MinimalConvolution::new(model, Arc::clone(ready)))
}
