//! The made-up cluster: workers that take their time, a way to each, images that come; and the real dispatch before them.
//!
//! The clock jumps from one happening to the next. Dispatch is told what the manager's engine would tell it, and asked what to do until it
//! has nothing more to say and when it wants to be asked again: that is one event, and its real time is taken.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use manyeyes_dispatch::{Action, Capacity, Departure, Dispatch, Event, Settings, Tally, Work};
use manyeyes_protocol::id::{Attempt, BatchId, ImageId, WorkerId};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::bound::{Machine, bound};
use crate::case::{Case, exponential};
use crate::cost::{Stopwatch, processor_time};

/// How often a worker's way is measured: the heartbeat of the product.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What a worker offers to hold. No worker here is given more than its slot and its way need.
const WINDOW: u32 = 64;

/// A photo, in bytes.
const BYTES: u64 = 100_000;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stopwatch: Stopwatch,
    /// What the processor took for the whole run, the made-up cluster's part too.
    pub(crate) processor: Duration,
    /// From the first image's coming to the last one's end.
    pub(crate) makespan: Duration,
    /// Where all images are there at once.
    pub(crate) bound: Option<Duration>,
    pub(crate) tally: Tally,
    /// How often a worker's process died.
    pub(crate) deaths: u64,
    /// Images that were given up because two workers had died with them.
    pub(crate) given_up: u64,
}

pub(crate) struct Cluster {
    case: Case,
    dispatch: Dispatch,
    stopwatch: Stopwatch,
    chance: StdRng,
    beginning: Instant,
    now: Instant,
    agenda: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    written: u64,
    /// When dispatch wants to be asked though nothing happened.
    wake: Option<Instant>,
    hosts: Vec<Host>,
    /// Which host each worker is on that ever came.
    host_of: Vec<usize>,
    /// By image: how large, in middle images.
    sizes: Vec<f64>,
    has_ended: Vec<bool>,
    /// What the workers can do, in images a second.
    rate: f64,
    submitted: u64,
    ended: u64,
    held_at_most: u64,
    actions: Vec<Action>,
    deaths: u64,
    given_up: u64,
}

/// Where one worker after another runs.
struct Host {
    service: Duration,
    /// The worker that is there.
    worker: Option<WorkerId>,
    queue: VecDeque<(ImageId, Attempt)>,
    running: Option<(ImageId, Attempt)>,
    /// What is running is not wanted any more.
    taken_back: bool,
    stays: Vec<(Duration, Duration)>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Comes,
    Arrives(WorkerId, ImageId, Attempt),
    Finishes(WorkerId, ImageId, Attempt),
    TakenBack(WorkerId, ImageId, Attempt),
    Started(WorkerId, ImageId, Attempt),
    Answered(WorkerId, ImageId, Attempt, Duration),
    Pong(WorkerId),
    Dies(usize, Duration),
    Returns(usize, WorkerId),
}

impl Cluster {
    #[expect(clippy::disallowed_methods, reason = "a beginning to count from; nothing depends on which")]
    pub(crate) fn new(case: Case) -> Self {
        let mut chance = StdRng::seed_from_u64(case.seed);
        let settings = Settings::default();
        let host = |service| Host {
            service,
            worker: None,
            queue: VecDeque::new(),
            running: None,
            taken_back: false,
            stays: Vec::new(),
        };
        let beginning = Instant::now();
        let hosts: Vec<_> = (0..case.workers).map(|worker| host(case.service(worker, &mut chance))).collect();
        Self {
            rate: hosts.iter().map(|host| 1.0 / host.service.as_secs_f64()).sum(),
            hosts,
            sizes: (0..case.images).map(|_| case.size(&mut chance)).collect(),
            has_ended: vec![false; case.images as usize],
            held_at_most: settings.max_waiting as u64,
            dispatch: Dispatch::new(settings),
            stopwatch: Stopwatch::new(),
            chance,
            beginning,
            now: beginning,
            agenda: BinaryHeap::new(),
            written: 0,
            wake: None,
            host_of: Vec::new(),
            submitted: 0,
            ended: 0,
            actions: Vec::new(),
            deaths: 0,
            given_up: 0,
            case,
        }
    }

    /// Runs until every image has ended.
    pub(crate) fn run(mut self) -> Outcome {
        let before = processor_time();
        for host in 0..self.hosts.len() {
            self.come(host);
        }
        self.submit();
        while self.ended < self.case.images {
            let next = self.agenda.peek().map(|Reverse((at, ..))| *at);
            let at = next.into_iter().chain(self.wake).min().expect("images that wait are waited for");
            self.now = self.now.max(at);
            match self.agenda.peek() {
                Some(Reverse((at, ..))) if *at <= self.now => {
                    let Reverse((.., happening)) = self.agenda.pop().expect("it was just seen");
                    self.happen(happening);
                }
                _ => self.tell("time passed", None),
            }
        }
        let processor = processor_time().saturating_sub(before);
        self.outcome(processor)
    }

    fn outcome(mut self, processor: Duration) -> Outcome {
        let makespan = self.now - self.beginning;
        for host in &mut self.hosts {
            if let (Some(_), Some((_, to))) = (host.worker, host.stays.last_mut()) {
                *to = makespan;
            }
        }
        let machines: Vec<_> =
            self.hosts.into_iter().map(|host| Machine { service: host.service, stays: host.stays }).collect();
        let bound = (self.case.load_percent == 0).then(|| bound(&machines, self.case.images)).flatten();
        let tally = self.dispatch.tally();
        let Self { stopwatch, deaths, given_up, .. } = self;
        Outcome { stopwatch, processor, makespan, bound, tally, deaths, given_up }
    }

    /// Tells dispatch what happened and does what it says.
    fn tell(&mut self, kind: &'static str, event: Option<Event>) {
        let (dispatch, actions, now) = (&mut self.dispatch, &mut self.actions, self.now);
        self.wake = self.stopwatch.time(kind, || {
            if let Some(event) = event {
                dispatch.handle(event, now);
            }
            actions.extend(std::iter::from_fn(|| dispatch.poll(now)));
            dispatch.poll_timeout()
        });
        for action in std::mem::take(&mut self.actions) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Assign { worker, image, attempt, .. } => {
                self.plan(self.half_way(), Happening::Arrives(worker, image, attempt));
            }
            Action::Cancel { worker, image, attempt } => {
                self.plan(self.half_way(), Happening::TakenBack(worker, image, attempt));
            }
            Action::GiveUp { image, .. } => {
                self.given_up += 1;
                self.end(image);
            }
            Action::Full { image, .. } => unreachable!("{image} was submitted when dispatch was full"),
            Action::Requeued { .. } | Action::Blame { .. } | Action::Breaker { .. } => {}
        }
    }

    /// As many images as dispatch has room for; or one, and the moment of the next.
    fn submit(&mut self) {
        if self.case.load_percent > 0 {
            let between = Duration::from_secs_f64(100.0 / (self.rate * f64::from(self.case.load_percent)));
            let until_next = exponential(between, &mut self.chance);
            self.plan(until_next, Happening::Comes);
        } else {
            while self.submitted < self.case.images && self.submitted - self.ended < self.held_at_most {
                self.submit_one();
            }
        }
    }

    fn submit_one(&mut self) {
        let image = self.submitted;
        self.submitted += 1;
        let work = Work {
            image: ImageId(image),
            run: 0,
            batch: BatchId(image % self.case.batches.max(1)),
            bytes: BYTES,
            model: None,
            attempts: 0,
            blamed: Vec::new(),
        };
        self.tell("submitted", Some(Event::Submitted(work)));
    }

    /// A process begins on a host.
    fn come(&mut self, host: usize) {
        let worker = WorkerId(self.host_of.len() as u32);
        self.host_of.push(host);
        let capacity = Capacity { slots: 1, window: WINDOW, models: Vec::new(), returning: false };
        let before = self.hosts[host].worker.replace(worker);
        assert_eq!(before, None, "one worker on a host at a time");
        self.tell("joined", Some(Event::Joined { worker, capacity, name: format!("worker-{host}") }));
        let first = HEARTBEAT.mul_f64(f64::from(worker.0 % 1000) / 1000.0);
        self.tell_round_trip(worker, first);
        let since = self.now - self.beginning;
        match self.case.spell(&mut self.chance) {
            Some((up, down)) => {
                self.hosts[host].stays.push((since, since + up));
                self.plan(up, Happening::Dies(host, down));
            }
            None => self.hosts[host].stays.push((since, Duration::MAX)),
        }
    }

    fn tell_round_trip(&mut self, worker: WorkerId, next: Duration) {
        let least = Duration::from_millis(self.case.round_trip_ms);
        self.tell("round trip", Some(Event::RoundTrip { worker, least }));
        self.plan(next, Happening::Pong(worker));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Comes => {
                if self.submitted < self.case.images {
                    self.submit_one();
                    self.submit();
                }
            }
            Happening::Arrives(worker, image, attempt) => {
                if let Some(host) = self.host_with(worker) {
                    self.hosts[host].queue.push_back((image, attempt));
                    self.begin(host);
                }
            }
            Happening::TakenBack(worker, image, attempt) => {
                if let Some(host) = self.host_with(worker) {
                    let host = &mut self.hosts[host];
                    host.queue.retain(|queued| *queued != (image, attempt));
                    host.taken_back |= host.running == Some((image, attempt));
                }
            }
            Happening::Finishes(worker, image, attempt) => self.finish(worker, image, attempt),
            Happening::Started(worker, image, attempt) if self.host_with(worker).is_some() => {
                self.tell("started", Some(Event::Started { worker, image, attempt }));
            }
            Happening::Answered(worker, image, attempt, service) if self.host_with(worker).is_some() => {
                self.tell("answered", Some(Event::Answered { worker, image, attempt, service }));
                self.end(image);
                self.refill();
            }
            Happening::Pong(worker) if self.host_with(worker).is_some() => self.tell_round_trip(worker, HEARTBEAT),
            Happening::Started(..) | Happening::Answered(..) | Happening::Pong(_) => {}
            Happening::Dies(host, down) => {
                self.deaths += 1;
                let dead = &mut self.hosts[host];
                dead.queue.clear();
                (dead.running, dead.taken_back) = (None, false);
                let worker = dead.worker.take().expect("it was there");
                self.tell("left", Some(Event::Left { worker, departure: Departure::Disconnected }));
                self.plan(down, Happening::Returns(host, worker));
                self.refill();
            }
            Happening::Returns(host, dead) => {
                self.tell("crashed", Some(Event::Crashed { worker: dead }));
                self.come(host);
                self.refill();
            }
        }
    }

    fn begin(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let (None, Some(worker)) = (host.running, host.worker) else {
            return;
        };
        let Some((image, attempt)) = host.queue.pop_front() else {
            return;
        };
        host.running = Some((image, attempt));
        let service = host.service.mul_f64(self.sizes[image.0 as usize]);
        self.plan(self.half_way(), Happening::Started(worker, image, attempt));
        self.plan(service, Happening::Finishes(worker, image, attempt));
    }

    fn finish(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt) {
        let Some(at) = self.host_with(worker) else {
            return;
        };
        let host = &mut self.hosts[at];
        assert_eq!(host.running.take(), Some((image, attempt)), "one image at a time");
        let service = host.service.mul_f64(self.sizes[image.0 as usize]);
        if !std::mem::take(&mut host.taken_back) {
            self.plan(self.half_way(), Happening::Answered(worker, image, attempt, service));
        }
        self.begin(at);
    }

    /// An image has ended for the first time, or again.
    fn end(&mut self, image: ImageId) {
        self.ended += u64::from(!std::mem::replace(&mut self.has_ended[image.0 as usize], true));
    }

    /// Where all images are there at once, those for which there was no room come as others end.
    fn refill(&mut self) {
        if self.case.load_percent == 0 {
            self.submit();
        }
    }

    /// Where a worker is, if it still is.
    fn host_with(&self, worker: WorkerId) -> Option<usize> {
        let host = self.host_of[worker.0 as usize];
        (self.hosts[host].worker == Some(worker)).then_some(host)
    }

    fn half_way(&self) -> Duration {
        Duration::from_millis(self.case.round_trip_ms) / 2
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        self.agenda.push(Reverse((self.now + after, self.written, happening)));
        self.written += 1;
    }
}
