//! What came of a load.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::target::Outcome;

/// Longer is counted as this: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Counts and times of one measurement.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Of what was answered rightly: microseconds from when it was due (open) or sent (closed), three digits of each.
    latency_us: Histogram<u64>,
    /// How much later than due requests started: the client's own fault, microseconds.
    late_us: Histogram<u64>,
    /// Right answers that came within the measured time.
    within: u64,
    /// What was no right answer, in words, and how often.
    wrong: BTreeMap<String, u64>,
    /// The most requests that were under way at a time.
    most_under_way: usize,
}

impl Default for Tally {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are in order");
        Self { latency_us: histogram(), late_us: histogram(), within: 0, wrong: BTreeMap::new(), most_under_way: 0 }
    }
}

impl Tally {
    /// A request was due in the measured time, and has ended: after so long, having started so late.
    pub fn ended(&mut self, outcome: &Outcome, took: Duration, late: Duration) {
        self.late_us.saturating_record(microseconds(late));
        match outcome {
            Outcome::Right => self.latency_us.saturating_record(microseconds(took)),
            Outcome::Wrong(why) => *self.wrong.entry(why.clone()).or_default() += 1,
        }
    }

    /// A right answer came within the measured time, whenever it had been asked for.
    pub fn came_within(&mut self) {
        self.within += 1;
    }

    /// So many are under way.
    pub fn under_way(&mut self, requests: usize) {
        self.most_under_way = self.most_under_way.max(requests);
    }

    /// Right answers within the measured time.
    pub fn within(&self) -> u64 {
        self.within
    }

    /// Right answers to what was due in the measured time.
    pub fn right(&self) -> u64 {
        self.latency_us.len()
    }

    /// What was no right answer, and how often.
    pub fn wrong(&self) -> &BTreeMap<String, u64> {
        &self.wrong
    }

    /// The most that were under way.
    pub fn most_under_way(&self) -> usize {
        self.most_under_way
    }

    /// The time within which this share of the right answers came, in milliseconds. `None`: there was none.
    pub fn latency_ms(&self, share: f64) -> Option<f64> {
        quantile_ms(&self.latency_us, share)
    }

    /// Their mean, in milliseconds.
    pub fn mean_ms(&self) -> Option<f64> {
        (!self.latency_us.is_empty()).then(|| self.latency_us.mean() / 1e3)
    }

    /// How late this share of the requests started at most, in milliseconds.
    pub fn late_ms(&self, share: f64) -> Option<f64> {
        quantile_ms(&self.late_us, share)
    }
}

fn quantile_ms(histogram: &Histogram<u64>, share: f64) -> Option<f64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(share) as f64 / 1e3)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn times_are_of_right_answers_only_and_what_is_wrong_is_counted_by_what_it_is() {
        let mut tally = Tally::default();
        for took in 1..=100 {
            tally.ended(&Outcome::Right, took * MS, Duration::ZERO);
        }
        for _ in 0..3 {
            tally.ended(&Outcome::Wrong("429".to_owned()), 9_000 * MS, MS);
        }
        assert_eq!((tally.right(), tally.wrong()["429"]), (100, 3));
        let of = |share| tally.latency_ms(share).unwrap().round();
        assert_eq!([0.5, 0.99, 1.0].map(of), [50.0, 99.0, 100.0]);
        assert!((tally.mean_ms().unwrap() - 50.5).abs() < 0.1);
        assert!((tally.late_ms(1.0).unwrap() - 1.0).abs() < 0.01);
    }

    #[test]
    fn where_nothing_was_answered_there_are_no_times() {
        let tally = Tally::default();
        assert_eq!((tally.latency_ms(0.5), tally.mean_ms(), tally.late_ms(0.99)), (None, None, None));
    }
}
