//! Files on their way to a worker, each on a stream of its own.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use manyeyes_protocol::frame::{Encoded, ManagerFrame};
use quinn::{SendStream, VarInt};
use tokio_util::sync::CancellationToken;

use super::limits::{FILE_WINDOW, FILES_AT_ONCE};
use super::order::Delivery;
use crate::wire::{Counters, add};

/// How a stream is reset whose file is not wanted any more.
pub(super) const NOT_WANTED: VarInt = VarInt::from_u32(1);

/// What a file's stream begins with, in bytes: its fence.
const FENCE_BYTES: usize = 8;

/// The files that the worker has not acknowledged.
#[derive(Debug, Default)]
pub(super) struct FilesOut {
    /// Those that have no stream yet: the worker lets so many come at a time.
    waiting: VecDeque<(Delivery, [Bytes; 2])>,
    sending: FuturesUnordered<Sending>,
    under_way: HashMap<Delivery, UnderWay>,
    /// How many bytes QUIC has not taken from us.
    unwritten: Arc<AtomicUsize>,
    /// How many have had a stream.
    opened: u32,
    /// What QUIC may hold of those that have one.
    at_once: usize,
}

/// Ends when the file has been acknowledged, or its stream reset.
type Sending = Pin<Box<dyn Future<Output = Delivery> + Send + Sync>>;

#[derive(Debug, Default)]
struct UnderWay {
    reset: CancellationToken,
    /// How much of it QUIC may hold, once it has a stream.
    held: usize,
    /// What the worker is to be asked when it has the file.
    question: Option<ManagerFrame>,
}

impl FilesOut {
    /// Sends a file, and says so: one that is under way is not sent twice.
    pub(super) fn push(&mut self, delivery: Delivery, fence: u64, frame: Encoded) -> bool {
        if self.under_way.contains_key(&delivery) {
            return false;
        }
        let mut head = BytesMut::with_capacity(FENCE_BYTES + frame.head.len());
        head.put_u64(fence);
        head.put_slice(&frame.head);
        let chunks = [head.freeze(), frame.payload];
        self.unwritten.fetch_add(bytes_of(&chunks), Ordering::Relaxed);
        self.waiting.push_back((delivery, chunks));
        self.under_way.insert(delivery, UnderWay::default());
        true
    }

    /// Another delivery of the image that is under way and wanted.
    pub(super) fn other_of(&self, (image, attempt): Delivery) -> Option<Delivery> {
        let mut wanted = self.under_way.iter().filter(|(_, file)| !file.reset.is_cancelled());
        wanted.find(|(of, _)| of.0 == image && of.1 != attempt).map(|(of, _)| *of)
    }

    /// Keeps a question for when the worker has the file; gives it back when nothing of the delivery is under way.
    pub(super) fn hold(&mut self, delivery: Delivery, question: ManagerFrame) -> Option<ManagerFrame> {
        match self.under_way.get_mut(&delivery) {
            Some(under_way) => {
                under_way.question = Some(question);
                None
            }
            None => Some(question),
        }
    }

    /// Sends no more of a file.
    pub(super) fn cancel(&mut self, delivery: Delivery) {
        if let Some(place) = self.waiting.iter().position(|(waiting, _)| *waiting == delivery) {
            if let Some((_, chunks)) = self.waiting.remove(place) {
                self.unwritten.fetch_sub(bytes_of(&chunks), Ordering::Relaxed);
            }
            self.under_way.remove(&delivery);
        } else if let Some(under_way) = self.under_way.get_mut(&delivery) {
            under_way.question = None;
            under_way.reset.cancel();
        }
    }

    /// Whether a stream should be opened.
    pub(super) fn wants_stream(&self) -> bool {
        let next = self.waiting.front();
        next.is_some_and(|(_, file)| self.at_once == 0 || self.at_once + held_of(file) <= FILES_AT_ONCE)
    }

    /// Here is one. What was to be said first goes first, also again when it was lost on the way.
    pub(super) fn opened(&mut self, stream: SendStream, counters: Arc<Counters>) {
        let stream = ResetOnDrop(stream);
        let Some((delivery, chunks)) = self.waiting.pop_front() else {
            return;
        };
        let place = i32::try_from(self.opened).unwrap_or(i32::MAX);
        // A stream that is closed already will say so when it is written to.
        let _ = stream.0.set_priority(place.saturating_neg());
        self.opened = self.opened.saturating_add(1);
        let under_way = self.under_way.entry(delivery).or_default();
        under_way.held = held_of(&chunks);
        self.at_once += under_way.held;
        let reset = under_way.reset.clone();
        let unwritten = Unwritten { bytes: bytes_of(&chunks), all: Arc::clone(&self.unwritten) };
        self.sending.push(Box::pin(async move {
            tokio::select! {
                () = send(stream, chunks, unwritten, &counters) => {}
                () = reset.cancelled() => {}
            }
            delivery
        }));
    }

    /// Waits until a file is no longer under way; gives the question that can be asked now. For ever where none is.
    pub(super) async fn ended(&mut self) -> (Delivery, Option<ManagerFrame>) {
        match self.sending.next().await {
            Some(delivery) => {
                let gone = self.under_way.remove(&delivery).unwrap_or_default();
                self.at_once -= gone.held;
                (delivery, gone.question)
            }
            None => std::future::pending().await,
        }
    }

    /// How many bytes QUIC has not taken from us.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed)
    }
}

async fn send(mut stream: ResetOnDrop, mut chunks: [Bytes; 2], mut unwritten: Unwritten, counters: &Counters) {
    let mut head_bytes = chunks[0].len();
    let mut rest = if chunks[1].is_empty() { &mut chunks[..1] } else { &mut chunks[..] };
    while !rest.is_empty() {
        let Ok(written) = stream.0.write_chunks(rest).await else {
            return;
        };
        unwritten.taken(written.bytes);
        add(&counters.bytes_sent, written.bytes);
        let of_head = head_bytes.min(written.bytes);
        head_bytes -= of_head;
        add(&counters.payload_bytes, written.bytes - of_head);
        rest = &mut rest[written.chunks..];
    }
    if stream.0.finish().is_ok() {
        // However it ends, it is no longer under way.
        let _ = stream.0.stopped().await;
    }
}

/// A stream that is dropped must not look like one that was finished. One that was acknowledged cannot be reset.
struct ResetOnDrop(SendStream);

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        // An error says that there is nothing to reset.
        let _ = self.0.reset(NOT_WANTED);
    }
}

/// What QUIC has not taken of one file, as a part of what it has not taken of all.
struct Unwritten {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Unwritten {
    fn taken(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How much of a file QUIC takes at most until some of it has been read.
fn held_of(file: &[Bytes]) -> usize {
    bytes_of(file).min(FILE_WINDOW as usize)
}

fn bytes_of(chunks: &[Bytes]) -> usize {
    chunks.iter().map(Bytes::len).sum()
}
