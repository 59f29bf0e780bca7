//! The manager's process: the desk, and what carries out its orders.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use manyeyes_link::FromWorker;
use manyeyes_link::manager_end::roster::Roster;
use manyeyes_manager::engine::{Asked, Desk, Happened, Order, Outcome, Read, Reading, resumed};
use manyeyes_manager::store::StoreError;
use manyeyes_manager::store::numbers::Counter;
use manyeyes_protocol::id::{Attempt, BatchId, ImageId, WorkerId};
use manyeyes_protocol::result::FailureCode;

use super::links::{Command, Link};
use super::store::{Asker, FreshImage, StoreLine};
use super::wires::{ConnId, Way};
use super::{Event, World};
use crate::books::Change;
use crate::coverage::{Fault, Stage};

/// One run of the manager.
#[derive(Debug)]
pub(super) struct Manager {
    pub(super) life: u32,
    pub(super) desk: Desk,
    pub(super) roster: Roster<ConnId>,
    pub(super) links: BTreeMap<ConnId, Link>,
    pub(super) heard: VecDeque<FromWorker>,
    pub(super) asked: VecDeque<Asked>,
    pub(super) readings: VecDeque<(Reading, Instant)>,
    turn: Option<Instant>,
    pub(super) outcomes: VecDeque<Outcome>,
    pub(super) results: Option<Instant>,
    /// Endings that results has in hand.
    pub(super) recording: usize,
    pub(super) store: StoreLine,
    pub(super) seats: BTreeMap<WorkerId, SeatFacts>,
    pub(super) with: BTreeMap<ImageId, Vec<(WorkerId, Attempt)>>,
    /// Images that were submitted in this run of the manager and never delivered by it, by batch.
    pub(super) untouched: BTreeMap<ImageId, BatchId>,
    pub(super) batch_of: BTreeMap<ImageId, BatchId>,
    /// How many deliveries of other batches each batch has seen since its last.
    pub(super) passed_over: BTreeMap<BatchId, u32>,
    pub(super) attempts: BTreeMap<ImageId, u32>,
}

/// What is known of a worker that is here.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeatFacts {
    pub(super) window: usize,
    pub(super) machine: usize,
}

impl World {
    /// Opens the books, and takes up what an earlier run left.
    pub(super) fn start_manager(&mut self) {
        if self.manager.is_some() {
            return;
        }
        self.manager_life += 1;
        let books = &mut self.disk.books;
        let (seq, image) = (books.seq_ceiling.max(1), books.image_ceiling.max(1));
        let store =
            StoreLine::new(Counter::new(seq, super::store::SEQ_BLOCK), Counter::new(image, super::store::IMAGE_BLOCK));
        (books.seq_ceiling, books.image_ceiling) = (seq + super::store::SEQ_BLOCK, image + super::store::IMAGE_BLOCK);
        let unfinished = books.unfinished();
        let batch_of = unfinished.iter().map(|unfinished| (unfinished.image, unfinished.batch)).collect();
        let attempts = unfinished.iter().map(|unfinished| (unfinished.image, unfinished.attempts)).collect();
        let life = self.manager_life;
        self.manager = Some(Manager {
            life,
            desk: Desk::new(self.plan.dispatch.clone()),
            roster: Roster::default(),
            links: BTreeMap::new(),
            heard: VecDeque::new(),
            asked: VecDeque::new(),
            readings: VecDeque::new(),
            turn: None,
            outcomes: VecDeque::new(),
            results: None,
            recording: 0,
            store,
            seats: BTreeMap::new(),
            with: BTreeMap::new(),
            untouched: BTreeMap::new(),
            batch_of,
            passed_over: BTreeMap::new(),
            attempts,
        });
        self.say(|_| format!("the manager starts (run {life}) with {} unfinished images", unfinished.len()));
        for some in unfinished.chunks(10) {
            self.ask(Asked::Submit(some.iter().cloned().map(resumed).collect()));
        }
    }

    /// The process is no more; the system closes its connections.
    pub(super) fn kill_manager(&mut self) {
        let Some(manager) = self.manager.take() else {
            return;
        };
        self.say(|_| "the manager's process is gone".to_owned());
        for conn in manager.links.keys() {
            self.close(*conn, Way::Down);
        }
        self.crash_store(manager.store);
        self.manager_stopped_until = None;
        self.hang_up_people();
    }

    /// In order: the workers are sent away, what has arrived is written down, and the books are closed.
    pub(super) fn shut_manager_down(&mut self) {
        self.say(|_| "the manager is shut down".to_owned());
        let ids: Vec<ConnId> = self.manager.iter().flat_map(|manager| manager.links.keys().copied()).collect();
        for id in ids {
            if let Some(link) = self.link(id) {
                link.session.shutdown();
            }
            self.after_link(id);
        }
        while let Some(outcome) = self.manager.as_mut().and_then(|manager| manager.outcomes.pop_front()) {
            self.result(outcome);
        }
        let life = self.manager_life;
        while self.manager.as_ref().is_some_and(|manager| !manager.store.is_idle()) {
            self.committed(life);
        }
        self.close_store();
        self.kill_manager();
    }

    pub(super) fn ask(&mut self, asked: Asked) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        if let Asked::Submit(work) = &asked {
            for work in work {
                manager.batch_of.insert(work.image, work.batch);
                if work.blamed.is_empty() && work.run == 0 {
                    manager.untouched.insert(work.image, work.batch);
                }
            }
        }
        manager.asked.push_back(asked);
        self.wake_desk();
    }

    pub(super) fn hear(&mut self, heard: FromWorker) {
        if let Some(manager) = &mut self.manager {
            manager.heard.push_back(heard);
            self.wake_desk();
        }
    }

    /// One turn of the engine's loop: whatever is ready, in an order that chance decides.
    pub(super) fn turn(&mut self, life: u32) {
        let (now, which) = (self.now, self.chance.between(0, 2));
        let Some(manager) =
            self.manager.as_mut().filter(|manager| manager.life == life && manager.turn.is_some_and(|at| at <= now))
        else {
            return;
        };
        manager.turn = None;
        let read = manager.readings.front().is_some_and(|(_, at)| *at <= now);
        let ready = [!manager.heard.is_empty(), !manager.asked.is_empty(), read];
        let chosen = (0..3).map(|after| (which as usize + after) % 3).find(|at| ready[*at]);
        let happened = match chosen {
            Some(0) => manager.heard.pop_front().map(Happened::Heard),
            Some(1) => manager.asked.pop_front().map(Happened::Asked),
            Some(_) => manager.readings.pop_front().map(|(reading, _)| reading).map(|reading| {
                let payload = self.payload(reading.image);
                Happened::Read(Read { reading, payload })
            }),
            None => Some(Happened::TimePassed),
        };
        if let Some(happened) = happened {
            self.note_before(&happened);
            let Some(manager) = &mut self.manager else {
                return;
            };
            manager.desk.handle(happened, now);
            while let Some(order) = self.manager.as_mut().and_then(|manager| manager.desk.poll()) {
                self.carry_out(order);
            }
            self.check_desk();
        }
        self.wake_desk();
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Read(reading) => {
                self.note_delivery(&reading);
                let takes = if self.chance.percent(3) { self.chance.ms(20, 800) } else { self.chance.ms(0, 3) };
                let at = self.now + takes;
                if let Some(manager) = &mut self.manager {
                    // In the order of the deliveries: one that is read sooner waits for those before it.
                    let at = manager.readings.back().map_or(at, |(_, before)| at.max(*before));
                    manager.readings.push_back((reading, at));
                }
            }
            // The desk of this world was not told that there are any.
            Order::MakeSmaller(making) => {
                let image = making.reading.image;
                self.history.violation(format!("image {image}: a smaller form of it is to be made"));
            }
            Order::Assign { worker, connection, assignment } => {
                self.say(|_| format!("image {} is handed to {worker:?}", assignment.image));
                let here = self.manager.as_ref().and_then(|manager| manager.roster.connection(worker));
                if here == Some(connection) {
                    self.command(worker, Command::Assign(assignment));
                }
            }
            Order::Cancel { worker, image, attempt } => {
                self.say(|_| format!("image {image}, delivery {attempt}, is taken back from {worker:?}"));
                self.note_taken_back(image, worker, attempt);
                self.command(worker, Command::Cancel(image, attempt));
            }
            Order::Acknowledge(receipt) => {
                if self.needs_to_be_safe(receipt) {
                    self.check_acknowledged(receipt, u32::MAX, false);
                }
                self.acknowledge(receipt);
            }
            Order::Blame { image, worker, attempts } => {
                self.say(|_| format!("image {image} is blamed for {worker}"));
                self.history.blamed(image, &worker, self.now);
                self.push_change(Change::Blame { image, worker, attempts }, Asker::Nobody);
            }
            Order::Tell(outcome) => {
                if let Some(manager) = &mut self.manager {
                    manager.outcomes.push_back(outcome);
                    self.wake_results();
                }
            }
        }
    }

    fn payload(&mut self, image: ImageId) -> Result<bytes::Bytes, StoreError> {
        let bytes = self.manager.as_ref().and_then(|manager| manager.store.fresh.get(&image)).map(FreshImage::bytes);
        let kept = || {
            self.disk.books.images.get(&image).map(|kept| kept.token.file(usize::try_from(kept.row.bytes).unwrap_or(8)))
        };
        let bytes = bytes.or_else(kept).ok_or(StoreError::NoSuchImage)?;
        if self.disk.reads_fail > 0 && self.disk.books.images.contains_key(&image) {
            self.disk.reads_fail -= 1;
            self.report.coverage.met(Fault::ReadFails, Stage::Reading);
            self.report.faults += 1;
            self.history.lost_bytes(image);
            return Err(StoreError::Damaged(format!("image {image}: its bytes are not those that were uploaded")));
        }
        Ok(bytes)
    }

    pub(super) fn use_number(&mut self) {
        if let Some(seq) = self.manager.as_mut().and_then(|manager| manager.store.seq.take(1)) {
            self.history.numbered(seq);
        }
    }

    pub(super) fn wake_desk(&mut self) {
        let now = self.now;
        let soon = now + if self.chance.percent(2) { self.chance.ms(5, 100) } else { self.chance.ms(0, 1) };
        let Some(manager) = &mut self.manager else {
            return;
        };
        let ready = !manager.heard.is_empty() || !manager.asked.is_empty();
        let read = manager.readings.front().map(|(_, at)| (*at).max(now));
        let timeout = manager.desk.poll_timeout().map(|at| at.max(now));
        let next = ready.then_some(soon).into_iter().chain(read).chain(timeout).min();
        if let Some(at) = next
            && manager.turn.is_none_or(|turn| turn > at)
        {
            manager.turn = Some(at);
            let life = manager.life;
            self.at_time(at, Event::Turn { life });
        }
    }

    fn note_before(&mut self, happened: &Happened) {
        self.say(|_| format!("the desk: {happened:?}"));
        let Happened::Heard(heard) = happened else {
            return;
        };
        match heard {
            FromWorker::Answered { worker, image, attempt, .. }
            | FromWorker::Failed { worker, image, attempt, .. }
            | FromWorker::Stalled { worker, image, attempt } => self.note_taken_back(*image, *worker, *attempt),
            FromWorker::Left { worker, .. } => {
                if let Some(manager) = &mut self.manager {
                    for held in manager.with.values_mut() {
                        held.retain(|(by, _)| by != worker);
                    }
                    manager.with.retain(|_, held| !held.is_empty());
                }
            }
            FromWorker::Joined { .. }
            | FromWorker::Started { .. }
            | FromWorker::RoundTrip { .. }
            | FromWorker::Refused { .. } => {}
        }
        if let FromWorker::Failed { failure, image, .. } = heard
            && matches!(failure.code, FailureCode::Busy | FailureCode::NotUnderstood)
        {
            self.history.violation(format!("image {image}: {:?}: {}", failure.code, failure.message));
        }
    }
}
