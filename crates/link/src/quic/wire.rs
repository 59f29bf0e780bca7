//! A link over QUIC: a stream for all small frames, and one for each file.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use manyeyes_protocol::frame::{DecodeError, MAX_SMALL_FRAME, ManagerFrame, WorkerFrame};
use manyeyes_protocol::id::{Attempt, ImageId};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt, WriteError, Written};
use tokio::io;

use super::coded::Coding;
use super::control::Steering;
use super::files_in::FilesIn;
use super::files_out::FilesOut;
use super::order::{Arrived, Delivery, Heard, Said};
use super::reason;
use crate::congestion::QuicCongestion;
use crate::encryption;
use crate::transport::Transport;
use crate::wire::{Counters, Inbox, LAST_WORDS, Ledger, OUTBOX_BYTES, Observed, Outbox, Traffic, WireUse, add};

/// How a connection is closed, whoever does it: why is said by frames, or by nobody.
const CLOSED: VarInt = VarInt::from_u32(0);

/// What a congestion control is called that is changed as the path wants it.
const STEERED: &str = "quic auto";

/// How many turns others are given before nothing is said to be there: what waits in the socket is taken out of it by one task of
/// QUIC and given to its stream by another, each woken by the one before.
const TURNS: u32 = 8;

/// A connection.
#[derive(Debug)]
pub(crate) struct QuicWire {
    connection: Connection,
    coding: Coding,
    reader: RecvStream,
    writer: SendStream,
    inbox: Inbox,
    outbox: Outbox,
    /// Why nothing can be written any more. What the peer said before may still be there to be read.
    mute: Option<String>,
    end: End,
    counters: Arc<Counters>,
    /// What QUIC knew when it was asked last.
    observed: Observed,
}

/// What only one of the ends has.
#[derive(Debug)]
enum End {
    Manager {
        said: Said,
        files: FilesOut,
        ledger: Ledger,
        congestion: QuicCongestion,
        /// Whether it may be changed.
        steered: Arc<Steering>,
    },
    Worker {
        heard: Heard,
        files: FilesIn,
    },
}

impl End {
    fn side(&self) -> encryption::End {
        match self {
            Self::Manager { .. } => encryption::End::Manager,
            Self::Worker { .. } => encryption::End::Worker,
        }
    }
}

impl QuicWire {
    pub(super) fn of_manager(
        connection: Connection,
        coding: Coding,
        control: (SendStream, RecvStream),
        congestion: QuicCongestion,
        steered: Arc<Steering>,
    ) -> Self {
        let (said, files, ledger) = (Said::default(), FilesOut::default(), Ledger::default());
        let end = End::Manager { said, files, ledger, congestion, steered };
        Self::new(connection, coding, control, end)
    }

    /// With room for so many bytes of files under way.
    pub(super) fn of_worker(
        connection: Connection,
        coding: Coding,
        control: (SendStream, RecvStream),
        room: usize,
    ) -> Self {
        let end = End::Worker { heard: Heard::default(), files: FilesIn::new(connection.clone(), room) };
        Self::new(connection, coding, control, end)
    }

    fn new(connection: Connection, coding: Coding, (writer, reader): (SendStream, RecvStream), end: End) -> Self {
        // Before any file. A stream that is closed already will say so when it is written to.
        let _ = writer.set_priority(i32::MAX);
        Self {
            connection,
            coding,
            reader,
            writer,
            inbox: Inbox::new(),
            outbox: Outbox::default(),
            mute: None,
            end,
            counters: Arc::default(),
            observed: Observed::default(),
        }
    }

    pub(crate) async fn traffic(&mut self) -> Traffic {
        let Self { connection, reader, writer, inbox, outbox, end, .. } = self;
        let has_words = !outbox.is_empty();
        tokio::select! {
            read = inbox.read(reader) => self.have_read(read),
            wrote = writer.write_chunks(outbox.chunks()), if has_words => {
                self.have_written(wrote);
                Traffic::Wrote
            }
            happened = end.happening(connection) => self.happened(happened),
        }
    }

    pub(crate) async fn write_ready(&mut self) {
        while !self.outbox.is_empty() {
            let wrote = tokio::select! {
                biased;
                wrote = self.writer.write_chunks(self.outbox.chunks()) => wrote,
                () = ready(()) => return,
            };
            self.have_written(wrote);
        }
    }

    pub(crate) async fn read_ready(&mut self) -> Option<Traffic> {
        for _ in 0..TURNS {
            let Self { connection, reader, inbox, end, .. } = self;
            tokio::select! {
                biased;
                read = inbox.read(reader) => return Some(self.have_read(read)),
                happened = end.happening(connection) => return Some(self.happened(happened)),
                () = ready(()) => {}
            }
            tokio::task::yield_now().await;
        }
        None
    }

    pub(crate) fn next_of_worker(&mut self) -> Result<Option<WorkerFrame>, DecodeError> {
        self.inbox.next_frame(MAX_SMALL_FRAME)?.map(|(bytes, _)| WorkerFrame::decode(bytes)).transpose()
    }

    pub(crate) fn next_of_manager(&mut self) -> Result<Option<(ManagerFrame, Duration)>, DecodeError> {
        let End::Worker { heard, files } = &mut self.end else {
            return Ok(None);
        };
        if let Some(error) = files.take_broken() {
            return Err(error);
        }
        if let Some(Arrived { assign, received_in, .. }) = heard.next_file() {
            return Ok(Some((ManagerFrame::Assign(assign), received_in)));
        }
        let Some((bytes, took)) = self.inbox.next_frame(MAX_SMALL_FRAME)? else {
            return Ok(None);
        };
        let frame = ManagerFrame::decode(bytes)?;
        if matches!(&frame, ManagerFrame::Assign(assign) if !assign.resend) {
            return Err(DecodeError::Invalid("stream"));
        }
        heard.note(&frame);
        Ok(Some((frame, took)))
    }

    /// Files wait for room of their own, so that they are behind no more than this.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.bytes() < OUTBOX_BYTES
    }

    pub(crate) fn has_room_for_files(&self) -> bool {
        self.has_room()
            && match &self.end {
                End::Manager { files, .. } => files.unwritten() < OUTBOX_BYTES,
                End::Worker { .. } => false,
            }
    }

    pub(crate) fn push_to_manager(&mut self, frame: &WorkerFrame) {
        if self.mute.is_none() {
            self.outbox.push(frame.encode().head);
        }
    }

    pub(crate) fn push_to_worker(&mut self, frame: &ManagerFrame) {
        if self.mute.is_some() {
            return;
        }
        if matches!(frame, ManagerFrame::Assign(assign) if !assign.resend) {
            // What was sent again before is none of the file's.
            self.observe();
        }
        let End::Manager { said, files, ledger, .. } = &mut self.end else {
            return;
        };
        match frame {
            ManagerFrame::Assign(assign) if assign.resend => {
                if let Some(question) = files.hold((assign.image, assign.attempt), frame.clone()) {
                    self.say(&question);
                }
            }
            ManagerFrame::Assign(assign) => {
                let (image, attempt) = (assign.image, assign.attempt);
                // The newer delivery of an image takes the place of an older one.
                if let Some((image, attempt)) = files.other_of((image, attempt)) {
                    return self.replace(image, attempt, frame);
                }
                if files.push((image, attempt), said.fence(image), frame.encode()) {
                    ledger.push((image, attempt), assign.payload.len());
                }
            }
            ManagerFrame::Cancel { image, attempt } => {
                files.cancel((*image, *attempt));
                self.say(frame);
            }
            ManagerFrame::Welcome(_)
            | ManagerFrame::Refused(_)
            | ManagerFrame::ResultAck { .. }
            | ManagerFrame::Drain
            | ManagerFrame::Move { .. }
            | ManagerFrame::Ping { .. }
            | ManagerFrame::Pong { .. }
            | ManagerFrame::Goodbye => self.say(frame),
        }
    }

    pub(crate) fn observe(&mut self) -> Observed {
        let stats = self.connection.stats();
        let path = stats.path;
        let beside = self.coding.beside(self.connection.remote_address());
        let now = Observed {
            retransmissions: path.lost_packets,
            bytes_retransmitted: path.lost_bytes,
            wire_bytes_sent: stats.udp_tx.bytes + beside.bytes,
            packets_sent: path.sent_packets,
            told_loss: beside.told_loss,
            round_trip: Some(path.rtt),
            least_round_trip: Some(path.min_rtt),
            window_bytes: Some(path.cwnd),
            ..Observed::default()
        };
        let before = std::mem::replace(&mut self.observed, now);
        if let End::Manager { ledger, .. } = &mut self.end {
            let resent = now.bytes_retransmitted.saturating_sub(before.bytes_retransmitted);
            ledger.share(resent, &ledger.within(path.cwnd));
        }
        self.counters.note(now, before);
        now
    }

    pub(crate) fn transport(&self) -> Transport {
        if self.coding.is_coded() { Transport::Coded } else { Transport::Quic }
    }

    pub(crate) fn settle(&mut self, delivery: Delivery) -> Option<WireUse> {
        match &mut self.end {
            End::Manager { ledger, .. } => ledger.settle(delivery).map(|used| self.observed.used_by(used)),
            End::Worker { .. } => None,
        }
    }

    pub(crate) fn congestion_control(&self) -> Option<String> {
        let told = match &self.end {
            End::Manager { steered, .. } if steered.is_on() => STEERED,
            End::Manager { congestion, .. } => congestion.told(),
            End::Worker { .. } => return None,
        };
        Some(if self.coding.is_coded() { format!("coded {told}") } else { told.to_owned() })
    }

    pub(crate) fn steer(&mut self, loses: bool) {
        if let End::Manager { steered, .. } = &self.end {
            steered.begin(loses);
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn set_counters(&mut self, counters: Arc<Counters>) {
        self.counters = counters;
    }

    pub(crate) async fn close(mut self) {
        if let End::Manager { files, .. } = &mut self.end {
            *files = FilesOut::default();
        }
        let last_words = async {
            while !self.outbox.is_empty() {
                if let Traffic::Ended(_) = self.traffic().await {
                    return;
                }
                self.inbox.clear();
            }
            if self.writer.finish().is_err() {
                return;
            }
            while !matches!(self.traffic().await, Traffic::Ended(_)) {
                self.inbox.clear();
            }
        };
        // Whether it came through is the peer's loss: there is nothing more to do.
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
        self.connection.close(CLOSED, b"");
    }

    fn have_read(&mut self, read: io::Result<usize>) -> Traffic {
        match read {
            Ok(0) => Traffic::Ended(self.mute.take().unwrap_or_else(|| "the connection was closed".to_owned())),
            Ok(bytes) => {
                add(&self.counters.bytes_received, bytes);
                // What came before this of files must be handed over before it.
                let files = match &mut self.end {
                    End::Worker { heard, files } => files.take_all(heard),
                    End::Manager { .. } => 0,
                };
                self.files_came(files)
            }
            Err(error) => Traffic::Ended(match self.connection.close_reason() {
                Some(lost) => reason(&lost, self.end.side()),
                None => error.to_string(),
            }),
        }
    }

    fn have_written(&mut self, wrote: Result<Written, WriteError>) {
        match wrote {
            Ok(Written { bytes, chunks }) => {
                add(&self.counters.bytes_sent, bytes);
                self.outbox.taken(chunks, bytes);
            }
            Err(WriteError::ConnectionLost(error)) => self.fall_mute(reason(&error, self.end.side())),
            Err(error) => self.fall_mute(error.to_string()),
        }
    }

    fn happened(&mut self, happened: Happened) -> Traffic {
        match happened {
            Happened::Opened(Ok(stream)) => {
                if let End::Manager { files, .. } = &mut self.end {
                    files.opened(stream, Arc::clone(&self.counters));
                }
                Traffic::Wrote
            }
            Happened::Opened(Err(error)) => {
                self.fall_mute(reason(&error, self.end.side()));
                Traffic::Wrote
            }
            Happened::FileGone(delivery, question) => {
                self.observe();
                if let End::Manager { ledger, .. } = &mut self.end {
                    ledger.arrived(delivery);
                }
                if let Some(question) = question {
                    self.say(&question);
                }
                Traffic::Wrote
            }
            Happened::FilesCame(bytes) => self.files_came(bytes),
        }
    }

    fn files_came(&mut self, bytes: usize) -> Traffic {
        add(&self.counters.bytes_received, bytes);
        match &self.end {
            End::Worker { heard, files } if files.is_over(heard) => {
                Traffic::Ended("the manager sends more files at a time than this worker holds".to_owned())
            }
            End::Worker { .. } | End::Manager { .. } => Traffic::Read,
        }
    }

    /// A peer that has gone may have said something before: reading ends the connection, when it has all been read.
    fn fall_mute(&mut self, reason: String) {
        self.outbox.clear();
        if let End::Manager { files, .. } = &mut self.end {
            *files = FilesOut::default();
        }
        self.mute = Some(reason);
    }

    /// Says a frame on the control stream.
    fn say(&mut self, frame: &ManagerFrame) {
        if let End::Manager { said, .. } = &mut self.end {
            said.note(frame);
        }
        self.outbox.push(frame.encode().head);
    }

    fn replace(&mut self, image: ImageId, attempt: Attempt, frame: &ManagerFrame) {
        self.push_to_worker(&ManagerFrame::Cancel { image, attempt });
        self.push_to_worker(frame);
    }
}

/// What happened on the files' streams.
enum Happened {
    /// There is a stream for the next file, or no connection.
    Opened(Result<SendStream, ConnectionError>),
    /// A file has been acknowledged or given up: this can be asked now.
    FileGone(Delivery, Option<ManagerFrame>),
    /// So many bytes of files came, or a file came to its end.
    FilesCame(usize),
}

impl End {
    async fn happening(&mut self, connection: &Connection) -> Happened {
        match self {
            Self::Manager { files, .. } => {
                let wants_stream = files.wants_stream();
                tokio::select! {
                    opened = connection.open_uni(), if wants_stream => Happened::Opened(opened),
                    (delivery, question) = files.ended() => Happened::FileGone(delivery, question),
                }
            }
            Self::Worker { heard, files } => Happened::FilesCame(files.come(heard).await),
        }
    }
}
