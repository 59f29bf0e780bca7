//! What comes in: datagrams are handed over in their order, and those that are missing are worked out of the sums.
//!
//! QUIC takes a packet for lost that is overtaken by three others, and would send it again. So what comes after a gap waits: until the gap
//! is closed, or until nothing more can be hoped for.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use super::field;
use super::packet::{Packet, Sum};
use super::sender::WINDOW;

/// What waits behind a gap is handed over when nothing has come for so long: the sums at the end of a burst have come by then, if they
/// come at all.
const PATIENCE: Duration = Duration::from_millis(40);

/// And when it has waited for so long, whatever comes: at 20 Mbit/s that is more than a window of datagrams.
const LONGEST: Duration = Duration::from_millis(200);

/// A path of which nothing is known yet is taken to lose three of twenty.
const LOST_AT_FIRST: f64 = 3.0;
const SENT_AT_FIRST: f64 = 20.0;

/// When so many were sent, what was before counts half.
const HALVED_AT: f64 = 1_024.0;

/// The datagrams of one peer.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    epoch: Option<u16>,
    /// The lowest number that was neither handed over nor given up.
    next: u32,
    /// One more than the highest number that was heard of.
    end: u32,
    /// The datagrams of the last window, as they are summed, by number.
    known: BTreeMap<u32, Bytes>,
    /// Sums of which something is missing, solved as far as can be: the first number of each is in no other.
    unsolved: Vec<Unsolved>,
    ready: VecDeque<Bytes>,
    last_came: Option<Instant>,
    /// Since when something waits behind the gap at `next`.
    gap_since: Option<(u32, Instant)>,
    /// Datagrams in a row that are older than the window: the peer counts otherwise than we believe.
    too_old: usize,
    sent: f64,
    came: f64,
}

/// A sum less what is known of it.
#[derive(Debug)]
struct Unsolved {
    /// By number, in their order, none of them 0.
    missing: Vec<(u32, u8)>,
    bytes: Vec<u8>,
}

impl Receiver {
    /// What is missed of what was sent, as a share, as far as is known.
    pub(super) fn lost(&self) -> f64 {
        (self.sent - self.came + LOST_AT_FIRST).max(0.0) / (self.sent + SENT_AT_FIRST)
    }

    /// A packet has come.
    pub(super) fn take(&mut self, epoch: u16, packet: Packet, now: Instant) {
        if self.epoch != Some(epoch) {
            self.begin(epoch, &packet);
        }
        self.last_came = Some(now);
        match packet {
            Packet::Original { number, datagram } => self.original(number, datagram),
            Packet::Repair { sum, bytes } => self.repair(sum, &bytes),
        }
        self.hand_over(now);
    }

    /// The next datagram to be handed over.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// When nothing more is to be hoped for, if nothing comes.
    pub(super) fn hopeless_at(&self) -> Option<Instant> {
        let (_, since) = self.gap_since?;
        Some((self.last_came? + PATIENCE).min(since + LONGEST))
    }

    /// Hands over what waits, if it has waited for too long.
    pub(super) fn give_up(&mut self, now: Instant) {
        if self.hopeless_at().is_some_and(|at| at <= now) {
            self.skip_to(self.end);
            self.gap_since = None;
        }
    }

    /// Begins to count as the peer does.
    fn begin(&mut self, epoch: u16, packet: &Packet) {
        let first = match packet {
            Packet::Original { number, .. } => *number,
            Packet::Repair { sum, .. } => sum.first,
        };
        // What was lost of its first burst may still be worked out.
        self.begin_at(if (first as usize) < WINDOW { 0 } else { first });
        self.epoch = Some(epoch);
    }

    /// Begins with this number, and knows of nothing before it.
    fn begin_at(&mut self, next: u32) {
        self.skip_to(self.end);
        let Self { epoch, ready, sent, came, last_came, .. } = std::mem::take(self);
        *self = Self { epoch, next, end: next, ready, sent, came, last_came, ..Self::default() };
    }

    fn original(&mut self, number: u32, datagram: Bytes) {
        if number.saturating_add(WINDOW as u32) < self.end {
            // Nothing is known of so long ago. QUIC knows whether it has had it.
            self.ready.push_back(datagram);
            self.too_old += 1;
            if self.too_old > WINDOW {
                self.begin_at(number.saturating_add(1));
            }
            return;
        }
        self.too_old = 0;
        self.reach(number);
        self.came += 1.0;
        let mut summed = Vec::with_capacity(2 + datagram.len());
        summed.extend_from_slice(&u16::try_from(datagram.len()).unwrap_or(u16::MAX).to_be_bytes());
        summed.extend_from_slice(&datagram);
        self.learn(vec![(number, summed.into())], Vec::new());
    }

    fn repair(&mut self, sum: Sum, bytes: &Bytes) {
        self.reach(sum.last());
        // What is forgotten cannot be taken out of the sum.
        if sum.first.saturating_add(WINDOW as u32) >= self.end {
            let sum = Unsolved { missing: sum.parts().collect(), bytes: bytes.to_vec() };
            self.learn(Vec::new(), vec![sum]);
        }
        // The sums that follow begin with this one's first datagram, or later.
        self.skip_to(sum.first);
    }

    /// Something with this number was sent.
    fn reach(&mut self, number: u32) {
        if number < self.end {
            return;
        }
        let end = number.saturating_add(1);
        // After a leap that much is not known to have been lost.
        self.sent += f64::from(end - self.end).min(WINDOW as f64);
        self.end = end;
        if self.sent > HALVED_AT {
            self.sent /= 2.0;
            self.came /= 2.0;
        }
        let oldest = end.saturating_sub(WINDOW as u32);
        // No sum that comes from now on has them in it.
        if self.next < oldest {
            self.skip_to(oldest);
        }
        self.known = self.known.split_off(&oldest);
        self.unsolved.retain(|unsolved| unsolved.missing.first().is_some_and(|(first, _)| *first >= oldest));
    }

    /// These datagrams are known, and these sums: with all that follows from it.
    fn learn(&mut self, mut learnt: Vec<(u32, Bytes)>, mut sums: Vec<Unsolved>) {
        loop {
            if let Some((number, summed)) = learnt.pop() {
                if self.known.contains_key(&number) {
                    continue;
                }
                for mut sum in self.unsolved.extract_if(.., |unsolved| unsolved.factor(number).is_some()) {
                    sum.take_out(number, &summed);
                    sums.push(sum);
                }
                if number < self.next {
                    self.ready.extend(datagram_of(&summed));
                }
                self.known.insert(number, summed);
            } else if let Some(sum) = sums.pop() {
                self.solve(sum);
                let solved = self.unsolved.extract_if(.., |unsolved| unsolved.missing.len() == 1);
                learnt.extend(solved.filter_map(Unsolved::solved));
            } else {
                break;
            }
        }
    }

    /// One more sum: takes out of it what others say, and out of others what it says.
    fn solve(&mut self, mut new: Unsolved) {
        for (number, datagram) in new
            .missing
            .iter()
            .filter_map(|(number, _)| Some((*number, self.known.get(number)?.clone())))
            .collect::<Vec<_>>()
        {
            new.take_out(number, &datagram);
        }
        for old in &self.unsolved {
            let (first, first_factor) = old.missing[0];
            if let Some(factor) = new.factor(first) {
                new.add_sum(field::product(factor, field::inverse(first_factor)), old);
            }
        }
        let Some((first, first_factor)) = new.missing.first().copied() else {
            return;
        };
        for old in &mut self.unsolved {
            if let Some(factor) = old.factor(first) {
                old.add_sum(field::product(factor, field::inverse(first_factor)), &new);
            }
        }
        self.unsolved.push(new);
    }

    fn hand_over(&mut self, now: Instant) {
        // The last number that there is has none after it: what claims to have it is not handed over (found by the fuzzer).
        while let (Some(summed), Some(next)) = (self.known.get(&self.next), self.next.checked_add(1)) {
            self.ready.extend(datagram_of(summed));
            self.next = next;
        }
        let waiting = self.known.last_key_value().is_some_and(|(last, _)| *last > self.next);
        let same = self.gap_since.filter(|(gap, _)| *gap == self.next);
        self.gap_since = waiting.then(|| same.unwrap_or((self.next, now)));
    }

    /// Hands over what is known below this number, and waits for none of the rest.
    fn skip_to(&mut self, number: u32) {
        if number > self.next {
            self.ready.extend(self.known.range(self.next..number).filter_map(|(_, summed)| datagram_of(summed)));
            self.next = number;
        }
    }
}

impl Unsolved {
    fn factor(&self, number: u32) -> Option<u8> {
        let place = self.missing.binary_search_by_key(&number, |(missing, _)| *missing).ok()?;
        Some(self.missing[place].1)
    }

    /// Takes a datagram out of the sum: to take away is to add, in this arithmetic.
    fn take_out(&mut self, number: u32, summed: &[u8]) {
        if let Ok(place) = self.missing.binary_search_by_key(&number, |(missing, _)| *missing) {
            let (_, factor) = self.missing.remove(place);
            self.add(factor, summed);
        }
    }

    fn add(&mut self, factor: u8, summed: &[u8]) {
        if self.bytes.len() < summed.len() {
            self.bytes.resize(summed.len(), 0);
        }
        field::add_times(&mut self.bytes, factor, summed);
    }

    fn add_sum(&mut self, factor: u8, other: &Self) {
        let mut missing: BTreeMap<u32, u8> = self.missing.iter().copied().collect();
        for (number, theirs) in &other.missing {
            *missing.entry(*number).or_default() ^= field::product(factor, *theirs);
        }
        self.missing = missing.into_iter().filter(|(_, factor)| *factor != 0).collect();
        self.add(factor, &other.bytes);
    }

    /// The datagram that is left, if one is.
    fn solved(mut self) -> Option<(u32, Bytes)> {
        let (number, factor) = self.missing.pop()?;
        field::scale(&mut self.bytes, field::inverse(factor));
        Some((number, self.bytes.into()))
    }
}

/// A datagram without its length and what is behind it. `None` for what no datagram is: a sum that was forged.
fn datagram_of(summed: &Bytes) -> Option<Bytes> {
    let mut rest = summed.clone();
    let length = rest.try_get_u16().ok()?;
    (usize::from(length) <= rest.len() && length > 0).then(|| rest.slice(..usize::from(length)))
}
