//! One connection, whatever the transport: frames that come are handed over, and frames to be said are taken.

mod counters;
mod inbox;
mod ledger;
mod outbox;

use std::sync::Arc;
use std::time::Duration;

use manyeyes_protocol::frame::{DecodeError, ManagerFrame, WorkerFrame};
use manyeyes_protocol::id::{Attempt, ImageId};

use crate::quic::QuicWire;
use crate::tcp::TcpWire;
use crate::transport::Transport;
pub use counters::WireCounters;
pub(crate) use counters::{Counters, Observed, add};
pub(crate) use inbox::Inbox;
pub(crate) use ledger::Ledger;
pub use ledger::WireUse;
pub(crate) use outbox::{OUTBOX_BYTES, Outbox};

/// How often what is there is read before a timer that is due is acted on: a mebibyte and more, which is more than what
/// waits after a stop.
pub(crate) const CATCH_UP_READS: u32 = 64;

/// How long a closing connection may take to take our last words.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

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

/// A connection between a manager and a worker. Each end uses the half of its face that is its own.
#[derive(Debug)]
pub(crate) enum Wire {
    Tcp(Box<TcpWire>),
    Quic(Box<QuicWire>),
}

impl Wire {
    /// Waits until bytes have come or gone. May be dropped at any moment without losing any.
    pub(crate) async fn traffic(&mut self) -> Traffic {
        match self {
            Self::Tcp(wire) => wire.traffic().await,
            Self::Quic(wire) => wire.traffic().await,
        }
    }

    /// Writes what the system takes without waiting.
    pub(crate) async fn write_ready(&mut self) {
        match self {
            Self::Tcp(wire) => wire.write_ready(),
            Self::Quic(wire) => wire.write_ready().await,
        }
    }

    /// Reads what is there already, without waiting.
    pub(crate) async fn read_ready(&mut self) -> Option<Traffic> {
        match self {
            Self::Tcp(wire) => wire.read_ready(),
            Self::Quic(wire) => wire.read_ready().await,
        }
    }

    /// For a manager: what the worker has said next.
    pub(crate) fn next_of_worker(&mut self) -> Result<Option<WorkerFrame>, DecodeError> {
        match self {
            Self::Tcp(wire) => wire.next_of_worker(),
            Self::Quic(wire) => wire.next_of_worker(),
        }
    }

    /// For a worker: what the manager has said next, and how long it took from its first byte to its last.
    pub(crate) fn next_of_manager(&mut self) -> Result<Option<(ManagerFrame, Duration)>, DecodeError> {
        match self {
            Self::Tcp(wire) => wire.next_of_manager(),
            Self::Quic(wire) => wire.next_of_manager(),
        }
    }

    /// Whether the session should be asked for more to say.
    pub(crate) fn has_room(&self) -> bool {
        match self {
            Self::Tcp(wire) => wire.has_room(),
            Self::Quic(wire) => wire.has_room(),
        }
    }

    /// Whether the session should be asked for images too. If not, there may still be room for small frames, where these do
    /// not wait behind files.
    pub(crate) fn has_room_for_files(&self) -> bool {
        match self {
            Self::Tcp(wire) => wire.has_room(),
            Self::Quic(wire) => wire.has_room_for_files(),
        }
    }

    /// For a worker: says this.
    pub(crate) fn push_to_manager(&mut self, frame: &WorkerFrame) {
        match self {
            Self::Tcp(wire) => wire.push_to_manager(frame),
            Self::Quic(wire) => wire.push_to_manager(frame),
        }
    }

    /// For a manager: says this.
    pub(crate) fn push_to_worker(&mut self, frame: &ManagerFrame) {
        match self {
            Self::Tcp(wire) => wire.push_to_worker(frame),
            Self::Quic(wire) => wire.push_to_worker(frame),
        }
    }

    /// What carries it.
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Tcp(_) => Transport::Tcp,
            Self::Quic(wire) => wire.transport(),
        }
    }

    /// Notes what the transport knows of the connection, and gives it.
    pub(crate) fn observe(&mut self) -> Observed {
        match self {
            Self::Tcp(wire) => wire.observe(),
            Self::Quic(wire) => wire.observe(),
        }
    }

    /// For a manager: the answer to a delivery is here. What this connection has carried of it, if it has.
    pub(crate) fn settle(&mut self, delivery: (ImageId, Attempt)) -> Option<WireUse> {
        self.observe();
        match self {
            Self::Tcp(wire) => wire.settle(delivery),
            Self::Quic(wire) => wire.settle(delivery),
        }
    }

    /// The name of its congestion control at our end, where that is known.
    pub(crate) fn congestion_control(&self) -> Option<String> {
        match self {
            Self::Tcp(wire) => wire.congestion_control(),
            Self::Quic(wire) => wire.congestion_control(),
        }
    }

    /// Gives the connection the congestion control that such a path wants. Over QUIC it is changed by itself from here on, over TCP by
    /// another call.
    pub(crate) fn steer(&mut self, loses: bool) {
        match self {
            Self::Tcp(wire) => wire.steer(loses),
            Self::Quic(wire) => wire.steer(loses),
        }
    }

    /// The congestion control is not ours to choose.
    pub(crate) fn leave_to_the_system(&mut self) {
        match self {
            Self::Tcp(wire) => wire.leave_to_the_system(),
            // What it brings itself it has already.
            Self::Quic(_) => {}
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        match self {
            Self::Tcp(wire) => wire.counters(),
            Self::Quic(wire) => wire.counters(),
        }
    }

    /// Counts on, from here, in the books of a worker that was here before.
    pub(crate) fn count_in(&mut self, counters: Arc<Counters>) {
        counters.absorb(self.counters());
        match self {
            Self::Tcp(wire) => wire.set_counters(counters),
            Self::Quic(wire) => wire.set_counters(counters),
        }
    }

    /// Says what is still to be said, closes our side, and waits for the peer to close its own, so that our last words
    /// are not lost; all within a limit.
    pub(crate) async fn close(self) {
        match self {
            Self::Tcp(wire) => wire.close().await,
            Self::Quic(wire) => wire.close().await,
        }
    }
}
