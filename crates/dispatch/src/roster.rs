//! The workers that are here, and what must be remembered of those that left.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};

use crate::breaker::Licence;
use crate::event::{Capacity, Departure};
use crate::worker::{Delivery, Measured, Worker};

/// How many workers that left are remembered; the one that left first is forgotten for one more. A crash is found out,
/// and a connection comes back, within seconds; a thousand restarts take longer.
const DEPARTED_LIMIT: usize = 1024;

/// The workers.
#[derive(Debug)]
pub(crate) struct Roster {
    here: BTreeMap<WorkerId, Worker>,
    /// Those that had credit when they last changed.
    free: BTreeSet<WorkerId>,
    departed: BTreeMap<WorkerId, Departed>,
    departed_in_order: VecDeque<WorkerId>,
    prior: Prior,
}

/// What is remembered of a worker that left.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) name: String,
    /// What had started there and was not answered: what is to blame if it turns out that the worker crashed.
    pub(crate) started: Vec<(ImageId, Attempt)>,
    measured: Measured,
}

/// The service time that a worker is taken to have before its first answer: the mean of those measured.
#[derive(Debug)]
struct Prior {
    unknown_s: f64,
    sum_s: f64,
    count: u32,
}

impl Roster {
    pub(crate) fn new(unknown: Duration) -> Self {
        Self {
            here: BTreeMap::new(),
            free: BTreeSet::new(),
            departed: BTreeMap::new(),
            departed_in_order: VecDeque::new(),
            prior: Prior { unknown_s: unknown.as_secs_f64(), sum_s: 0.0, count: 0 },
        }
    }

    pub(crate) fn join(&mut self, id: WorkerId, name: String, capacity: Capacity, licence: Licence, now: Instant) {
        let known = self.forget(id).filter(|_| capacity.returning);
        let measured = known.map(|departed| departed.measured).unwrap_or_default();
        let worker = Worker::new(name, capacity, measured, licence, now);
        self.prior.replace(None, worker.service_s());
        self.here.insert(id, worker);
        self.refresh(id);
    }

    /// Removes a worker and gives what it held.
    pub(crate) fn leave(&mut self, id: WorkerId, departure: Departure) -> Vec<Delivery> {
        let Some(worker) = self.here.remove(&id) else {
            return Vec::new();
        };
        self.free.remove(&id);
        self.prior.replace(worker.service_s(), None);
        let (name, held, measured) = worker.dismiss();
        let died_maybe = departure != Departure::Goodbye;
        let started = held.iter().filter(|held| died_maybe && held.started.is_some());
        let started = started.map(|held| (held.image, held.attempt)).collect();
        self.remember(id, Departed { name, started, measured });
        held
    }

    /// Changes a worker that is here, and keeps the books on its credit and service time.
    pub(crate) fn change<R>(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker, f64) -> R) -> Option<R> {
        let prior_s = self.prior_s();
        let worker = self.here.get_mut(&id)?;
        let before = worker.service_s();
        let outcome = change(worker, prior_s);
        let after = worker.service_s();
        self.prior.replace(before, after);
        self.refresh(id);
        Some(outcome)
    }

    /// Takes what is remembered of a worker that left.
    pub(crate) fn forget(&mut self, id: WorkerId) -> Option<Departed> {
        let departed = self.departed.remove(&id)?;
        self.departed_in_order.retain(|other| *other != id);
        Some(departed)
    }

    /// An image that a departed worker had started was answered by it after all: it did not die of that one.
    pub(crate) fn absolve(&mut self, id: WorkerId, image: ImageId, attempt: Attempt) {
        if let Some(departed) = self.departed.get_mut(&id) {
            departed.started.retain(|started| *started != (image, attempt));
        }
    }

    pub(crate) fn get(&self, id: WorkerId) -> Option<&Worker> {
        self.here.get(&id)
    }

    /// The name of a worker that is here, or was.
    pub(crate) fn name(&self, id: WorkerId) -> Option<&str> {
        let here = self.here.get(&id).map(Worker::name);
        here.or_else(|| self.departed.get(&id).map(|departed| departed.name.as_str()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.here.iter().map(|(id, worker)| (*id, worker))
    }

    /// The workers of that name that are here: one, or none.
    pub(crate) fn named(&self, name: &str) -> Option<WorkerId> {
        self.iter().find(|(_, worker)| worker.name() == name).map(|(id, _)| id)
    }

    /// Whether any worker that is here has been measured.
    pub(crate) fn is_measured(&self) -> bool {
        self.prior.count > 0
    }

    /// Those with credit.
    pub(crate) fn free(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        let prior_s = self.prior_s();
        let free = self.free.iter().filter_map(|id| Some((*id, self.here.get(id)?)));
        free.filter(move |(_, worker)| worker.has_credit(prior_s))
    }

    pub(crate) fn prior_s(&self) -> f64 {
        self.prior.mean_s()
    }

    fn remember(&mut self, id: WorkerId, departed: Departed) {
        self.departed.insert(id, departed);
        self.departed_in_order.push_back(id);
        if self.departed_in_order.len() > DEPARTED_LIMIT
            && let Some(first) = self.departed_in_order.pop_front()
        {
            self.departed.remove(&first);
        }
    }

    fn refresh(&mut self, id: WorkerId) {
        let prior_s = self.prior_s();
        if self.here.get(&id).is_some_and(|worker| worker.has_credit(prior_s)) {
            self.free.insert(id);
        } else {
            self.free.remove(&id);
        }
    }
}

impl Prior {
    fn replace(&mut self, before: Option<f64>, after: Option<f64>) {
        self.sum_s += after.unwrap_or(0.0) - before.unwrap_or(0.0);
        self.count = self.count + u32::from(after.is_some()) - u32::from(before.is_some());
    }

    fn mean_s(&self) -> f64 {
        if self.count == 0 { self.unknown_s } else { (self.sum_s / f64::from(self.count)).max(0.0) }
    }
}
