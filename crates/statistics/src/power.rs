//! How many more runs would tell two conditions apart.

use std::fmt;

use serde::Serialize;

use super::contrast::satterthwaite;
use super::{CONFIDENCE, Moments, POWER, student};

/// The most additional runs that are counted to. Who would need more had better look for a larger effect.
pub const RUNS_MAX: u32 = 1000;

/// How many more runs of each of two conditions are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunsNeeded {
    /// So many; 0: those at hand suffice.
    More(u32),
    /// More than so many, or no number at all.
    MoreThan(u32),
}

/// As [`runs_needed_of`], of two samples.
pub fn runs_needed(first: &[f64], second: &[f64]) -> Option<RunsNeeded> {
    runs_needed_of(&Moments::of(first)?, &Moments::of(second)?)
}

/// How many more runs of *each* condition would find the difference with a chance of 80 % at 5 % two-sided, if the true means and
/// deviations are those seen so far. `None` where a condition has fewer than two runs: there is no deviation to plan with.
///
/// It is the smallest number for which the difference is `t(0.975, f) + t(0.8, f)` standard errors, f being Welch's degrees of freedom
/// at that number: the usual normal approximation of a sample size with t quantiles in place of the normal's, iterated because f grows
/// with the number (J. M. Lachin, "Introduction to sample size determination and power analysis for clinical trials", Controlled
/// Clinical Trials 2(2), 1981). A difference seen by luck needs fewer runs here than in truth; it is a guide, no promise.
pub fn runs_needed_of(first: &Moments, second: &Moments) -> Option<RunsNeeded> {
    if first.n < 2 || second.n < 2 {
        return None;
    }
    if first.mean == second.mean {
        return Some(RunsNeeded::MoreThan(RUNS_MAX));
    }
    // Each additional run raises the difference in standard errors and lowers both quantiles, so halving finds the smallest.
    let (mut low, mut high) = (0, RUNS_MAX + 1);
    while low < high {
        let middle = u32::midpoint(low, high);
        if tells_apart(&with_more(first, middle), &with_more(second, middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(if low > RUNS_MAX { RunsNeeded::MoreThan(RUNS_MAX) } else { RunsNeeded::More(low) })
}

impl fmt::Display for RunsNeeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::More(0) => write!(formatter, "no more runs are needed to tell these apart"),
            Self::More(1) => write!(formatter, "1 more run of each is needed to tell these apart"),
            Self::More(runs) => write!(formatter, "{runs} more runs of each are needed to tell these apart"),
            Self::MoreThan(runs) => {
                write!(formatter, "more than {runs} runs of each would be needed to tell these apart")
            }
        }
    }
}

fn with_more(moments: &Moments, runs: u32) -> Moments {
    Moments { n: moments.n.saturating_add(runs), ..*moments }
}

fn tells_apart(first: &Moments, second: &Moments) -> bool {
    let parts = [(first.squared_error(), first.n), (second.squared_error(), second.n)];
    let freedom = satterthwaite(parts).expect("there are two runs of each");
    let needed = student::two_sided(CONFIDENCE, freedom) + student::quantile(POWER, freedom);
    (first.mean - second.mean).abs() >= needed * (first.squared_error() + second.squared_error()).sqrt()
}
