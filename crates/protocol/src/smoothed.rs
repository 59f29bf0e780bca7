//! A time that is measured again and again: its smoothed mean and deviation, as TCP smooths its round trip.

use std::time::Duration;

/// The estimator of RFC 6298, section 2: gains 1/8 for the mean and 1/4 for the deviation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Smoothed(Option<Estimate>);

#[derive(Clone, Copy, Debug)]
struct Estimate {
    mean: Duration,
    deviation: Duration,
}

impl Smoothed {
    /// Takes a measurement.
    pub fn measure(&mut self, sample: Duration) {
        self.0 = Some(match self.0 {
            None => Estimate { mean: sample, deviation: sample / 2 },
            Some(Estimate { mean, deviation }) => {
                Estimate { deviation: deviation * 3 / 4 + mean.abs_diff(sample) / 4, mean: mean * 7 / 8 + sample / 8 }
            }
        });
    }

    /// The smoothed mean; `None` until something was measured.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.0.map(|estimate| estimate.mean)
    }

    /// What a measurement hardly ever exceeds: the mean and four deviations. `None` until something was measured.
    #[must_use]
    pub fn bound(&self) -> Option<Duration> {
        self.0.map(|estimate| estimate.mean + estimate.deviation * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_measurement_is_the_mean_and_half_of_it_the_deviation() {
        let mut smoothed = Smoothed::default();
        assert_eq!((smoothed.mean(), smoothed.bound()), (None, None));
        smoothed.measure(80 * MS);
        assert_eq!(smoothed.mean(), Some(80 * MS));
        assert_eq!(smoothed.bound(), Some(240 * MS));
    }

    #[test]
    fn further_measurements_move_it_by_an_eighth() {
        let mut smoothed = Smoothed::default();
        smoothed.measure(80 * MS);
        smoothed.measure(160 * MS);
        assert_eq!(smoothed.mean(), Some(90 * MS));
        assert_eq!(smoothed.bound(), Some(90 * MS + 4 * 50 * MS));
    }

    #[test]
    fn a_steady_time_brings_the_bound_down_to_it() {
        let mut smoothed = Smoothed::default();
        for _ in 0..100 {
            smoothed.measure(80 * MS);
        }
        assert!(smoothed.bound().is_some_and(|bound| bound < 81 * MS), "{smoothed:?}");
    }
}
