//! How many of a thing may be had at the same time, and by whom.
//!
//! One rule for all that clients share: uploads, images that wait, connections, streams of events, small pictures. It is
//! after the dynamic threshold of A. K. Choudhury and E. L. Hahne ("Dynamic queue length thresholds for shared-memory
//! packet switches", IEEE/ACM Transactions on Networking 6(2), 1998): nobody may have more than is left free for others.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The shortest time after which one that found no place is asked to come again: a header has whole seconds.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
/// The longest such time: what is worked off may change at any moment, by a worker that joins, and nobody should miss it
/// for longer. So long also while there is no worker.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How long one waits while there are workers and no image has ended yet, as just after a start: the rate is known soon.
const UNKNOWN_RETRY: Duration = Duration::from_secs(2);

/// Who asks, as far as that can be told from where the connection comes from. What a header says of that
/// (`X-Forwarded-For`) is not asked: anyone can write one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(IpAddr);

impl Client {
    /// The client of a connection. Of an IPv6 address the first half counts, because one subscriber has all of the rest
    /// (RFC 6177).
    pub(crate) fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into()),
        }
    }
}

/// For the log: the address, or the half of it that counts.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken, of which this client has some or none.
    All {
        /// How many are taken.
        taken: usize,
    },
    /// The client has as many as it may while others may come.
    Yours {
        /// How many it has.
        taken: usize,
    },
    /// Not even an empty manager has so many for one client.
    Never {
        /// The most that it has for one.
        most: usize,
    },
}

/// A number of places. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// No entry for none.
    of: HashMap<Client, usize>,
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    client: Option<Client>,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { shared: Arc::new(Shared { most, taken: Mutex::default() }) }
    }

    /// Takes a place for a client.
    pub(crate) fn take(&self, client: Client) -> Result<Place, Full> {
        let mut taken = self.shared.lock();
        admit(1, taken.by(client), taken.all, self.shared.most)?;
        Ok(self.taken(&mut taken, Some(client)))
    }

    /// Takes as many more as make `places` so many, all of them or none.
    pub(crate) fn fill(&self, client: Client, places: &mut Vec<Place>, wanted: usize) -> Result<(), Full> {
        let most = self.most_of_one();
        if wanted > most {
            return Err(Full::Never { most });
        }
        let Some(more @ 1..) = wanted.checked_sub(places.len()) else {
            return Ok(());
        };
        let mut taken = self.shared.lock();
        admit(more, taken.by(client), taken.all, self.shared.most)?;
        places.extend((0..more).map(|_| self.taken(&mut taken, Some(client))));
        Ok(())
    }

    /// Takes a place for what is there already and belongs to no client that is known, also when none is left.
    pub(crate) fn take_anyway(&self) -> Place {
        self.taken(&mut self.shared.lock(), None)
    }

    /// How many are taken now.
    pub(crate) fn count(&self) -> usize {
        self.shared.lock().all
    }

    /// The most that one client can have.
    pub(crate) fn most_of_one(&self) -> usize {
        (self.shared.most / 2).max(1)
    }

    fn taken(&self, taken: &mut Taken, client: Option<Client>) -> Place {
        taken.all += 1;
        if let Some(client) = client {
            *taken.of.entry(client).or_default() += 1;
        }
        Place { shared: Arc::clone(&self.shared), client }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Each change is whole before anything that could panic.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn by(&self, client: Client) -> usize {
        self.of.get(&client).copied().unwrap_or(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.lock();
        taken.all -= 1;
        if let Some(client) = self.client
            && let Some(yours) = taken.of.get_mut(&client)
        {
            *yours -= 1;
            if *yours == 0 {
                taken.of.remove(&client);
            }
        }
    }
}

/// The rule: whether a client that has `yours` of the `all` places that are taken may have `wanted` more, of `most`.
///
/// It may have as many as are left free then. So one alone has at most half, two have a third each, and whoever comes
/// after any number of others finds a place. One place it may always have, where there is one.
fn admit(wanted: usize, yours: usize, all: usize, most: usize) -> Result<(), Full> {
    let Some(free) = most.checked_sub(all + wanted) else {
        return Err(Full::All { taken: all });
    };
    if yours + wanted > free.max(1) { Err(Full::Yours { taken: yours }) } else { Ok(()) }
}

/// How fast places to wait become free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drain {
    /// Images that have ended a second, as of late.
    pub(crate) ends_per_s: f64,
    /// Whether there is a worker that could have them.
    pub(crate) has_worker: bool,
}

/// When one that found no place for its image is to come again: when half of the `taken` places that were in its way will
/// be free, if images go on ending at that rate. Earlier it would find as little room; later workers could be idle.
pub(crate) fn retry_after(taken: usize, drain: Drain) -> Duration {
    let until_half = Duration::try_from_secs_f64((taken as f64 / 2.0 / drain.ends_per_s).ceil());
    // Nothing ends: the time is infinite.
    let unknown = if drain.has_worker { UNKNOWN_RETRY } else { LONGEST_RETRY };
    until_half.unwrap_or(unknown).clamp(SHORTEST_RETRY, LONGEST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> Client {
        Client::at(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn one_client_has_at_most_half_and_whoever_comes_after_it_finds_a_place() {
        let places = Places::new(100);
        let mut held = Vec::new();
        let most_each = [50, 25, 12, 6, 3, 2, 1, 1].into_iter().zip(1..);
        for (most, number) in most_each {
            while let Ok(place) = places.take(client(number)) {
                held.push(place);
            }
            assert_eq!(places.shared.lock().by(client(number)), most, "client {number}");
        }
        assert_eq!(held.len(), 100, "and none is wasted");
        assert_eq!(places.take(client(99)).unwrap_err(), Full::All { taken: 100 });
    }

    #[test]
    fn a_place_that_is_given_back_is_free_for_the_others() {
        let places = Places::new(4);
        let (first, _second) = (places.take(client(1)).unwrap(), places.take(client(1)).unwrap());
        assert_eq!(places.take(client(1)).unwrap_err(), Full::Yours { taken: 2 });
        let other = places.take(client(2)).unwrap();
        drop((first, other));
        assert_eq!(places.shared.lock().of.len(), 1, "nothing is kept of who has none");
        assert!(places.take(client(1)).is_ok());
    }

    #[test]
    fn the_only_place_is_had_by_one_at_a_time() {
        let places = Places::new(1);
        let only = places.take(client(1)).unwrap();
        assert_eq!(places.take(client(1)).unwrap_err(), Full::All { taken: 1 });
        drop(only);
        assert!(places.take(client(2)).is_ok());
    }

    #[test]
    fn many_are_taken_all_or_none() {
        let places = Places::new(10);
        let (mut yours, mut others) = (vec![places.take(client(1)).unwrap()], Vec::new());
        assert_eq!(places.fill(client(1), &mut yours, 6), Err(Full::Never { most: 5 }));
        assert_eq!(places.fill(client(1), &mut yours, 5), Ok(()));
        assert_eq!(places.fill(client(2), &mut others, 3), Err(Full::Yours { taken: 0 }));
        assert_eq!((yours.len(), others.len()), (5, 0));
        assert_eq!(places.fill(client(2), &mut others, 2), Ok(()));
        drop((yours, others));
        assert_eq!(places.shared.lock().all, 0);
    }

    #[test]
    fn what_is_there_already_counts_and_is_nobodys() {
        let places = Places::new(2);
        let earlier: Vec<_> = (0..3).map(|_| places.take_anyway()).collect();
        assert_eq!(places.take(client(1)).unwrap_err(), Full::All { taken: 3 });
        drop(earlier);
        assert!(places.take(client(1)).is_ok());
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_client_and_a_mapped_address_is_that_of_ipv4() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::7"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.2"), at("192.0.2.1"));
    }

    #[test]
    fn who_is_refused_comes_again_when_half_of_what_was_in_the_way_is_done() {
        for (taken, per_s, seconds) in
            [(100, 100.0, 1), (100, 10.0, 5), (1000, 33.0, 16), (100_000, 100.0, 30), (0, 1.0, 1), (7, 0.0, 30)]
        {
            let drain = Drain { ends_per_s: per_s, has_worker: false };
            assert_eq!(retry_after(taken, drain), Duration::from_secs(seconds), "{taken} at {per_s}/s");
        }
    }

    /// Just after a start it was asked to wait for half a minute, though the first answers came a moment later.
    #[test]
    fn who_is_refused_before_the_rate_is_known_comes_again_soon_if_there_are_workers() {
        let drain = Drain { ends_per_s: 0.0, has_worker: true };
        assert_eq!(retry_after(1000, drain), UNKNOWN_RETRY);
    }
}
