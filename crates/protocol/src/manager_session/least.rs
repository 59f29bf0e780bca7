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
    /// Takes a measurement, and says the least.
    pub(super) fn measure(&mut self, sample: Duration, now: Instant) -> Duration {
        let least = match self.now {
            Some((since, least)) if now.saturating_duration_since(since) < COUNTS => {
                self.now = Some((since, least.min(sample)));
                least.min(sample)
            }
            earlier => {
                let just_before = |(since, _): &(Instant, _)| now.saturating_duration_since(*since) < 2 * COUNTS;
                self.before = earlier.filter(just_before).map(|(_, least)| least);
                self.now = Some((now, sample));
                sample
            }
        };
        self.before.map_or(least, |before| before.min(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::start;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_measurement_that_was_held_up_changes_nothing() {
        let (mut least, start) = (Least::default(), start());
        assert_eq!(least.measure(1_300 * MS, start), 1_300 * MS);
        assert_eq!(least.measure(1_000 * MS, start + 1_000 * MS), 1_000 * MS);
        assert_eq!(least.measure(2_600 * MS, start + 2_000 * MS), 1_000 * MS);
    }

    #[test]
    fn a_way_that_has_become_longer_is_believed_within_a_minute() {
        let (mut least, start) = (Least::default(), start());
        let at = |second: u64| if second < 10 { 20 * MS } else { 500 * MS };
        let said: Vec<_> = (0..70).map(|s| least.measure(at(s), start + Duration::from_secs(s))).collect();
        assert_eq!((said[59], said[60]), (20 * MS, 500 * MS));
    }

    #[test]
    fn after_a_long_silence_the_first_word_counts() {
        let (mut least, start) = (Least::default(), start());
        least.measure(20 * MS, start);
        assert_eq!(least.measure(500 * MS, start + Duration::from_secs(60)), 500 * MS);
    }
}
