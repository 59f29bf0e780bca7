//! The worker's end of all its sessions.

use std::time::Duration;

use bytes::Bytes;

use crate::id::{Attempt, ImageId, ModelDigest};

/// An image to recognise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Which image.
    pub image: ImageId,
    /// Which delivery of it.
    pub attempt: Attempt,
    /// The model that shall recognise it.
    pub model: ModelDigest,
    /// How long it may take from when a slot has begun.
    pub deadline: Duration,
    /// The image file's own bytes.
    pub payload: Bytes,
    /// From the assignment's first byte to its last.
    pub received_in: Duration,
}
