//! Operators of our own for a runtime that takes such: what they compute, without any runtime.

pub(crate) mod convolution;
pub(crate) mod normalisation;

/// Their domain in a graph.
pub(crate) const DOMAIN: &str = "manyeyes";
