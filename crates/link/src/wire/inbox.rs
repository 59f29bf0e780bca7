//! What comes of one stream of bytes: frames are cut from it, and no image is copied on the way.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use manyeyes_protocol::frame::{DecodeError, Split, split_frame};
use tokio::io::{self, AsyncRead, AsyncReadExt};

/// The least room for a read: many small frames, or the start of a large one.
const READ_BYTES: usize = 16 * 1024;

/// The most room made at once for a large frame. A claim of 64 MiB costs memory only as its bytes come.
const GROWTH_BYTES: usize = 256 * 1024;

/// What has come and is no whole frame yet, or has not been asked for.
#[derive(Debug)]
pub(crate) struct Inbox {
    buffer: BytesMut,
    missing: usize,
    frame_began: Instant,
    last_read: Instant,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { buffer: BytesMut::new(), missing: 0, frame_began: now, last_read: now }
    }

    /// Waits for bytes; says how many came, 0 for the stream's end. May be dropped at any moment without losing any.
    pub(crate) async fn read(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        self.buffer.reserve(self.missing.min(GROWTH_BYTES.max(self.buffer.len())).max(READ_BYTES));
        let was_empty = self.buffer.is_empty();
        let bytes = reader.read_buf(&mut self.buffer).await?;
        if bytes > 0 {
            self.last_read = Instant::now();
            if was_empty {
                self.frame_began = self.last_read;
            }
        }
        Ok(bytes)
    }

    /// The next whole frame of what has come (its number and body), and how long it took from its first byte to its
    /// last.
    pub(crate) fn next_frame(&mut self, limit: usize) -> Result<Option<(Bytes, Duration)>, DecodeError> {
        match split_frame(&mut self.buffer, limit)? {
            Split::Frame(frame) => {
                let took = self.last_read.saturating_duration_since(self.frame_began);
                self.frame_began = self.last_read;
                Ok(Some((frame, took)))
            }
            Split::Missing(bytes) => {
                self.missing = bytes;
                Ok(None)
            }
        }
    }

    /// How many bytes have come that are of no frame that was handed over.
    pub(crate) fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Forgets what has come.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
    }
}
