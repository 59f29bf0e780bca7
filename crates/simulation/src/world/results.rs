//! What becomes of the images, as the manager's results has it: recorded first, then acknowledged to the worker.

use std::time::{Duration, Instant};

use manyeyes_manager::api::Timing;
use manyeyes_manager::engine::{Outcome, Receipt, after_recording};
use manyeyes_manager::store::{Ending, Recorded, StoreError};
use manyeyes_protocol::id::ImageId;

use super::links::Command;
use super::store::Asker;
use super::{Event, World};
use crate::books::Change;

/// How long results waits before it tries an ending again that could not be written.
const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// An ending that is on its way into the books.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) image: ImageId,
    pub(super) ending: Ending,
    heard: Instant,
    pub(super) receipt: Option<Receipt>,
}

impl World {
    /// Results takes what has come out of the engine.
    pub(super) fn results(&mut self, life: u32) {
        let now = self.now;
        let Some(manager) =
            self.manager.as_mut().filter(|manager| manager.life == life && manager.results.is_some_and(|at| at <= now))
        else {
            return;
        };
        manager.results = None;
        let most = if self.chance.percent(50) { 1 } else { usize::MAX };
        for _ in 0..most {
            let Some(outcome) = self.manager.as_mut().and_then(|manager| manager.outcomes.pop_front()) else {
                break;
            };
            self.result(outcome);
        }
        self.wake_results();
    }

    pub(super) fn result(&mut self, outcome: Outcome) {
        let made = |world: &Self, image| {
            world.manager.as_ref().and_then(|manager| manager.attempts.get(&image)).copied().unwrap_or(0)
        };
        let timing = Timing::default();
        let recording = match outcome {
            Outcome::Assigned { image, attempt, .. } => {
                if let Some(manager) = &mut self.manager {
                    manager.attempts.insert(image, attempt.0);
                }
                return self.use_number();
            }
            Outcome::Requeued { .. } => return self.use_number(),
            // There are no canaries in this world.
            Outcome::Vanished { .. } | Outcome::Doubted { .. } => return,
            Outcome::Outdated { receipt } => {
                self.check_acknowledged(receipt, 0, false);
                return self.acknowledge(receipt);
            }
            Outcome::Answered { image, run, model, worker, answer, wire, used: _, at: heard, receipt } => {
                let attempts = made(self, image).max(receipt.attempt.0);
                let label = |label: manyeyes_protocol::result::Label| manyeyes_manager::api::Label {
                    index: label.index,
                    name: label.name,
                    probability: label.probability,
                };
                let labels = answer.labels.into_iter().map(label).collect();
                let worker = worker.to_string();
                let form_bytes = wire.form_bytes;
                let ending =
                    Ending::Recognised { run, model, labels, worker, attempts, timing, wire: None, form_bytes };
                Recording { image, ending, heard, receipt: Some(receipt) }
            }
            Outcome::Failed { image, run, worker, problem, at: heard, receipt } => {
                let attempts = made(self, image).max(receipt.attempt.0);
                let ending = Ending::Failed { run, problem, worker: Some(worker.to_string()), attempts, timing };
                Recording { image, ending, heard, receipt: Some(receipt) }
            }
            Outcome::GivenUp { image, run, problem, at: heard } => {
                let ending = Ending::Failed { run, problem, worker: None, attempts: made(self, image), timing };
                Recording { image, ending, heard, receipt: None }
            }
        };
        if let Some(manager) = &mut self.manager {
            manager.recording += 1;
        }
        self.record(Box::new(recording));
    }

    pub(super) fn record(&mut self, recording: Box<Recording>) {
        let change = Change::Finish { image: recording.image, ending: Box::new(recording.ending.clone()) };
        self.push_change(change, Asker::Results(recording));
    }

    pub(super) fn record_again(&mut self, life: u32, recording: Box<Recording>) {
        if life == self.manager_life {
            self.record(recording);
        }
    }

    /// The books have taken an ending, or would not.
    pub(super) fn recorded(&mut self, recording: Box<Recording>, outcome: Result<Recorded, StoreError>) {
        let life = self.manager_life;
        let Ok(recorded) = outcome else {
            return self.at(RECORD_AGAIN, Event::RecordAgain { life, recording });
        };
        if let Some(manager) = &mut self.manager {
            manager.recording -= 1;
        }
        if let Some(receipt) = recording.receipt {
            let of_run = match &recording.ending {
                Ending::Recognised { run, .. } | Ending::Failed { run, .. } => *run,
                Ending::Cancelled { .. } => u32::MAX,
            };
            self.check_acknowledged(receipt, of_run, matches!(recorded, Recorded::OtherModel(..)));
            self.acknowledge(receipt);
        }
        if let Some(asked) = after_recording(&recorded, &recording.ending, recording.heard, self.now) {
            let after = self.chance.ms(0, 3);
            self.at(after, Event::Asks { life, asked: Box::new(asked) });
        }
    }

    pub(super) fn acknowledge(&mut self, receipt: Receipt) {
        self.command(receipt.worker, Command::Acknowledge(receipt.image, receipt.attempt));
    }

    pub(super) fn wake_results(&mut self) {
        let at = self.now + self.chance.ms(0, 1);
        if let Some(manager) = &mut self.manager
            && !manager.outcomes.is_empty()
            && manager.results.is_none()
        {
            manager.results = Some(at);
            let life = manager.life;
            self.at_time(at, Event::Results { life });
        }
    }

    /// Whether the worker keeps an answer, or a fault of the image, of which this is the receipt.
    pub(super) fn needs_to_be_safe(&self, receipt: Receipt) -> bool {
        let seat = self.manager.as_ref().and_then(|manager| manager.seats.get(&receipt.worker));
        let process = seat.and_then(|seat| self.machines[seat.machine].process.as_ref());
        process.is_some_and(|process| {
            process.must_be_safe.get(&receipt.image) == Some(&true)
                && process.session.unacknowledged().any(|kept| kept == (receipt.image, receipt.attempt))
        })
    }

    pub(super) fn check_acknowledged(&mut self, receipt: Receipt, of_run: u32, model_differs: bool) {
        self.history.acknowledged(receipt.image, of_run, model_differs);
    }
}
