//! What the owner of a worker's session hears of it.

use std::time::Duration;

use bytes::Bytes;

use crate::frame::TransportNumber;
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

/// What the owner hears.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerEvent {
    /// Time to connect.
    Connect,
    /// The manager has let us in.
    Connected,
    /// An image to recognise.
    Assigned(Assigned),
    /// Not wanted any more.
    Cancelled {
        /// Which image.
        image: ImageId,
        /// As it was in `Assigned`.
        attempt: Attempt,
    },
    /// The manager asks us to go.
    Drain,
    /// The manager asks us to come by another transport: make a connection by it beside this one, and tell of it by
    /// [`handle_moved`](super::WorkerSession::handle_moved).
    Move {
        /// Which.
        to: TransportNumber,
    },
    /// The connection was lost or could not be made; a `Connect` will follow.
    Disconnected {
        /// Why.
        reason: String,
        /// When.
        retry_in: Duration,
    },
    /// The manager will not have us, now or later. The session is over.
    Refused {
        /// Why.
        reason: String,
    },
}
