//! The engine: queue, dispatch and link behind one face. Work goes in, outcomes come out.
//!
//! One loop owns both. Its `select!` names what happened; plain functions decide.

mod happened;
mod happenings;
mod roster;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use manyeyes_dispatch::{Settings as DispatchSettings, Work};
use manyeyes_link::{ManagerEnd, ManagerSettings as LinkSettings, WireTiming};
use manyeyes_protocol::{
    id::{Attempt, BatchId, ImageId, ModelDigest, WorkerId},
    result::Answer,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{happened::EngineLoop, happenings::Happenings, roster::Roster};
use crate::{
    api::{Happening, Model, Problem, Worker},
    store::{AnsweringModel, ImageRow, Store},
};

/// Requests to the engine that may wait for its loop. Full: the caller waits.
const COMMANDS: usize = 1024;
/// Outcomes that may wait for results. Full: the loop waits, and with it the workers.
const OUTCOMES: usize = 1024;

/// The engine's face. Clones are handles of the same.
#[derive(Clone)]
pub(crate) struct Engine {
    commands: mpsc::Sender<Command>,
    link: ManagerEnd,
    roster: Arc<Mutex<Roster>>,
    happenings: Arc<Mutex<Happenings>>,
}

/// What is asked of the engine.
#[derive(Debug)]
enum Command {
    Submit(Vec<Work>),
    Cancel(Vec<ImageId>),
    Bind(BatchId, ModelDigest, Work),
}

/// What becomes of the work.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A worker has the image.
    Assigned { image: ImageId, worker: Arc<str>, attempt: Attempt, at: Instant },
    /// Nobody has it any more; it waits.
    Requeued { image: ImageId },
    /// A worker has recognised it. May come late, and more than once.
    Answered {
        image: ImageId,
        run: u32,
        model: Option<AnsweringModel>,
        worker: Arc<str>,
        answer: Answer,
        wire: WireTiming,
        at: Instant,
        receipt: Receipt,
    },
    /// A worker found that nobody can recognise it. May come late, and more than once.
    Failed { image: ImageId, run: u32, worker: Arc<str>, problem: Problem, at: Instant, receipt: Receipt },
    /// A worker has said what came of a delivery of an earlier run, which nobody wants to know any more.
    Outdated { receipt: Receipt },
    /// It is given up without a worker's word.
    GivenUp { image: ImageId, run: u32, problem: Problem, at: Instant },
    /// It is not in the books any more, so nothing becomes of it.
    Vanished { image: ImageId },
}

/// The right to tell a worker that it may forget what it reported. To be used once that is safe in the books or known
/// not to be needed; dropped, the worker reports again after its next reconnect.
#[derive(Debug)]
pub(crate) struct Receipt {
    link: ManagerEnd,
    worker: WorkerId,
    image: ImageId,
    attempt: Attempt,
}

impl Receipt {
    /// Which delivery it was, counted from 1: at least so many have been made.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt.0
    }

    pub(crate) fn acknowledge(self) {
        self.link.acknowledge(self.worker, self.image, self.attempt);
    }
}

impl Engine {
    /// Listens for workers, and runs until `stop`. The outcomes must be received for it to go on.
    pub(crate) async fn start(
        listen: SocketAddr,
        link: LinkSettings,
        dispatch: DispatchSettings,
        store: Store,
        stop: CancellationToken,
    ) -> io::Result<(Self, mpsc::Receiver<Outcome>, tokio::task::JoinHandle<()>)> {
        let (link, from_workers) = ManagerEnd::bind(listen, link).await?;
        let (commands, received_commands) = mpsc::channel(COMMANDS);
        let (outcomes, received_outcomes) = mpsc::channel(OUTCOMES);
        let roster = Arc::new(Mutex::new(Roster::default()));
        let happenings = Arc::new(Mutex::new(Happenings::default()));
        let shown = (roster.clone(), happenings.clone());
        let engine_loop = EngineLoop::new(dispatch, link.clone(), store, shown, outcomes);
        let running = tokio::spawn(engine_loop.run(received_commands, from_workers, stop));
        Ok((Self { commands, link, roster, happenings }, received_outcomes, running))
    }

    /// Where workers connect.
    pub(crate) fn worker_addr(&self) -> SocketAddr {
        self.link.local_addr()
    }

    /// Hands work in, in its order. Waits while the engine is behind.
    pub(crate) async fn submit(&self, work: Vec<Work>) {
        self.send(Command::Submit(work)).await;
    }

    /// Nobody wants the images' answers any more.
    pub(crate) async fn cancel(&self, images: Vec<ImageId>) {
        self.send(Command::Cancel(images)).await;
    }

    /// The batch is answered by that model, as it turned out when this work of it was answered by another: it is to be
    /// done again.
    pub(crate) async fn bind(&self, batch: BatchId, model: ModelDigest, work: Work) {
        self.send(Command::Bind(batch, model, work)).await;
    }

    /// All workers, as they are now.
    pub(crate) fn workers(&self) -> Vec<Worker> {
        let roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        roster.workers(Instant::now(), |worker| self.link.wire(worker))
    }

    /// What has happened to workers, newest last.
    pub(crate) fn happenings(&self) -> Vec<Happening> {
        self.happenings.lock().unwrap_or_else(PoisonError::into_inner).shown(Instant::now())
    }

    /// How much has happened to workers: it tells whether there is anything new.
    pub(crate) fn happened(&self) -> u64 {
        self.happenings.lock().unwrap_or_else(PoisonError::into_inner).noted()
    }

    /// The model that the workers answer with.
    pub(crate) fn model(&self) -> Model {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner).model()
    }

    /// Why nothing can be recognised now, if so.
    pub(crate) fn obstacle(&self) -> Option<Problem> {
        if self.commands.is_closed() {
            // Its loop or that of results has panicked. What was accepted is in the books.
            return Some(obstacle("manager_failed", "The manager has failed in part and must be started again."));
        }
        self.roster.lock().unwrap_or_else(PoisonError::into_inner).obstacle()
    }

    /// Why what is left of a batch that this model answers cannot be recognised, if that is because of the model.
    pub(crate) fn other_model(&self, of_batch: Option<&AnsweringModel>) -> Option<Problem> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner).other_model(of_batch?)
    }

    /// Ends the sessions with all workers; they keep trying to come back.
    pub(crate) async fn close(&self) {
        self.link.shutdown().await;
    }

    async fn send(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            // Only while shutting down: what was accepted is in the books and is taken up at the next start.
            tracing::debug!("the engine has stopped");
        }
    }
}

/// An image that waits, as work.
pub(crate) fn work(row: &ImageRow) -> Work {
    let ImageRow { id: image, batch, run, bytes, attempts, .. } = *row;
    Work { image, run, batch, bytes, model: None, attempts, blamed: Vec::new() }
}

/// Why nothing can be recognised now.
fn obstacle(code: &str, message: &str) -> Problem {
    Problem { code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
