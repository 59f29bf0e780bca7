//! When a packet arrives at the other end: the queue before the rate, the rate, the delay. Times are parameters, nanoseconds of any
//! clock that does not go back.

use std::collections::VecDeque;

use super::fate::Fate;
use crate::conditions::Conditions;

const NS_PER_S: u64 = 1_000_000_000;

/// The rate and the delay of a direction, with what waits for them.
#[derive(Clone, Debug)]
pub(crate) struct Shaper {
    delay_ns: f64,
    jitter_ns: f64,
    bits_per_s: Option<u64>,
    queue_packets: usize,
    /// When each packet in the queue will have been sent, the one being sent first.
    queue: VecDeque<u64>,
    /// When the last packet will have been sent, and the part of a nanosecond after that, in units of 1 / `bits_per_s`: without it
    /// each packet's time would be rounded, and a rate of a million packets would be wrong.
    sent_ns: u64,
    sent_rest: u64,
    /// When the last packet that keeps the order arrives.
    arrives_ns: u64,
}

impl Shaper {
    /// Nothing waits.
    pub(crate) fn new(conditions: &Conditions) -> Self {
        Self {
            delay_ns: conditions.delay_ms * 1e6,
            jitter_ns: conditions.jitter_ms * 1e6,
            bits_per_s: conditions.rate_bits_per_s.map(|rate| (rate.round() as u64).max(1)),
            queue_packets: conditions.queue_packets as usize,
            queue: VecDeque::new(),
            sent_ns: 0,
            sent_rest: 0,
            arrives_ns: 0,
        }
    }

    /// When a packet that enters now arrives; `None` where the queue is full.
    pub(crate) fn pass(&mut self, now_ns: u64, bytes: usize, fate: &Fate) -> Option<u64> {
        let sent_ns = match self.bits_per_s {
            None => now_ns,
            Some(bits_per_s) => self.send(now_ns, bytes, bits_per_s)?,
        };
        if fate.is_ahead {
            return Some(sent_ns);
        }
        let delay_ns = (self.delay_ns + fate.jitter * self.jitter_ns) as u64;
        self.arrives_ns = self.arrives_ns.max(sent_ns + delay_ns);
        Some(self.arrives_ns)
    }

    fn send(&mut self, now_ns: u64, bytes: usize, bits_per_s: u64) -> Option<u64> {
        while self.queue.front().is_some_and(|&sent_ns| sent_ns <= now_ns) {
            self.queue.pop_front();
        }
        if self.queue.len() >= self.queue_packets {
            return None;
        }
        if self.sent_ns < now_ns {
            (self.sent_ns, self.sent_rest) = (now_ns, 0);
        }
        let takes = bytes as u64 * 8 * NS_PER_S + self.sent_rest;
        self.sent_ns += takes / bits_per_s;
        self.sent_rest = takes % bits_per_s;
        self.queue.push_back(self.sent_ns);
        Some(self.sent_ns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Fate = Fate { is_lost: false, is_duplicated: false, is_ahead: false, jitter: 0.0 };

    fn shaper(rate_bits_per_s: f64, queue_packets: u32) -> Shaper {
        Shaper::new(&Conditions { rate_bits_per_s: Some(rate_bits_per_s), queue_packets, ..Conditions::default() })
    }

    #[test]
    fn a_perfect_link_takes_no_time() {
        assert_eq!(Shaper::new(&Conditions::default()).pass(42, 1514, &PLAIN), Some(42));
    }

    #[test]
    fn the_delay_counts_from_the_end_of_sending() {
        let conditions = Conditions { delay_ms: 100.0, rate_bits_per_s: Some(8e6), ..Conditions::default() };
        // A thousand bytes at a million bytes a second take a millisecond.
        assert_eq!(Shaper::new(&conditions).pass(5, 1000, &PLAIN), Some(5 + 101_000_000));
    }

    #[test]
    fn a_queue_of_three_drops_the_fourth_and_has_room_again_when_one_is_sent() {
        let mut shaper = shaper(8e6, 3);
        let arrivals: Vec<_> = (0..4).map(|_| shaper.pass(0, 1000, &PLAIN)).collect();
        assert_eq!(arrivals, [Some(1_000_000), Some(2_000_000), Some(3_000_000), None]);
        assert_eq!(shaper.pass(999_999, 1000, &PLAIN), None);
        assert_eq!(shaper.pass(1_000_000, 1000, &PLAIN), Some(4_000_000));
    }

    #[test]
    fn a_packet_that_goes_ahead_overtakes_and_those_behind_it_keep_their_order() {
        let mut shaper = Shaper::new(&Conditions { delay_ms: 10.0, ..Conditions::default() });
        let ahead = Fate { is_ahead: true, ..PLAIN };
        assert_eq!(shaper.pass(0, 100, &PLAIN), Some(10_000_000));
        assert_eq!(shaper.pass(1, 100, &ahead), Some(1));
        assert_eq!(shaper.pass(2, 100, &PLAIN), Some(10_000_002));
    }

    proptest! {
        #[test]
        fn ten_thousand_packets_take_exactly_their_bits_over_the_rate(
            rate in 8_000_u64..10_000_000_000,
            lengths in prop::collection::vec(60_usize..1515, 1..50),
        ) {
            let mut shaper = shaper(rate as f64, u32::MAX);
            let all: Vec<_> = lengths.iter().copied().cycle().take(10_000).collect();
            let last = all.iter().filter_map(|&bytes| shaper.pass(0, bytes, &PLAIN)).last();
            let bits = all.iter().sum::<usize>() as u128 * 8;
            prop_assert_eq!(last.map(u128::from), Some(bits * 1_000_000_000 / u128::from(rate)));
        }

        #[test]
        fn order_is_kept_and_nobody_is_early_or_needlessly_late(
            delay_ms in 0.0..500.0_f64,
            share in 0.0..1.0_f64,
            packets in prop::collection::vec((0_u64..5_000_000, -1.0..1.0_f64), 1..200),
        ) {
            let jitter_ms = delay_ms * share;
            let mut shaper = Shaper::new(&Conditions { delay_ms, jitter_ms, ..Conditions::default() });
            let (mut now, mut last) = (0, 0);
            for (pause, jitter) in packets {
                now += pause;
                let arrives = shaper.pass(now, 1000, &Fate { jitter, ..PLAIN }).expect("there is no queue");
                let (least, most) = (delay_ms - jitter_ms, delay_ms + jitter_ms);
                prop_assert!(arrives >= last);
                prop_assert!(arrives as f64 >= now as f64 + least * 1e6 - 1.0);
                prop_assert!(arrives as f64 <= now as f64 + most * 1e6 + 1.0);
                last = arrives;
            }
        }
    }
}
