//! One direction of a link: from the arrival of a packet to the decision when it leaves. No socket, no clock.

use super::carried::{Carried, Tally};
use super::fate::Fates;
use super::shaper::Shaper;
use crate::conditions::Conditions;

/// Packets on their way in a direction at most: a queue of [`Conditions::MOST_QUEUED`] and half a second of delay at
/// 400 Mbit/s. Full frames take 50 MB then.
pub(crate) const MOST_ON_THE_WAY: usize = 32_768;

/// A direction.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Which of all, for the fates.
    number: usize,
    fates: Fates,
    shaper: Shaper,
    is_cut: bool,
    on_the_way: usize,
    pub(crate) tally: Tally,
}

/// What becomes of a packet that has entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It never arrives.
    Never,
    /// It arrives then.
    Once(u64),
    /// It arrives then, and a copy after it.
    Twice(u64),
}

impl Lane {
    /// A perfect one.
    pub(crate) fn new(number: usize) -> Self {
        let perfect = Conditions::default();
        let (fates, shaper) = (Fates::new(0, number, &perfect), Shaper::new(&perfect));
        Self { number, fates, shaper, is_cut: false, on_the_way: 0, tally: Tally::new() }
    }

    /// From the next packet on, which is packet 0. What is on its way arrives as it was to.
    pub(crate) fn set(&mut self, conditions: &Conditions, seed: u64) {
        self.fates = Fates::new(seed, self.number, conditions);
        self.shaper = Shaper::new(conditions);
    }

    /// Nothing passes from now on, and nothing that is on its way arrives; or it does again.
    pub(crate) fn cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    /// A packet enters.
    pub(crate) fn enter(&mut self, now_ns: u64, bytes: usize) -> Passage {
        let counts = &mut self.tally.counts;
        counts.packets += 1;
        counts.bytes += bytes as u64;
        if self.is_cut {
            counts.cut += 1;
            return Passage::Never;
        }
        let fate = self.fates.next();
        let Some(at_ns) = self.shaper.pass(now_ns, bytes, &fate) else {
            counts.dropped += 1;
            return Passage::Never;
        };
        if fate.is_lost {
            counts.lost += 1;
            return Passage::Never;
        }
        if self.on_the_way + 2 > MOST_ON_THE_WAY {
            counts.faults.crowded += 1;
            return Passage::Never;
        }
        if fate.is_duplicated {
            counts.duplicated += 1;
            self.on_the_way += 2;
            return Passage::Twice(at_ns);
        }
        self.on_the_way += 1;
        Passage::Once(at_ns)
    }

    /// A packet has come to the end of its way: whether it is to be given to the other end.
    pub(crate) fn leave(&mut self) -> bool {
        self.on_the_way -= 1;
        self.tally.counts.cut += u64::from(self.is_cut);
        !self.is_cut
    }

    pub(crate) fn carried(&self) -> Carried {
        self.tally.carried()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::Loss;

    fn lane(conditions: Conditions) -> Lane {
        let mut lane = Lane::new(0);
        lane.set(&conditions, 1);
        lane
    }

    #[test]
    fn all_that_enters_is_counted_once_as_what_became_of_it() {
        let loss = Loss::Independent { probability: 0.2 };
        let conditions =
            Conditions { rate_bits_per_s: Some(8e6), queue_packets: 20, loss, duplicate: 0.1, ..Conditions::default() };
        let mut lane = lane(conditions);
        // Twice as fast as the rate.
        let passages: Vec<_> = (0..2000_u64).map(|number| lane.enter(number * 500_000, 1000)).collect();
        let count = |what: fn(&Passage) -> bool| passages.iter().filter(|passage| what(passage)).count() as u64;
        let (once, twice) = (
            count(|passage| matches!(passage, Passage::Once(_))),
            count(|passage| matches!(passage, Passage::Twice(_))),
        );
        let carried = lane.carried();
        assert_eq!((carried.packets, carried.bytes), (2000, 2_000_000));
        assert_eq!(carried.duplicated, twice);
        assert_eq!(carried.packets, carried.lost + carried.dropped + once + twice);
        assert!((950..1050).contains(&carried.dropped), "{} dropped at twice the rate", carried.dropped);
    }

    #[test]
    fn a_packet_that_is_lost_has_used_the_rate() {
        let loss = Loss::Independent { probability: 1.0 };
        let mut lane = lane(Conditions { rate_bits_per_s: Some(8e6), queue_packets: 2, loss, ..Conditions::default() });
        assert_eq!([(); 3].map(|()| lane.enter(0, 1000)), [Passage::Never; 3]);
        assert_eq!((lane.carried().lost, lane.carried().dropped), (2, 1));
    }

    #[test]
    fn what_is_on_its_way_when_the_link_is_cut_is_lost_and_a_cut_costs_no_fate() {
        let loss = Loss::Independent { probability: 0.5 };
        let conditions = Conditions { loss, ..Conditions::default() };
        let mut straight = lane(conditions);
        let fates: Vec<_> = (0..100).map(|_| straight.enter(0, 100)).collect();
        let mut lane = lane(conditions);
        let before: Vec<_> = (0..50).map(|_| lane.enter(0, 100)).collect();
        lane.cut(true);
        let on_the_way = before.iter().filter(|&&passage| passage != Passage::Never).count();
        assert!((0..on_the_way).all(|_| !lane.leave()));
        assert_eq!(lane.enter(0, 100), Passage::Never);
        assert_eq!(lane.carried().cut, on_the_way as u64 + 1);
        lane.cut(false);
        let after: Vec<_> = (0..50).map(|_| lane.enter(0, 100)).collect();
        assert_eq!([before, after].concat(), fates);
    }

    #[test]
    fn more_than_there_is_room_for_is_refused_and_said() {
        let mut lane = lane(Conditions { delay_ms: 1000.0, ..Conditions::default() });
        let carried = (0..MOST_ON_THE_WAY).filter(|_| lane.enter(0, 100) != Passage::Never).count();
        assert_eq!(carried, MOST_ON_THE_WAY - 1);
        assert_eq!(lane.carried().faults.crowded, 1);
        assert!(lane.leave());
        assert_ne!(lane.enter(0, 100), Passage::Never);
    }
}
