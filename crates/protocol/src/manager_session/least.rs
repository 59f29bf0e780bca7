//! A round trip as it is when nothing is in its way.

use std::time::{Duration, Instant};

/// For how long the least counts, at least, and twice as long at most: some thirty pings of a worker that does nothing. A way that becomes
/// longer is believed after that.
const COUNTS: Duration = Duration::from_secs(30);

/// The least of what was measured of late. A loss, a queue and a busy machine make a measurement longer, and nothing makes one shorter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Least {
    /// Of the time since then, and of the time before.
    now: Option<(Instant, Duration)>,
    before: Option<Duration>,
}

impl Least {
    /// The least; `None` until something was measured.
    pub(super) fn value(&self) -> Option<Duration> {
        self.now.map(|(_, least)| self.before.map_or(least, |before| before.min(least)))
    }

    /// Takes a measurement.
    pub(super) fn measure(&mut self, sample: Duration, now: Instant) {
        self.now = Some(match self.now {
            Some((since, least)) if now.saturating_duration_since(since) < COUNTS => (since, least.min(sample)),
            earlier => {
                let just_before = |(since, _): &(Instant, _)| now.saturating_duration_since(*since) < 2 * COUNTS;
                self.before = earlier.filter(just_before).map(|(_, least)| least);
                (now, sample)
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::start;

    const MS: Duration = Duration::from_millis(1);

    /// The least after each of these measurements, which were made at these seconds.
    fn said(measurements: impl IntoIterator<Item = (u64, Duration)>) -> Vec<Duration> {
        let (mut least, start) = (Least::default(), start());
        let after = |(second, sample)| {
            least.measure(sample, start + Duration::from_secs(second));
            least.value().unwrap()
        };
        measurements.into_iter().map(after).collect()
    }

    #[test]
    fn one_measurement_that_was_held_up_changes_nothing() {
        assert_eq!(said([(0, 1_300 * MS), (1, 1_000 * MS), (2, 2_600 * MS)]), [1_300, 1_000, 1_000].map(|ms| ms * MS));
    }

    #[test]
    fn a_way_that_has_become_longer_is_believed_within_a_minute() {
        let said = said((0..70).map(|second| (second, if second < 10 { 20 * MS } else { 500 * MS })));
        assert_eq!((said[59], said[60]), (20 * MS, 500 * MS));
    }

    #[test]
    fn after_a_long_silence_the_first_word_counts() {
        assert_eq!(said([(0, 20 * MS), (60, 500 * MS)])[1], 500 * MS);
    }
}
