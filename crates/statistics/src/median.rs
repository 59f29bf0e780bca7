//! How sure a median is, whatever the values are spread like.

use serde::Serialize;

use super::CONFIDENCE;

/// Two of a condition's runs between which its median is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MedianInterval {
    /// The lower.
    pub lower: f64,
    /// The upper.
    pub upper: f64,
    /// With this confidence: 95 % and more from six runs on, and with fewer what they allow.
    pub confidence: f64,
}

/// The narrowest interval between order statistics, as far from each end, in which the median is with 95 % confidence; with fewer than six
/// runs from the least to the most. `None` where there is no run.
///
/// The median of what the runs are drawn from is below the `k`-th of `n` runs with the chance that fewer than `k` of `n` fair coins show
/// heads. No assumption on the distribution is needed. (W. J. Conover, "Practical Nonparametric Statistics", 3rd edition, 1999, section 3.2.)
pub fn median_interval(values: &[f64]) -> Option<MedianInterval> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let runs = sorted.len();
    let last = runs.checked_sub(1)?;
    let confidence = |place: usize| 1.0 - 2.0 * at_most(place, runs);
    let narrow = (0..runs.div_ceil(2)).rev().find(|place| confidence(*place) >= CONFIDENCE);
    let place = narrow.unwrap_or(0);
    Some(MedianInterval { lower: sorted[place], upper: sorted[last - place], confidence: confidence(place).max(0.0) })
}

/// The chance that of so many fair coins at most `heads` show heads.
fn at_most(heads: usize, coins: usize) -> f64 {
    let mut term = 0.5_f64.powi(i32::try_from(coins).unwrap_or(i32::MAX));
    let mut sum = term;
    for head in 1..=heads {
        term *= (coins + 1 - head) as f64 / head as f64;
        sum += term;
    }
    sum
}
