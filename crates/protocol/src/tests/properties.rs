//! Whatever the link and the manager suffer, every image ends exactly once, and nothing is left set.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::pair::{MS, Pair, SECOND};
use crate::id::ImageId;
use crate::manager_session::ManagerEvent;
use crate::worker_session::{Assigned, WorkerEvent};

const IMAGES: u64 = 8;

#[derive(Clone, Debug)]
enum Blow {
    /// The connection breaks.
    Cut,
    /// The manager dies; it remembers what it has recorded, and nothing else.
    Crash,
    /// The link stops to carry for so many milliseconds.
    Freeze(u64),
    /// So many milliseconds go by.
    Pass(u64),
    /// The worker's slot takes the next image.
    Start,
    /// The worker's slot answers the first image it has taken.
    Finish,
    /// The manager takes back an image.
    Cancel(u64),
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        1 => Just(Blow::Cut),
        1 => Just(Blow::Crash),
        1 => (0_u64..8_000).prop_map(Blow::Freeze),
        4 => (0_u64..3_000).prop_map(Blow::Pass),
        6 => Just(Blow::Start),
        6 => Just(Blow::Finish),
        1 => (0..IMAGES).prop_map(Blow::Cancel),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_image_ends_exactly_once_and_no_timer_is_left(
        blows in proptest::collection::vec(blow(), 0..60),
        delay in 0_u32..800,
    ) {
        let mut world = World::new(delay);
        for blow in blows {
            world.strike(&blow);
        }
        world.finish();
        prop_assert_eq!(world.recorded.len(), IMAGES as usize);
        prop_assert!(world.recognised_again.is_empty(), "recognised again: {:?}", world.recognised_again);
        // Only what keeps an idle connection is set: two timers at each end.
        prop_assert_eq!(world.pair.manager().timers().count(), 2);
        prop_assert_eq!(world.pair.worker.timers().count(), 2);
        prop_assert_eq!(world.pair.manager().in_flight(), 0);
        prop_assert_eq!(world.pair.worker.unacknowledged().count(), 0);
    }
}

/// The pair with an owner at each end: the manager's hands out what has no answer, the worker's has two slots.
struct World {
    pair: Pair,
    joined: bool,
    /// Attempts given so far, by image.
    attempts: BTreeMap<u64, u32>,
    in_flight: BTreeSet<u64>,
    recorded: BTreeSet<ImageId>,
    queue: VecDeque<Assigned>,
    slots: VecDeque<Assigned>,
    reported: BTreeSet<ImageId>,
    recognised_again: Vec<ImageId>,
}

impl World {
    fn new(delay: u32) -> Self {
        let mut pair = Pair::new();
        pair.delay = delay * MS;
        Self {
            pair,
            joined: false,
            attempts: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            recorded: BTreeSet::new(),
            queue: VecDeque::new(),
            slots: VecDeque::new(),
            reported: BTreeSet::new(),
            recognised_again: Vec::new(),
        }
    }

    fn strike(&mut self, blow: &Blow) {
        match blow {
            Blow::Cut => self.cut(),
            Blow::Crash => {
                self.pair.reachable = false;
                self.cut();
                self.pass(2_000);
                self.pair.reachable = true;
            }
            Blow::Freeze(ms) => {
                self.pair.frozen = true;
                self.pass(*ms);
                self.pair.frozen = false;
            }
            Blow::Pass(ms) => self.pass(*ms),
            Blow::Start => self.start(),
            Blow::Finish => self.answer(),
            Blow::Cancel(image) => {
                if self.in_flight.remove(image) && self.joined {
                    let attempt = crate::id::Attempt(self.attempts[image]);
                    self.pair.manager().cancel(ImageId(*image), attempt);
                }
            }
        }
        self.pass(0);
    }

    /// Everything works from here on: all must come to its end.
    fn finish(&mut self) {
        for _ in 0..200 {
            self.pass(500);
            self.start();
            self.answer();
        }
        self.pass(5_000);
    }

    fn cut(&mut self) {
        self.pair.cut();
        self.left();
    }

    fn left(&mut self) {
        self.joined = false;
        self.in_flight.clear();
    }

    fn start(&mut self) {
        if self.slots.len() < 2
            && let Some(assigned) = self.queue.pop_front()
        {
            self.pair.worker.started(assigned.image, assigned.attempt);
            self.slots.push_back(assigned);
        }
    }

    fn answer(&mut self) {
        if let Some(assigned) = self.slots.pop_front() {
            self.pair.recognise(&assigned);
            self.reported.insert(assigned.image);
        }
    }

    fn pass(&mut self, ms: u64) {
        let until = self.pair.now + MS * u32::try_from(ms).unwrap();
        while self.pair.now < until || ms == 0 {
            let step = (until - self.pair.now).min(SECOND / 20);
            self.pair.run_for(step);
            self.hear_manager();
            self.hear_worker();
            self.hand_out();
            if ms == 0 {
                return;
            }
        }
    }

    fn hear_manager(&mut self) {
        if self.pair.manager.is_none() {
            self.left();
        }
        while let Some(event) = self.pair.manager_event() {
            match event {
                ManagerEvent::Joined(_) => {
                    self.left();
                    self.joined = self.pair.manager.as_ref().is_some_and(|manager| manager.is_joined());
                }
                ManagerEvent::Answered { image, attempt, .. } => {
                    self.recorded.insert(image);
                    self.in_flight.remove(&image.0);
                    if let Some(manager) = &mut self.pair.manager {
                        manager.acknowledge(image, attempt);
                    }
                }
                ManagerEvent::Failed { image, .. } | ManagerEvent::Stalled { image, .. } => {
                    self.in_flight.remove(&image.0);
                }
                ManagerEvent::Closed(_) => self.left(),
                ManagerEvent::Started { .. } | ManagerEvent::RoundTrip { .. } => {}
            }
        }
    }

    fn hear_worker(&mut self) {
        while let Some(event) = self.pair.worker_events.pop_front() {
            match event {
                WorkerEvent::Assigned(assigned) => {
                    if self.reported.contains(&assigned.image) {
                        self.recognised_again.push(assigned.image);
                    }
                    self.queue.push_back(assigned);
                }
                WorkerEvent::Cancelled { image, attempt } => {
                    let kept = |assigned: &Assigned| (assigned.image, assigned.attempt) != (image, attempt);
                    self.queue.retain(kept);
                    self.slots.retain(kept);
                }
                WorkerEvent::Connect
                | WorkerEvent::Connected
                | WorkerEvent::Disconnected { .. }
                | WorkerEvent::Drain
                | WorkerEvent::Move { .. }
                | WorkerEvent::Refused { .. } => {}
            }
        }
    }

    fn hand_out(&mut self) {
        for image in 0..IMAGES {
            if self.joined
                && self.in_flight.len() < 4
                && !self.recorded.contains(&ImageId(image))
                && self.in_flight.insert(image)
            {
                let attempt = self.attempts.entry(image).or_default();
                *attempt += 1;
                let attempt = *attempt;
                self.pair.assign(image, attempt);
            }
        }
    }
}
