//! What the owner of a manager's session hears of it.

use std::time::Duration;

use super::WireTiming;
use crate::frame::{Hello, RefusalCode};
use crate::id::{Attempt, ImageId};
use crate::result::{Answer, Failure};

/// What the owner hears of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagerEvent {
    /// The handshake is done. The first event of every session that comes so far.
    Joined(Hello),
    /// A slot of the worker has taken the image.
    Started {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
    },
    /// The image is recognised. May be of a delivery that this session did not make.
    Answered {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
        /// Labels and the worker's times.
        answer: Answer,
        /// The wire's times.
        wire: WireTiming,
    },
    /// The worker has no answer.
    Failed {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// The deadline has passed while the worker was there. The session has forgotten the delivery.
    Stalled {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
    },
    /// A round trip was measured.
    RoundTrip {
        /// Smoothed.
        smoothed: Duration,
        /// The least of the last half minute, up to a minute: without what losses and queues add.
        least: Duration,
    },
    /// The session is over: say what is still to be said, and close the connection. Always the last event.
    Closed(Ending),
}

/// How a session ended, when it was not the connection that did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The worker said so.
    Goodbye,
    /// Not a byte for the silence limit; or no Hello in time.
    Silent,
    /// The worker broke the protocol; the text says how.
    Misbehaved(String),
    /// We did not let it in.
    Refused {
        /// Why.
        code: RefusalCode,
        /// Why, as it was told.
        sentence: String,
        /// What it calls itself; empty where it has not said so.
        name: String,
    },
    /// We said goodbye.
    Shutdown,
}
