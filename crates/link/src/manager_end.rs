//! The manager's end: listens for workers, and carries a session with each.

mod complaints;
mod connection;
mod door;
mod hall;
mod path;
pub mod roster;
mod suiting;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use manyeyes_protocol::frame::ModelDescription;
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, InstanceId, ModelDigest, WorkerId};
use manyeyes_protocol::keys::Keys;
use manyeyes_protocol::manager_session::{Assignment, Ending, ManagerEvent, ManagerSessionSettings, WireTiming};
use manyeyes_protocol::result::{Answer, Failure};
use manyeyes_protocol::timer::TimerSettings;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::encryption::{Authorities, Encryption, Identity};
use crate::paths::Paths;
use crate::transport::Transports;
use crate::wire::{WireCounters, WireUse};
use complaints::Complaints;
use connection::{Command, Line};
use door::Doors;
pub use door::ListenError;
use hall::Hall;
use roster::Roster;

/// How many events may wait for the owner. It is meant to be quick; a burst of the answers of all workers fits.
const EVENT_QUEUE: usize = 1024;

/// How many workers' connections a manager takes unless told otherwise.
const MAX_CONNECTIONS: usize = 1024;

/// How many connections that have said no Hello it takes beside them: one says it within a round trip, so that hundreds of
/// workers that all come back at once find room one after the other.
const MAX_UNGREETED: usize = 128;

/// Settings of the manager's end.
#[derive(Clone, Debug)]
pub struct ManagerSettings {
    /// The manager's books. Workers forget what they remember when they meet other books.
    pub books: BooksId,
    /// Who says which tokens let a worker in; `None`: none is asked for. It is asked again while a worker is here.
    pub keys: Option<Keys>,
    /// The model that a worker has to hold; `None`: that of the workers that are here, and any while there are none.
    pub model: Option<ModelDigest>,
    /// How long the sessions' timers run.
    pub timers: TimerSettings,
    /// The most connections of workers at a time. One more is refused, and tries again later.
    pub max_connections: usize,
    /// The most connections beside those that have said no Hello yet. For one more the oldest is closed, of the address that
    /// has the most of them.
    pub max_ungreeted: usize,
    /// What is listened for.
    pub transports: Transports,
    /// By what it is known. `None`: a key of which nobody was told.
    pub identity: Option<Identity>,
    /// Whether connections by TCP are encrypted.
    pub encryption: Encryption,
    /// Who has to have signed the certificate of every worker. `None`: they need none.
    pub authorities: Option<Authorities>,
    /// The congestion control of the connections to workers: over TCP by the system's name for it, over QUIC `cubic`, `reno` or
    /// `bbr`. `None`: the system's own choice, and `cubic`.
    pub congestion_control: Option<String>,
    /// How to begin on a worker's path over QUIC. `None`: as the standard says, with ten packets.
    pub start_fast: Option<StartFast>,
}

/// To begin on a path with more than the ten packets of the standard, paced: with half of what it has carried within ten minutes
/// before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StartFast {
    /// What a path is taken to carry of which nothing is remembered, bits a second. `None`: ten packets.
    pub unknown_bits_per_s: Option<f64>,
}

impl ManagerSettings {
    /// The defaults, for these books: no token, a key for this run, the model of the first worker.
    #[must_use]
    pub fn new(books: BooksId) -> Self {
        Self {
            books,
            keys: None,
            model: None,
            timers: TimerSettings::default(),
            max_connections: MAX_CONNECTIONS,
            max_ungreeted: MAX_UNGREETED,
            transports: Transports::default(),
            identity: None,
            encryption: Encryption::default(),
            authorities: None,
            congestion_control: None,
            start_fast: None,
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
        /// What the wire carried of the delivery; `None`: another connection carried it, or no wire.
        used: Option<Box<WireUse>>,
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
        /// The least of late.
        least: Duration,
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

impl FromWorker {
    /// What the owner hears of a worker when its session says this, with what the wire carried of the delivery that it answers.
    /// `None` for the first and the last that a session says: of the one follows a seat in the roster, of the other the end of
    /// the connection.
    #[must_use]
    pub fn of(worker: WorkerId, event: ManagerEvent, used: Option<WireUse>) -> Option<Self> {
        Some(match event {
            ManagerEvent::Joined(_) | ManagerEvent::Closed(_) => return None,
            ManagerEvent::Started { image, attempt } => Self::Started { worker, image, attempt },
            ManagerEvent::Answered { image, attempt, answer, wire } => {
                Self::Answered { worker, image, attempt, answer, wire, used: used.map(Box::new) }
            }
            ManagerEvent::Failed { image, attempt, failure } => Self::Failed { worker, image, attempt, failure },
            ManagerEvent::Stalled { image, attempt } => Self::Stalled { worker, image, attempt },
            ManagerEvent::RoundTrip { least, .. } => Self::RoundTrip { worker, least },
        })
    }
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
    /// Which connection of this process it is, counted from 1.
    pub connection: u32,
    /// The congestion control of that connection at our end: over TCP as the system tells it (Linux), over QUIC `quic` and its
    /// name.
    pub congestion_control: Option<String>,
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
    /// It was asked to come by another transport, and does.
    Moved,
    /// We ended it.
    ManagerShutdown,
}

impl Departure {
    /// How a worker has departed whose session ended like this.
    #[must_use]
    pub fn of(ending: Ending) -> Self {
        match ending {
            Ending::Goodbye => Self::Goodbye,
            Ending::Silent => Self::Silent,
            Ending::Shutdown => Self::ManagerShutdown,
            Ending::Misbehaved(how) => Self::Misbehaved(how),
            Ending::Refused { code, .. } => Self::Misbehaved(format!("refused: {code:?}")),
        }
    }
}

/// The manager's end of all links. Clones are handles of the same. Dropping them ends nothing: see [`Self::shutdown`].
#[derive(Clone, Debug)]
pub struct ManagerEnd {
    shared: Arc<Shared>,
}

impl ManagerEnd {
    /// Listens, and begins to accept workers. Port 0 is honoured: see [`Self::local_addr`]. The receiver should be
    /// emptied promptly: what waits in it holds up its workers. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on, or connections cannot have the congestion control that is asked for.
    pub fn bind(
        listen: SocketAddr,
        settings: ManagerSettings,
    ) -> Result<(Self, mpsc::Receiver<FromWorker>), ListenError> {
        let doors = Doors::open(listen, &settings)?;
        let ManagerSettings {
            books,
            keys,
            model,
            timers,
            max_connections,
            max_ungreeted,
            transports,
            congestion_control,
            ..
        } = settings;
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let shared = Arc::new(Shared {
            session: ManagerSessionSettings { books, keys, model, model_name: None, timers },
            address: doors.address,
            transports,
            has_chosen_congestion: congestion_control.is_some(),
            paths: Arc::clone(&doors.paths),
            connections: Arc::new(Semaphore::new(max_connections)),
            hall: Mutex::new(Hall::new(max_ungreeted)),
            events,
            roster: Mutex::default(),
            complaints: Complaints::default(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        doors.accept(&shared);
        Ok((Self { shared }, receiver))
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// Hands an image to a worker over the connection that its profile had ([`WorkerProfile::connection`]). Never blocks. A
    /// no-op when that is over: its `Left` is on the way, and what the owner knew of the worker's room with it.
    pub fn assign(&self, worker: WorkerId, connection: u32, assignment: Assignment) {
        if self.shared.roster().connection(worker) == Some(connection) {
            self.command(worker, Command::Assign { assignment, at: Instant::now() });
        }
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

    /// What a worker's connections have carried; `None` for a worker never met or long gone. What the transport knows
    /// (retransmissions, its round trip) is at most about a second old.
    #[must_use]
    pub fn wire(&self, worker: WorkerId) -> Option<WireCounters> {
        self.shared.roster().counters(worker).map(|counters| counters.read())
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
    transports: Transports,
    /// A person has chosen the congestion control.
    has_chosen_congestion: bool,
    paths: Arc<Paths>,
    /// A place for each worker that has been greeted.
    connections: Arc<Semaphore>,
    hall: Mutex<Hall<CancellationToken>>,
    events: mpsc::Sender<FromWorker>,
    roster: Mutex<Roster<Line>>,
    complaints: Complaints,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    fn roster(&self) -> MutexGuard<'_, Roster<Line>> {
        self.roster.lock().expect("nobody panics with the roster in hand")
    }

    fn hall(&self) -> MutexGuard<'_, Hall<CancellationToken>> {
        self.hall.lock().expect("nobody panics with the hall in hand")
    }
}
