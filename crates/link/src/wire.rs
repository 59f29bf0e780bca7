//! Bytes in and out of one connection, whatever the transport: frames are cut from what comes and queued for what goes,
//! and no image is copied on the way.

use std::collections::VecDeque;
use std::future::ready;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use manyeyes_protocol::frame::{DecodeError, Encoded, Split, split_frame};
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The least room for a read: many small frames, or the start of a large one.
const READ_BYTES: usize = 16 * 1024;

/// The most room made at once for a large frame. A claim of 64 MiB costs memory only as its bytes come.
const GROWTH_BYTES: usize = 256 * 1024;

/// How many bytes wait in a connection's outbox before the session is asked for more. The session says small frames
/// first, so they wait behind this much at most (and what the system holds).
const OUTBOX_BYTES: usize = 256 * 1024;

/// How often what is there is read before a timer that is due is acted on: a mebibyte and more, which is more than what
/// waits after a stop.
pub(crate) const CATCH_UP_READS: u32 = 64;

/// How many buffers one write hands to the system.
const WRITE_BUFFERS: usize = 64;

/// How long a closing connection may take to take our last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the system knows of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) retransmissions: u64,
    pub(crate) round_trip: Option<Duration>,
}

/// A transport's half that can tell what the system knows.
pub(crate) trait Observe {
    fn observe(&self) -> Observed;
}

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum Traffic {
    /// Bytes came.
    Read,
    /// Bytes went.
    Wrote,
    /// The connection has ended, for this reason.
    Ended(String),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire<R, W> {
    reader: R,
    writer: W,
    inbox: BytesMut,
    missing: usize,
    frame_began: Instant,
    last_read: Instant,
    outbox: VecDeque<Bytes>,
    outbox_bytes: usize,
    /// Why nothing can be written any more. What the peer said before may still be there to be read.
    mute: Option<String>,
    counters: Arc<Counters>,
    retransmissions: u64,
}

impl<R: AsyncRead + Observe + Unpin, W: AsyncWrite + Unpin> Wire<R, W> {
    pub(crate) fn new(reader: R, writer: W) -> Self {
        let now = Instant::now();
        Self {
            reader,
            writer,
            inbox: BytesMut::new(),
            missing: 0,
            frame_began: now,
            last_read: now,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            mute: None,
            counters: Arc::default(),
            retransmissions: 0,
        }
    }

    /// Counts on, from here, in the books of a worker that was here before.
    pub(crate) fn count_in(&mut self, counters: Arc<Counters>) {
        counters.absorb(&self.counters);
        self.counters = counters;
    }

    /// Waits until bytes have come or gone. May be dropped at any moment without losing any.
    pub(crate) async fn traffic(&mut self) -> Traffic {
        let Self { reader, writer, inbox, outbox, .. } = self;
        inbox.reserve(self.missing.min(GROWTH_BYTES.max(inbox.len())).max(READ_BYTES));
        let was_empty = inbox.is_empty();
        let mut buffers = [IoSlice::new(&[]); WRITE_BUFFERS];
        let used = buffers.len().min(outbox.len());
        for (buffer, bytes) in buffers.iter_mut().zip(outbox.iter()) {
            *buffer = IoSlice::new(bytes);
        }
        tokio::select! {
            read = reader.read_buf(inbox) => self.have_read(read, was_empty),
            wrote = writer.write_vectored(&buffers[..used]), if used > 0 => {
                self.have_written(wrote);
                Traffic::Wrote
            }
        }
    }

    /// Writes what the system takes without waiting.
    pub(crate) async fn write_ready(&mut self) {
        while !self.outbox.is_empty() {
            let mut buffers = [IoSlice::new(&[]); WRITE_BUFFERS];
            let used = buffers.len().min(self.outbox.len());
            for (buffer, bytes) in buffers.iter_mut().zip(self.outbox.iter()) {
                *buffer = IoSlice::new(bytes);
            }
            let wrote = tokio::select! {
                biased;
                wrote = self.writer.write_vectored(&buffers[..used]) => wrote,
                () = ready(()) => return,
            };
            self.have_written(wrote);
        }
    }

    /// Reads what is there already, without waiting.
    pub(crate) async fn read_ready(&mut self) -> Option<Traffic> {
        self.inbox.reserve(READ_BYTES);
        let was_empty = self.inbox.is_empty();
        let read = tokio::select! {
            biased;
            read = self.reader.read_buf(&mut self.inbox) => read,
            () = ready(()) => return None,
        };
        Some(self.have_read(read, was_empty))
    }

    /// The next whole frame of what has come (its number and body), and how long it took from its first byte to its
    /// last.
    pub(crate) fn next_frame(&mut self, limit: usize) -> Result<Option<(Bytes, Duration)>, DecodeError> {
        match split_frame(&mut self.inbox, limit)? {
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

    /// Whether the session should be asked for more to say.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox_bytes < OUTBOX_BYTES
    }

    pub(crate) fn push(&mut self, frame: Encoded) {
        if self.mute.is_some() {
            return;
        }
        add(&self.counters.payload_bytes, frame.payload.len());
        for bytes in [frame.head, frame.payload] {
            if !bytes.is_empty() {
                self.outbox_bytes += bytes.len();
                self.outbox.push_back(bytes);
            }
        }
    }

    /// Notes what the system knows of the connection.
    pub(crate) fn observe(&mut self) {
        let observed = self.reader.observe();
        let new = observed.retransmissions.saturating_sub(self.retransmissions);
        self.retransmissions = observed.retransmissions;
        self.counters.retransmissions.fetch_add(new, Ordering::Relaxed);
        if let Some(round_trip) = observed.round_trip {
            self.counters.tcp_round_trip.set(round_trip);
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Writes what is in the outbox, closes our side, and waits for the peer to close its own, so that our last words
    /// are not lost to a reset; all within a limit.
    pub(crate) async fn close(mut self) {
        let last_words = async {
            while !self.outbox.is_empty() {
                if let Traffic::Ended(_) = self.traffic().await {
                    return;
                }
                self.inbox.clear();
            }
            if self.writer.shutdown().await.is_err() {
                return;
            }
            while !matches!(self.traffic().await, Traffic::Ended(_)) {
                self.inbox.clear();
            }
        };
        // Whether it came through is the peer's loss: there is nothing more to do.
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
    }

    fn have_read(&mut self, read: io::Result<usize>, was_empty: bool) -> Traffic {
        match read {
            Ok(0) => Traffic::Ended(self.mute.take().unwrap_or_else(|| "the connection was closed".to_owned())),
            Ok(bytes) => {
                self.last_read = Instant::now();
                if was_empty {
                    self.frame_began = self.last_read;
                }
                add(&self.counters.bytes_received, bytes);
                Traffic::Read
            }
            Err(error) => Traffic::Ended(error.to_string()),
        }
    }

    fn have_written(&mut self, wrote: io::Result<usize>) {
        let mut written = match wrote {
            Ok(0) => return self.fall_mute("the connection takes no more bytes".to_owned()),
            Ok(written) => written,
            Err(error) => return self.fall_mute(error.to_string()),
        };
        add(&self.counters.bytes_sent, written);
        self.outbox_bytes -= written;
        while let Some(first) = self.outbox.front_mut() {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            self.outbox.pop_front();
        }
    }

    /// A peer that has gone may have said something before: reading ends the connection, when it has all been read.
    fn fall_mute(&mut self, reason: String) {
        self.outbox.clear();
        self.outbox_bytes = 0;
        self.mute = Some(reason);
    }
}

/// What a worker's connections have carried. Written by its connection, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) payload_bytes: AtomicU64,
    pub(crate) retransmissions: AtomicU64,
    pub(crate) tcp_round_trip: AtomicTime,
    pub(crate) smoothed_round_trip: AtomicTime,
}

impl Counters {
    fn absorb(&self, other: &Self) {
        let pairs = [
            (&self.bytes_sent, &other.bytes_sent),
            (&self.bytes_received, &other.bytes_received),
            (&self.payload_bytes, &other.payload_bytes),
            (&self.retransmissions, &other.retransmissions),
        ];
        for (mine, theirs) in pairs {
            mine.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// A time that may not be known yet, in whole microseconds.
#[derive(Debug, Default)]
pub(crate) struct AtomicTime(AtomicU64);

impl AtomicTime {
    pub(crate) fn set(&self, time: Duration) {
        // Zero stands for unknown, and nothing takes no time.
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        self.0.store(microseconds, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<Duration> {
        let microseconds = self.0.load(Ordering::Relaxed);
        (microseconds > 0).then(|| Duration::from_micros(microseconds))
    }
}

fn add(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(bytes as u64, Ordering::Relaxed);
}
