//! One image as dispatch sees it: where it is, and what stands against it.
//!
//! It is with one worker, or, while it is hedged, with two: never with more, and never twice with one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, WorkerId};

use crate::lanes::{LaneKey, Rank};
use crate::plan::Trouble;
use crate::settings::Settings;

/// An image that has not ended. Small: two hundred thousand may wait.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) lane: LaneKey,
    pub(crate) bytes: u64,
    pub(crate) attempts: u32,
    pub(crate) place: Place,
    /// How often it was taken from a worker that had not begun it, for another that would be sooner.
    pub(crate) steals: u32,
    /// Few have any.
    troubles: Option<Box<Troubles>>,
    /// Of an image that was run again.
    again: Option<Box<Again>>,
}

/// How many deliveries of a run are remembered, the latest: an image that cannot be sent for days is delivered every few
/// seconds. An answer to one that is forgotten is dropped, and that to the present one counts.
const DELIVERIES_MAX: usize = 64;

/// A run of an image that is not its first.
#[derive(Debug)]
struct Again {
    run: u32,
    /// Those that were made in this run, the latest last. What an earlier one delivered may yet be answered, by whatever
    /// model it was.
    deliveries: VecDeque<(WorkerId, Attempt)>,
}

/// Where an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In its lane.
    Waiting(Rank),
    /// Nowhere until then, after an announced failure.
    Paused(Instant),
    /// With a worker, or two.
    With(Held),
}

/// Which worker has an image, by which delivery.
pub(crate) type Holder = (WorkerId, Attempt);

/// Who has an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    by: Holder,
    also_by: Option<Holder>,
}

impl Held {
    pub(crate) fn holders(self) -> impl Iterator<Item = Holder> {
        [Some(self.by), self.also_by].into_iter().flatten()
    }

    /// Without this holder: who is left. `None`: it is not one.
    fn without(self, holder: Holder) -> Option<Option<Self>> {
        if self.by == holder {
            return Some(self.also_by.map(|by| Self { by, also_by: None }));
        }
        (self.also_by == Some(holder)).then_some(Some(Self { by: self.by, also_by: None }))
    }
}

/// What became of an image when a worker lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// That worker did not have it, by that delivery.
    NotItsHolder,
    /// Another worker still has it.
    HeldByAnother,
    /// Nobody has it.
    HeldByNobody,
}

#[derive(Debug, Default)]
struct Troubles {
    blamed: Vec<String>,
    avoid: Option<WorkerId>,
    announced_failures: u32,
    patience: Duration,
    patient_until: Option<Instant>,
}

impl Image {
    pub(crate) fn new(lane: LaneKey, bytes: u64, attempts: u32, run: u32) -> Self {
        let again = (run > 0).then(|| Box::new(Again { run, deliveries: VecDeque::new() }));
        Self { lane, bytes, attempts, place: Place::Waiting(Rank::New), steals: 0, troubles: None, again }
    }

    /// How often it was taken back after it had ended.
    pub(crate) fn run(&self) -> u32 {
        self.again.as_ref().map_or(0, |again| again.run)
    }

    /// It is delivered once more: from now on it is with this worker, and where it is with one already, with both.
    pub(crate) fn deliver(&mut self, worker: WorkerId) -> Attempt {
        self.attempts = self.attempts.saturating_add(1);
        let attempt = Attempt(self.attempts);
        self.place = Place::With(match self.place {
            Place::With(Held { by, .. }) => Held { by, also_by: Some((worker, attempt)) },
            Place::Waiting(_) | Place::Paused(_) => Held { by: (worker, attempt), also_by: None },
        });
        if let Some(again) = &mut self.again {
            if again.deliveries.len() == DELIVERIES_MAX {
                again.deliveries.pop_front();
            }
            again.deliveries.push_back((worker, attempt));
        }
        attempt
    }

    /// A worker has lost it.
    pub(crate) fn lose(&mut self, worker: WorkerId, attempt: Attempt) -> Loss {
        let Place::With(held) = self.place else {
            return Loss::NotItsHolder;
        };
        match held.without((worker, attempt)) {
            None => Loss::NotItsHolder,
            Some(None) => Loss::HeldByNobody,
            Some(Some(left)) => {
                self.place = Place::With(left);
                Loss::HeldByAnother
            }
        }
    }

    /// Whoever has it has lost it, and it is about to be delivered.
    pub(crate) fn leave_holders(&mut self) {
        self.place = Place::Waiting(self.rank());
    }

    /// Who has it.
    pub(crate) fn holders(&self) -> impl Iterator<Item = Holder> {
        let held = match self.place {
            Place::With(held) => Some(held),
            Place::Waiting(_) | Place::Paused(_) => None,
        };
        held.into_iter().flat_map(Held::holders)
    }

    /// Whether anything stands against it.
    pub(crate) fn is_troubled(&self) -> bool {
        self.troubles.is_some()
    }

    /// Whether a delivery is of this run. To the first run belongs every delivery, also one that an earlier run of the
    /// manager made.
    pub(crate) fn is_of_this_run(&self, worker: WorkerId, attempt: Attempt) -> bool {
        self.again.as_ref().is_none_or(|again| again.deliveries.contains(&(worker, attempt)))
    }

    /// Holds a crash or a stall against the image. Says whether this worker is a new one.
    pub(crate) fn blame(&mut self, worker: String, settings: &Settings, now: Instant) -> bool {
        let troubles = self.troubles.get_or_insert_default();
        let new = !troubles.blamed.contains(&worker);
        if new {
            troubles.blamed.push(worker);
        }
        troubles.patience = if new { settings.patience } else { (troubles.patience * 2).min(settings.patience_limit) };
        troubles.patient_until = Some(now + troubles.patience);
        new
    }

    /// Notes a failure that is not the image's fault, and says how long to pause.
    pub(crate) fn failed_at(&mut self, worker: WorkerId, settings: &Settings) -> Duration {
        let troubles = self.troubles.get_or_insert_default();
        let doublings = troubles.announced_failures.min(16);
        troubles.announced_failures += 1;
        troubles.avoid = Some(worker);
        settings.retry_pause.saturating_mul(1 << doublings).min(settings.retry_pause_limit)
    }

    /// The rank at which it waits when it comes back.
    pub(crate) fn rank(&self) -> Rank {
        if self.is_troubled() { Rank::Troubled } else { Rank::Requeued }
    }

    /// The workers that it crashed or stalled.
    pub(crate) fn blamed(&self) -> &[String] {
        self.troubles.as_ref().map_or(&[], |troubles| &troubles.blamed)
    }

    /// When it may go to a worker that it is blamed for.
    pub(crate) fn patient_until(&self) -> Option<Instant> {
        self.troubles.as_ref()?.patient_until
    }

    /// Whom it avoids.
    pub(crate) fn trouble(&self, now: Instant) -> Trouble<'_> {
        Trouble {
            blamed: self.blamed(),
            avoid: self.troubles.as_ref().and_then(|troubles| troubles.avoid),
            desperate: self.patient_until().is_some_and(|until| until <= now),
        }
    }
}
