//! Promises of [`super`].
