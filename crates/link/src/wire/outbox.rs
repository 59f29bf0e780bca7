//! What is to go on one stream of bytes, in the buffers in which it was made.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// How many bytes wait in a connection's outbox before the session is asked for more. The session says small frames
/// first, so they wait behind this much at most (and what the system holds).
pub(crate) const OUTBOX_BYTES: usize = 256 * 1024;

/// How many buffers one write hands to the system.
const WRITE_BUFFERS: usize = 64;

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.waiting.push_back(bytes);
        }
    }

    /// What one write should be handed, in an array to be cut to the number that comes with it.
    pub(crate) fn buffers(&self) -> ([IoSlice<'_>; WRITE_BUFFERS], usize) {
        let mut buffers = [IoSlice::new(&[]); WRITE_BUFFERS];
        for (buffer, bytes) in buffers.iter_mut().zip(&self.waiting) {
            *buffer = IoSlice::new(bytes);
        }
        (buffers, WRITE_BUFFERS.min(self.waiting.len()))
    }

    /// What waits, for one who takes whole buffers and cuts the last; to be followed by [`Self::taken`].
    pub(crate) fn chunks(&mut self) -> &mut [Bytes] {
        self.waiting.make_contiguous()
    }

    /// So many buffers were taken, and with what was cut from the next so many bytes.
    pub(crate) fn taken(&mut self, buffers: usize, bytes: usize) {
        self.waiting.drain(..buffers);
        self.bytes -= bytes;
    }

    /// So many bytes have been taken from the front.
    pub(crate) fn written(&mut self, mut bytes: usize) {
        self.bytes -= bytes;
        while let Some(first) = self.waiting.front_mut() {
            if bytes < first.len() {
                first.advance(bytes);
                break;
            }
            bytes -= first.len();
            self.waiting.pop_front();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets what waits.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }
}
