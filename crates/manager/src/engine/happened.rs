//! The engine's loop: what happened, and what is done about it.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use manyeyes_dispatch::{
    Action, Capacity, Departure as DispatchDeparture, Dispatch, Event, Settings as DispatchSettings, Standing, Work,
};
use manyeyes_link::{Assignment, Departure, FromWorker, ManagerEnd, WorkerProfile};
use manyeyes_protocol::{
    id::{Attempt, ImageId, WorkerId},
    result::{Failure, FailureCode},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Command, Outcome, Receipt, happenings::Happenings, roster::Roster};
use crate::{
    api::{HappeningKind, Problem},
    store::{Store, StoreError},
    upload::sentence,
};

/// Owns dispatch and the link's end.
pub(super) struct EngineLoop {
    dispatch: Dispatch,
    link: ManagerEnd,
    store: Store,
    roster: Arc<Mutex<Roster>>,
    happenings: Arc<Mutex<Happenings>>,
    outcomes: mpsc::Sender<Outcome>,
    /// Outcomes of the event at hand, in order.
    outbox: VecDeque<Outcome>,
    /// The last delivery of each unfinished image that had one.
    deliveries: HashMap<ImageId, Delivery>,
    /// Bytes that are read for assignments, in the order of those.
    reading: FuturesOrdered<Reading>,
}

/// A delivery that dispatch has ordered.
#[derive(Clone, Copy)]
struct Delivery {
    /// `None` once the worker does not have it any more.
    worker: Option<WorkerId>,
    attempt: Attempt,
}

/// The bytes for an assignment are being read.
type Reading = BoxFuture<'static, Read>;

/// The bytes for an assignment have been read.
struct Read {
    worker: WorkerId,
    image: ImageId,
    attempt: Attempt,
    deadline: Duration,
    payload: Result<Bytes, StoreError>,
}

enum Happened {
    Asked(Command),
    Heard(FromWorker),
    Read(Read),
    TimePassed,
}

impl EngineLoop {
    pub(super) fn new(
        dispatch: DispatchSettings,
        link: ManagerEnd,
        store: Store,
        (roster, happenings): (Arc<Mutex<Roster>>, Arc<Mutex<Happenings>>),
        outcomes: mpsc::Sender<Outcome>,
    ) -> Self {
        Self {
            dispatch: Dispatch::new(dispatch),
            link,
            store,
            roster,
            happenings,
            outcomes,
            outbox: VecDeque::new(),
            deliveries: HashMap::new(),
            reading: FuturesOrdered::new(),
        }
    }

    /// Runs until `stop`, or until nobody asks or hears any more.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut from_workers: mpsc::Receiver<FromWorker>,
        stop: CancellationToken,
    ) {
        loop {
            let timeout = self.dispatch.poll_timeout();
            let happened = tokio::select! {
                () = stop.cancelled() => break,
                Some(read) = self.reading.next() => Happened::Read(read),
                Some(heard) = from_workers.recv() => Happened::Heard(heard),
                Some(command) = commands.recv() => Happened::Asked(command),
                () = until(timeout) => Happened::TimePassed,
                else => break,
            };
            self.happened(happened, Instant::now());
            while let Some(outcome) = self.outbox.pop_front() {
                if self.outcomes.send(outcome).await.is_err() {
                    return;
                }
            }
        }
    }

    fn happened(&mut self, happened: Happened, now: Instant) {
        match happened {
            Happened::Asked(Command::Submit(work)) => self.submitted(work, now),
            Happened::Asked(Command::Cancel(images)) => {
                for image in images {
                    self.tell(Event::Cancelled { image }, now);
                    self.forget(image);
                }
            }
            Happened::Asked(Command::Bind(batch, model, work)) => {
                self.tell(Event::Bound { batch, model }, now);
                self.submitted(vec![work], now);
            }
            Happened::Heard(heard) => self.heard(heard, now),
            Happened::Read(read) => self.read(read, now),
            Happened::TimePassed => {}
        }
        self.act(now);
    }

    fn submitted(&mut self, work: Vec<Work>, now: Instant) {
        for work in work {
            self.tell(Event::Submitted(work), now);
        }
    }

    fn heard(&mut self, heard: FromWorker, now: Instant) {
        match heard {
            FromWorker::Joined { worker, profile } => self.joined(worker, profile, now),
            FromWorker::Started { worker, image, attempt } => {
                self.tell(Event::Started { worker, image, attempt }, now);
            }
            FromWorker::Answered { worker, image, attempt, answer, wire } => {
                let service = answer.timing.decode + answer.timing.inference;
                let standing = self.dispatch.standing(worker, image, attempt);
                // Said again because it was asked for twice, it is not another image.
                if matches!(standing, Standing::Current(_)) {
                    self.roster(|roster| roster.answered(worker, service, now));
                }
                if standing != Standing::Earlier {
                    self.forget(image);
                }
                self.tell(Event::Answered { worker, image, attempt, service }, now);
                let receipt = self.receipt(worker, image, attempt);
                let (worker, model) = self.roster(|roster| (roster.name(worker), roster.answers_with(worker)));
                self.outbox.push_back(match run_of(standing) {
                    Some(run) => Outcome::Answered { image, run, model, worker, answer, wire, at: now, receipt },
                    None => Outcome::Outdated { receipt },
                });
            }
            FromWorker::Failed { worker, image, attempt, failure } => self.failed(worker, image, attempt, failure, now),
            FromWorker::Stalled { worker, image, attempt } => {
                self.tell(Event::Stalled { worker, image, attempt }, now);
            }
            FromWorker::RoundTrip { worker, smoothed } => {
                self.tell(Event::RoundTrip { worker, smoothed }, now);
            }
            FromWorker::Refused { name, reason } => self.happenings().refused(&name, reason, now),
            FromWorker::Left { worker, departure } => self.left(worker, &departure, now),
        }
    }

    fn joined(&mut self, worker: WorkerId, profile: WorkerProfile, now: Instant) {
        tracing::info!(worker = profile.id, address = %profile.address, software = profile.software, "a worker joined");
        if let Some(crashed) = profile.replaces {
            self.tell(Event::Crashed { worker: crashed }, now);
        }
        let capacity = Capacity {
            slots: profile.slots,
            window: profile.window,
            // It may hold others; it answers with the one in use.
            models: profile.models.first().map(|model| model.digest).into_iter().collect(),
            returning: profile.returning,
        };
        let name = profile.id.clone();
        let is_back = profile.returning || profile.replaces.is_some();
        let kind = if is_back { HappeningKind::Back } else { HappeningKind::Joined };
        self.happenings().note(kind, &name, 0, None, now);
        self.roster(|roster| roster.joined(worker, profile));
        self.tell(Event::Joined { worker, capacity, name }, now);
    }

    fn failed(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt, failure: Failure, now: Instant) {
        self.roster(|roster| roster.failed(worker));
        let receipt = self.receipt(worker, image, attempt);
        let standing = self.dispatch.standing(worker, image, attempt);
        if let (true, Some(run)) = (failure.code.is_final(), run_of(standing)) {
            self.forget(image);
            let problem = Problem { code: code(failure.code).to_owned(), message: sentence(&failure.message) };
            let worker = self.name(worker);
            self.outbox.push_back(Outcome::Failed { image, run, worker, problem, at: now, receipt });
        } else if standing == Standing::Earlier {
            self.outbox.push_back(Outcome::Outdated { receipt });
        } else {
            let (of, worker, reason) = (worker, self.name(worker), &failure.message);
            // Every image that waits is tried again and again: one line tells of all until it has an answer.
            if self.roster(|roster| roster.failed_itself(of)) {
                tracing::warn!(worker = &*worker, %image, reason, "a worker cannot do what it is given");
            } else {
                tracing::debug!(worker = &*worker, %image, reason, "a worker cannot do what it is given");
            }
            receipt.acknowledge();
        }
        self.tell(Event::Failed { worker, image, attempt, code: failure.code }, now);
    }

    fn left(&mut self, worker: WorkerId, departure: &Departure, now: Instant) {
        tracing::info!(worker = &*self.name(worker), ?departure, "a worker left");
        self.roster(|roster| roster.left(worker, *departure == Departure::Silent, now));
        let (to_dispatch, kind, detail) = match departure {
            Departure::Goodbye | Departure::ManagerShutdown => (DispatchDeparture::Goodbye, HappeningKind::Left, None),
            Departure::Silent => (DispatchDeparture::Silent, HappeningKind::Silent, None),
            Departure::Disconnected => (DispatchDeparture::Disconnected, HappeningKind::Lost, None),
            Departure::Misbehaved(how) => (DispatchDeparture::Disconnected, HappeningKind::Lost, Some(how.clone())),
        };
        // What it had answered before it went is not among these.
        let moved_on = self.tell(Event::Left { worker, departure: to_dispatch }, now);
        self.happenings().note(kind, &self.name(worker), moved_on, detail, now);
    }

    fn read(&mut self, read: Read, now: Instant) {
        let Read { worker, image, attempt, deadline, payload } = read;
        let still_wanted =
            self.deliveries.get(&image).is_some_and(|at| at.worker == Some(worker) && at.attempt == attempt);
        if !still_wanted {
            return;
        }
        match (payload, self.roster(|roster| roster.model_of(worker))) {
            (Ok(payload), Some(model)) => {
                self.link.assign(worker, Assignment { image, attempt, model, deadline, payload });
                self.outbox.push_back(Outcome::Assigned { image, worker: self.name(worker), attempt, at: now });
            }
            // The worker has gone, and what it had with it: dispatch is being told.
            (Ok(_), None) => {}
            (Err(error), _) => self.unreadable(image, &error, now),
        }
    }

    /// Deleted, or its upload failed after all, or the disk has lost it.
    fn unreadable(&mut self, image: ImageId, error: &StoreError, now: Instant) {
        let run = self.dispatch.run(image).unwrap_or(0);
        self.forget(image);
        self.tell(Event::Cancelled { image }, now);
        if *error == StoreError::NoSuchImage {
            self.outbox.push_back(Outcome::Vanished { image });
            return;
        }
        tracing::error!(%image, %error, "failed to read an image back");
        let problem =
            Problem { code: "lost".to_owned(), message: "The manager could not read the file back.".to_owned() };
        self.outbox.push_back(Outcome::GivenUp { image, run, problem, at: now });
    }

    /// Tells dispatch and does what it says. Gives how many images are with nobody any more because of it.
    fn tell(&mut self, event: Event, now: Instant) -> u32 {
        self.dispatch.handle(event, now);
        self.act(now)
    }

    fn act(&mut self, now: Instant) -> u32 {
        let mut requeued = 0;
        while let Some(action) = self.dispatch.poll(now) {
            match action {
                Action::Assign { worker, image, attempt, deadline } => self.assign(worker, image, attempt, deadline),
                Action::Cancel { worker, image, attempt } => {
                    self.release(image);
                    self.link.cancel(worker, image, attempt);
                }
                Action::Requeued { image } => {
                    self.release(image);
                    requeued += 1;
                    self.outbox.push_back(Outcome::Requeued { image });
                }
                Action::Blame { image, worker } => self.blame(image, worker),
                Action::GiveUp { image, run, workers } => self.give_up(image, run, &workers, now),
                Action::Full { image, run } => self.full(image, run, now),
            }
        }
        requeued
    }

    /// Reads the bytes off the loop, because a disk may be slow; they are sent in the order of assignment.
    fn assign(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt, deadline: Duration) {
        self.release(image);
        self.deliveries.insert(image, Delivery { worker: Some(worker), attempt });
        self.roster(|roster| roster.holds(worker, 1));
        let store = self.store.clone();
        let payload = tokio::task::spawn_blocking(move || store.payload(image));
        self.reading.push_back(Box::pin(async move {
            // A read that panics costs its own image, not the loop.
            let payload = payload.await.unwrap_or_else(|error| Err(StoreError::Disk(error.to_string())));
            Read { worker, image, attempt, deadline, payload }
        }));
    }

    /// Nobody has the image any more.
    fn release(&mut self, image: ImageId) {
        let holder = self.deliveries.get_mut(&image);
        if let Some(worker) = holder.and_then(|delivery| delivery.worker.take()) {
            self.roster(|roster| roster.holds(worker, -1));
        }
    }

    /// The image is no more for the engine.
    fn forget(&mut self, image: ImageId) {
        self.release(image);
        self.deliveries.remove(&image);
    }

    fn blame(&self, image: ImageId, worker: String) {
        let attempts = self.deliveries.get(&image).map_or(1, |delivery| delivery.attempt.0);
        tracing::warn!(%image, worker, "an image crashed or stalled a worker");
        let written = self.store.blame(image, &worker, attempts);
        tokio::spawn(async move {
            if let Err(error) = written.await {
                tracing::error!(%image, %error, "failed to write down that an image crashed a worker");
            }
        });
    }

    fn give_up(&mut self, image: ImageId, run: u32, workers: &[String], now: Instant) {
        self.forget(image);
        let message = format!("It crashed or stalled {} different workers ({}).", workers.len(), workers.join(", "));
        let problem = Problem { code: "worker_failures".to_owned(), message };
        self.outbox.push_back(Outcome::GivenUp { image, run, problem, at: now });
    }

    /// The queue is as large as what the store accepts, so this is met only after its limit was lowered.
    fn full(&mut self, image: ImageId, run: u32, now: Instant) {
        let message = "More images wait than the manager's limit allows; try it again later.".to_owned();
        let problem = Problem { code: "queue_full".to_owned(), message };
        self.outbox.push_back(Outcome::GivenUp { image, run, problem, at: now });
    }

    fn receipt(&self, worker: WorkerId, image: ImageId, attempt: Attempt) -> Receipt {
        Receipt { link: self.link.clone(), worker, image, attempt }
    }

    fn name(&self, worker: WorkerId) -> Arc<str> {
        self.roster(|roster| roster.name(worker))
    }

    fn happenings(&self) -> MutexGuard<'_, Happenings> {
        self.happenings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn roster<T>(&self, change: impl FnOnce(&mut Roster) -> T) -> T {
        change(&mut self.roster.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The run that a worker's word is on; `None`: an earlier one than the image is in. Of an image that is not held, only the
/// first run can be meant: deliveries of a later one are known.
fn run_of(standing: Standing) -> Option<u32> {
    match standing {
        Standing::Current(run) => Some(run),
        Standing::Unknown => Some(0),
        Standing::Earlier => None,
    }
}

async fn until(timeout: Option<Instant>) {
    match timeout {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// The code of an image's error for a worker's final failure, as `docs/api.md` lists it.
fn code(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Empty => "empty",
        FailureCode::NotAnImage => "not_an_image",
        FailureCode::UnsupportedFormat => "unsupported_format",
        FailureCode::Truncated => "truncated",
        FailureCode::TooManyPixels => "too_many_pixels",
        FailureCode::Damaged => "damaged",
        // Not final ones: dispatch has the image tried elsewhere.
        _ => "worker_failures",
    }
}
