//! What goes wrong, whom it meets, and how it ends.

use std::time::Duration;

use manyeyes_protocol::id::ImageId;

use super::store::Full;
use super::wires::{ConnId, Way};
use super::{Event, Heal, World};
use crate::coverage::{Fault, Stage};
use crate::history::Wish;

impl World {
    pub(super) fn goes_wrong(&mut self, fault: Fault) {
        if self.calm {
            return;
        }
        match fault {
            Fault::WorkerCrash
            | Fault::WorkerHang
            | Fault::WorkerSlow
            | Fault::WorkerStop
            | Fault::WorkerAnnounces
            | Fault::WorkerPanic
            | Fault::WorkerLeaves => self.worker_goes_wrong(fault),
            Fault::LinkCut
            | Fault::LinkHalfOpenManager
            | Fault::LinkHalfOpenWorker
            | Fault::LinkStalled
            | Fault::LinkSlow => self.link_goes_wrong(fault),
            Fault::ManagerCrash | Fault::ManagerStop | Fault::ManagerRestart => self.manager_goes_wrong(fault),
            Fault::DiskFull | Fault::DiskSlow | Fault::CommitFails => self.disk_goes_wrong(fault),
            Fault::ReadFails => self.disk.reads_fail += 1,
            Fault::Cancel | Fault::Again | Fault::Delete | Fault::DeleteBatch => self.a_person_intervenes(fault),
        }
    }

    pub(super) fn heals(&mut self, heal: Heal) {
        match heal {
            Heal::Slow(machine) => self.machines[machine].slower = 1,
            Heal::Announces(machine) => self.machines[machine].announces = false,
            Heal::Disk => (self.disk.full, self.disk.slow) = (Full::No, false),
            Heal::Link(machine) => {
                if let Some(plan) = self.plan.machines.get(machine) {
                    (self.machines[machine].up, self.machines[machine].down) = (plan.up, plan.down);
                }
            }
        }
    }

    /// Where an image is. It may also be not durable.
    pub(super) fn stage(&self, image: ImageId) -> Stage {
        let reported = |machine: &super::workers::Machine| {
            machine.process.as_ref().is_some_and(|process| process.session.unacknowledged().any(|(of, _)| of == image))
        };
        if self.history.is_kept(image) && self.history.has_ended(image) {
            return if self.machines.iter().any(reported) { Stage::Recorded } else { Stage::Ended };
        }
        let is_ending = self.manager.as_ref().is_some_and(|manager| manager.store.ending().any(|of| of == image));
        if is_ending || self.machines.iter().any(reported) {
            return Stage::Answered;
        }
        for process in self.machines.iter().filter_map(|machine| machine.process.as_ref()) {
            if process.slots.iter().flatten().any(|running| running.task.image == image) {
                return Stage::Started;
            }
            if process.queue.iter().any(|task| task.image == image) {
                return Stage::Received;
            }
        }
        let Some(manager) = &self.manager else {
            return Stage::Waiting;
        };
        if manager.readings.iter().any(|(reading, _)| reading.image == image) {
            return Stage::Reading;
        }
        if manager.with.contains_key(&image) { Stage::Sent } else { Stage::Waiting }
    }

    /// Counts that a fault has met these images as they are.
    pub(super) fn meets(&mut self, fault: Fault, images: impl IntoIterator<Item = ImageId>) {
        self.report.faults += 1;
        for image in images {
            let stage = self.stage(image);
            self.report.coverage.met(fault, stage);
            if stage != Stage::Uploading && !self.history.is_kept(image) {
                self.report.coverage.met(fault, Stage::Uploading);
            }
        }
    }

    /// All images that the manager or the books know of.
    fn all_images(&self) -> Vec<ImageId> {
        let fresh = self.manager.iter().flat_map(|manager| manager.store.fresh.keys().copied());
        self.disk.books.images.keys().copied().chain(fresh).collect()
    }

    /// What is with a machine, on the way to it, or reported by it and not acknowledged.
    fn images_at(&self, machine: usize) -> Vec<ImageId> {
        let mut images: Vec<ImageId> = Vec::new();
        if let Some(manager) = &self.manager {
            let is_there = |worker| manager.seats.get(worker).is_some_and(|seat| seat.machine == machine);
            let sent = manager.with.iter().filter(|(_, held)| held.iter().any(|(worker, _)| is_there(worker)));
            let is_read = |image: &ImageId| manager.readings.iter().any(|(reading, _)| reading.image == *image);
            images.extend(sent.map(|(image, _)| *image).filter(|image| !is_read(image)));
        }
        if let Some(process) = &self.machines[machine].process {
            images.extend(process.session.unacknowledged().map(|(image, _)| image));
            images.extend(process.queue.iter().map(|task| task.image));
            images.extend(process.slots.iter().flatten().map(|running| running.task.image));
        }
        images.sort_unstable();
        images.dedup();
        images
    }

    fn meets_all(&mut self, fault: Fault) {
        let all = self.all_images();
        self.meets(fault, all);
        self.say(|_| format!("fault: {}", fault.name()));
    }

    /// Counts only what the fault can touch: of the rest the worker has nothing.
    fn meets_machine(&mut self, fault: Fault, machine: usize) {
        let images = self.images_at(machine);
        self.say(|world| format!("fault: {} ({})", fault.name(), world.machines[machine].name));
        self.meets(fault, images);
    }

    fn some_machine(&mut self) -> Option<usize> {
        let there: Vec<usize> = (0..self.machines.len()).filter(|at| self.machines[*at].process.is_some()).collect();
        (!there.is_empty()).then(|| self.chance.pick(&there))
    }

    fn worker_goes_wrong(&mut self, fault: Fault) {
        let Some(machine) = self.some_machine() else {
            return;
        };
        self.meets_machine(fault, machine);
        let until = self.chance.ms(500, 9_000);
        match fault {
            Fault::WorkerCrash => {
                let again = (!self.chance.percent(15)).then(|| self.chance.ms(100, 4_000));
                self.kill_worker(machine, again);
            }
            Fault::WorkerHang => self.machines[machine].hangs += 1,
            Fault::WorkerSlow => {
                self.machines[machine].slower = 10;
                self.at(until, Event::Heals(Heal::Slow(machine)));
            }
            Fault::WorkerStop => self.machines[machine].stopped_until = Some(self.now + until),
            Fault::WorkerAnnounces => {
                self.machines[machine].announces = true;
                self.at(until, Event::Heals(Heal::Announces(machine)));
            }
            Fault::WorkerPanic => self.machines[machine].panics += 1,
            _ => {
                let grace = self.chance.ms(0, 3_000);
                self.worker_leaves(machine, grace);
            }
        }
    }

    fn link_goes_wrong(&mut self, fault: Fault) {
        let Some(machine) = self.some_machine() else {
            return;
        };
        let Some(id) = self.machines[machine].process.as_ref().and_then(|process| process.conn) else {
            return;
        };
        self.meets_machine(fault, machine);
        match fault {
            Fault::LinkStalled => {
                let silence = u64::try_from(self.plan.timers.silence.as_millis()).unwrap_or(1);
                let until = self.now + self.chance.ms(100, silence * 3 / 2);
                if let Some(conn) = self.conns.get_mut(&id) {
                    (conn.up.stalled_until, conn.down.stalled_until) = (Some(until), Some(until));
                }
            }
            Fault::LinkSlow => {
                let (up, down) = (self.chance.ms(5, 1_500), self.chance.ms(5, 1_500));
                (self.machines[machine].up, self.machines[machine].down) = (up, down);
                let until = self.chance.ms(500, 9_000);
                self.at(until, Event::Heals(Heal::Link(machine)));
            }
            Fault::LinkHalfOpenManager => {
                // What is on its way up may still come, long after the worker is back; or some of it, or nothing.
                if self.chance.percent(60) {
                    self.cut(id, Way::Up);
                }
                self.cut(id, Way::Down);
                self.worker_lost_link(machine, "the connection broke");
            }
            Fault::LinkHalfOpenWorker => {
                self.cut(id, Way::Up);
                self.cut(id, Way::Down);
                self.manager_lost_link(id);
            }
            _ => {
                self.cut(id, Way::Up);
                self.cut(id, Way::Down);
                let (first, second) = (self.chance.ms(0, 20), self.chance.ms(0, 200));
                self.at(first, Event::Breaks(id, Way::Down));
                self.at(second, Event::Breaks(id, Way::Up));
            }
        }
        if self.chance.percent(40) {
            let until = self.now + self.chance.ms(50, 4_000);
            self.machines[machine].unreachable_until = Some(until);
        }
    }

    /// One side learns that its connection is broken.
    pub(super) fn breaks(&mut self, id: ConnId, way: Way) {
        let Some(machine) = self.conns.get(&id).map(|conn| conn.machine) else {
            return;
        };
        match way {
            Way::Up => self.manager_lost_link(id),
            Way::Down => {
                if self.machines[machine].process.as_ref().is_some_and(|process| process.conn == Some(id)) {
                    self.worker_lost_link(machine, "the connection broke");
                }
            }
        }
    }

    /// Some of what is on its way still comes, and then nothing.
    fn cut(&mut self, id: ConnId, way: Way) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let pipe = if way == Way::Up { &mut conn.up } else { &mut conn.down };
        let whole = self.chance.below(pipe.on_the_way() + 1);
        let part = self.chance.below(64);
        pipe.cut(whole, part);
    }

    fn manager_goes_wrong(&mut self, fault: Fault) {
        if self.manager.is_none() {
            return;
        }
        self.meets_all(fault);
        let pause = self.chance.ms(100, 4_000);
        match fault {
            Fault::ManagerCrash => self.kill_manager(),
            Fault::ManagerRestart => self.shut_manager_down(),
            _ => {
                // Longer, and it would take its own sleep for that of a worker's slot.
                let longest = self.plan.dispatch.deadline_floor / 2;
                self.manager_stopped_until = Some(self.now + (pause * 2).min(longest));
                return;
            }
        }
        self.at(pause, Event::ManagerStarts);
    }

    fn disk_goes_wrong(&mut self, fault: Fault) {
        self.meets_all(fault);
        let until = self.chance.ms(300, 5_000);
        match fault {
            Fault::DiskFull => {
                self.disk.full = if self.chance.percent(50) { Full::ForUploads } else { Full::ForAll };
                self.at(until, Event::Heals(Heal::Disk));
            }
            Fault::DiskSlow => {
                self.disk.slow = true;
                self.at(until, Event::Heals(Heal::Disk));
            }
            _ => self.disk.fails = true,
        }
    }

    fn a_person_intervenes(&mut self, fault: Fault) {
        let mut images = self.people.iter().enumerate().flat_map(|(who, person)| {
            let known = person.known.iter();
            known.map(move |image| (who, *image))
        });
        let fits = |image: ImageId| {
            let ended = self.history.has_ended(image);
            let there = self.disk.books.images.contains_key(&image);
            there && (fault == Fault::Delete || fault == Fault::DeleteBatch || (fault == Fault::Again) == ended)
        };
        let fitting: Vec<(usize, ImageId)> = images.by_ref().filter(|(_, image)| fits(*image)).collect();
        if fitting.is_empty() {
            return;
        }
        let (person, image) = self.chance.pick(&fitting);
        let (met, wish) = match fault {
            Fault::Cancel => (vec![image], Wish::Cancel(image)),
            Fault::Again => (vec![image], Wish::Again(image)),
            Fault::Delete => (vec![image], Wish::Delete(image)),
            _ => {
                let Some(batch) = self.people[person].batch else {
                    return;
                };
                let of_batch = |image: &ImageId| {
                    let books = self.disk.books.images.get(image).map(|kept| kept.row.batch);
                    let fresh = || self.manager.as_ref().and_then(|manager| manager.batch_of.get(image).copied());
                    books.or_else(fresh) == Some(batch)
                };
                (self.all_images().into_iter().filter(of_batch).collect(), Wish::DeleteBatch(batch))
            }
        };
        self.meets(fault, met);
        self.wish(person, wish);
        // Pressed twice, or by two people: the second must find what the first has left.
        if self.chance.percent(20) {
            self.wish(person, wish);
        }
    }
}

/// Once all is calm, nothing goes wrong any more.
impl World {
    pub(super) fn all_is_well(&mut self) {
        self.manager_stopped_until = None;
        (self.disk.full, self.disk.slow, self.disk.fails, self.disk.reads_fail) = (Full::No, false, false, 0);
        for machine in 0..self.machines.len() {
            self.heals(Heal::Slow(machine));
            self.heals(Heal::Announces(machine));
            self.heals(Heal::Link(machine));
            let at = &mut self.machines[machine];
            (at.stopped_until, at.unreachable_until, at.hangs, at.panics, at.gone) = (None, None, 0, 0, false);
            self.at(Duration::ZERO, Event::Starts { machine });
        }
    }
}
