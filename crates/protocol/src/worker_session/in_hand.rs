//! The images that the worker has in hand: which it takes, what it answers to an assignment, and what it drops.

use std::time::Duration;

use super::memory::Memory;
use super::{Assigned, Phase, WorkerEvent, WorkerSession};
use crate::frame::{Assign, MAX_PAYLOAD, Stage, WorkerFrame};
use crate::id::{Attempt, ImageId, ModelDigest};
use crate::result::FailureCode;

/// How many files of the largest size a worker holds beyond one for each slot, counted in bytes. A manager keeps to
/// less (`docs/protocol.md`): this is for one that does not.
const FILES_AHEAD: usize = 2;

/// An image that the owner has and has not reported.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) model: ModelDigest,
    /// As the owner knows it.
    pub(super) delivered: Attempt,
    /// The latest delivery of the same: the outcome is said of it.
    pub(super) attempt: Attempt,
    /// Of its file.
    pub(super) bytes: usize,
    pub(super) started: bool,
    /// The connection that assigned it is gone, and no later one has asked for it.
    pub(super) orphan: bool,
}

impl WorkerSession {
    pub(super) fn assigned(&mut self, assign: Assign, received_in: Duration) {
        let Assign { image, attempt, model, deadline, resend, extensions, payload } = assign;
        if let Some(kind) = extensions.not_understood() {
            let message = format!("the critical extension {kind} is not one that this worker understands");
            return self.fail(image, attempt, FailureCode::NotUnderstood, &message);
        }
        if let Some(outcome) = self.memory.recall(image, attempt, model) {
            // Every delivery waits for an acknowledgement of its own, so these are counted too.
            if self.memory.is_full() && !self.memory.holds(image, attempt) {
                return self.fail(image, attempt, FailureCode::Busy, "too many results are not acknowledged");
            }
            self.memory.keep(image, attempt, model, outcome.clone());
            return self.say_outcome(image, attempt, outcome);
        }
        if let Some(task) = self.in_hand.get_mut(&image) {
            if task.model == model {
                task.attempt = attempt;
                task.orphan = false;
                let stage = if task.started { Stage::Started } else { Stage::Received };
                return self.say(WorkerFrame::Progress { image, attempt, stage });
            }
            let before = task.delivered;
            self.in_hand.remove(&image);
            self.events.push_back(WorkerEvent::Cancelled { image, attempt: before });
        }
        if resend {
            return self.fail(image, attempt, FailureCode::Unknown, "");
        }
        if self.draining {
            return self.fail(image, attempt, FailureCode::ShuttingDown, "the worker is going");
        }
        if self.hello.models.iter().all(|held| held.digest != model) {
            return self.fail(image, attempt, FailureCode::ModelMissing, &format!("the worker does not hold {model}"));
        }
        // What an earlier connection left running is not of this manager's reckoning.
        let held = self.in_hand.values().filter(|task| !task.orphan);
        let (images, bytes) = held.fold((0, 0), |(images, bytes), task| (images + 1, bytes + task.bytes));
        let room = (self.hello.slots as usize + FILES_AHEAD).saturating_mul(MAX_PAYLOAD);
        let full = images >= self.hello.window as usize || bytes + payload.len() > room;
        if full || self.memory.is_full() {
            return self.fail(image, attempt, FailureCode::Busy, "the worker holds all that it offered to hold");
        }
        let task = Task { model, delivered: attempt, attempt, bytes: payload.len(), started: false, orphan: false };
        self.in_hand.insert(image, task);
        self.say(WorkerFrame::Progress { image, attempt, stage: Stage::Received });
        let assigned = Assigned { image, attempt, model, deadline, payload, received_in };
        self.events.push_back(WorkerEvent::Assigned(assigned));
    }

    pub(super) fn cancelled(&mut self, image: ImageId, attempt: Attempt) {
        if self.in_hand.get(&image).is_some_and(|task| task.attempt == attempt)
            && let Some(task) = self.in_hand.remove(&image)
        {
            self.events.push_back(WorkerEvent::Cancelled { image, attempt: task.delivered });
            self.leave_if_done();
        }
    }

    /// Nothing of the old books means anything under the new ones.
    pub(super) fn forget_everything(&mut self) {
        for (image, task) in std::mem::take(&mut self.in_hand) {
            self.events.push_back(WorkerEvent::Cancelled { image, attempt: task.delivered });
        }
        self.memory = Memory::default();
    }

    /// Gives up what no slot has taken (the manager gives it to others at once); what runs goes on, as an orphan unless
    /// we are still connected. Returns what was given up.
    pub(super) fn drop_unstarted(&mut self) -> Vec<(ImageId, Attempt)> {
        let still_connected = self.phase == Phase::Welcomed;
        let mut dropped = Vec::new();
        let events = &mut self.events;
        self.in_hand.retain(|image, task| {
            task.orphan = task.orphan || !still_connected;
            if !task.started {
                events.push_back(WorkerEvent::Cancelled { image: *image, attempt: task.delivered });
                dropped.push((*image, task.attempt));
            }
            task.started
        });
        dropped
    }
}
