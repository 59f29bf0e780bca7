//! A link over TCP: one stream of bytes each way.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use manyeyes_protocol::frame::{DecodeError, Encoded, MAX_FRAME, MAX_SMALL_FRAME, ManagerFrame, WorkerFrame};
use manyeyes_protocol::id::{Attempt, ImageId};
use tokio::io::{self, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::tcp_info;
use crate::congestion::{self, STANDARD};
use crate::wire::{Counters, Inbox, LAST_WORDS, Ledger, OUTBOX_BYTES, Observed, Outbox, Traffic, WireUse, add};

/// What a path is given that loses packets.
const FOR_LOSSES: [&str; 1] = ["bbr"];

/// A connection.
#[derive(Debug)]
pub(crate) struct TcpWire {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    inbox: Inbox,
    outbox: Outbox,
    /// Why nothing can be written any more. What the peer said before may still be there to be read.
    mute: Option<String>,
    counters: Arc<Counters>,
    /// What the system knew when it was asked last.
    observed: Observed,
    /// The files that we have sent.
    ledger: Ledger,
    /// How much the system has taken of all that was said.
    written: u64,
    /// The congestion control that the system would have given it.
    systems_own: Option<Arc<str>>,
}

impl TcpWire {
    pub(super) fn new(stream: TcpStream, systems_own: Option<Arc<str>>) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader,
            writer,
            inbox: Inbox::new(),
            outbox: Outbox::default(),
            mute: None,
            counters: Arc::default(),
            observed: Observed::default(),
            ledger: Ledger::default(),
            written: 0,
            systems_own,
        }
    }

    pub(crate) async fn traffic(&mut self) -> Traffic {
        let Self { reader, writer, inbox, outbox, .. } = self;
        let (buffers, used) = outbox.buffers();
        tokio::select! {
            read = inbox.read(reader) => self.have_read(read),
            wrote = writer.write_vectored(&buffers[..used]), if used > 0 => {
                self.have_written(wrote);
                Traffic::Wrote
            }
        }
    }

    pub(crate) async fn write_ready(&mut self) {
        while !self.outbox.is_empty() {
            let (buffers, used) = self.outbox.buffers();
            let wrote = tokio::select! {
                biased;
                wrote = self.writer.write_vectored(&buffers[..used]) => wrote,
                () = ready(()) => return,
            };
            self.have_written(wrote);
        }
    }

    pub(crate) async fn read_ready(&mut self) -> Option<Traffic> {
        let read = tokio::select! {
            biased;
            read = self.inbox.read(&mut self.reader) => read,
            () = ready(()) => return None,
        };
        Some(self.have_read(read))
    }

    pub(crate) fn next_of_worker(&mut self) -> Result<Option<WorkerFrame>, DecodeError> {
        self.inbox.next_frame(MAX_SMALL_FRAME)?.map(|(bytes, _)| WorkerFrame::decode(bytes)).transpose()
    }

    pub(crate) fn next_of_manager(&mut self) -> Result<Option<(ManagerFrame, Duration)>, DecodeError> {
        let found = self.inbox.next_frame(MAX_FRAME)?;
        found.map(|(bytes, took)| ManagerFrame::decode(bytes).map(|frame| (frame, took))).transpose()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.outbox.bytes() < OUTBOX_BYTES
    }

    pub(crate) fn push_to_manager(&mut self, frame: &WorkerFrame) {
        let Encoded { head, .. } = frame.encode();
        if self.mute.is_none() {
            self.outbox.push(head);
        }
    }

    pub(crate) fn push_to_worker(&mut self, frame: &ManagerFrame) {
        if self.mute.is_some() {
            return;
        }
        let Encoded { head, payload } = frame.encode();
        self.ledger.pass(head.len());
        if let ManagerFrame::Assign(assign) = frame
            && !payload.is_empty()
        {
            // What was sent again before is none of its.
            self.observe();
            self.ledger.push((assign.image, assign.attempt), payload.len());
        }
        self.outbox.push(head);
        self.outbox.push(payload);
    }

    pub(crate) fn observe(&mut self) -> Observed {
        let now = tcp_info(self.reader.as_ref());
        let before = std::mem::replace(&mut self.observed, now);
        let resent = now.bytes_retransmitted.saturating_sub(before.bytes_retransmitted);
        self.ledger.share(resent, &(before.acknowledged..self.written.saturating_sub(now.unsent)));
        self.counters.note(now, before);
        now
    }

    pub(crate) fn settle(&mut self, delivery: (ImageId, Attempt)) -> Option<WireUse> {
        self.ledger.settle(delivery).map(|used| self.observed.used_by(used))
    }

    pub(crate) fn congestion_control(&self) -> Option<String> {
        congestion::in_use(self.reader.as_ref())
    }

    pub(crate) fn steer(&mut self, loses: bool) {
        congestion::take_first(self.reader.as_ref(), if loses { &FOR_LOSSES } else { &STANDARD });
    }

    /// Gives it the congestion control that the system would have given it.
    pub(crate) fn leave_to_the_system(&mut self) {
        // One that its route gives it (`ip route ... congctl`) is the system's own already.
        let is_ours = congestion::in_use(self.reader.as_ref()).is_some_and(|name| STANDARD.contains(&name.as_str()));
        if let Some(systems_own) = self.systems_own.as_deref().filter(|_| is_ours) {
            congestion::take_first(self.reader.as_ref(), &[systems_own]);
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn set_counters(&mut self, counters: Arc<Counters>) {
        self.counters = counters;
    }

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

    fn have_read(&mut self, read: io::Result<usize>) -> Traffic {
        match read {
            Ok(0) => Traffic::Ended(self.mute.take().unwrap_or_else(|| "the connection was closed".to_owned())),
            Ok(bytes) => {
                add(&self.counters.bytes_received, bytes);
                Traffic::Read
            }
            Err(error) => Traffic::Ended(error.to_string()),
        }
    }

    fn have_written(&mut self, wrote: io::Result<usize>) {
        match wrote {
            Ok(0) => self.fall_mute("the connection takes no more bytes".to_owned()),
            Ok(written) => {
                let places = self.written..self.written + written as u64;
                self.written = places.end;
                self.counters.payload_bytes.fetch_add(self.ledger.of_files(&places), Ordering::Relaxed);
                add(&self.counters.bytes_sent, written);
                self.outbox.written(written);
            }
            Err(error) => self.fall_mute(error.to_string()),
        }
    }

    /// A peer that has gone may have said something before: reading ends the connection, when it has all been read.
    fn fall_mute(&mut self, reason: String) {
        self.outbox.clear();
        self.mute = Some(reason);
    }
}
