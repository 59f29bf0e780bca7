//! A dispatch on a desk: events by hand, actions to look at.

use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};
use manyeyes_protocol::result::FailureCode;

use super::cluster::{beginning, work};
use crate::{Action, BreakerSettings, Capacity, Departure, Dispatch, Event, Settings};

pub(super) const A: WorkerId = WorkerId(1);
pub(super) const B: WorkerId = WorkerId(2);

/// A dispatch with its clock in the hand.
pub(super) struct Desk {
    pub(super) dispatch: Dispatch,
    pub(super) now: Instant,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    /// One that sets no worker aside.
    pub(super) fn forbearing() -> Self {
        let breaker = BreakerSettings { failures_in_a_row: u32::MAX, strikes: u32::MAX, ..BreakerSettings::default() };
        Self::with(Settings { breaker, ..Settings::default() })
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self { dispatch: Dispatch::new(settings), now: beginning() }
    }

    pub(super) fn tell(&mut self, event: Event) -> Vec<Action> {
        self.dispatch.handle(event, self.now);
        self.actions()
    }

    pub(super) fn actions(&mut self) -> Vec<Action> {
        let mut actions: Vec<_> = std::iter::from_fn(|| self.dispatch.poll(self.now)).collect();
        // How many deliveries were made shows in what is assigned.
        for action in &mut actions {
            if let Action::Blame { attempts, .. } = action {
                *attempts = 0;
            }
        }
        actions
    }

    pub(super) fn wait(&mut self, duration: Duration) -> Vec<Action> {
        self.now += duration;
        self.actions()
    }

    pub(super) fn submit(&mut self, image: u64) -> Vec<Action> {
        self.tell(Event::Submitted(work(image, 1)))
    }

    /// A worker with one slot and this window, named after its number.
    pub(super) fn join(&mut self, worker: WorkerId, window: u32) -> Vec<Action> {
        self.join_as(worker, &format!("worker-{}", worker.0), Capacity { window, ..one_slot() })
    }

    pub(super) fn join_as(&mut self, worker: WorkerId, name: &str, capacity: Capacity) -> Vec<Action> {
        self.tell(Event::Joined { worker, capacity, name: name.to_owned() })
    }

    pub(super) fn start(&mut self, worker: WorkerId, image: u64, attempt: u32) {
        let event = Event::Started { worker, image: ImageId(image), attempt: Attempt(attempt) };
        assert_eq!(self.tell(event), []);
    }

    pub(super) fn answer(&mut self, worker: WorkerId, image: u64, attempt: u32, service: Duration) -> Vec<Action> {
        self.tell(Event::Answered { worker, image: ImageId(image), attempt: Attempt(attempt), service })
    }

    pub(super) fn fail(&mut self, worker: WorkerId, image: u64, attempt: u32, code: FailureCode) -> Vec<Action> {
        self.tell(Event::Failed { worker, image: ImageId(image), attempt: Attempt(attempt), code })
    }

    pub(super) fn stall(&mut self, worker: WorkerId, image: u64, attempt: u32) -> Vec<Action> {
        self.tell(Event::Stalled { worker, image: ImageId(image), attempt: Attempt(attempt) })
    }

    pub(super) fn leave(&mut self, worker: WorkerId, departure: Departure) -> Vec<Action> {
        self.tell(Event::Left { worker, departure })
    }
}

pub(super) fn one_slot() -> Capacity {
    Capacity { slots: 1, window: 1, models: vec![], returning: false }
}

pub(super) fn assigned(actions: &[Action]) -> Vec<(WorkerId, u64, u32)> {
    let each = |action: &Action| match action {
        Action::Assign { worker, image, attempt, .. } => Some((*worker, image.0, attempt.0)),
        _ => None,
    };
    actions.iter().filter_map(each).collect()
}

pub(super) fn blame(image: u64, worker: &str) -> Action {
    Action::Blame { image: ImageId(image), worker: worker.to_owned(), attempts: 0 }
}

pub(super) fn give_up(image: u64, workers: [&str; 2]) -> Action {
    Action::GiveUp { image: ImageId(image), run: 0, workers: workers.map(str::to_owned).to_vec() }
}

pub(super) fn requeued(image: u64) -> Action {
    Action::Requeued { image: ImageId(image) }
}

pub(super) fn cancel(worker: WorkerId, image: u64, attempt: u32) -> Action {
    Action::Cancel { worker, image: ImageId(image), attempt: Attempt(attempt) }
}
