//! Faults on purpose, for experiments: whether an image fails, and how. Deciding is here; doing it is the slot's.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use manyeyes_protocol::result::Answer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Which images fail, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultPlan {
    /// The share of images that fail, 0..=1.
    pub probability: f64,
    /// How many images each slot does well before the first that may fail: a worker that was well has been measured.
    pub after: u64,
    /// How they do.
    pub mode: FaultMode,
    /// Whether the first that fails is the last that the worker may do well: from then on it is gone, or fails at every
    /// image.
    pub for_good: bool,
    /// Which ones follows from this number and the slot's.
    pub seed: u64,
}

/// How a worker fails on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultMode {
    /// It says so, and goes on with the next image. For good: it says goodbye and ends.
    Announce,
    /// The process ends at once, as after `kill -9`.
    Crash,
    /// The slot never comes back. For good: no slot does, and the connection stays.
    Hang,
    /// The answer takes ten times the time. For good: each one from then on.
    Slow,
    /// The connection is dropped as if the network had, and made again; the image is recognised all the same. For good: it is
    /// not made again, and the process stays.
    Disconnect,
    /// The answer names other classes than the right ones, as surely. For good: each one from then on.
    Wrong,
}

/// How many times longer a slow answer takes.
pub(crate) const SLOWDOWN: u32 = 10;

/// Whether a worker has failed for good, and how. Its slots share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FailedForGood(Arc<OnceLock<FaultMode>>);

impl FailedForGood {
    /// How, if it has.
    pub(crate) fn mode(&self) -> Option<FaultMode> {
        self.0.get().copied()
    }

    /// Whether nothing that the worker still does will ever be heard of.
    pub(crate) fn is_mute(&self) -> bool {
        matches!(self.mode(), Some(FaultMode::Hang | FaultMode::Disconnect))
    }
}

/// How an image fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) mode: FaultMode,
    /// The worker fails for good, with this image or since an earlier one.
    pub(crate) for_good: bool,
}

/// One slot's faults: a sequence that its seed decides, until the worker has failed for good.
#[derive(Debug)]
pub(crate) struct Faults {
    plan: Option<FaultPlan>,
    for_good: FailedForGood,
    chance: StdRng,
    served: u64,
}

impl Faults {
    pub(crate) fn new(plan: Option<FaultPlan>, slot: u32, for_good: FailedForGood) -> Self {
        let seed = plan.as_ref().map_or(0, |plan| plan.seed);
        let chance = StdRng::seed_from_u64(seed.wrapping_add(u64::from(slot) << 32));
        Self { plan, for_good, chance, served: 0 }
    }

    /// How the next image fails, if it does.
    pub(crate) fn next(&mut self) -> Option<Fault> {
        let plan = self.plan.as_ref()?;
        if let Some(mode) = self.for_good.mode() {
            return Some(Fault { mode, for_good: true });
        }
        self.served += 1;
        if self.served <= plan.after || !self.chance.random_bool(plan.probability.clamp(0.0, 1.0)) {
            return None;
        }
        let fault = Fault { mode: plan.mode, for_good: plan.for_good };
        // Of two slots that come to it at the same moment, both fail, and once is enough.
        if fault.for_good && self.for_good.0.set(fault.mode).is_ok() {
            tracing::warn!(mode = ?fault.mode, "failing for good, as the command line wants");
        }
        Some(fault)
    }

    /// Whether what a slot has done may still be told: not once the worker hangs for good, though the slot was at work before.
    pub(crate) fn may_tell(&self) -> bool {
        self.for_good.mode() != Some(FaultMode::Hang)
    }

    /// Makes an answer wrong: another of its labels takes the first one's place; where there is no other, one that no model
    /// has. Which follows from the seed, so that two workers that are wrong do not bear each other out.
    pub(crate) fn confuse(&mut self, answer: &mut Answer) {
        match answer.labels.len() {
            0 => {}
            1 => {
                answer.labels[0].index ^= 1;
                answer.labels[0].name = format!("wrong:{:016x}", self.chance.random::<u64>());
            }
            labels => {
                let other = answer.labels.remove(self.chance.random_range(1..labels));
                answer.labels.insert(0, other);
            }
        }
    }
}

/// How much longer an answer is held back that has taken this long.
pub(crate) fn held_back(took: Duration) -> Duration {
    took * (SLOWDOWN - 1)
}
