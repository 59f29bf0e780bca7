//! What must hold at every moment, looked at after each turn of the desk.

use manyeyes_manager::engine::Reading;
use manyeyes_protocol::id::{Attempt, BatchId, ImageId, WorkerId};

use super::World;

/// How many deliveries of other batches in a row a batch may have to see while something new of it waits: those of one turn
/// of every batch, and what is left to faster workers (`LOOK_AHEAD` in dispatch: 32), which are busy and take it next. Of 12,000 runs the longest was 47.
pub(super) const PASSED_OVER: u32 = 64;

/// A straggler may be with a second worker, within dispatch's budget; with no third.
const MOST_PLACES: usize = 2;

impl World {
    /// Dispatch gives an image to a worker.
    pub(super) fn note_delivery(&mut self, reading: &Reading) {
        let Reading { worker, image, attempt, .. } = *reading;
        self.report.deliveries += 1;
        self.say(|_| format!("image {image} goes to {worker:?}, delivery {attempt}"));
        self.check_fairness(image);
        let Some(manager) = &mut self.manager else {
            return;
        };
        manager.untouched.remove(&image);
        let held = manager.with.entry(image).or_default();
        held.push((worker, attempt));
        let places = if manager.desk.dispatch().holds(image) { held.len() } else { 1 };
        if places > MOST_PLACES {
            self.history.violation(format!("image {image} was given to {worker:?} and is in {places} places"));
        }
        if self.history.is_kept(image) && self.history.has_ended(image) {
            let ended_for_all = self.manager.as_ref().is_some_and(|manager| !manager.desk.dispatch().holds(image));
            if ended_for_all {
                self.history.violation(format!("image {image} has ended and was given to {worker:?}"));
            }
        }
    }

    /// A worker has it no more, as far as dispatch knows.
    pub(super) fn note_taken_back(&mut self, image: ImageId, worker: WorkerId, attempt: Attempt) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        if let Some(held) = manager.with.get_mut(&image) {
            held.retain(|(by, of)| (*by, *of) != (worker, attempt));
            if held.is_empty() {
                manager.with.remove(&image);
            }
        }
    }

    /// Dispatch and those who watch it agree on who has what; and no limit is exceeded.
    pub(super) fn check_desk(&mut self) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        let dispatch = manager.desk.dispatch();
        // A slot that is at an image of which another worker's answer was the first is left to end it.
        manager.with.retain(|image, _| dispatch.holds(*image));
        for (worker, seat) in &manager.seats {
            let in_flight = dispatch.in_flight(*worker);
            if in_flight > seat.window {
                let what = format!("{worker:?} has {in_flight} images, and its window is {}", seat.window);
                self.history.violation(what);
            }
        }
        let mut wrong = Vec::new();
        for (image, held) in &manager.with {
            let holders: Vec<_> = dispatch.holders(*image).collect();
            if holders.len() != held.len() || holders.iter().any(|holder| !held.contains(holder)) {
                wrong.push(format!("image {image} is with {held:?}, and dispatch says {holders:?}"));
            }
        }
        let said = dispatch.held() - dispatch.waiting();
        if said != manager.with.len() {
            wrong.push(format!("dispatch says that {said} images are with workers, and {} are", manager.with.len()));
        }
        let (tally, rescue) = (dispatch.tally(), &self.plan.dispatch.rescue);
        let budget = tally.ordinary * u64::from(rescue.hedge_percent) / 100 + u64::from(rescue.hedges_at_first);
        if tally.hedges > budget {
            wrong.push(format!("{} hedges for {} deliveries", tally.hedges, tally.ordinary));
        }
        if dispatch.held() > self.plan.dispatch.max_waiting {
            wrong.push(format!("dispatch holds {} images", dispatch.held()));
        }
        wrong.into_iter().for_each(|wrong| self.history.violation(wrong));
    }

    /// A batch of which something new waits is not passed over again and again by batches that have as much in flight.
    fn check_fairness(&mut self, image: ImageId) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        let Some(served) = manager.batch_of.get(&image).copied() else {
            return;
        };
        manager.passed_over.remove(&served);
        let batch_of = &manager.batch_of;
        let in_flight = |batch| manager.with.keys().filter(|image| batch_of.get(image) == Some(&batch)).count();
        let served_has = in_flight(served);
        let in_use = manager.roster.model_here().map(|model| model.digest.0);
        let dispatch = manager.desk.dispatch();
        let is_free = |image: &ImageId| dispatch.holds(*image) && dispatch.holders(*image).next().is_none();
        let waiting = manager.untouched.iter().filter(|(image, _)| is_free(image)).map(|(_, batch)| *batch);
        let mut waiting: Vec<BatchId> = waiting.filter(|batch| *batch != served).collect();
        waiting.dedup();
        for batch in waiting {
            // One that is answered by another model waits for workers with that.
            if self.disk.books.model(batch).is_some_and(|model| Some(model.digest) != in_use) {
                continue;
            }
            if in_flight(batch) > served_has {
                continue;
            }
            let passed_over = manager.passed_over.entry(batch).or_default();
            *passed_over += 1;
            self.report.unfairness = self.report.unfairness.max(*passed_over);
            if *passed_over > PASSED_OVER {
                let count = *passed_over;
                self.history.violation(format!("batch {} was passed over {count} times in a row", batch.0));
            }
        }
    }
}
