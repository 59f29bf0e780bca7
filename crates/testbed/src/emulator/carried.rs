//! What a direction did since it was last asked to forget.

use hdrhistogram::Histogram;

/// What one direction of a link did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    /// Packets that entered.
    pub packets: u64,
    /// Bytes of their frames, header and payload.
    pub bytes: u64,
    /// Lost by the model of loss.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Lost because the link was cut, when they entered or on their way.
    pub cut: u64,
    /// Given to the other end, copies among them.
    pub delivered: u64,
    /// How much later than asked packets were delivered, from their arrival by the kernel's clock on: the 99th percentile, milliseconds.
    /// `None` where nothing was delivered, and from the kernel's emulator, which does not tell.
    pub late_p99_ms: Option<f64>,
    /// The most.
    pub late_max_ms: Option<f64>,
    /// What went wrong in the instrument itself.
    pub faults: Faults,
}

/// Packets that the instrument failed. Each of them makes what was measured meanwhile void: these are not the link's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Dropped by the kernel before they were seen, because they came faster than they were read.
    pub unread: u64,
    /// Refused because more were on their way than there is room for.
    pub crowded: u64,
    /// Refused because they were longer than a frame, which says that an end hands over segments not yet cut.
    pub too_long: u64,
    /// Not taken by the device at the other end.
    pub unsent: u64,
}

impl Carried {
    /// How late the 99th percentile of packets may be, milliseconds, over a link with this round trip: 1 ms, and over a long one a
    /// hundredth of it, half of what a probe's median may be off.
    fn most_late_ms(round_trip_ms: f64) -> f64 {
        (round_trip_ms / 100.0).max(1.0)
    }

    /// Why nothing that was measured meanwhile over a link with this round trip counts, each reason a sentence. Empty: it counts.
    pub fn void(&self, round_trip_ms: f64) -> Vec<String> {
        let Faults { unread, crowded, too_long, unsent } = self.faults;
        let mut reasons = Vec::new();
        let most = Self::most_late_ms(round_trip_ms);
        if let Some(late) = self.late_p99_ms.filter(|late_ms| *late_ms > most) {
            reasons.push(format!("One packet in a hundred was {late:.2} ms late or more, and {most} ms is the most."));
        }
        let faults = [
            (unread, "came faster than the emulator could read them"),
            (crowded, "came when too many were on their way"),
            (too_long, "were longer than an Ethernet frame: an end leaves segments uncut, or has a larger MTU"),
            (unsent, "were not taken by the device at the other end"),
        ];
        reasons.extend(
            faults.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} packets {what}.")),
        );
        reasons
    }
}

/// The counting of it.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Carried,
    late_us: Histogram<u32>,
}

/// More than this is counted as this: ten seconds late is as useless as an hour.
const MOST_COUNTED_US: u64 = 10_000_000;

impl Tally {
    pub(crate) fn new() -> Self {
        // Two digits: a hundredth of a millisecond where a millisecond is the bound.
        let late_us = Histogram::new_with_bounds(1, MOST_COUNTED_US, 2).expect("the bounds are in order");
        Self { counts: Carried::default(), late_us }
    }

    pub(crate) fn delivered(&mut self, late_ns: u64) {
        self.counts.delivered += 1;
        self.late_us.saturating_record(late_ns / 1000);
    }

    pub(crate) fn carried(&self) -> Carried {
        let ms = |us: u64| (!self.late_us.is_empty()).then_some(us as f64 / 1000.0);
        Carried {
            late_p99_ms: ms(self.late_us.value_at_quantile(0.99)),
            late_max_ms: ms(self.late_us.max()),
            ..self.counts.clone()
        }
    }

    pub(crate) fn forget(&mut self) {
        self.counts = Carried::default();
        self.late_us.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_the_percentile_and_the_most_until_it_is_forgotten() {
        let mut tally = Tally::new();
        for late_us in 0..1000 {
            tally.delivered(late_us * 1000);
        }
        tally.delivered(50_000_000);
        let carried = tally.carried();
        let (p99, most) = (carried.late_p99_ms.unwrap(), carried.late_max_ms.unwrap());
        assert!((0.98..1.01).contains(&p99), "{p99}");
        assert!((49.5..50.5).contains(&most), "{most}");
        tally.forget();
        assert_eq!(tally.carried(), Carried::default());
    }

    #[test]
    fn a_late_or_failed_packet_makes_a_measurement_void_and_a_lost_one_does_not() {
        let good = Carried { lost: 9, dropped: 9, cut: 9, late_p99_ms: Some(1.0), ..Carried::default() };
        assert!(good.void(0.0).is_empty());
        let late = Carried { late_p99_ms: Some(1.01), ..good.clone() };
        assert_eq!([0.0, 100.0, 102.0].map(|round_trip_ms| late.void(round_trip_ms).len()), [1, 1, 0]);
        let faults = Faults { unread: 1, crowded: 1, too_long: 1, unsent: 1 };
        assert_eq!(Carried { faults, ..good }.void(0.0).len(), 4);
    }
}
