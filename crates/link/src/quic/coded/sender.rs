//! What goes out: each datagram as it is, and sums of the last ones, as many as replace what is lost on the way.
//!
//! A sliding window, as RFC 8681 has it: a sum is of whatever was sent last, so that it comes soon after what it replaces, and no
//! block has to be full first. How many is decided twice. While datagrams follow each other, sums keep pace with the losses; after the
//! last of a burst, so many are added that all of it is likely to be there.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};

use super::field;
use super::odds::sums_for;
use super::packet::{self, Head, LENGTH_BYTES, Sum};

/// How many of the last datagrams are in a sum. Sums that keep pace with the losses but for a little catch up with a run of bad luck
/// within some hundred datagrams.
pub(super) const WINDOW: usize = 255;

/// What is taken to be lost before the peer has said anything.
const LOST_AT_FIRST: f64 = 0.15;

/// The most that is taken to be lost: beyond it sums would only fill a queue that runs over.
const MOST_LOST: f64 = 0.35;

/// How many more sums are sent than just replace what is lost.
const MARGIN: f64 = 1.25;

/// With what chance something of a burst may still be missing, which then costs a round trip.
const FAILING: f64 = 0.01;

/// A burst has ended when nothing was sent for so long: longer than the gaps that pacing makes at five megabits a second and more, of
/// five datagrams of 1,200 bytes and the clock's own millisecond. Shorter, and each gap would be paid for with sums as if it were the end.
const QUIET: Duration = Duration::from_millis(11);

/// Shares are told in so many parts.
const PARTS: f64 = 255.0;

/// The datagrams to one peer.
#[derive(Debug)]
pub(super) struct Sender {
    epoch: u16,
    next: u32,
    /// The last datagrams of this burst, as they are summed: with their lengths.
    window: VecDeque<Bytes>,
    /// How many this burst had, and how many sums.
    burst: Burst,
    /// How many sums are due, and of the next the part that is.
    due: f64,
    seed: u16,
    /// What the peer says that it misses, as a share.
    told: Option<f64>,
    quiet_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Burst {
    datagrams: u32,
    sums: u32,
}

impl Sender {
    /// With an epoch that an earlier one to this peer did not have.
    pub(super) fn new(epoch: u16) -> Self {
        Self {
            epoch,
            next: 0,
            window: VecDeque::new(),
            burst: Burst::default(),
            due: 0.0,
            seed: 0,
            told: None,
            quiet_at: None,
        }
    }

    /// The peer says that it misses so much, in 255ths.
    pub(super) fn hear(&mut self, lost: u8) {
        self.told = Some(f64::from(lost) / PARTS);
    }

    /// What the peer has said that it misses, as a share.
    pub(super) fn told_loss(&self) -> Option<f64> {
        self.told
    }

    /// What is taken to be lost.
    fn lost(&self) -> f64 {
        self.told.map_or(LOST_AT_FIRST, |told| told.min(MOST_LOST))
    }

    /// A datagram as it is to be sent; to be followed by [`Self::sent`], if it was.
    pub(super) fn original(&self, datagram: &[u8], lost: f64) -> Bytes {
        packet::original(self.head(lost), self.next, datagram)
    }

    /// It was sent.
    pub(super) fn sent(&mut self, datagram: &[u8], now: Instant) {
        let mut summed = BytesMut::with_capacity(LENGTH_BYTES + datagram.len());
        summed.put_u16(u16::try_from(datagram.len()).unwrap_or(u16::MAX));
        summed.put_slice(datagram);
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(summed.freeze());
        self.burst.datagrams = self.burst.datagrams.saturating_add(1);
        self.due += MARGIN * self.lost() / (1.0 - self.lost());
        self.quiet_at = Some(now + QUIET);
        match self.next.checked_add(1) {
            Some(next) => self.next = next,
            // It begins to count again, as a new one would.
            None => *self = Self { told: self.told, ..Self::new(self.epoch.wrapping_add(1)) },
        }
    }

    /// The next sum to be sent now, between datagrams.
    pub(super) fn between(&mut self, lost: f64) -> Option<Bytes> {
        if self.due < 1.0 {
            return None;
        }
        self.due -= 1.0;
        self.burst.sums = self.burst.sums.saturating_add(1);
        self.sum(lost)
    }

    /// When the burst will have ended, if nothing more is sent.
    pub(super) fn quiet_at(&self) -> Option<Instant> {
        self.quiet_at
    }

    /// The sums to be sent now, because the burst has ended.
    pub(super) fn after(&mut self, lost: f64, now: Instant) -> Vec<Bytes> {
        if self.quiet_at.is_none_or(|quiet_at| now < quiet_at) {
            return Vec::new();
        }
        self.quiet_at = None;
        let Burst { datagrams, sums } = std::mem::take(&mut self.burst);
        let in_window = self.window.len() as u32;
        // Of the sums those that have the window's datagrams in them, and that were not made for nothing: the margin of each part of a
        // burst is of no use to the others.
        let of_window = f64::from(in_window) / f64::from(datagrams.max(1));
        let made = (f64::from(sums) * of_window / MARGIN).floor() as u32;
        let missing = sums_for(in_window, self.lost(), FAILING).saturating_sub(made);
        let sums = (0..missing).filter_map(|_| self.sum(lost)).collect();
        self.window.clear();
        self.due = 0.0;
        sums
    }

    fn sum(&mut self, lost: f64) -> Option<Bytes> {
        let count = self.window.len() as u32;
        let sum = Sum { first: self.next.checked_sub(count)?, count: u8::try_from(count).ok()?, seed: self.seed };
        let longest = self.window.iter().map(Bytes::len).max()?;
        let mut bytes = vec![0; longest];
        for ((_, factor), datagram) in sum.parts().zip(&self.window) {
            field::add_times(&mut bytes, factor, datagram);
        }
        self.seed = self.seed.wrapping_add(1);
        Some(packet::repair(self.head(lost), sum, &bytes))
    }

    fn head(&self, lost: f64) -> Head {
        Head { lost: (lost * PARTS).round() as u8, epoch: self.epoch }
    }
}
