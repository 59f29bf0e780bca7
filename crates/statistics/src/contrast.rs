//! Two conditions, and many pairs of them: is the difference more than chance?

use serde::Serialize;

use super::{CONFIDENCE, Moments, SIGNIFICANCE, student};

/// The difference of two conditions' means, in the unit of what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// The first's mean less the second's.
    pub difference: f64,
    /// The difference is inside `difference ± half_width` with 95 % confidence.
    pub half_width: f64,
    /// The difference in standard errors. Infinite where both conditions never vary and yet differ; JSON has `null` for it.
    pub t: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// The chance of a difference at least as large, either way, where there is none.
    pub p: f64,
}

impl Contrast {
    /// Whether the difference is more than chance, where this is the only one that is looked at. Of several, ask [`holm`].
    pub fn is_significant(&self) -> bool {
        self.p < SIGNIFICANCE
    }
}

/// Welch's test of two samples. `None` where one of them has fewer than two values, or one that is not finite.
pub fn welch(first: &[f64], second: &[f64]) -> Option<Contrast> {
    welch_of(&Moments::of(first)?, &Moments::of(second)?)
}

/// Welch's test from what published tables have. `None` where one condition has fewer than two runs.
///
/// Not Student's of equal variances: a condition that loses packets varies more than one that does not. B. L. Welch, "The
/// generalization of 'Student's' problem when several different population variances are involved", Biometrika 34, 1947; degrees of
/// freedom by F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2(6), 1946.
pub fn welch_of(first: &Moments, second: &Moments) -> Option<Contrast> {
    let freedom = satterthwaite([(first.squared_error(), first.n), (second.squared_error(), second.n)])?;
    let difference = first.mean - second.mean;
    let error = (first.squared_error() + second.squared_error()).sqrt();
    let t = if difference == 0.0 { 0.0 } else { difference / error };
    let half_width = student::two_sided(CONFIDENCE, freedom) * error;
    Some(Contrast { difference, half_width, t, freedom, p: student::two_sided_p(t, freedom) })
}

/// The p values of several tests, adjusted so that the chance of even one false alarm among all of them stays at 5 %: compare each
/// with 0.05. In the order of the input.
///
/// S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2), 1979. Needs no
/// independence of the tests, and finds never less than Bonferroni's correction.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut at_least: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        let tests_left = (p_values.len() - rank) as f64;
        at_least = at_least.max(tests_left * p_values[index]).min(1.0);
        adjusted[index] = at_least;
    }
    adjusted
}

/// Degrees of freedom of a sum of two estimated squared errors, each of a mean of so many runs. `None` where one has fewer than two.
pub(super) fn satterthwaite(parts: [(f64, u32); 2]) -> Option<f64> {
    if parts.iter().any(|(_, n)| *n < 2) {
        return None;
    }
    let sum: f64 = parts.iter().map(|(squared, _)| squared).sum();
    if sum == 0.0 {
        // Where neither varies any number of degrees says the same.
        return Some(parts.iter().map(|(_, n)| f64::from(n - 1)).sum());
    }
    // By shares of the sum, because the squares of large bit rates leave the range of a double sooner than one would think.
    Some(1.0 / parts.iter().map(|(squared, n)| (squared / sum).powi(2) / f64::from(n - 1)).sum::<f64>())
}
