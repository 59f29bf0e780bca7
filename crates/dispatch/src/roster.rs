//! The workers that are here, each at a seat of its own, and what must be remembered of those that left.
//!
//! Ten thousand may be here, so nothing that is done at every event looks at all of them: who is to be given the next image is asked of
//! [`Pool`]s, which are kept up to date as workers change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};

use crate::breaker::Licence;
use crate::contest::Rank;
use crate::departed::{AllDeparted, Departed};
use crate::event::{Capacity, Departure};
use crate::pool::{Part, Pool, Room};
use crate::prior::Prior;
use crate::worker::{Delivery, Worker};

/// The workers.
#[derive(Debug)]
pub(crate) struct Roster {
    here: BTreeMap<WorkerId, u32>,
    named: BTreeMap<String, WorkerId>,
    seats: Vec<Option<Seat>>,
    vacant: BTreeSet<u32>,
    /// One for every set of models that workers ever held, and one for those of them on trial: a handful in a manager's life.
    pools: Vec<Pool>,
    unmeasured: BTreeSet<u32>,
    prior: Prior,
    /// Seats at which something has changed that concerns what is with workers.
    touched: Touched,
    /// What is with all workers.
    in_flight: usize,
    departed: AllDeparted,
}

#[derive(Debug)]
struct Seat {
    id: WorkerId,
    worker: Worker,
    /// In which pool it takes part, and how.
    part: Option<(usize, Part)>,
    in_flight: usize,
}

/// Seats, each once.
#[derive(Debug, Default)]
struct Touched {
    seats: Vec<u32>,
    is_one: Vec<bool>,
}

impl Roster {
    pub(crate) fn new(unknown: Duration) -> Self {
        Self {
            here: BTreeMap::new(),
            named: BTreeMap::new(),
            seats: Vec::new(),
            vacant: BTreeSet::new(),
            pools: Vec::new(),
            unmeasured: BTreeSet::new(),
            prior: Prior::new(unknown.as_secs_f64()),
            touched: Touched::default(),
            in_flight: 0,
            departed: AllDeparted::default(),
        }
    }

    pub(crate) fn join(&mut self, id: WorkerId, name: String, capacity: Capacity, licence: Licence, now: Instant) {
        let known = self.forget(id).filter(|_| capacity.returning);
        let measured = known.map(|departed| departed.measured).unwrap_or_default();
        let worker = Worker::new(name.clone(), capacity, measured, licence, now);
        let service_s = worker.service_s();
        let seat = self.vacant.pop_first().unwrap_or_else(|| {
            self.seats.push(None);
            u32::try_from(self.seats.len() - 1).expect("no more seats than workers have numbers")
        });
        self.seats[seat as usize] = Some(Seat { id, worker, part: None, in_flight: 0 });
        self.here.insert(id, seat);
        self.named.insert(name, id);
        self.refresh(seat, now);
        self.measured(seat, None, service_s, now);
    }

    /// Removes a worker and gives what it held.
    pub(crate) fn leave(&mut self, id: WorkerId, departure: Departure, now: Instant) -> Vec<Delivery> {
        let Some(seat) = self.here.remove(&id) else {
            return Vec::new();
        };
        let Seat { worker, part, in_flight, .. } = self.seats[seat as usize].take().expect("somebody sits there");
        if let Some((pool, part)) = part {
            self.pools[pool].replace(seat, Some(part), None, now);
        }
        self.in_flight -= in_flight;
        self.measured(seat, worker.service_s(), None, now);
        self.unmeasured.remove(&seat);
        self.vacant.insert(seat);
        self.touched.add(seat);
        let (name, held, measured) = worker.dismiss();
        if self.named.get(&name) == Some(&id) {
            self.named.remove(&name);
        }
        let died_maybe = departure != Departure::Goodbye;
        let started = held.iter().filter(|held| died_maybe && held.started.is_some());
        let started = started.map(|held| (held.image, held.attempt)).collect();
        self.departed.remember(id, Departed { name, started, measured });
        held
    }

    /// Changes a worker that is here, and keeps the books on it.
    pub(crate) fn change<R>(
        &mut self,
        id: WorkerId,
        now: Instant,
        change: impl FnOnce(&mut Worker, f64) -> R,
    ) -> Option<R> {
        let prior_s = self.prior_s();
        let seat = *self.here.get(&id)?;
        let worker = &mut self.seats[seat as usize].as_mut()?.worker;
        let before = worker.service_s();
        let outcome = change(worker, prior_s);
        let after = worker.service_s();
        self.refresh(seat, now);
        self.measured(seat, before, after, now);
        Some(outcome)
    }

    /// Takes what is remembered of a worker that left.
    pub(crate) fn forget(&mut self, id: WorkerId) -> Option<Departed> {
        self.departed.forget(id)
    }

    /// An image that a departed worker had started was answered by it after all: it did not die of that one.
    pub(crate) fn absolve(&mut self, id: WorkerId, image: ImageId, attempt: Attempt) {
        self.departed.absolve(id, image, attempt);
    }

    /// Something has changed about what is with this worker, though not at the worker: another was given it too, or has lost it, or something stands
    /// against it.
    pub(crate) fn touch(&mut self, id: WorkerId) {
        if let Some(seat) = self.here.get(&id) {
            self.touched.add(*seat);
        }
    }

    /// The seats at which something has changed since this was asked last, with who sits there now.
    pub(crate) fn take_touched(&mut self) -> impl Iterator<Item = (u32, Option<(WorkerId, &Worker)>)> {
        self.touched.take().into_iter().map(|seat| (seat, self.at(seat)))
    }

    pub(crate) fn get(&self, id: WorkerId) -> Option<&Worker> {
        let seat = self.here.get(&id)?;
        self.at(*seat).map(|(_, worker)| worker)
    }

    /// Who sits there.
    pub(crate) fn at(&self, seat: u32) -> Option<(WorkerId, &Worker)> {
        self.seats.get(seat as usize)?.as_ref().map(|seat| (seat.id, &seat.worker))
    }

    /// The name of a worker that is here, or was.
    pub(crate) fn name(&self, id: WorkerId) -> Option<&str> {
        self.get(id).map(Worker::name).or_else(|| self.departed.name(id))
    }

    /// The worker of that name that is here.
    pub(crate) fn named(&self, name: &str) -> Option<WorkerId> {
        self.named.get(name).copied()
    }

    /// How many deliveries are with workers.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether any worker that is here has been measured.
    pub(crate) fn is_measured(&self) -> bool {
        self.prior.is_measured()
    }

    /// Whether any worker has credit.
    pub(crate) fn has_room(&self) -> bool {
        self.pools.iter().any(Pool::has_room)
    }

    /// What a worker is taken to need that was not measured.
    pub(crate) fn prior_s(&self) -> f64 {
        self.prior.s()
    }

    /// What those without credit in such pools do together, in images a second.
    pub(crate) fn rate_without_room(&self, pools: impl Fn(&Pool) -> bool) -> f64 {
        self.pools.iter().filter(|pool| pools(pool)).map(Pool::rate_without_room).sum()
    }

    /// All without credit in such pools.
    pub(crate) fn without_room(&self, pools: impl Fn(&Pool) -> bool) -> impl Iterator<Item = &Worker> {
        let is_one = move |part: &(usize, Part)| part.1.room == Room::None && pools(&self.pools[part.0]);
        let seats = self.seats.iter().flatten();
        seats.filter(move |seat| seat.part.as_ref().is_some_and(&is_one)).map(|seat| &seat.worker)
    }

    /// Visits workers with such room in such pools that rank before a limit, by when one more image would be back; each visit says what the
    /// limit is from then on.
    pub(crate) fn search(
        &mut self,
        room: Room,
        pools: impl Fn(&Pool) -> bool,
        mut limit: Rank,
        now: Instant,
        mut visit: impl FnMut(WorkerId, &Worker, Rank) -> Rank,
    ) {
        let seats = &self.seats;
        for pool in self.pools.iter_mut().filter(|pool| pools(pool)) {
            pool.with(room).search(now, limit, |seat, rank| {
                let Some(Seat { id, worker, .. }) = &seats[seat as usize] else { return limit };
                limit = visit(*id, worker, rank);
                limit
            });
        }
    }

    fn refresh(&mut self, at: u32, now: Instant) {
        let prior_s = self.prior.s();
        let Some(seat) = &mut self.seats[at as usize] else {
            return;
        };
        self.touched.add(at);
        let in_flight = seat.worker.held().len();
        self.in_flight = self.in_flight + in_flight - std::mem::replace(&mut seat.in_flight, in_flight);
        let part = seat.worker.is_open().then(|| Part {
            room: seat.worker.room(prior_s),
            tie: (seat.worker.last_assigned(), seat.id),
            finish: seat.worker.finish(prior_s, now),
            rate: seat.worker.rate(prior_s),
        });
        let (models, on_trial) = (seat.worker.models(), seat.worker.licence() == Licence::Trial);
        let before = seat.part.take();
        let is_there_still = |pool: usize| part.is_some() && self.pools[pool].is_of(models, on_trial);
        let (pool, part_before) = match before {
            Some((pool, before)) if is_there_still(pool) => (Some(pool), Some(before)),
            Some((pool, before)) => {
                self.pools[pool].replace(at, Some(before), None, now);
                (None, None)
            }
            None => (None, None),
        };
        let Some(part) = part else { return };
        let pool = pool.or_else(|| self.pools.iter().position(|pool| pool.is_of(models, on_trial)));
        let pool = pool.unwrap_or_else(|| {
            self.pools.push(Pool::new(models.to_vec(), on_trial));
            self.pools.len() - 1
        });
        self.pools[pool].replace(at, part_before, Some(part), now);
        seat.part = Some((pool, part));
    }

    /// A worker's service time is known otherwise than before. Those of whom none is are taken to be like the mean.
    fn measured(&mut self, seat: u32, before: Option<f64>, after: Option<f64>, now: Instant) {
        if after.is_some() {
            self.unmeasured.remove(&seat)
        } else {
            self.unmeasured.insert(seat)
        };
        if self.prior.replace(before, after) {
            for seat in self.unmeasured.clone() {
                self.refresh(seat, now);
            }
        }
    }
}

impl Touched {
    fn add(&mut self, seat: u32) {
        let at = seat as usize;
        if self.is_one.len() <= at {
            self.is_one.resize(at + 1, false);
        }
        if !std::mem::replace(&mut self.is_one[at], true) {
            self.seats.push(seat);
        }
    }

    fn take(&mut self) -> Vec<u32> {
        let seats = std::mem::take(&mut self.seats);
        seats.iter().for_each(|seat| self.is_one[*seat as usize] = false);
        seats
    }
}
