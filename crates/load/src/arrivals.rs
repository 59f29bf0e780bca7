//! When requests are due.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The moments at which requests are due, counted from the beginning, in order and without end.
#[derive(Debug)]
pub struct Arrivals {
    rate_per_s: f64,
    /// `None`: at even distances.
    chance: Option<StdRng>,
    at_s: f64,
}

impl Arrivals {
    /// As strangers come, who know nothing of each other: a Poisson process, whose gaps are exponential. The same seed gives the same
    /// moments.
    pub fn poisson(rate_per_s: f64, seed: u64) -> Self {
        Self { rate_per_s, chance: Some(StdRng::seed_from_u64(seed)), at_s: 0.0 }
    }

    /// As a machine comes.
    pub fn even(rate_per_s: f64) -> Self {
        Self { rate_per_s, chance: None, at_s: 0.0 }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let gaps = self.chance.as_mut().map_or(1.0, |chance| -(1.0 - chance.random::<f64>()).ln());
        self.at_s += gaps / self.rate_per_s;
        Duration::try_from_secs_f64(self.at_s).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps_s(arrivals: Arrivals, count: usize) -> Vec<f64> {
        let moments: Vec<_> = arrivals.take(count).collect();
        moments.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
    }

    #[test]
    fn even_arrivals_are_as_far_from_each_other_as_the_rate_says() {
        let gaps = gaps_s(Arrivals::even(40.0), 100);
        assert!(gaps.iter().all(|gap| (gap - 0.025).abs() < 1e-6), "{gaps:?}");
    }

    /// Mean and standard deviation of an exponential distribution are the same.
    #[test]
    fn a_poisson_process_has_the_rate_that_it_was_asked_for_and_its_gaps_vary_as_much_as_they_are_long() {
        let gaps = gaps_s(Arrivals::poisson(50.0, 7), 20_000);
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean * 50.0 - 1.0).abs() < 0.03, "{mean}");
        assert!((deviation / mean - 1.0).abs() < 0.05, "{deviation}");
    }

    #[test]
    fn a_seed_says_when_everything_is_due() {
        let moments = |seed| Arrivals::poisson(10.0, seed).take(50).collect::<Vec<_>>();
        assert_eq!(moments(3), moments(3));
        assert_ne!(moments(3), moments(4));
    }
}
