//! Numbers that are given in order and never twice: blocks of them are reserved in the books ahead, so that giving one
//! needs no sync, and what an unclean end leaves of a block is skipped.

/// The next number, and up to where the books have reserved them.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    pub(super) next: u64,
    /// The first number that is not reserved in the books.
    pub(super) ceiling: u64,
    block: u64,
}

impl Counter {
    /// Begins at `start`; the books have reserved a `block` from there.
    #[must_use]
    pub fn new(start: u64, block: u64) -> Self {
        Self { next: start, ceiling: start + block, block }
    }

    /// The first of `count` numbers, or none when so many are not reserved.
    pub fn take(&mut self, count: u64) -> Option<u64> {
        let first = self.next;
        let next = first.checked_add(count).filter(|next| *next <= self.ceiling)?;
        self.next = next;
        Some(first)
    }

    /// Whether the books should reserve more: half of a block is left.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.ceiling - self.next < self.block / 2
    }

    /// The ceiling that the books should have.
    #[must_use]
    pub fn raised(&self) -> u64 {
        self.next + self.block
    }

    /// The books have this ceiling.
    pub fn raise(&mut self, ceiling: u64) {
        self.ceiling = ceiling;
    }
}
