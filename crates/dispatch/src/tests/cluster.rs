//! A simulated cluster: dispatch on one side, workers with speeds, round trips and vices on the other, a fake clock and
//! seeded chance between. It checks at every step what must always hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, BatchId, ImageId, WorkerId};
use manyeyes_protocol::result::FailureCode;

use crate::{Action, BreakerChange, Capacity, Departure, Dispatch, Event, Settings, Standing, Work};

pub(super) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[expect(clippy::disallowed_methods, reason = "a beginning to count from; nothing depends on which")]
pub(crate) fn beginning() -> Instant {
    Instant::now()
}

pub(super) fn work(image: u64, batch: u64) -> Work {
    Work {
        image: ImageId(image),
        batch: BatchId(batch),
        bytes: 100_000,
        run: 0,
        model: None,
        attempts: 0,
        blamed: Vec::new(),
    }
}

/// After so many deadlines a session gives a worker up that begins nothing.
const STANDSTILL_DEADLINES: u32 = 4;

/// What a worker does with one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vice {
    None,
    /// The process dies when it begins.
    Crash,
    /// The slot never comes back.
    Hang,
    /// An announced failure.
    Announce(FailureCode),
}

/// What the worker of that name does with that image.
type Vices = Box<dyn FnMut(&str, ImageId) -> Vice>;

/// How a simulated worker is.
#[derive(Clone, Debug)]
pub(super) struct Build {
    pub(super) slots: u32,
    pub(super) window: u32,
    pub(super) service: Duration,
    pub(super) round_trip: Duration,
    /// For how long each image takes the way, one after another.
    pub(super) transfer: Duration,
}

impl Default for Build {
    fn default() -> Self {
        Self { slots: 1, window: 64, service: ms(100), round_trip: Duration::ZERO, transfer: Duration::ZERO }
    }
}

#[derive(Debug)]
struct SimulatedWorker {
    build: Build,
    name: String,
    /// When its way is free.
    way_free: Instant,
    queue: VecDeque<(ImageId, Attempt)>,
    running: BTreeMap<(ImageId, Attempt), Instant>,
    /// What was assigned, and neither answered nor cancelled nor stalled.
    unanswered: BTreeSet<(ImageId, Attempt)>,
    cancelled: BTreeSet<(ImageId, Attempt)>,
    hung: u32,
    /// Time that slots were at work.
    busy: Duration,
}

#[derive(Clone, Debug)]
enum Happening {
    Tell(Event),
    Arrive(WorkerId, ImageId, Attempt),
    TakeBack(WorkerId, ImageId, Attempt),
    Finish(WorkerId, ImageId, Attempt),
    Deadline(WorkerId, ImageId, Attempt),
    Standstill(WorkerId, ImageId, Attempt),
    Rejoin(String, Build),
}

/// How an image ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Answered,
    Damaged,
    GivenUp(Vec<String>),
}

pub(super) struct Cluster {
    pub(super) dispatch: Dispatch,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) ended: BTreeMap<ImageId, (Ending, Duration)>,
    pub(super) blamed: BTreeSet<(ImageId, String)>,
    pub(super) full: BTreeSet<ImageId>,
    vice: Vices,
    workers: BTreeMap<WorkerId, SimulatedWorker>,
    /// Who has each image: nobody, one, or two.
    holders: BTreeMap<ImageId, Vec<(WorkerId, Attempt)>>,
    /// What was assigned, how often, however it was.
    pub(super) assigned: u64,
    /// What became of workers' breakers.
    pub(super) breakers: Vec<(String, BreakerChange)>,
    deadlines: BTreeMap<(ImageId, Attempt), Duration>,
    agenda: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    next_worker: u32,
}

impl Cluster {
    pub(super) fn new(settings: Settings) -> Self {
        let start = beginning();
        Self {
            dispatch: Dispatch::new(settings),
            now: start,
            start,
            ended: BTreeMap::new(),
            blamed: BTreeSet::new(),
            full: BTreeSet::new(),
            vice: Box::new(|_, _| Vice::None),
            workers: BTreeMap::new(),
            holders: BTreeMap::new(),
            assigned: 0,
            breakers: Vec::new(),
            deadlines: BTreeMap::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            next_worker: 1,
        }
    }

    pub(super) fn with_vice(mut self, vice: impl FnMut(&str, ImageId) -> Vice + 'static) -> Self {
        self.vice = Box::new(vice);
        self
    }

    pub(super) fn submit(&mut self, images: std::ops::Range<u64>, batch: u64) {
        for image in images {
            self.tell(Event::Submitted(work(image, batch)));
        }
    }

    pub(super) fn join(&mut self, name: &str, build: Build) -> WorkerId {
        let id = WorkerId(self.next_worker);
        self.next_worker += 1;
        let capacity = Capacity { slots: build.slots, window: build.window, models: vec![], returning: false };
        let least = build.round_trip;
        let worker = SimulatedWorker {
            build,
            name: name.to_owned(),
            way_free: self.now,
            queue: VecDeque::new(),
            running: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            hung: 0,
            busy: Duration::ZERO,
        };
        self.workers.insert(id, worker);
        self.tell(Event::Joined { worker: id, capacity, name: name.to_owned() });
        self.tell(Event::RoundTrip { worker: id, least });
        id
    }

    pub(super) fn leave(&mut self, id: WorkerId, departure: Departure) {
        if self.workers.remove(&id).is_some() {
            self.gone(id);
            self.tell(Event::Left { worker: id, departure });
        }
    }

    /// The process dies; it comes back under the same name, which shows that it had died.
    pub(super) fn crash(&mut self, id: WorkerId, back_after: Duration) {
        let Some(worker) = self.workers.remove(&id) else {
            return;
        };
        self.gone(id);
        self.tell(Event::Left { worker: id, departure: Departure::Disconnected });
        self.plan(back_after, Happening::Tell(Event::Crashed { worker: id }));
        self.plan(back_after, Happening::Rejoin(worker.name, worker.build));
    }

    fn gone(&mut self, id: WorkerId) {
        self.holders.values_mut().for_each(|holders| holders.retain(|(worker, _)| *worker != id));
    }

    /// From now on it needs so many times as long for each image.
    pub(super) fn slow_down(&mut self, id: WorkerId, times: u32) {
        self.workers.get_mut(&id).expect("it is here").build.service *= times;
    }

    pub(super) fn worker_ids(&self) -> Vec<WorkerId> {
        self.workers.keys().copied().collect()
    }

    pub(super) fn busy(&self, id: WorkerId) -> Duration {
        self.workers[&id].busy
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn ended_at(&self, image: u64) -> Duration {
        self.ended[&ImageId(image)].1
    }

    /// Runs until so many images have ended; false when nothing more would happen before.
    pub(super) fn run_until_ended(&mut self, images: usize) -> bool {
        self.run_while(|cluster| cluster.ended.len() < images);
        self.ended.len() >= images
    }

    /// Runs until so many images have ended or the time is over.
    pub(super) fn run_until_ended_within(&mut self, images: usize, limit: Duration) -> bool {
        let end = self.now + limit;
        self.run_while(|cluster| cluster.ended.len() < images && cluster.next().is_some_and(|at| at <= end));
        let has_ended = self.ended.len() >= images;
        if !has_ended {
            // Also when nothing happens before, as with a worker that takes longer for an image.
            self.now = end;
        }
        has_ended
    }

    pub(super) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_while(|cluster| cluster.next().is_some_and(|at| at <= end));
        self.now = end;
        self.drain();
    }

    fn run_while(&mut self, more: impl Fn(&Self) -> bool) {
        let mut steps = 0;
        while more(self) && self.step() {
            steps += 1;
            assert!(steps < 3_000_000, "the cluster does not come to rest");
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.dispatch.handle(event, self.now);
        self.drain();
    }

    fn next(&self) -> Option<Instant> {
        let happening = self.agenda.first_key_value().map(|((at, _), _)| *at);
        happening.into_iter().chain(self.dispatch.poll_timeout()).min()
    }

    fn step(&mut self) -> bool {
        let Some(at) = self.next() else { return false };
        self.now = self.now.max(at);
        match self.agenda.first_key_value() {
            Some(((planned, _), _)) if *planned <= self.now => {
                let (_, happening) = self.agenda.pop_first().expect("it was just seen");
                self.happen(happening);
            }
            _ => {}
        }
        self.drain();
        true
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.agenda.insert((self.now + after, self.sequence), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tell(event) => self.told(event),
            Happening::Rejoin(name, build) => {
                self.join(&name, build);
            }
            Happening::Arrive(id, image, attempt) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.queue.push_back((image, attempt));
                    self.begin(id);
                }
            }
            Happening::TakeBack(id, image, attempt) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.queue.retain(|queued| *queued != (image, attempt));
                    // What a slot has taken meanwhile it is through with in its time, and says nothing of.
                    worker.cancelled.insert((image, attempt));
                }
            }
            Happening::Finish(id, image, attempt) => self.finish(id, image, attempt),
            // A slot can hang with what was taken back as it began: the session sees that nothing is begun any more.
            Happening::Standstill(id, image, attempt) => {
                let stands_still =
                    |worker: &SimulatedWorker| worker.running.is_empty() && worker.queue.contains(&(image, attempt));
                if self.workers.get(&id).is_some_and(stands_still) {
                    self.leave(id, Departure::Disconnected);
                }
            }
            Happening::Deadline(worker, image, attempt) => {
                // Also of an image that has ended elsewhere: the session watches what it has not heard of.
                let still_at_it = |worker: &SimulatedWorker| worker.unanswered.contains(&(image, attempt));
                if self.workers.get(&worker).is_some_and(still_at_it) {
                    self.unanswered(worker, image, attempt);
                    self.tell(Event::Stalled { worker, image, attempt });
                }
            }
        }
    }

    /// An event reaches dispatch, and ends an image if it is the first to.
    fn told(&mut self, event: Event) {
        let ending = match &event {
            Event::Answered { image, .. } => Some((*image, Ending::Answered)),
            Event::Failed { image, code, .. } if code.is_final() => Some((*image, Ending::Damaged)),
            _ => None,
        };
        if let Event::Answered { image, worker, attempt, .. } | Event::Failed { image, worker, attempt, .. } = &event {
            self.lost(*worker, *image, *attempt);
            self.unanswered(*worker, *image, *attempt);
        }
        if let Event::Started { worker, image, attempt } = event {
            let deadline = self.deadlines[&(image, attempt)];
            self.plan(deadline, Happening::Deadline(worker, image, attempt));
        }
        let believed = match &event {
            Event::Answered { worker, image, attempt, .. } | Event::Failed { worker, image, attempt, .. } => {
                self.dispatch.standing(*worker, *image, *attempt) != Standing::Condemned
            }
            _ => true,
        };
        if let Some((image, ending)) = ending.filter(|_| believed) {
            let at = self.elapsed();
            self.ended.entry(image).or_insert((ending, at));
        }
        self.dispatch.handle(event, self.now);
        self.drain();
    }

    fn begin(&mut self, id: WorkerId) {
        loop {
            let worker = self.workers.get_mut(&id).expect("only a worker that is here begins");
            if worker.running.len() as u32 + worker.hung >= worker.build.slots {
                return;
            }
            let Some((image, attempt)) = worker.queue.pop_front() else {
                return;
            };
            let half_way = worker.build.round_trip / 2;
            let service = worker.build.service;
            worker.running.insert((image, attempt), self.now);
            let name = worker.name.clone();
            self.plan(half_way, Happening::Tell(Event::Started { worker: id, image, attempt }));
            match (self.vice)(&name, image) {
                Vice::None => self.plan(service, Happening::Finish(id, image, attempt)),
                Vice::Announce(code) => {
                    self.workers.get_mut(&id).expect("still here").running.remove(&(image, attempt));
                    self.plan(half_way, Happening::Tell(Event::Failed { worker: id, image, attempt, code }));
                }
                Vice::Hang => {
                    let worker = self.workers.get_mut(&id).expect("still here");
                    worker.running.remove(&(image, attempt));
                    worker.hung += 1;
                }
                Vice::Crash => {
                    self.tell(Event::Started { worker: id, image, attempt });
                    return self.crash(id, ms(300));
                }
            }
        }
    }

    fn finish(&mut self, id: WorkerId, image: ImageId, attempt: Attempt) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        if worker.running.remove(&(image, attempt)).is_none() {
            return;
        }
        let service = worker.build.service;
        worker.busy += service;
        let half_way = worker.build.round_trip / 2;
        if !worker.cancelled.contains(&(image, attempt)) {
            self.plan(half_way, Happening::Tell(Event::Answered { worker: id, image, attempt, service }));
        }
        self.begin(id);
    }

    /// The worker has no more to do with a delivery.
    fn unanswered(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.unanswered.remove(&(image, attempt));
        }
    }

    /// The worker does not have the image any more.
    fn lost(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt) {
        if let Some(holders) = self.holders.get_mut(&image) {
            holders.retain(|holder| *holder != (worker, attempt));
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.dispatch.poll(self.now) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Assign { worker, image, attempt, deadline } => {
                assert!(!self.ended.contains_key(&image), "{image} had ended and was assigned");
                self.assigned += 1;
                let holders = self.holders.entry(image).or_default();
                assert!(holders.len() < 2, "{image} was with two workers when it was assigned");
                assert!(holders.iter().all(|(other, _)| *other != worker), "{image} is twice with {worker:?}");
                holders.push((worker, attempt));
                let mut said: Vec<_> = self.dispatch.holders(image).collect();
                said.sort_unstable_by_key(|(_, attempt)| *attempt);
                assert_eq!(said, *holders, "who has {image}");
                self.workers.get_mut(&worker).expect("it is here").unanswered.insert((image, attempt));
                let build = &self.workers[&worker].build;
                assert!(self.dispatch.in_flight(worker) <= build.window as usize, "the window was exceeded");
                let (half_way, transfer) = (build.round_trip / 2, build.transfer);
                let way_free = &mut self.workers.get_mut(&worker).expect("it is here").way_free;
                *way_free = self.now.max(*way_free) + transfer;
                let left = *way_free - self.now;
                self.plan(left + half_way, Happening::Arrive(worker, image, attempt));
                self.deadlines.insert((image, attempt), deadline);
                self.plan(deadline * STANDSTILL_DEADLINES, Happening::Standstill(worker, image, attempt));
            }
            Action::Cancel { worker, image, attempt } => {
                self.lost(worker, image, attempt);
                self.unanswered(worker, image, attempt);
                let half_way = self.workers.get(&worker).map_or(Duration::ZERO, |worker| worker.build.round_trip / 2);
                self.plan(half_way, Happening::TakeBack(worker, image, attempt));
            }
            Action::Blame { image, worker, .. } => {
                assert!(self.blamed.insert((image, worker)), "{image} was blamed twice for one worker");
            }
            Action::GiveUp { image, workers, .. } => {
                let at = self.elapsed();
                let before = self.ended.insert(image, (Ending::GivenUp(workers), at));
                assert_eq!(before, None, "{image} ended twice");
            }
            Action::Requeued { image } => {
                self.holders.remove(&image);
                assert_eq!(self.dispatch.holders(image).count(), 0, "{image} was requeued and is with somebody");
            }
            Action::Full { image, .. } => {
                self.full.insert(image);
            }
            Action::Breaker { worker, change } => self.breakers.push((worker, change)),
        }
    }
}
