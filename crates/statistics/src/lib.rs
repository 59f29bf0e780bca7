//! What repeated runs say: how sure a mean is, which of two conditions is better and whether that is more than chance, how many more
//! runs would tell them apart, and how far a cluster is from what it could do at best.
//!
//! Everything is a function of numbers; nothing here knows what was measured. Intervals are of 95 % and two-sided throughout, and by
//! Student's t, because a handful of runs is what there is. What each number means in plain words is in `docs/statistics.md`.

mod contrast;
mod median;
mod power;
mod ratio;
mod scaling;
pub mod student;
mod summary;

#[cfg(test)]
mod tests;

pub use contrast::{Contrast, holm, welch, welch_of};
pub use median::{MedianInterval, median_interval};
pub use power::{RUNS_MAX, RunsNeeded, runs_needed, runs_needed_of};
pub use ratio::{Ratio, ratio, ratio_of, ratio_of_typical};
pub use scaling::{Floor, efficiency, staircase, staircase_efficiency};
pub use summary::{Moments, Summary, summarise};

/// The confidence of every interval: what journals, and the study that the lab repeats, are used to.
pub const CONFIDENCE: f64 = 0.95;
/// Below this p a difference is called one: the other side of [`CONFIDENCE`].
pub const SIGNIFICANCE: f64 = 1.0 - CONFIDENCE;
/// The chance with which a difference that is there shall be found, where runs are planned: J. Cohen's custom ("Statistical Power
/// Analysis for the Behavioral Sciences", 2nd edition, 1988, section 2.4).
pub const POWER: f64 = 0.8;
