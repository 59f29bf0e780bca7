//! The manager's end of a session.

use std::time::Duration;

use bytes::Bytes;

use crate::id::{Attempt, ImageId, ModelDigest};

/// One delivery of an image to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which image.
    pub image: ImageId,
    /// Which delivery of it.
    pub attempt: Attempt,
    /// The model that shall recognise it.
    pub model: ModelDigest,
    /// How long the worker may take, from when a slot of it has begun.
    pub deadline: Duration,
    /// The image file's own bytes.
    pub payload: Bytes,
}

/// How an answer's time split on the wire, by the manager's clock: what neither `returning` nor the worker's own times
/// account for was spent on sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireTiming {
    /// From `assign` to the answer's arrival. For a delivery that another connection made (or another run of the
    /// manager) this is not known, and is the sum of the worker's own times and `returning`.
    pub since_assigned: Duration,
    /// Half the smoothed round trip; zero until one has been measured.
    pub returning: Duration,
}
