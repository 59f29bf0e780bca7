//! What is remembered of the ways to workers, by their addresses: what they have carried, for whoever wants to begin with that; and how
//! long they are to workers that were asked to come by another transport.
//!
//! The rules of the first are those of careful resume (draft-ietf-tsvwg-careful-resume) and of RFC 9040: only what was carried without loss is
//! remembered, half of it is used, it grows old, and it counts for a path of about the same round trip only.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many addresses are remembered: as many as workers may be connected. For one more the one that was heard of the longest
/// time ago is forgotten.
const REMEMBERED: usize = 1024;

/// After this a path may be another one, or shared with others.
const AGE: Duration = Duration::from_secs(600);

/// How much shorter or longer a round trip may be than the remembered one. A path of another length is another path.
const OF_THE_SAME_PATH: f64 = 2.0;

/// For how long a worker that was asked to come by another transport is expected: it connects within five seconds or not at all, and
/// waits for two until it is idle.
pub(crate) const EXPECTED: Duration = Duration::from_secs(15);

/// The ways to workers, shared by all connections.
#[derive(Debug, Default)]
pub(crate) struct Paths(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    carried: HashMap<IpAddr, Carried>,
    /// Where a worker was asked to come from by another transport: over a path of which round trip, and when.
    expected: HashMap<IpAddr, (Duration, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Carried {
    bytes_per_s: f64,
    round_trip: Duration,
    /// It is less than what was tried, and lost.
    has_lost: bool,
    at: Instant,
}

impl Paths {
    /// The rate to begin with, bytes a second: half of what the path to this address has carried, and no less than what is said of
    /// a path of which nothing is known; but where that was lost, no more than what is left of it.
    pub(crate) fn rate(
        &self,
        address: IpAddr,
        unknown: Option<f64>,
        round_trip: Duration,
        now: Instant,
    ) -> Option<f64> {
        let known = self.memory().carried.get(&address).copied().filter(|carried| carried.counts_for(round_trip, now));
        match known {
            Some(Carried { bytes_per_s, has_lost: true, .. }) => Some(bytes_per_s),
            Some(Carried { bytes_per_s, has_lost: false, .. }) => Some((bytes_per_s / 2.0).max(unknown.unwrap_or(0.0))),
            None => unknown,
        }
    }

    /// So much was carried within one round trip, and nothing of it was lost.
    pub(crate) fn carried(&self, address: IpAddr, bytes: u64, round_trip: Duration, now: Instant) {
        let bytes_per_s = bytes as f64 / round_trip.as_secs_f64().max(f64::MIN_POSITIVE);
        let carried = Carried { bytes_per_s, round_trip, has_lost: false, at: now };
        let mut memory = self.memory();
        match memory.carried.get_mut(&address) {
            // Who has little to send says nothing of what could be carried.
            Some(known) if bytes_per_s < known.bytes_per_s && known.counts_for(round_trip, now) => {
                if bytes_per_s >= known.bytes_per_s / 2.0 {
                    known.at = now;
                }
            }
            Some(known) => *known = carried,
            None => memory.remember(address, carried),
        }
    }

    /// Something was lost, of what was tried at this rate: half of it is left, or half of what was remembered.
    pub(crate) fn lost(&self, address: IpAddr, tried: f64, round_trip: Duration, now: Instant) {
        let mut memory = self.memory();
        let known = memory.carried.get(&address).filter(|known| known.counts_for(round_trip, now));
        let bytes_per_s = known.map_or(tried, |known| known.bytes_per_s) / 2.0;
        memory.remember(address, Carried { bytes_per_s, round_trip, has_lost: true, at: now });
    }

    /// A worker at this address was asked to come by another transport, over a path with this round trip.
    pub(crate) fn expect(&self, address: IpAddr, round_trip: Duration, now: Instant) {
        let mut memory = self.memory();
        memory.expected.retain(|_, (_, asked)| now.saturating_duration_since(*asked) < EXPECTED);
        memory.expected.insert(address, (round_trip, now));
    }

    /// The round trip to a worker that is expected from this address.
    pub(crate) fn expected(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let (round_trip, asked) = *self.memory().expected.get(&address)?;
        (now.saturating_duration_since(asked) < EXPECTED).then_some(round_trip)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carried {
    fn counts_for(&self, round_trip: Duration, now: Instant) -> bool {
        let as_long = round_trip.as_secs_f64() / self.round_trip.as_secs_f64().max(f64::MIN_POSITIVE);
        let is_the_same = (1.0 / OF_THE_SAME_PATH..=OF_THE_SAME_PATH).contains(&as_long);
        is_the_same && now.saturating_duration_since(self.at) < AGE
    }
}

impl Memory {
    fn remember(&mut self, address: IpAddr, carried: Carried) {
        let is_full = self.carried.len() >= REMEMBERED && !self.carried.contains_key(&address);
        let oldest = self.carried.iter().min_by_key(|(_, carried)| carried.at).map(|(address, _)| *address);
        if let Some(oldest) = oldest.filter(|_| is_full) {
            self.carried.remove(&oldest);
        }
        self.carried.insert(address, carried);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn half_of_what_was_carried_is_begun_with_until_it_is_old() {
        let (paths, start) = (Paths::default(), Instant::now());
        assert_eq!(paths.rate(HERE, None, SECOND, start), None);
        paths.carried(HERE, 1_000_000, SECOND, start);
        paths.carried(HERE, 400, SECOND, start + SECOND);
        assert_eq!(paths.rate(HERE, None, SECOND, start + SECOND), Some(500_000.0));
        assert_eq!(paths.rate(HERE, None, SECOND, start + AGE), None);
    }

    #[test]
    fn what_is_said_of_a_path_holds_until_it_was_lost() {
        let (paths, start) = (Paths::default(), Instant::now());
        let rate = || paths.rate(HERE, Some(800_000.0), SECOND, start);
        assert_eq!(rate(), Some(800_000.0));
        paths.carried(HERE, 100_000, SECOND, start);
        assert_eq!(rate(), Some(800_000.0), "it had little to carry");
        paths.carried(HERE, 2_000_000, SECOND, start);
        assert_eq!(rate(), Some(1_000_000.0));
        paths.lost(HERE, 800_000.0, SECOND, start);
        assert_eq!(rate(), Some(1_000_000.0), "of the two million");
        paths.lost(HERE, 800_000.0, SECOND, start);
        assert_eq!(rate(), Some(500_000.0));
    }

    #[test]
    fn a_worker_is_expected_for_a_while() {
        let (paths, start) = (Paths::default(), Instant::now());
        paths.expect(HERE, SECOND, start);
        let expected = |address, after| paths.expected(address, start + after);
        assert_eq!(expected(HERE, 14 * SECOND), Some(SECOND));
        assert_eq!(expected(HERE, EXPECTED), None);
        assert_eq!(expected(IpAddr::from([192, 0, 2, 2]), SECOND), None);
    }

    #[test]
    fn a_path_of_another_length_is_another_path() {
        let (paths, start) = (Paths::default(), Instant::now());
        paths.carried(HERE, 1_000_000, SECOND, start);
        let known = |ms| paths.rate(HERE, None, Duration::from_millis(ms), start).is_some();
        assert_eq!([100, 500, 2_000, 2_100].map(known), [false, true, true, false]);
    }

    #[test]
    fn only_so_many_addresses_are_remembered_the_newest_of_them() {
        let (paths, start) = (Paths::default(), Instant::now());
        let address = |number: usize| IpAddr::from([10, 0, (number / 256) as u8, (number % 256) as u8]);
        for number in 0..=REMEMBERED {
            paths.carried(address(number), 1_000, SECOND, start + Duration::from_millis(number as u64));
        }
        let known = |number| paths.rate(address(number), None, SECOND, start + SECOND).is_some();
        assert_eq!((known(0), known(1), known(REMEMBERED)), (false, true, true));
    }
}
