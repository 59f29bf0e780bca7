//! Where images go: back to the queue, to a pause, out.

use std::time::Instant;

use manyeyes_protocol::id::{Attempt, BatchId, ImageId, ModelDigest, WorkerId};

use super::Dispatch;
use crate::event::Action;
use crate::image::{Loss, Place};
use crate::worker::Delivery;

impl Dispatch {
    /// A worker has lost an image. If nobody else has it, it waits again, at the front of its batch.
    pub(super) fn lose(&mut self, id: ImageId, worker: WorkerId, attempt: Attempt) {
        let Some(image) = self.images.get_mut(&id) else {
            return;
        };
        let loss = image.lose(worker, attempt);
        image.holders().for_each(|(holder, _)| self.roster.touch(holder));
        if loss == Loss::HeldByNobody {
            self.lanes.land(image.lane);
            image.lane = self.bound.lane_of(image, &mut self.lanes);
            image.place = Place::Waiting(image.rank());
            self.lanes.push(image.lane, image.rank(), id);
            self.actions.push_back(Action::Requeued { image: id });
        }
    }

    /// A worker has lost an image by a failure that it announced. If nobody else has it, it waits for a moment before it is
    /// tried again.
    pub(super) fn lose_for_a_while(&mut self, id: ImageId, worker: WorkerId, attempt: Attempt, now: Instant) {
        let Some(image) = self.images.get_mut(&id) else {
            return;
        };
        let loss = image.lose(worker, attempt);
        if loss == Loss::NotItsHolder {
            return;
        }
        image.holders().for_each(|(holder, _)| self.roster.touch(holder));
        let until = now + image.failed_at(worker, &self.settings);
        if loss == Loss::HeldByNobody {
            self.lanes.land(image.lane);
            image.place = Place::Paused(until);
            self.alarms.insert((until, id));
            self.actions.push_back(Action::Requeued { image: id });
        }
    }

    /// What was taken from a worker that is here, and is told of it.
    pub(super) fn take_back(&mut self, worker: WorkerId, taken: Option<Vec<Delivery>>) {
        for Delivery { image, attempt, .. } in taken.into_iter().flatten() {
            self.actions.push_back(Action::Cancel { worker, image, attempt });
            self.lose(image, worker, attempt);
        }
    }

    /// Everything of the batch that waits, waits for that model from now on; what is with a worker stays there. That and what is paused gets its
    /// lane when it begins to wait again.
    pub(super) fn bind(&mut self, batch: BatchId, model: ModelDigest, heard: Instant) {
        if !self.bound.bind(batch, model, heard) {
            return;
        }
        for (rank, id) in self.lanes.waiting_of(batch) {
            if let Some(image) = self.images.get_mut(&id) {
                self.lanes.remove(image.lane, rank, id);
                image.lane = self.bound.lane_of(image, &mut self.lanes);
                self.lanes.push(image.lane, rank, id);
            }
        }
    }

    pub(super) fn ring_alarms(&mut self, now: Instant) {
        while let Some((at, id)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, id));
            if let Some(image) = self.images.get_mut(&id)
                && image.place == Place::Paused(at)
            {
                image.lane = self.bound.lane_of(image, &mut self.lanes);
                image.place = Place::Waiting(image.rank());
                self.lanes.push(image.lane, image.rank(), id);
            }
        }
    }

    /// Nobody wants an image any more, or its next run has begun: it is taken back from whoever has it, also where a slot is
    /// at it, because what comes of that is not to be taken for an answer to the next run.
    pub(super) fn withdraw(&mut self, id: ImageId, now: Instant) {
        let holders: Vec<_> = self.holders(id).collect();
        for (worker, attempt) in holders {
            self.roster.change(worker, now, |worker, _| worker.take_back(id, attempt));
            self.actions.push_back(Action::Cancel { worker, image: id, attempt });
        }
        self.end(id, now);
    }

    /// Forgets an image that has ended. Whoever else has it is told, unless a slot is at it.
    pub(super) fn end(&mut self, id: ImageId, now: Instant) {
        let Some(image) = self.images.remove(&id) else {
            return;
        };
        if let Some(until) = image.patient_until() {
            self.alarms.remove(&(until, id));
        }
        match image.place {
            Place::Waiting(rank) => self.lanes.remove(image.lane, rank, id),
            Place::Paused(until) => {
                self.alarms.remove(&(until, id));
            }
            Place::With(held) => {
                self.lanes.land(image.lane);
                for (worker, attempt) in held.holders() {
                    if self.roster.change(worker, now, |worker, _| worker.outlive(id, attempt)) == Some(true) {
                        self.actions.push_back(Action::Cancel { worker, image: id, attempt });
                    }
                }
            }
        }
    }
}
