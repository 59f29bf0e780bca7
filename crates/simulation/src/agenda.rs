//! What is to happen when. Of what is to happen at the same time, the seed decides the order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The moment at which every run begins. Far enough from the clock's own beginning that a program may subtract from it.
#[expect(clippy::disallowed_methods, reason = "the one look at a clock: everything else is counted from here")]
pub(crate) fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(|| Instant::now() + Duration::from_secs(100_000))
}

/// Events by time.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    written: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Instant,
    tie: u32,
    number: u64,
    event: E,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), written: 0 }
    }
}

impl<E> Agenda<E> {
    /// `tie` orders it among those of the same time.
    pub(crate) fn add(&mut self, at: Instant, tie: u32, event: E) {
        self.written += 1;
        self.heap.push(Reverse(Entry { at, tie, number: self.written, event }));
    }

    /// Takes the next event, and when it is.
    pub(crate) fn next(&mut self) -> Option<(Instant, E)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

impl<E> Entry<E> {
    fn key(&self) -> (Instant, u32, u64) {
        (self.at, self.tie, self.number)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
