//! The worker's end: connects to the manager, and again whenever the connection is lost.

mod runner;
mod way;

use std::net::SocketAddr;
use std::time::Duration;

use manyeyes_protocol::frame::ModelDescription;
use manyeyes_protocol::id::{Attempt, ImageId, InstanceId};
use manyeyes_protocol::result::{Answer, Failure};
use manyeyes_protocol::timer::TimerSettings;
use manyeyes_protocol::worker_session::Assigned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::encryption::{Encryption, Identity, Trust};
use crate::transport::{Reach, Transport};
use runner::{Command, Runner};

/// How many commands may wait for the link: two for each image of the largest window, many times. They wait for as long
/// as the owner does not take its events, so only an owner that does neither meets the limit.
const MAX_COMMANDS: usize = 64 * 1024;

/// How many events may wait for the owner. While they do, nothing is read from the manager.
const EVENT_QUEUE: usize = 64;

/// Settings of the worker's end.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// `HOST:PORT` of the manager.
    pub manager: String,
    /// How to reach it. The manager has to listen for that.
    pub reach: Reach,
    /// What the worker calls itself.
    pub name: String,
    /// Drawn once for a run of the process.
    pub instance: InstanceId,
    /// How many images it recognises at a time.
    pub slots: u32,
    /// The most images that it will hold, running and queued.
    pub window: u32,
    /// The models that it holds.
    pub models: Vec<ModelDescription>,
    /// What the manager wants to hear, if it wants anything.
    pub token: Option<String>,
    /// Whether a connection by TCP is encrypted.
    pub encryption: Encryption,
    /// How it knows its manager.
    pub trust: Trust,
    /// What it shows to a manager that wants a certificate.
    pub identity: Option<Identity>,
    /// Program and version, for people.
    pub software: String,
    /// How long the session's timers run; heartbeat and silence are the manager's once it has welcomed us.
    pub timers: TimerSettings,
}

/// What the worker hears from the manager.
#[derive(Clone, Debug, PartialEq)]
pub enum FromManager {
    /// Welcomed.
    Connected {
        /// By whom.
        manager: SocketAddr,
        /// By what.
        transport: Transport,
    },
    /// An image to recognise. Say `started` when a slot takes it and `report` when done.
    Assigned(Assigned),
    /// Not wanted any more: take it from the queue. Reporting it nevertheless is harmless.
    Cancelled {
        /// Which image.
        image: ImageId,
        /// As it was in `Assigned`.
        attempt: Attempt,
    },
    /// The manager asks the worker to go: finish, and call `goodbye`.
    Drain,
    /// The manager asks for QUIC, and it is not to be had: it goes on by TCP. Told once.
    WithoutQuic,
    /// The connection was lost or could not be made.
    Disconnected {
        /// Why.
        reason: String,
        /// When the next try is.
        retry_in: Duration,
    },
    /// The manager will not have this worker, now or later. Nothing follows.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What was to be said is being said. May be dropped, or waited for.
#[derive(Debug)]
pub struct Said(std::sync::mpsc::Receiver<()>);

impl Said {
    /// Waits, for at most so long, until the system has it for the manager, or until it is clear that there is no
    /// connection to say it over. Blocks its thread: not for the async runtime's.
    pub fn wait(self, limit: Duration) {
        // Nothing is ever sent: the link drops its side.
        let _ = self.0.recv_timeout(limit);
    }
}

/// The worker's end of its link. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct WorkerEnd {
    commands: mpsc::Sender<Command>,
    leaving: CancellationToken,
    ended: CancellationToken,
}

impl WorkerEnd {
    /// Connects, and keeps reconnecting (with backoff and jitter) until `goodbye`, until a refusal that cannot mend, or
    /// until the receiver is dropped. Must be called within a tokio runtime.
    #[must_use]
    pub fn connect(settings: WorkerSettings) -> (Self, mpsc::Receiver<FromManager>) {
        let (commands, receiver) = mpsc::channel(MAX_COMMANDS);
        let (events, from_manager) = mpsc::channel(EVENT_QUEUE);
        let (leaving, ended) = (CancellationToken::new(), CancellationToken::new());
        let runner = Runner::new(settings, receiver, events, leaving.clone());
        let guard = ended.clone().drop_guard();
        let task = async move {
            runner.run().await;
            drop(guard);
        };
        tokio::spawn(task.instrument(tracing::info_span!("link")));
        (Self { commands, leaving, ended }, from_manager)
    }

    /// A slot has taken the image. Never blocks; may be called from any thread.
    pub fn started(&self, image: ImageId, attempt: Attempt) -> Said {
        let (said, saying) = std::sync::mpsc::channel();
        self.command(Command::Started { image, attempt, said });
        Said(saying)
    }

    /// What came of the image. Never blocks; may be called from any thread.
    pub fn report(&self, image: ImageId, attempt: Attempt, outcome: Result<Answer, Failure>) {
        self.command(Command::Report { image, attempt, outcome });
    }

    /// Drops the connection without a word, as a network that fails would, and makes it again after the usual pause. For
    /// experiments. Never blocks; may be called from any thread.
    pub fn hang_up(&self) {
        self.command(Command::HangUp);
    }

    /// Drops the connection as [`Self::hang_up`] does, and makes none any more. Nothing is heard of the worker from then on, nor
    /// does it hear anything; it is there until `goodbye`, which waits for nobody then. For experiments. Never blocks; may be
    /// called from any thread.
    pub fn cut_off(&self) {
        self.command(Command::CutOff);
    }

    /// Takes nothing new, says Goodbye when what is running has been reported and acknowledged, or after `grace`.
    /// Returns when the link has ended. May be awaited by the one who receives the events.
    pub async fn goodbye(&self, grace: Duration) {
        self.leaving.cancel();
        // An error means that the link has ended already.
        let _ = self.commands.send(Command::Goodbye { grace }).await;
        self.ended.cancelled().await;
    }

    fn command(&self, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(command) {
            tracing::error!("the link does not take what the worker reports: a report is lost, its deadline will tell");
        }
    }
}
