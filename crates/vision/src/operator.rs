//! Operators of our own for a runtime that takes such: what they compute, without any runtime.

pub(crate) mod convolution;
pub(crate) mod normalisation;
pub(crate) mod pooling;

/// Their domain in a graph.
pub(crate) const DOMAIN: &str = "manyeyes";
