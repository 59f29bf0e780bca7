//! What the engine decides: events in, orders out. It owns dispatch, knows what was delivered to whom, and keeps what is
//! shown of the workers.
//!
//! Nothing here reads a clock, awaits, locks or sends. [`Desk::handle`] takes what happened and `now`; [`Desk::poll`]
//! gives one order after another until there is none; [`Desk::poll_timeout`] says when to tell it that time has passed.
//! So the simulator (`crates/simulation`) runs this very code: `docs/decisions/0007-a-simulator-runs-the-real-code.md`.

mod conduct;
mod sending;

use std::{collections::VecDeque, time::Instant};

use manyeyes_dispatch::{
    Action, Capacity, Departure as DispatchDeparture, Dispatch, Event, Settings as DispatchSettings, Standing, Work,
};
use manyeyes_link::{Departure, FromWorker, WireCounters, WireTiming, WireUse, WorkerProfile};
use manyeyes_protocol::{
    id::{ImageId, WorkerId},
    result::{Answer, Failure, FailureCode},
};

use super::{
    canaries::{Canaries, CanaryTally, is_canary},
    event::{Asked, Happened, Order, Outcome, Reading, Receipt},
    form::Makers,
    happenings::Happenings,
    roster::{Held, Left, Roster},
};
use crate::{
    api::{Happening, HappeningKind, Model, Problem, Worker},
    settings::CanarySettings,
    store::AnsweringModel,
    upload::sentence,
};

/// Decides for the engine.
#[derive(Debug)]
pub struct Desk {
    dispatch: Dispatch,
    roster: Roster,
    happenings: Happenings,
    canaries: Canaries,
    /// `None`: every image is sent as it is.
    makers: Option<Makers>,
    orders: VecDeque<Order>,
    /// What a worker says of the image that it blames, while that is acted on.
    last_blame: Option<String>,
}

impl Desk {
    /// Knows no image and no worker.
    #[must_use]
    pub fn new(dispatch: DispatchSettings) -> Self {
        Self {
            dispatch: Dispatch::new(dispatch),
            roster: Roster::default(),
            happenings: Happenings::default(),
            canaries: Canaries::new(CanarySettings::default()),
            makers: None,
            orders: VecDeque::new(),
            last_blame: None,
        }
    }

    /// With known pictures that workers are asked now and then.
    #[must_use]
    pub fn with_canaries(mut self, settings: CanarySettings) -> Self {
        self.canaries = Canaries::new(settings);
        self
    }

    /// Sends smaller forms where a link is slower than the work, of which so many are made at the same time.
    #[must_use]
    pub fn with_smaller_forms(mut self, at_a_time: u32) -> Self {
        self.makers = Some(Makers::new(at_a_time));
        self
    }

    /// Takes what happened. Poll until `None` afterwards.
    pub fn handle(&mut self, happened: Happened, now: Instant) {
        match happened {
            Happened::Asked(Asked::Submit(work)) => self.submitted(work, now),
            Happened::Asked(Asked::Cancel(images)) => self.cancel(&images, now),
            Happened::Asked(Asked::Bind { batch, model, heard, work }) => {
                self.tell(Event::Bound { batch, model, heard }, now);
                self.submitted(work.into_iter().collect(), now);
            }
            Happened::Asked(Asked::Close) => {
                self.tell(Event::Closing, now);
            }
            Happened::Heard(heard) => self.heard(heard, now),
            Happened::Read(read) => self.read(read, now),
            Happened::Made(made) => self.made(made, now),
            Happened::TimePassed => {}
        }
        self.act(now);
        self.ask_canaries(now);
    }

    /// The next order, or `None` when there is none before the next event.
    pub fn poll(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// When to tell that time has passed, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let canaries = self.canaries.next().filter(|_| !self.dispatch.is_closing());
        self.dispatch.poll_timeout().into_iter().chain(canaries).min()
    }

    /// Whether it was closed, and nothing is with a worker any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.dispatch.is_closed()
    }

    /// Who has what.
    #[must_use]
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// The workers that are here, and some of those that have left.
    pub(super) fn workers(
        &self,
        now: Instant,
        left: Left,
        wire: impl Fn(WorkerId) -> Option<WireCounters>,
    ) -> Vec<Worker> {
        let held = |worker| Held {
            in_flight: u32::try_from(self.dispatch.in_flight(worker)).unwrap_or(u32::MAX),
            is_set_aside: self.dispatch.is_set_aside(worker),
        };
        self.roster.workers(now, left, held, wire)
    }

    /// What canaries have found out, and how many each worker was given.
    pub(super) fn canaries(&self) -> (CanaryTally, Vec<(String, u64)>) {
        (self.canaries.tally(), self.canaries.times_asked())
    }

    /// What has happened to workers, newest last.
    pub(super) fn happenings(&self, now: Instant) -> Vec<Happening> {
        self.happenings.shown(now)
    }

    /// How much has happened to workers: it tells whether there is anything new.
    pub(super) fn happened(&self) -> u64 {
        self.happenings.noted()
    }

    /// The model that the workers answer with.
    pub(super) fn model(&self) -> Model {
        self.roster.model()
    }

    /// Why nothing can be recognised now, if so.
    pub(super) fn obstacle(&self) -> Option<Problem> {
        self.roster.obstacle()
    }

    /// Why what is left of a batch that this model answers cannot be recognised, if that is because of the model.
    pub(super) fn other_model(&self, of_batch: &AnsweringModel) -> Option<Problem> {
        self.roster.other_model(of_batch)
    }

    fn submitted(&mut self, work: Vec<Work>, now: Instant) {
        for work in work {
            self.tell(Event::Submitted(work), now);
        }
    }

    /// All of them before anything is done about it: with the first gone there is room for the next, which is as doomed.
    fn cancel(&mut self, images: &[ImageId], now: Instant) {
        for &image in images {
            self.dispatch.handle(Event::Cancelled { image }, now);
        }
        self.act(now);
    }

    fn heard(&mut self, heard: FromWorker, now: Instant) {
        match heard {
            FromWorker::Started { image, .. } if is_canary(image) => {}
            FromWorker::Answered { worker, image, attempt, answer, .. } if is_canary(image) => {
                self.canary_answered(Receipt { worker, image, attempt }, &answer, now);
            }
            FromWorker::Failed { worker, image, attempt, failure } if is_canary(image) => {
                self.canary_failed(Receipt { worker, image, attempt }, &failure, now);
            }
            FromWorker::Stalled { worker, image, .. } if is_canary(image) => {
                self.canaries.not_answered(worker, image, now);
            }
            FromWorker::Joined { worker, profile } => self.joined(worker, profile, now),
            FromWorker::Started { worker, image, attempt } => {
                self.tell(Event::Started { worker, image, attempt }, now);
            }
            FromWorker::Answered { worker, image, attempt, answer, wire, used } => {
                self.answered(Receipt { worker, image, attempt }, answer, (wire, used), now);
            }
            FromWorker::Failed { worker, image, attempt, failure } => {
                self.failed(Receipt { worker, image, attempt }, failure, now);
            }
            FromWorker::Stalled { worker, image, attempt } => {
                self.tell(Event::Stalled { worker, image, attempt }, now);
            }
            FromWorker::RoundTrip { worker, least } => {
                self.tell(Event::RoundTrip { worker, least }, now);
            }
            FromWorker::Refused { name, reason } => self.happenings.refused(&name, reason, now),
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
        if !self.roster.is_moving(worker) {
            self.happenings.note(kind, &name, 0, None, now);
        }
        self.roster.joined(worker, profile);
        self.canaries.joined(worker, &name);
        self.tell(Event::Joined { worker, capacity, name }, now);
    }

    fn answered(
        &mut self,
        receipt: Receipt,
        answer: Answer,
        (wire, used): (WireTiming, Option<Box<WireUse>>),
        now: Instant,
    ) {
        let Receipt { worker, image, attempt } = receipt;
        let service = answer.timing.decode + answer.timing.inference;
        let standing = self.dispatch.standing(worker, image, attempt);
        // Said again because it was asked for twice, it is not another image.
        if matches!(standing, Standing::Current(_)) {
            self.roster.answered(worker, service, now);
        }
        if let Some(bytes_per_s) = wire.bytes_per_s {
            self.roster.delivered(worker, bytes_per_s);
        }
        if let Standing::Current(run) = standing {
            self.canaries.answered_an_image(worker, image, run);
        }
        self.tell(Event::Answered { worker, image, attempt, service }, now);
        let (worker, model) = (self.roster.name(worker), self.roster.answers_with(worker));
        self.report(match run_of(standing) {
            Some(run) => Outcome::Answered { image, run, model, worker, answer, wire, used, at: now, receipt },
            None => Outcome::Outdated { receipt },
        });
    }

    fn failed(&mut self, receipt: Receipt, failure: Failure, now: Instant) {
        let Receipt { worker, image, attempt } = receipt;
        self.roster.failed(worker);
        let standing = self.dispatch.standing(worker, image, attempt);
        if let (true, Some(run)) = (failure.code.is_final(), run_of(standing)) {
            self.canaries.answered_an_image(worker, image, run);
            let problem = Problem { code: code(failure.code).to_owned(), message: sentence(&failure.message) };
            let worker = self.roster.name(worker);
            self.report(Outcome::Failed { image, run, worker, problem, at: now, receipt });
        } else if matches!(standing, Standing::Earlier | Standing::Condemned) {
            self.report(Outcome::Outdated { receipt });
        } else {
            let (name, reason) = (self.roster.name(worker), &failure.message);
            // Every image that waits is tried again and again: one line tells of all until it has an answer.
            if self.roster.failed_itself(worker) {
                tracing::warn!(worker = &*name, %image, reason, "a worker cannot do what it is given");
            } else {
                tracing::debug!(worker = &*name, %image, reason, "a worker cannot do what it is given");
            }
            self.orders.push_back(Order::Acknowledge(receipt));
        }
        let code = failure.code;
        self.last_blame = code.blames_the_image().then(|| sentence(&failure.message));
        self.tell(Event::Failed { worker, image, attempt, code }, now);
        self.last_blame = None;
    }

    fn left(&mut self, worker: WorkerId, departure: &Departure, now: Instant) {
        tracing::info!(worker = &*self.roster.name(worker), ?departure, "a worker left");
        self.roster.left(worker, *departure == Departure::Silent, now);
        self.canaries.left(worker);
        let (to_dispatch, kind, detail) = match departure {
            // It is here again in a moment, and neither is news.
            Departure::Moved => {
                self.roster.moves(worker);
                self.tell(Event::Left { worker, departure: DispatchDeparture::Goodbye }, now);
                return;
            }
            Departure::Goodbye | Departure::ManagerShutdown => (DispatchDeparture::Goodbye, HappeningKind::Left, None),
            Departure::Silent => (DispatchDeparture::Silent, HappeningKind::Silent, None),
            Departure::Disconnected => (DispatchDeparture::Disconnected, HappeningKind::Lost, None),
            Departure::Misbehaved(how) => (DispatchDeparture::Disconnected, HappeningKind::Lost, Some(how.clone())),
        };
        // What it had answered before it went is not among these.
        let moved_on = self.tell(Event::Left { worker, departure: to_dispatch }, now);
        self.happenings.note(kind, &self.roster.name(worker), moved_on, detail, now);
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
                Action::Assign { worker, image, attempt, deadline } => {
                    self.deliver(Reading { worker, image, attempt, deadline });
                }
                Action::Cancel { worker, image, attempt } => {
                    self.orders.push_back(Order::Cancel { worker, image, attempt });
                }
                Action::Requeued { image } => {
                    requeued += 1;
                    self.report(Outcome::Requeued { image });
                }
                Action::Blame { image, worker, attempts } => self.blame(image, worker, attempts),
                Action::GiveUp { image, run, workers } => self.give_up(image, run, &workers, now),
                Action::Full { image, run } => self.full(image, run, now),
                Action::Breaker { worker, change } => self.breaker_changed(&worker, change, now),
            }
        }
        requeued
    }

    /// The bytes are read elsewhere, because a disk may be slow.
    fn deliver(&mut self, reading: Reading) {
        self.canaries.delivered(reading.worker);
        self.orders.push_back(Order::Read(reading));
    }

    fn blame(&mut self, image: ImageId, worker: String, attempts: u32) {
        tracing::warn!(%image, worker, "an image crashed or stalled a worker");
        self.orders.push_back(Order::Blame { image, worker, attempts });
    }

    fn give_up(&mut self, image: ImageId, run: u32, workers: &[String], now: Instant) {
        let mut message =
            format!("It crashed or stalled {} different workers ({}).", workers.len(), workers.join(", "));
        if let Some(last) = &self.last_blame {
            message = format!("{message} The last said: {last}");
        }
        let problem = Problem { code: "worker_failures".to_owned(), message };
        self.report(Outcome::GivenUp { image, run, problem, at: now });
    }

    /// The queue is as large as what the store accepts, so this is met only after its limit was lowered.
    fn full(&mut self, image: ImageId, run: u32, now: Instant) {
        let message = "More images wait than the manager's limit allows; try it again later.".to_owned();
        let problem = Problem { code: "queue_full".to_owned(), message };
        self.report(Outcome::GivenUp { image, run, problem, at: now });
    }

    fn report(&mut self, outcome: Outcome) {
        self.orders.push_back(Order::Tell(outcome));
    }
}

/// The run that a worker's word is on; `None`: an earlier one than the image is in, or the word of a worker that is not
/// believed. Of an image that is not held, only the
/// first run can be meant: deliveries of a later one are known.
fn run_of(standing: Standing) -> Option<u32> {
    match standing {
        Standing::Current(run) => Some(run),
        Standing::Unknown => Some(0),
        Standing::Earlier | Standing::Condemned => None,
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

#[cfg(test)]
mod tests;
