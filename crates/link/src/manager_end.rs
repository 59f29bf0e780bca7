//! The manager's end: listens for workers, and carries a session with each.

mod complaints;
mod connection;
mod roster;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use manyeyes_protocol::frame::{ManagerFrame, ModelDescription, Refusal, RefusalCode};
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, InstanceId, ModelDigest, WorkerId};
use manyeyes_protocol::manager_session::{Assignment, ManagerSessionSettings, WireTiming};
use manyeyes_protocol::result::{Answer, Failure};
use manyeyes_protocol::timer::TimerSettings;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::tcp;
use complaints::Complaints;
use connection::{Command, Connection};
use roster::Roster;

/// How many events may wait for the owner. It is meant to be quick; a burst of the answers of all workers fits.
const EVENT_QUEUE: usize = 1024;

/// How many connections a manager takes unless told otherwise.
const MAX_CONNECTIONS: usize = 1024;

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Settings of the manager's end.
#[derive(Clone, Debug)]
pub struct ManagerSettings {
    /// The manager's books. Workers forget what they remember when they meet other books.
    pub books: BooksId,
    /// What a worker has to know; `None`: nothing.
    pub token: Option<String>,
    /// The model that a worker has to hold; `None`: that of the workers that are here, and any while there are none.
    pub model: Option<ModelDigest>,
    /// How long the sessions' timers run.
    pub timers: TimerSettings,
    /// The most connections at a time. One more is refused, and tries again later.
    pub max_connections: usize,
}

impl ManagerSettings {
    /// The defaults, for these books: no token, the model of the first worker.
    #[must_use]
    pub fn new(books: BooksId) -> Self {
        Self { books, token: None, model: None, timers: TimerSettings::default(), max_connections: MAX_CONNECTIONS }
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
    /// A worker was turned away, for a reason that will not mend. Nothing follows of its connection.
    Refused {
        /// What it calls itself, less control characters; its address where it has no name.
        name: String,
        /// Why, as it was told: a sentence without its capital letter and full stop.
        reason: String,
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
    /// The models that it holds, the one in use first.
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

/// The manager's end of all links. Clones are handles of the same. Dropping them ends nothing: see [`Self::shutdown`].
#[derive(Clone, Debug)]
pub struct ManagerEnd {
    shared: Arc<Shared>,
}

impl ManagerEnd {
    /// Listens, and begins to accept workers. Port 0 is honoured: see [`Self::local_addr`]. The receiver should be
    /// emptied promptly: what waits in it holds up its workers.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(listen: SocketAddr, settings: ManagerSettings) -> io::Result<(Self, mpsc::Receiver<FromWorker>)> {
        let listener = TcpListener::bind(listen).await?;
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let ManagerSettings { books, token, model, timers, max_connections } = settings;
        let shared = Arc::new(Shared {
            session: ManagerSessionSettings { books, token, model, model_name: None, timers },
            address: listener.local_addr()?,
            connections: Arc::new(Semaphore::new(max_connections)),
            events,
            roster: Mutex::default(),
            complaints: Complaints::default(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shared.tasks.spawn(accept(Arc::clone(&shared), listener).instrument(tracing::info_span!("accept")));
        Ok((Self { shared }, receiver))
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// Hands an image to a worker. Never blocks. A no-op when the worker has gone: its `Left` is on the way.
    pub fn assign(&self, worker: WorkerId, assignment: Assignment) {
        self.command(worker, Command::Assign { assignment, at: Instant::now() });
    }

    /// The answer is not wanted any more.
    pub fn cancel(&self, worker: WorkerId, image: ImageId, attempt: Attempt) {
        self.command(worker, Command::Cancel { image, attempt });
    }

    /// The answer (or failure) is safe in the books, or not needed: the worker may forget it. To be called for every
    /// `Answered` and `Failed`, or it comes again after each reconnect.
    pub fn acknowledge(&self, worker: WorkerId, image: ImageId, attempt: Attempt) {
        self.command(worker, Command::Acknowledge { image, attempt });
    }

    /// Asks a worker to finish what it has and go.
    pub fn drain(&self, worker: WorkerId) {
        self.command(worker, Command::Drain);
    }

    /// What a worker's connections have carried; `None` for a worker never met or long gone. What the system knows
    /// (retransmissions, TCP's round trip) is at most about a second old.
    #[must_use]
    pub fn wire(&self, worker: WorkerId) -> Option<WireCounters> {
        let counters = Arc::clone(self.shared.roster().counters(worker)?);
        Some(WireCounters {
            bytes_sent: counters.bytes_sent.load(Ordering::Relaxed),
            bytes_received: counters.bytes_received.load(Ordering::Relaxed),
            payload_bytes: counters.payload_bytes.load(Ordering::Relaxed),
            retransmissions: counters.retransmissions.load(Ordering::Relaxed),
            tcp_rtt: counters.tcp_round_trip.get(),
            smoothed_rtt: counters.smoothed_round_trip.get(),
        })
    }

    /// Says goodbye to all workers (they will try again later), closes, and returns when every task has ended. Events
    /// that find no room with the owner are then dropped, so that it may be awaited by the one who receives them.
    pub async fn shutdown(&self) {
        self.shared.shutdown.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn command(&self, worker: WorkerId, command: Command) {
        let roster = self.shared.roster();
        let Some(line) = roster.line(worker) else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = line.commands.try_send(command) {
            tracing::error!(worker = worker.0, "a worker's connection does not take its commands: hanging up");
            line.hang_up.cancel();
        }
    }
}

/// What the accepting task, the connections and the handles share.
#[derive(Debug)]
struct Shared {
    session: ManagerSessionSettings,
    address: SocketAddr,
    connections: Arc<Semaphore>,
    events: mpsc::Sender<FromWorker>,
    roster: Mutex<Roster>,
    complaints: Complaints,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().expect("nobody panics with the roster in hand")
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => admit(&shared, stream, address),
            // Too many open files, most likely. The connection stays in the backlog; asking at once would only spin.
            Err(error) => {
                if let Some(passed_over) = shared.complaints.one_more(Instant::now()) {
                    tracing::warn!(%error, passed_over, "failed to accept a worker's connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Gives a connection its task, if there is room for one.
fn admit(shared: &Arc<Shared>, stream: TcpStream, address: SocketAddr) {
    let Ok(permit) = Arc::clone(&shared.connections).try_acquire_owned() else {
        if let Some(passed_over) = shared.complaints.one_more(Instant::now()) {
            tracing::warn!(%address, passed_over, "a connection was refused: there are as many as the limit allows");
        }
        return turn_away(stream);
    };
    match tcp::carry(stream) {
        Ok(wire) => {
            let connection = Connection::new(Arc::clone(shared), address, wire);
            let carried = async move {
                connection.run().await;
                drop(permit);
            };
            shared.tasks.spawn(carried.instrument(tracing::info_span!("worker", %address)));
        }
        Err(error) => tracing::debug!(%address, %error, "a connection ended before it began"),
    }
}

/// Says that there is no room, as well as that can be said without waiting.
fn turn_away(stream: TcpStream) {
    let sentence = "the manager has as many connections as it takes".to_owned();
    let refused = ManagerFrame::Refused(Refusal { code: RefusalCode::Full, sentence });
    // What does not go out now is not worth a task: the worker sees the connection closed, and tries again later.
    let _ = stream.into_std().and_then(|mut socket| socket.write(&refused.encode().head));
}
