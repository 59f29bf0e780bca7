//! One direction of a connection: bytes in order, on their way for as long as the link takes, until it is cut.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// How many bytes a pipe takes before its writer has to wait: an outbox of `link`'s and a system's buffer.
const ROOM_BYTES: usize = 512 * 1024;

/// Bytes a second: a fast link, so that only delays are felt; large images take a moment.
const BYTES_PER_SECOND: u64 = 4_000_000;

/// What comes out of a pipe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    Bytes(Bytes),
    /// The other side has closed, or the connection is known to be broken.
    End,
}

#[derive(Debug, Default)]
pub(crate) struct Pipe {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// When the last chunk arrives: nothing overtakes.
    last: Option<Instant>,
    /// Carries nothing before.
    pub(crate) stalled_until: Option<Instant>,
    /// Takes nothing more and says nothing more.
    dead: bool,
}

impl Pipe {
    pub(crate) fn has_room(&self) -> bool {
        self.bytes < ROOM_BYTES
    }

    /// Puts a chunk in; says when it arrives. `None`: it never does.
    pub(crate) fn push(&mut self, chunk: Chunk, delay: Duration, now: Instant) -> Option<Instant> {
        if self.dead || self.chunks.back() == Some(&Chunk::End) {
            return None;
        }
        let mut at = now + delay;
        if let Chunk::Bytes(bytes) = &chunk {
            self.bytes += bytes.len();
            at += Duration::from_nanos(bytes.len() as u64 * 1_000_000_000 / BYTES_PER_SECOND);
        }
        let at = self.last.map_or(at, |last| last.max(at));
        self.last = Some(at);
        self.chunks.push_back(chunk);
        Some(at)
    }

    /// What has arrived. Nothing, where it was cut since.
    pub(crate) fn pop(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        if let Chunk::Bytes(bytes) = &chunk {
            self.bytes -= bytes.len();
        }
        Some(chunk)
    }

    /// Loses all but the first `whole` chunks and `part` bytes of the next, and carries nothing more.
    pub(crate) fn cut(&mut self, whole: usize, part: usize) {
        self.dead = true;
        if let Some(Chunk::Bytes(bytes)) = self.chunks.get_mut(whole) {
            bytes.truncate(part.min(bytes.len().saturating_sub(1)));
            self.chunks.truncate(whole + 1);
        } else {
            self.chunks.truncate(whole);
        }
        self.bytes =
            self.chunks.iter().map(|chunk| if let Chunk::Bytes(bytes) = chunk { bytes.len() } else { 0 }).sum();
    }

    /// How many chunks are on their way.
    pub(crate) fn on_the_way(&self) -> usize {
        self.chunks.len()
    }
}
