//! A link over TCP: one stream of bytes each way, encrypted or not.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use manyeyes_protocol::frame::{DecodeError, Encoded, MAX_FRAME, MAX_SMALL_FRAME, ManagerFrame, WorkerFrame};
use manyeyes_protocol::id::{Attempt, ImageId};
use tokio::io::{self, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tokio_util::either::Either;

use super::tcp_info;
use crate::congestion::{self, STANDARD};
use crate::encryption::{End, explain};
use crate::wire::{Counters, Inbox, LAST_WORDS, Ledger, OUTBOX_BYTES, Observed, Outbox, Traffic, WireUse, add};

/// What a path is given that loses packets.
const FOR_LOSSES: [&str; 1] = ["bbr"];

/// In the clear, or encrypted.
pub(super) type Socket = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection.
#[derive(Debug)]
pub(crate) struct TcpWire {
    socket: Socket,
    end: End,
    inbox: Inbox,
    outbox: Outbox,
    /// Which is looked at first, reading or writing: by turns, so that neither holds the other up.
    writes_first: bool,
    /// Why nothing can be written any more. What the peer said before may still be there to be read.
    mute: Option<String>,
    counters: Arc<Counters>,
    /// What the system knew when it was asked last.
    observed: Observed,
    /// The files that we have sent.
    ledger: Ledger,
    /// How much has been taken of all that was said: by the system, or for it to be encrypted.
    written: u64,
    /// How much of that the peer's system had when it was asked last.
    acknowledged: u64,
    /// The congestion control that the system would have given it.
    systems_own: Option<Arc<str>>,
}

impl TcpWire {
    pub(super) fn new(socket: Socket, end: End, systems_own: Option<Arc<str>>) -> Self {
        Self {
            socket,
            end,
            inbox: Inbox::new(),
            outbox: Outbox::default(),
            writes_first: false,
            mute: None,
            counters: Arc::default(),
            observed: Observed::default(),
            ledger: Ledger::default(),
            written: 0,
            acknowledged: 0,
            systems_own,
        }
    }

    pub(crate) async fn traffic(&mut self) -> Traffic {
        poll_fn(|context| {
            self.writes_first = !self.writes_first;
            let directions = if self.writes_first {
                [Self::poll_write, Self::poll_read]
            } else {
                [Self::poll_read, Self::poll_write]
            };
            directions.into_iter().map(|poll| poll(self, context)).find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    pub(crate) fn write_ready(&mut self) {
        while self.poll_write(&mut Context::from_waker(Waker::noop())).is_ready() {}
    }

    pub(crate) fn read_ready(&mut self) -> Option<Traffic> {
        match self.poll_read(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(traffic) => Some(traffic),
            Poll::Pending => None,
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Traffic> {
        // Nothing is lost with a read that is not waited for.
        let read = pin!(self.inbox.read(&mut self.socket)).poll(context);
        read.map(|read| self.have_read(read))
    }

    /// Writes what there is, encrypted or not; pending where there is nothing, or no room with the system.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Traffic> {
        let Self { socket, outbox, .. } = self;
        let wrote = if outbox.is_empty() {
            if self.mute.is_some() || !has_more_to_send(socket) {
                return Poll::Pending;
            }
            Pin::new(socket).poll_flush(context).map_ok(|()| None)
        } else {
            let (buffers, used) = outbox.buffers();
            Pin::new(socket).poll_write_vectored(context, &buffers[..used]).map_ok(Some)
        };
        wrote.map(|wrote| {
            match wrote {
                Ok(Some(written)) => self.have_written(Ok(written)),
                Ok(None) => {}
                Err(error) => self.have_written(Err(error)),
            }
            Traffic::Wrote
        })
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
        let now = tcp_info(self.stream());
        let before = std::mem::replace(&mut self.observed, now);
        let resent = now.bytes_retransmitted.saturating_sub(before.bytes_retransmitted);
        // Counted back from what was said last. What encryption adds is lost in a piece so short, and so is what waits to be encrypted.
        let sent = self.written.saturating_sub(now.unsent);
        let under_way = now.wire_bytes_sent.saturating_sub(now.bytes_retransmitted).saturating_sub(now.acknowledged);
        let acknowledged = std::mem::replace(&mut self.acknowledged, sent.saturating_sub(under_way));
        self.ledger.share(resent, &(acknowledged..sent));
        self.counters.note(now, before);
        now
    }

    pub(crate) fn settle(&mut self, delivery: (ImageId, Attempt)) -> Option<WireUse> {
        self.ledger.settle(delivery).map(|used| self.observed.used_by(used))
    }

    pub(crate) fn congestion_control(&self) -> Option<String> {
        congestion::in_use(self.stream())
    }

    pub(crate) fn steer(&mut self, loses: bool) {
        congestion::take_first(self.stream(), if loses { &FOR_LOSSES } else { &STANDARD });
    }

    /// Gives it the congestion control that the system would have given it.
    pub(crate) fn leave_to_the_system(&mut self) {
        // One that its route gives it (`ip route ... congctl`) is the system's own already.
        let is_ours = congestion::in_use(self.stream()).is_some_and(|name| STANDARD.contains(&name.as_str()));
        if let Some(systems_own) = self.systems_own.as_deref().filter(|_| is_ours) {
            congestion::take_first(self.stream(), &[systems_own]);
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
            while self.has_more_to_say() {
                if let Traffic::Ended(_) = self.traffic().await {
                    return;
                }
                self.inbox.clear();
            }
            if self.socket.shutdown().await.is_err() {
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
            // Who is killed has no time to say that he ends.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.have_read(Ok(0)),
            Err(error) => Traffic::Ended(explain(error, self.end).to_string()),
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
            Err(error) => self.fall_mute(explain(error, self.end).to_string()),
        }
    }

    fn has_more_to_say(&self) -> bool {
        !self.outbox.is_empty() || (self.mute.is_none() && has_more_to_send(&self.socket))
    }

    fn stream(&self) -> &TcpStream {
        match &self.socket {
            Either::Left(stream) => stream,
            Either::Right(tls) => tls.get_ref().0,
        }
    }

    /// A peer that has gone may have said something before: reading ends the connection, when it has all been read.
    fn fall_mute(&mut self, reason: String) {
        self.outbox.clear();
        self.mute = Some(reason);
    }
}

/// Whether something was encrypted that the system has not been given yet.
fn has_more_to_send(socket: &Socket) -> bool {
    match socket {
        Either::Left(_) => false,
        Either::Right(tls) => match &**tls {
            TlsStream::Client(tls) => tls.get_ref().1.wants_write(),
            TlsStream::Server(tls) => tls.get_ref().1.wants_write(),
        },
    }
}
