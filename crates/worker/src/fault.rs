//! Faults on purpose, for experiments: whether an image fails, and how. Deciding is here; doing it is the slot's.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Which images fail, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultPlan {
    /// The share of images that fail, 0..=1.
    pub probability: f64,
    /// How they do.
    pub mode: FaultMode,
    /// Which ones follows from this number and the slot's.
    pub seed: u64,
}

/// How a worker fails on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultMode {
    /// It says so, and goes on with the next image.
    Announce,
    /// The process ends at once, as after `kill -9`.
    Crash,
    /// The slot never comes back.
    Hang,
    /// The answer takes ten times the time.
    Slow,
}

/// How many times longer a slow answer takes.
pub(crate) const SLOWDOWN: u32 = 10;

/// One slot's faults: a sequence that its seed decides.
#[derive(Debug)]
pub(crate) struct Faults {
    plan: Option<FaultPlan>,
    chance: StdRng,
}

impl Faults {
    pub(crate) fn new(plan: Option<FaultPlan>, slot: u32) -> Self {
        let seed = plan.as_ref().map_or(0, |plan| plan.seed);
        Self { plan, chance: StdRng::seed_from_u64(seed.wrapping_add(u64::from(slot) << 32)) }
    }

    /// How the next image fails, if it does.
    pub(crate) fn next(&mut self) -> Option<FaultMode> {
        let plan = self.plan.as_ref()?;
        self.chance.random_bool(plan.probability.clamp(0.0, 1.0)).then_some(plan.mode)
    }
}

/// How much longer an answer is held back that has taken this long.
pub(crate) fn held_back(took: Duration) -> Duration {
    took * (SLOWDOWN - 1)
}
