//! The frames, byte by byte.

use crate::id::ModelDigest;

/// A model that a worker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelDescription {
    /// The SHA-256 of its ONNX file.
    pub digest: ModelDigest,
    /// As in the manifest, or the file's name.
    pub name: String,
    /// Whether the digest is one the manifest knows.
    pub verified: bool,
    /// Anything a person should know of it, in one sentence.
    pub notice: Option<String>,
}
