//! One condition: what its runs say together.

use serde::Serialize;

use super::{CONFIDENCE, student};

/// What published tables have of a condition, and all that contrasts need.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moments {
    /// How many runs.
    pub n: u32,
    /// Their mean, in the unit of what was measured.
    pub mean: f64,
    /// Their standard deviation, with n - 1 in the denominator, in the same unit; 0 for one run.
    pub deviation: f64,
}

/// A condition summarised. Everything but `moments.n` is in the unit of what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number, mean and standard deviation.
    pub moments: Moments,
    /// The mean is inside `mean ± half_width` with 95 % confidence. `None` for one run, which says nothing of chance.
    pub half_width: Option<f64>,
    /// Half of the runs are at most this.
    pub median: f64,
    /// A quarter of the runs are at most this.
    pub lower_quartile: f64,
    /// Three quarters of the runs are at most this.
    pub upper_quartile: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
}

/// Summarises the runs of one condition. `None` where there is none, or where one is not a finite number.
///
/// Quartiles are of type 7 (R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50(4),
/// 1996): linear between the order statistics at `(n - 1) p`, as R and NumPy do it when not told otherwise.
pub fn summarise(values: &[f64]) -> Option<Summary> {
    let moments = Moments::of(values)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Summary {
        moments,
        half_width: moments.half_width(),
        median: quantile(&sorted, 0.5),
        lower_quartile: quantile(&sorted, 0.25),
        upper_quartile: quantile(&sorted, 0.75),
        minimum: sorted[0],
        maximum: sorted[sorted.len() - 1],
    })
}

impl Moments {
    /// Of runs; `None` where there is none, or where one is not a finite number.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        // In a second pass: the difference of two large sums would lose what is looked for.
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let deviation = if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        Some(Self { n: u32::try_from(values.len()).ok()?, mean, deviation })
    }

    /// The standard error of the mean: `s / sqrt(n)`.
    pub fn standard_error(&self) -> f64 {
        self.deviation / f64::from(self.n).sqrt()
    }

    /// Half the width of the 95 % interval of the mean, `t(0.975, n - 1) s / sqrt(n)`; `None` for fewer than two runs.
    ///
    /// Student, "The probable error of a mean", Biometrika 6(1), 1908.
    pub fn half_width(&self) -> Option<f64> {
        (self.n > 1).then(|| student::two_sided(CONFIDENCE, f64::from(self.n - 1)) * self.standard_error())
    }

    /// The square of the standard error.
    pub(super) fn squared_error(&self) -> f64 {
        self.deviation.powi(2) / f64::from(self.n)
    }
}

/// Of sorted values, type 7.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}
