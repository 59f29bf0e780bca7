//! How many times as much: one condition beside a baseline, so that two studies in different units can be put side by side.

use serde::Serialize;

use super::contrast::{Contrast, satterthwaite, welch};
use super::{CONFIDENCE, Moments, student};

/// The ratio of two conditions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The condition's mean (or what it typically is) in that of the baseline.
    pub ratio: f64,
    /// The lower end of its 95 % interval.
    pub lower: f64,
    /// The upper end. The interval is symmetric as a factor, not as a difference.
    pub upper: f64,
}

/// As [`ratio_of`], of two samples.
pub fn ratio(condition: &[f64], baseline: &[f64]) -> Option<Ratio> {
    ratio_of(&Moments::of(condition)?, &Moments::of(baseline)?)
}

/// The ratio of what two independent conditions typically are, with its 95 % interval: of their geometric means, by Welch's test of the
/// logarithms. For times that a few unlucky runs make long: a mean is those runs' alone. `None` where one has fewer than two runs, or one
/// that is not above zero.
pub fn ratio_of_typical(condition: &[f64], baseline: &[f64]) -> Option<Ratio> {
    let logarithms = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
    let Contrast { difference, half_width, .. } = welch(&logarithms(condition), &logarithms(baseline))?;
    let [ratio, lower, upper] = [difference, difference - half_width, difference + half_width].map(f64::exp);
    Some(Ratio { ratio, lower, upper })
}

/// The ratio of two independent conditions' means with its 95 % interval. `None` where one has fewer than two runs or a mean that is
/// not above zero.
///
/// By the delta method on logarithms: the logarithm of a mean has the standard error `s / (sqrt(n) mean)`, the two add as squares, and
/// the degrees of freedom are Welch's and Satterthwaite's of those. (G. W. Oehlert, "A Note on the Delta Method", The American
/// Statistician 46(1), 1992.) Fieller's interval agrees where the means are many standard errors above zero, as ours are, and has no
/// end where they are not.
pub fn ratio_of(condition: &Moments, baseline: &Moments) -> Option<Ratio> {
    if condition.mean <= 0.0 || baseline.mean <= 0.0 {
        return None;
    }
    let relative = |moments: &Moments| moments.squared_error() / moments.mean.powi(2);
    let (above, below) = (relative(condition), relative(baseline));
    let freedom = satterthwaite([(above, condition.n), (below, baseline.n)])?;
    let factor = (student::two_sided(CONFIDENCE, freedom) * (above + below).sqrt()).exp();
    let ratio = condition.mean / baseline.mean;
    Some(Ratio { ratio, lower: ratio / factor, upper: ratio * factor })
}
