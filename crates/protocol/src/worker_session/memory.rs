//! What a worker remembers of what it has answered: what the manager has not acknowledged, to say it again after a
//! reconnect, and to answer a second assignment of the same image without recognising it again. What is safe with the
//! manager is forgotten: an image that is assigned after that is one that a person wants recognised again.

use std::collections::BTreeMap;

use crate::id::{Attempt, ImageId, ModelDigest};
use crate::result::{Answer, Failure};

/// How many outcomes may wait for their acknowledgement. A worker that has so many takes nothing new until the manager
/// says that some are safe.
const MAX_UNACKNOWLEDGED: usize = 4_096;

type Outcome = Result<Answer, Failure>;

#[derive(Debug, Default)]
pub(super) struct Memory {
    unacknowledged: BTreeMap<(ImageId, Attempt), (ModelDigest, Outcome)>,
}

impl Memory {
    /// Keeps an outcome until it is acknowledged.
    pub(super) fn keep(&mut self, image: ImageId, attempt: Attempt, model: ModelDigest, outcome: Outcome) {
        self.unacknowledged.insert((image, attempt), (model, outcome));
    }

    /// The outcome is safe. Unknown ones are passed over.
    pub(super) fn acknowledge(&mut self, image: ImageId, attempt: Attempt) {
        self.unacknowledged.remove(&(image, attempt));
    }

    /// What a delivery may be answered with: the outcome of the same, or one that holds for every delivery of the image.
    pub(super) fn recall(&self, image: ImageId, attempt: Attempt, model: ModelDigest) -> Option<Outcome> {
        let deliveries = (image, Attempt(u32::MIN))..=(image, Attempt(u32::MAX));
        let kept = self
            .unacknowledged
            .range(deliveries)
            .find(|((_, of), (by, outcome))| *by == model && (*of == attempt || outlives_its_delivery(outcome)));
        kept.map(|(_, (_, outcome))| outcome.clone())
    }

    /// All that are not acknowledged, in the order of their images.
    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = (ImageId, Attempt, Outcome)> + '_ {
        self.unacknowledged.iter().map(|((image, attempt), (_, outcome))| (*image, *attempt, outcome.clone()))
    }

    /// Those that are not acknowledged.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = (ImageId, Attempt)> + '_ {
        self.unacknowledged.keys().copied()
    }

    /// Whether this delivery's outcome waits for its acknowledgement.
    pub(super) fn holds(&self, image: ImageId, attempt: Attempt) -> bool {
        self.unacknowledged.contains_key(&(image, attempt))
    }

    pub(super) fn has_unacknowledged(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.unacknowledged.len() >= MAX_UNACKNOWLEDGED
    }
}

/// Whether the same image and model would come to the same again. A crash might not: another attempt is another try.
fn outlives_its_delivery(outcome: &Outcome) -> bool {
    outcome.as_ref().err().is_none_or(|failure| failure.code.is_final())
}
