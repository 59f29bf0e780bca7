//! The operators of our own ([`crate::operator`]) as ONNX Runtime takes them.

mod convolution;
mod normalisation;

use ort::operator::OperatorDomain;

use crate::operator::DOMAIN;

/// Their domain, for a session that is to know them.
pub(super) fn domain() -> ort::Result<OperatorDomain> {
    OperatorDomain::new(DOMAIN)?
        .add(normalisation::LocalResponseNormalisation)?
        .add(convolution::MinimalConvolution::default())
}
