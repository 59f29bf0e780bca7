//! Student's t and the normal distribution, as much of them as intervals and tests need.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// From so many degrees of freedom on the two are told from each other by a series: it is good to ten digits there, and the quantile of
/// statrs 0.19 is wrong in the first digit at 10^7 degrees and does not return at 10^8.
const MANY_DEGREES: f64 = 1e4;

/// The t below which the share `probability` of Student's t with so many degrees of freedom lies.
///
/// # Panics
/// Where `probability` is not between 0 and 1, or `freedom` is not above 0: a caller's bug.
pub fn quantile(probability: f64, freedom: f64) -> f64 {
    if freedom < MANY_DEGREES {
        return distribution(freedom).inverse_cdf(probability);
    }
    // M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 1964, 26.7.5.
    let z = normal_quantile(probability);
    let (first, second) = ((z.powi(3) + z) / 4.0, (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0);
    z + first / freedom + second / freedom.powi(2)
}

/// How many standard errors an interval of this confidence reaches to each side of a mean.
pub fn two_sided(confidence: f64, freedom: f64) -> f64 {
    quantile(f64::midpoint(1.0, confidence), freedom)
}

/// The chance of a t at least as far from 0 as this one, either side, where there is no difference.
pub fn two_sided_p(t: f64, freedom: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    let below = if freedom < MANY_DEGREES {
        distribution(freedom).cdf(-t.abs())
    } else {
        // The same, 26.7.8.
        Normal::standard().cdf(-t.abs() * (1.0 - 0.25 / freedom) / (1.0 + t * t / (2.0 * freedom)).sqrt())
    };
    (2.0 * below).min(1.0)
}

/// The confidence of an interval that reaches `t` standard errors to each side: what [`two_sided`] undoes.
pub fn confidence_of(t: f64, freedom: f64) -> f64 {
    1.0 - two_sided_p(t, freedom)
}

/// The z below which the share `probability` of the standard normal distribution lies.
pub fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// As [`confidence_of`], by the normal distribution.
pub fn normal_confidence_of(z: f64) -> f64 {
    1.0 - 2.0 * Normal::standard().cdf(-z.abs())
}

fn distribution(freedom: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom are above zero")
}
