//! The engine: queue, dispatch and link behind one face. Work goes in, outcomes come out.
//!
//! One loop carries. Its `select!` names what happened; the [`Desk`] decides.

mod canaries;
mod desk;
mod event;
mod form;
mod happenings;
mod roster;
mod run;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use manyeyes_dispatch::{Tally as DispatchTally, Work};
use manyeyes_link::{ListenError, ManagerEnd, ManagerSettings as LinkSettings};
use manyeyes_protocol::id::{ImageId, ModelDigest};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{canaries::CanaryTally, roster::Left, run::EngineLoop};
pub use self::{
    desk::Desk,
    event::{Asked, Happened, Made, Making, Order, Outcome, Read, Reading, Receipt},
};
use crate::{
    api::{Happening, Model, Problem, Worker},
    smaller::SmallerForms,
    store::{AnsweringModel, Ending, ImageRow, Recorded, Store, Unfinished},
};

/// Requests to the engine that may wait for its loop. Full: the caller waits.
const ASKED: usize = 1024;
/// Outcomes that may wait for results. Full: the loop waits, and with it the workers.
const OUTCOMES: usize = 1024;

/// The engine's face. Clones are handles of the same.
#[derive(Clone)]
pub(crate) struct Engine {
    asked: mpsc::Sender<Asked>,
    link: ManagerEnd,
    desk: Arc<Mutex<Desk>>,
    /// Cancelled once nothing is with a worker any more and nothing will be.
    closed: CancellationToken,
}

impl Engine {
    /// Listens for workers, and runs until `stop`. The outcomes must be received for it to go on. Without who makes smaller forms every
    /// image goes as it is, whatever the desk orders.
    pub(crate) fn start(
        listen: SocketAddr,
        link: LinkSettings,
        desk: Desk,
        store: Store,
        smaller: Option<SmallerForms>,
        stop: CancellationToken,
    ) -> Result<(Self, mpsc::Receiver<Outcome>, tokio::task::JoinHandle<()>), ListenError> {
        let (link, from_workers) = ManagerEnd::bind(listen, link)?;
        let (asked, received_asked) = mpsc::channel(ASKED);
        let (outcomes, received_outcomes) = mpsc::channel(OUTCOMES);
        let desk = Arc::new(Mutex::new(desk));
        let closed = CancellationToken::new();
        let engine_loop = EngineLoop::new(Arc::clone(&desk), link.clone(), store, smaller, outcomes, closed.clone());
        let running = tokio::spawn(engine_loop.run(received_asked, from_workers, stop));
        Ok((Self { asked, link, desk, closed }, received_outcomes, running))
    }

    /// Where workers connect.
    pub(crate) fn worker_addr(&self) -> SocketAddr {
        self.link.local_addr()
    }

    /// Hands work in, in its order. Waits while the engine is behind.
    pub(crate) async fn submit(&self, work: Vec<Work>) {
        self.send(Asked::Submit(work)).await;
    }

    /// Nobody wants the images' answers any more.
    pub(crate) async fn cancel(&self, images: Vec<ImageId>) {
        self.send(Asked::Cancel(images)).await;
    }

    /// Asks for what follows from what the books have recorded ([`after_recording`]).
    pub(crate) async fn follow_up(&self, asked: Asked) {
        self.send(asked).await;
    }

    /// What a worker reported is safe in the books, or known not to be needed: it may forget it.
    pub(crate) fn acknowledge(&self, receipt: Receipt) {
        self.link.acknowledge(receipt.worker, receipt.image, receipt.attempt);
    }

    /// The workers that are here and those that left a short while ago, as they are now.
    pub(crate) fn workers(&self) -> Vec<Worker> {
        self.desk().workers(Instant::now(), Left::AShortWhileAgo, |worker| self.link.wire(worker))
    }

    /// The workers that are here and the last that have left, however long ago.
    pub(crate) fn workers_remembered(&self) -> Vec<Worker> {
        self.desk().workers(Instant::now(), Left::EverSoLongAgo, |worker| self.link.wire(worker))
    }

    /// How many deliveries were made, of each kind.
    pub(crate) fn deliveries(&self) -> DispatchTally {
        self.desk().dispatch().tally()
    }

    /// What canaries have found out, and how many each worker was given.
    pub(crate) fn canaries(&self) -> (CanaryTally, Vec<(String, u64)>) {
        self.desk().canaries()
    }

    /// What has happened to workers, newest last.
    pub(crate) fn happenings(&self) -> Vec<Happening> {
        self.desk().happenings(Instant::now())
    }

    /// How much has happened to workers: it tells whether there is anything new.
    pub(crate) fn happened(&self) -> u64 {
        self.desk().happened()
    }

    /// The model that the workers answer with.
    pub(crate) fn model(&self) -> Model {
        self.desk().model()
    }

    /// Why nothing can be recognised now, if so.
    pub(crate) fn obstacle(&self) -> Option<Problem> {
        if self.asked.is_closed() {
            // Its loop or that of results has panicked. What was accepted is in the books.
            return Some(obstacle("manager_failed", "The manager has failed in part and must be started again."));
        }
        self.desk().obstacle()
    }

    /// Why what is left of a batch that this model answers cannot be recognised, if that is because of the model.
    pub(crate) fn other_model(&self, of_batch: Option<&AnsweringModel>) -> Option<Problem> {
        self.desk().other_model(of_batch?)
    }

    /// Assigns nothing any more, and returns when workers have finished what they had, or have gone. That is not said of
    /// one that hangs, so it is for the caller to wait no longer than it wants.
    pub(crate) async fn drain(&self) {
        self.send(Asked::Close).await;
        self.closed.cancelled().await;
    }

    /// Ends the sessions with all workers; they keep trying to come back.
    pub(crate) async fn close(&self) {
        self.link.shutdown().await;
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, asked: Asked) {
        if self.asked.send(asked).await.is_err() {
            // Only while shutting down: what was accepted is in the books and is taken up at the next start.
            tracing::debug!("the engine has stopped");
        }
    }
}

/// An image that waits, as work.
#[must_use]
pub fn work(row: &ImageRow) -> Work {
    let ImageRow { id: image, batch, run, bytes, attempts, .. } = *row;
    Work { image, run, batch, bytes, model: None, attempts, blamed: Vec::new() }
}

/// What is to be asked of the engine once the books have taken an ending that was `heard` then, or have not. An answer to an
/// image that was run again has decided about its batch only `now` that it is in the books: what was recorded meanwhile of
/// answers that were heard after it is older.
#[must_use]
pub fn after_recording(recorded: &Recorded, ending: &Ending, heard: Instant, now: Instant) -> Option<Asked> {
    match (recorded, ending) {
        (Recorded::OtherModel(row, model), _) => {
            let model = ModelDigest(model.digest);
            Some(Asked::Bind { batch: row.batch, model, heard, work: Some(work(row)) })
        }
        (Recorded::Yes(row), Ending::Recognised { model: Some(model), .. }) if row.run > 0 => {
            let model = ModelDigest(model.digest);
            Some(Asked::Bind { batch: row.batch, model, heard: now, work: None })
        }
        (Recorded::Yes(_) | Recorded::No(_) | Recorded::Gone, _) => None,
    }
}

/// What an earlier run of the manager left unfinished, as work.
#[must_use]
pub fn resumed(unfinished: Unfinished) -> Work {
    let Unfinished { image, batch, bytes, attempts, began: _, run, model, blamed } = unfinished;
    // What was run again goes to any model.
    let model = model.filter(|_| run == 0).map(ModelDigest);
    Work { image, run, batch, bytes, model, attempts, blamed }
}

/// Why nothing can be recognised now.
fn obstacle(code: &str, message: &str) -> Problem {
    Problem { code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
