//! What a group of changes adds up to for one batch: written once, when the group is closed.

use std::time::{Duration, SystemTime};

use crate::api::ImageState;
use crate::store::row::{AnsweringModel, BatchFacts};

/// How long a batch may have nothing to do without that being left out of its throughput: uploads that come one by one are
/// one piece of work.
const IDLE: Duration = Duration::from_secs(10);

/// What a group adds to a batch.
pub(super) struct BatchChange {
    /// Images that were ever in it, before the group.
    pub(super) ever: i64,
    /// Images that waited, before the group.
    waiting: i64,
    /// The time of the last answer, before the group.
    answered: Option<SystemTime>,
    /// A long time without anything to do has ended.
    pub(super) idle: Duration,
    /// The model that answers it, the group included.
    pub(super) model: Option<AnsweringModel>,
    pub(super) deleted: i64,
    pub(super) seq: u64,
    pub(super) first_upload: Option<SystemTime>,
    pub(super) last_answer: Option<SystemTime>,
    /// In the order waiting, recognised, failed, rejected, cancelled.
    pub(super) by_state: [i64; 5],
    pub(super) answered_images: i64,
    pub(super) answered_bytes: i64,
    pub(super) kept_bytes: i64,
}

impl BatchChange {
    pub(super) fn new(facts: BatchFacts) -> Self {
        Self {
            ever: i64::from(facts.counts.total) + i64::from(facts.deleted),
            waiting: i64::from(facts.counts.waiting),
            answered: facts.last_answer,
            idle: Duration::ZERO,
            model: facts.model,
            deleted: 0,
            seq: 0,
            first_upload: None,
            last_answer: None,
            by_state: [0; 5],
            answered_images: 0,
            answered_bytes: 0,
            kept_bytes: 0,
        }
    }

    /// Something begins to wait; to be said after it was counted or before. What a batch achieves is not measured over a
    /// night in which it had nothing to do.
    pub(super) fn has_something_to_do(&mut self, began: SystemTime) {
        let Some(idle) = self.answered.and_then(|answered| began.duration_since(answered).ok()) else {
            return;
        };
        let had_nothing = self.waiting == 0 && self.last_answer.is_none();
        if had_nothing && self.idle.is_zero() && idle > IDLE {
            self.idle = idle;
        }
    }

    pub(super) fn count(&mut self, state: ImageState) -> &mut i64 {
        let [waiting, recognised, failed, rejected, cancelled] = &mut self.by_state;
        match state {
            ImageState::Waiting | ImageState::Assigned => waiting,
            ImageState::Recognised => recognised,
            ImageState::Failed => failed,
            ImageState::Rejected => rejected,
            ImageState::Cancelled => cancelled,
        }
    }
}
