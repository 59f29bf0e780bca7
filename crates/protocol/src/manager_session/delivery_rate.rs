//! How fast a link delivers: the bytes of images by the time for which the link was at them, from when the worker says that it has
//! them all.

use std::time::{Duration, Instant};

/// So many bytes make a measurement. Fewer say nothing of a link's rate: their time is all round trip.
const SAMPLE_BYTES: usize = 32 * 1024;

/// What is left of what was measured before, at each new measurement: as for TCP's round trip (RFC 6298, section 2).
const KEPT: f64 = 7.0 / 8.0;

/// Measures one link. Sums of bytes and of times, not a mean of rates: what a slow image costs is its time.
#[derive(Debug, Default)]
pub(super) struct DeliveryRate {
    bytes: f64,
    seconds: f64,
    /// What has arrived and is no measurement yet.
    arrived_bytes: usize,
    arrived_in: Duration,
    last_arrived: Option<Instant>,
}

impl DeliveryRate {
    /// The worker has the bytes of an image, as was heard `now`, which were given to the link at `sent`.
    pub(super) fn arrived(&mut self, bytes: usize, sent: Instant, round_trip: Duration, now: Instant) {
        // Alone it takes a round trip too, until that is heard. Behind another the link was at it only since that arrived.
        let alone = now.saturating_duration_since(sent).saturating_sub(round_trip);
        let behind = self.last_arrived.map(|last| now.saturating_duration_since(last));
        self.last_arrived = Some(now);
        self.arrived_bytes += bytes;
        self.arrived_in += behind.map_or(alone, |behind| behind.min(alone));
        if self.arrived_bytes >= SAMPLE_BYTES {
            self.bytes = self.bytes * KEPT + self.arrived_bytes as f64;
            self.seconds = self.seconds * KEPT + self.arrived_in.as_secs_f64();
            (self.arrived_bytes, self.arrived_in) = (0, Duration::ZERO);
        }
    }

    /// Bytes a second; `None` until something was measured.
    pub(super) fn bytes_per_s(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.bytes / self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::start;

    const MS: Duration = Duration::from_millis(1);
    const IMAGE: usize = 100_000;

    /// Bytes a second after images of so many bytes, each given to the link `gap` after the one before, over a link of so many
    /// bytes a second and a round trip.
    fn measured(images: u32, bytes: usize, rate: f64, gap: Duration, round_trip: Duration) -> Option<f64> {
        let (mut measured, begin) = (DeliveryRate::default(), start());
        let mut free = begin;
        for number in 0..images {
            let sent = begin + gap * number;
            free = free.max(sent) + Duration::from_secs_f64(bytes as f64 / rate);
            measured.arrived(bytes, sent, round_trip, free + round_trip);
        }
        measured.bytes_per_s()
    }

    fn assert_near(measured: Option<f64>, rate: f64) {
        assert!(measured.is_some_and(|measured| (measured / rate - 1.0).abs() < 0.01), "{measured:?}, not {rate}");
    }

    #[test]
    fn the_rate_is_the_links_whether_images_wait_for_each_other_or_for_the_next() {
        for rate in [500_000.0, 12_500_000.0] {
            for round_trip in [Duration::ZERO, 20 * MS, 1000 * MS] {
                assert_near(measured(20, IMAGE, rate, Duration::ZERO, round_trip), rate);
                assert_near(measured(20, IMAGE, rate, 300 * MS, round_trip), rate);
            }
        }
    }

    #[test]
    fn small_files_tell_the_rate_together() {
        assert_eq!(measured(3, 10_000, 500_000.0, Duration::ZERO, 20 * MS), None, "too little to say");
        assert_near(measured(40, 10_000, 500_000.0, Duration::ZERO, 20 * MS), 500_000.0);
    }

    #[test]
    fn what_took_no_time_that_could_be_measured_tells_nothing() {
        let (mut rate, now) = (DeliveryRate::default(), start());
        rate.arrived(IMAGE, now, MS, now + MS);
        assert_eq!(rate.bytes_per_s(), None);
    }

    #[test]
    fn a_link_that_has_changed_is_known_within_a_dozen_images() {
        let (mut rate, begin) = (DeliveryRate::default(), start());
        (0..50).for_each(|number| {
            rate.arrived(IMAGE, begin + 20 * MS * number, Duration::ZERO, begin + 20 * MS * (number + 1))
        });
        let begin = begin + 1000 * MS;
        (0..12).for_each(|number| {
            rate.arrived(IMAGE, begin + 200 * MS * number, Duration::ZERO, begin + 200 * MS * (number + 1));
        });
        assert!(rate.bytes_per_s().is_some_and(|rate| rate < 700_000.0), "{rate:?}");
    }
}
