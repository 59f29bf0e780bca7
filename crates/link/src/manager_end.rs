//! The manager's end: listens for workers, and carries a session with each.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use manyeyes_protocol::frame::ModelDescription;
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, InstanceId, ModelDigest, WorkerId};
use manyeyes_protocol::manager_session::{Assignment, WireTiming};
use manyeyes_protocol::result::{Answer, Failure};
use manyeyes_protocol::timer::TimerSettings;
use tokio::sync::mpsc;

/// Settings of the manager's end.
#[derive(Clone, Debug)]
pub struct ManagerSettings {
    /// The manager's books. Workers forget what they remember when they meet other books.
    pub books: BooksId,
    /// What a worker has to know; `None`: nothing.
    pub token: Option<String>,
    /// The model that a worker has to hold; `None`: any.
    pub model: Option<ModelDigest>,
    /// How long the sessions' timers run.
    pub timers: TimerSettings,
    /// The most connections at a time. One more is refused, and tries again later.
    pub max_connections: usize,
}

impl ManagerSettings {
    /// The defaults, for these books: no token, any model.
    #[must_use]
    pub fn new(books: BooksId) -> Self {
        Self {
            books,
            token: None,
            model: None,
            timers: TimerSettings::default(),
            max_connections: 1024,
        }
    }
}

/// What the manager hears of and from its workers.
#[derive(Clone, Debug, PartialEq)]
pub enum FromWorker {
    /// A worker is there. Always the first of its connection.
    Joined {
        /// The same for the same process across reconnects.
        worker: WorkerId,
        /// What it says of itself.
        profile: WorkerProfile,
    },
    /// A slot of the worker has taken the image.
    Started {
        /// Who.
        worker: WorkerId,
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
    },
    /// The worker has recognised the image. May be of a delivery that an earlier connection made, or an earlier run of
    /// the manager: answers come again until they are acknowledged.
    Answered {
        /// Who.
        worker: WorkerId,
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
        /// The labels, and where the worker's time went.
        answer: Answer,
        /// Where the rest of the time went.
        wire: WireTiming,
    },
    /// The worker has no answer. Comes again until acknowledged, as `Answered` does.
    Failed {
        /// Who.
        worker: WorkerId,
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// The deadline of an assignment has passed while the worker still answers pings.
    Stalled {
        /// Who.
        worker: WorkerId,
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
    },
    /// A round trip was measured.
    RoundTrip {
        /// Of whom.
        worker: WorkerId,
        /// Smoothed.
        smoothed: Duration,
    },
    /// The worker's connection has ended, and with it every delivery that was made over it. Always the last of its
    /// connection.
    Left {
        /// Who.
        worker: WorkerId,
        /// How.
        departure: Departure,
    },
}

/// A worker as it introduced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerProfile {
    /// Its name, made distinct (`name`, `name-2`, ...); stable for a process, and inherited by the process that replaces
    /// a crashed one.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Which run of a worker process it is.
    pub instance: InstanceId,
    /// How many images it recognises at a time.
    pub slots: u32,
    /// The most images that it will hold, running and queued.
    pub window: u32,
    /// The models that it holds.
    pub models: Vec<ModelDescription>,
    /// Program and version, for people.
    pub software: String,
    /// Where it connects from.
    pub address: SocketAddr,
    /// The same process was here before: a reconnect.
    pub returning: bool,
    /// A process of the same name that went without a goodbye, its connection closed (not silent), and has not come
    /// back: it has crashed.
    pub replaces: Option<WorkerId>,
}

/// How a worker's connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It said so.
    Goodbye,
    /// The connection was closed or broke without a word: the process has died, or the network has.
    Disconnected,
    /// Not a byte for the silence limit.
    Silent,
    /// It broke the protocol; the text says how.
    Misbehaved(String),
    /// We ended it.
    ManagerShutdown,
}

/// What a worker's connections have carried, all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireCounters {
    /// Bytes written to sockets.
    pub bytes_sent: u64,
    /// Bytes read from sockets.
    pub bytes_received: u64,
    /// Bytes of image file among those sent.
    pub payload_bytes: u64,
    /// TCP segments sent again, where the system tells (Linux); otherwise 0.
    pub retransmissions: u64,
    /// TCP's own smoothed round trip, where the system tells (Linux).
    pub tcp_rtt: Option<Duration>,
    /// The session's smoothed round trip, from ping to pong.
    pub smoothed_rtt: Option<Duration>,
}

/// The manager's end of all links. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct ManagerEnd {}

#[expect(
    clippy::unimplemented,
    unused_variables,
    clippy::unused_async,
    reason = "the face only; being built"
)]
impl ManagerEnd {
    /// Listens, and begins to accept workers. Port 0 is honoured: see [`Self::local_addr`].
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(
        listen: SocketAddr,
        settings: ManagerSettings,
    ) -> io::Result<(Self, mpsc::Receiver<FromWorker>)> {
        unimplemented!()
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Hands an image to a worker. Never blocks. A no-op when the worker has gone: its `Left` is on the way.
    pub fn assign(&self, worker: WorkerId, assignment: Assignment) {
        unimplemented!()
    }

    /// The answer is not wanted any more.
    pub fn cancel(&self, worker: WorkerId, image: ImageId, attempt: Attempt) {
        unimplemented!()
    }

    /// The answer (or failure) is safe in the books, or not needed: the worker may forget it.
    pub fn acknowledge(&self, worker: WorkerId, image: ImageId, attempt: Attempt) {
        unimplemented!()
    }

    /// Asks a worker to finish what it has and go.
    pub fn drain(&self, worker: WorkerId) {
        unimplemented!()
    }

    /// What a worker's connections have carried; `None` for a worker never met or long gone.
    #[must_use]
    pub fn wire(&self, worker: WorkerId) -> Option<WireCounters> {
        unimplemented!()
    }

    /// Says goodbye to all workers (they will try again later), closes, and returns when every task has ended.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
