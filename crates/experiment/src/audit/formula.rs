//! How an interval may have been computed, rightly or by one of the well-known mistakes, and which of these gives a printed one.

use std::fmt;

use serde::Serialize;

use manyeyes_statistics::student;

/// How far a quantile from a printed table of three decimals, and anything computed with it, may be from the exact one, as a share: half
/// a thousandth of a quantile that is nearly 2, doubled.
const TABLE_TOLERANCE: f64 = 5e-4;

/// A formula for half the width of an interval of confidence c around a mean of n runs with the standard deviation s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// `t((1 + c) / 2, n - 1) s / sqrt(n)`: the right one.
    StudentT,
    /// The normal quantile in place of t's, as if s were the true deviation.
    Normal,
    /// n degrees of freedom in place of n - 1.
    FreedomOfN,
    /// A one-sided quantile, `t(c, n - 1)`.
    OneSided,
    /// The deviation with n in its denominator, in place of n - 1.
    PopulationDeviation,
    /// `1 - c` where a program asks for the confidence.
    AlphaForConfidence,
    /// `(1 - c) / 2` where a program asks for the confidence.
    HalfAlphaForConfidence,
    /// s in place of `s / sqrt(n)`: where the next run may be, not the mean.
    DeviationForError,
    /// The same with the normal quantile.
    NormalOfDeviation,
    /// One standard error to each side.
    OneError,
    /// One standard deviation to each side.
    OneDeviation,
}

impl Formula {
    /// All, the likeliest first.
    pub const ALL: [Self; 11] = [
        Self::StudentT,
        Self::Normal,
        Self::FreedomOfN,
        Self::OneSided,
        Self::PopulationDeviation,
        Self::AlphaForConfidence,
        Self::HalfAlphaForConfidence,
        Self::DeviationForError,
        Self::NormalOfDeviation,
        Self::OneError,
        Self::OneDeviation,
    ];

    /// Half the width that it gives, in standard errors `s / sqrt(n)`.
    pub(super) fn multiplier(self, n: u32, confidence: f64) -> f64 {
        let n = f64::from(n);
        let by_t = |confidence| student::two_sided(confidence, n - 1.0);
        let by_normal = || student::normal_quantile(f64::midpoint(1.0, confidence));
        match self {
            Self::StudentT => by_t(confidence),
            Self::Normal => by_normal(),
            Self::FreedomOfN => student::two_sided(confidence, n),
            Self::OneSided => student::quantile(confidence, n - 1.0),
            Self::PopulationDeviation => by_t(confidence) * ((n - 1.0) / n).sqrt(),
            Self::AlphaForConfidence => by_t(1.0 - confidence),
            Self::HalfAlphaForConfidence => by_t((1.0 - confidence) / 2.0),
            Self::DeviationForError => by_t(confidence) * n.sqrt(),
            Self::NormalOfDeviation => by_normal() * n.sqrt(),
            Self::OneError => 1.0,
            Self::OneDeviation => n.sqrt(),
        }
    }
}

/// The formulas that give a multiplier which is known to a share `uncertainty`, the likeliest first.
pub(super) fn fitting(multiplier: f64, uncertainty: f64, n: u32, confidence: f64) -> Vec<Formula> {
    let tolerance = uncertainty + TABLE_TOLERANCE;
    let fits = |formula: &Formula| (multiplier / formula.multiplier(n, confidence) - 1.0).abs() <= tolerance;
    Formula::ALL.into_iter().filter(fits).collect()
}

impl fmt::Display for Formula {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::StudentT => "Student's t with n - 1 degrees of freedom, as it should be",
            Self::Normal => "the normal quantile was used where t's is right",
            Self::FreedomOfN => "t was used with n degrees of freedom where n - 1 are right",
            Self::OneSided => "a one-sided quantile was used where a two-sided one is right",
            Self::PopulationDeviation => "the deviation was divided by n where n - 1 is right",
            Self::AlphaForConfidence => "alpha was passed where the confidence was asked for",
            Self::HalfAlphaForConfidence => "half of alpha was passed where the confidence was asked for",
            Self::DeviationForError => "the deviation was used where deviation / sqrt(n) is right",
            Self::NormalOfDeviation => {
                "the normal quantile and the deviation were used where t's and deviation / sqrt(n) are right"
            }
            Self::OneError => "one standard error to each side",
            Self::OneDeviation => "one standard deviation to each side",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_formula_gives_the_width_that_other_programs_give() {
        // Of eight runs at 95 %, by scipy.
        let expected = [
            2.364624251592784,
            1.959963984540054,
            2.306004135204166,
            1.8945786050900062,
            2.2119034494792356,
            0.06498874196248863,
            0.03247477544913111,
            6.6881673730376905,
            5.543615297398712,
            1.0,
            2.8284271247461903,
        ];
        for (formula, expected) in Formula::ALL.into_iter().zip(expected) {
            let found = formula.multiplier(8, 0.95);
            assert!((found / expected - 1.0).abs() < 1e-9, "{formula:?}: {found} is not {expected}");
        }
    }
}
