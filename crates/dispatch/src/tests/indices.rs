//! Who is found by an index is who would be found by a look at everybody.

use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::cluster::{beginning, ms, work};
use crate::breaker::Licence;
use crate::contest::behind;
use crate::pool::Room;
use crate::roster::Roster;
use crate::stragglers::Stragglers;
use crate::{Action, Capacity, Departure, Dispatch, Event, Settings};

/// Workers to which anything happens, at random moments.
struct Crowd {
    roster: Roster,
    stragglers: Stragglers,
    chance: StdRng,
    here: Vec<WorkerId>,
    with: Vec<(WorkerId, ImageId, Attempt)>,
    joined: u32,
    assigned: u64,
    now: Instant,
}

impl Crowd {
    fn new(seed: u64) -> Self {
        Self {
            roster: Roster::new(ms(50)),
            stragglers: Stragglers::default(),
            chance: StdRng::seed_from_u64(seed),
            here: Vec::new(),
            with: Vec::new(),
            joined: 0,
            assigned: 0,
            now: beginning(),
        }
    }

    fn something_happens(&mut self) {
        self.now += Duration::from_micros(self.chance.random_range(0..60_000));
        let any = |chance: &mut StdRng, of: usize| (of > 0).then(|| chance.random_range(0..of));
        match self.chance.random_range(0..10) {
            0 if self.here.len() < 30 => {
                self.joined += 1;
                let (id, name) = (WorkerId(self.joined), self.joined.to_string());
                let slots = self.chance.random_range(1..4);
                let capacity = Capacity { slots, window: 2 * slots, models: Vec::new(), returning: false };
                self.roster.join(id, name, capacity, Licence::Full, self.now);
                self.here.push(id);
            }
            1 => {
                if let Some(at) = any(&mut self.chance, self.here.len()).filter(|_| self.joined.is_multiple_of(4)) {
                    let id = self.here.swap_remove(at);
                    self.roster.leave(id, Departure::Goodbye, self.now);
                    self.with.retain(|(worker, ..)| *worker != id);
                }
            }
            2 => {
                if let Some(at) = any(&mut self.chance, self.here.len()) {
                    let least = ms(self.chance.random_range(0..200));
                    self.roster.change(self.here[at], self.now, |worker, _| worker.measure_round_trip(least));
                }
            }
            3 | 4 => {
                if let Some(at) = any(&mut self.chance, self.with.len()) {
                    let ((worker, image, attempt), now) = (self.with[at], self.now);
                    self.roster.change(worker, now, |worker, _| worker.start(image, attempt, now));
                }
            }
            5 | 6 => {
                if let Some(at) = any(&mut self.chance, self.with.len()) {
                    let ((worker, image, attempt), now) = (self.with.swap_remove(at), self.now);
                    let service = ms(self.chance.random_range(10..400));
                    self.roster.change(worker, now, |worker, _| worker.answer(image, attempt, Some(service), now));
                }
            }
            _ => {
                if let Some(at) = any(&mut self.chance, self.here.len()) {
                    let (worker, now) = (self.here[at], self.now);
                    if self.roster.get(worker).is_some_and(|worker| worker.room(0.05) != Room::None) {
                        self.assigned += 1;
                        let (delivery, turn) = ((ImageId(self.assigned), Attempt(1)), self.assigned);
                        let assign = |worker: &mut crate::worker::Worker, prior_s| {
                            worker.assign(delivery, 100_000, turn, prior_s, now);
                        };
                        self.roster.change(worker, now, assign);
                        self.with.push((worker, delivery.0, delivery.1));
                    }
                }
            }
        }
    }

    /// In each room the pools have just those who have it, with the value that a look at the worker itself gives.
    fn check_pools(&mut self) {
        let (prior_s, now) = (self.roster.prior_s(), self.now);
        let mut found = 0;
        for room in [Room::Idle, Room::Some, Room::None] {
            let mut first = true;
            let mut least_s = f64::INFINITY;
            self.roster.search(
                room,
                |_| true,
                behind(f64::INFINITY),
                now,
                |id, worker, (value_s, _)| {
                    let finish_s = worker.finish_s(prior_s, now);
                    assert!(
                        (value_s - finish_s).abs() < 1e-6,
                        "{id:?} by the pool in {value_s} s, by itself in {finish_s} s"
                    );
                    assert_eq!(worker.room(prior_s), room, "{id:?}");
                    assert!(!first || value_s <= least_s, "the first one first");
                    (first, least_s, found) = (false, least_s.min(value_s), found + 1);
                    behind(f64::INFINITY)
                },
            );
        }
        assert_eq!(found, self.here.len());
    }

    /// What would remain for so long is found when it is asked for what remains for so long.
    fn check_stragglers(&mut self) {
        let (prior_s, now) = (self.roster.prior_s(), self.now);
        for (seat, worker) in self.roster.take_touched() {
            self.stragglers.note(seat, worker, |_| true, prior_s, now);
        }
        for seat in 0..self.joined {
            let Some((_, worker)) = self.roster.at(seat) else { continue };
            for at in 0..worker.held().len() {
                let remaining_s = worker.remaining_s(at, prior_s, now) - 1e-6;
                let mut found = false;
                self.stragglers.search(now, remaining_s, true, |visited| {
                    found |= visited == seat;
                    remaining_s
                });
                assert!(found, "what remains for {remaining_s} s at seat {seat} is not found");
            }
        }
    }
}

#[test]
fn what_the_pools_say_of_a_worker_is_what_it_says_itself_however_time_passes() {
    for seed in 0..20 {
        let mut crowd = Crowd::new(seed);
        for _ in 0..400 {
            crowd.something_happens();
            crowd.check_pools();
        }
        assert!(crowd.assigned > 50);
    }
}

#[test]
fn nothing_that_is_late_or_long_in_coming_is_overlooked() {
    for seed in 0..10 {
        let mut crowd = Crowd::new(seed);
        for _ in 0..300 {
            crowd.something_happens();
            crowd.check_stragglers();
        }
    }
}

/// How much is given to one of 1000 ms that is idle, when two hundred of 100 ms have all that they may have and the rest of so many images waits.
/// Before it would be through they would be with 1400.
fn given_to_the_slow_one(images: u64) -> usize {
    let (mut dispatch, now) = (Dispatch::new(Settings::default()), beginning());
    let slow = WorkerId(0);
    let actions = |dispatch: &mut Dispatch| -> Vec<_> { std::iter::from_fn(|| dispatch.poll(now)).collect() };
    for worker in 0..=200 {
        let capacity = Capacity { slots: 1, window: 8, models: Vec::new(), returning: false };
        dispatch.handle(Event::Joined { worker: WorkerId(worker), capacity, name: worker.to_string() }, now);
        dispatch.handle(Event::Submitted(work(u64::from(worker), 1)), now);
    }
    for action in actions(&mut dispatch) {
        let Action::Assign { worker, image, attempt, .. } = action else { panic!("nothing but work: {action:?}") };
        let service = if worker == slow { ms(1000) } else { ms(100) };
        dispatch.handle(Event::Answered { worker, image, attempt, service }, now);
    }
    assert_eq!(dispatch.held(), 0, "each had one");
    for image in 1000..1000 + images {
        dispatch.handle(Event::Submitted(work(image, 2)), now);
    }
    actions(&mut dispatch);
    dispatch.in_flight(slow)
}

#[test]
fn where_hundreds_would_be_sooner_all_of_them_are_counted_before_a_slow_worker_gets_anything() {
    assert_eq!([1500, 1750, 1900, 3000].map(given_to_the_slow_one), [0, 0, 1, 1]);
}
