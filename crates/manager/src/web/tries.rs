//! How many wrong tokens somebody may try, and how soon the next. No token is found by trying; but whoever does it is noticed,
//! costs little, and cannot fill the log.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::admission::Client;

/// So many wrong ones may come at once: more than anybody's slips.
const AT_ONCE: u32 = 10;
/// After so long one of them is forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(6);
/// So many clients are remembered: 200 kB. Beyond it the one that would be forgiven first is forgotten.
const REMEMBERED: usize = 4096;

/// Who has tried wrong ones.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// When all of a client's are forgiven.
    clear_at: HashMap<Client, Instant>,
}

impl Tries {
    /// How long this client is to wait before it may try; `None`: it may.
    pub(super) fn wait(&self, client: Client, now: Instant) -> Option<Duration> {
        let owed = self.clear_at.get(&client)?.saturating_duration_since(now);
        owed.checked_sub(FORGIVEN_AFTER * (AT_ONCE - 1)).filter(|wait| !wait.is_zero())
    }

    /// This client has tried a wrong one.
    pub(super) fn wrong(&mut self, client: Client, now: Instant) {
        if self.clear_at.len() >= REMEMBERED && !self.clear_at.contains_key(&client) {
            self.clear_at.retain(|_, clear_at| *clear_at > now);
            if self.clear_at.len() >= REMEMBERED
                && let Some(&first) =
                    self.clear_at.iter().min_by_key(|(_, clear_at)| **clear_at).map(|(first, _)| first)
            {
                self.clear_at.remove(&first);
            }
        }
        let clear_at = self.clear_at.entry(client).or_insert(now);
        *clear_at = (*clear_at).max(now) + FORGIVEN_AFTER;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u32) -> Client {
        Client::at(Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn ten_wrong_ones_may_come_at_once_and_then_one_every_six_seconds() {
        let (mut tries, begin) = (Tries::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(tries.wait(client(1), begin), None);
            tries.wrong(client(1), begin);
        }
        assert_eq!(tries.wait(client(1), begin), Some(Duration::from_secs(6)));
        assert_eq!(tries.wait(client(2), begin), None, "others are not held for it");
        let later = begin + Duration::from_secs(6);
        assert_eq!(tries.wait(client(1), later), None);
        tries.wrong(client(1), later);
        assert_eq!(tries.wait(client(1), later), Some(Duration::from_secs(6)));
    }

    #[test]
    fn who_stops_for_a_minute_is_forgiven_all() {
        let (mut tries, begin) = (Tries::default(), Instant::now());
        (0..10).for_each(|_| tries.wrong(client(1), begin));
        let later = begin + Duration::from_secs(60);
        (0..9).for_each(|_| tries.wrong(client(1), later));
        assert_eq!(tries.wait(client(1), later), None);
    }

    #[test]
    fn no_more_are_remembered_than_the_limit_and_those_who_tried_most_are() {
        let (mut tries, begin) = (Tries::default(), Instant::now());
        (0..10).for_each(|_| tries.wrong(client(0), begin));
        let most = u32::try_from(REMEMBERED).unwrap();
        (1..3 * most).for_each(|number| tries.wrong(client(number), begin));
        assert_eq!(tries.clear_at.len(), REMEMBERED);
        assert!(tries.wait(client(0), begin).is_some());
        tries.wrong(client(0), begin + Duration::from_secs(3600));
        tries.wrong(client(4 * most), begin + Duration::from_secs(3600));
        assert_eq!(tries.clear_at.len(), 2, "who is forgiven takes no room");
    }
}
