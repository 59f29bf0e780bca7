//! Who is here, who was, and who is who: gives each worker process its number and its distinct name.
//!
//! It does not know what a connection is: the owner says how one is reached, by a `Line` of its own, and gets it back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use manyeyes_protocol::frame::{Hello, ModelDescription};
use manyeyes_protocol::id::{InstanceId, ModelDigest, WorkerId};
use manyeyes_protocol::manager_session::ManagerSessionSettings;

use super::path::Moves;
use super::{Departure, WorkerProfile};
use crate::wire::Counters;

/// How many workers that have gone are remembered, to know them again and to tell what their links carried.
const MAX_GONE: usize = 1024;

/// The workers that one run of a manager has met. Two lines are equal when they are the same connection.
#[derive(Debug)]
pub struct Roster<Line> {
    workers: BTreeMap<WorkerId, Entry<Line>>,
    by_instance: BTreeMap<InstanceId, WorkerId>,
    met: u32,
}

#[derive(Debug)]
struct Entry<Line> {
    instance: InstanceId,
    name: String,
    /// `None`: given up, for others to have.
    id: Option<String>,
    /// The last one that it had: what its counters count for.
    counted_as: Option<String>,
    presence: Presence<Line>,
    /// How often it has joined.
    connections: u32,
    /// Of the models that it holds, the one in use.
    model: Option<ModelDescription>,
    counters: Arc<Counters>,
    moves: Arc<Mutex<Moves>>,
}

#[derive(Debug)]
enum Presence<Line> {
    Here(Line),
    /// It has gone, and when it is not back by the time that a process of its name comes, it has crashed.
    Lost,
    /// It has gone in another way.
    Gone,
}

/// What a worker that joins is given.
#[derive(Debug)]
pub struct Seat<Line> {
    /// Its number.
    pub worker: WorkerId,
    /// What is known of it, but for what only its connection knows.
    pub profile: WorkerProfile,
    pub(crate) counters: Arc<Counters>,
    pub(super) moves: Arc<Mutex<Moves>>,
    /// The connection that the same process had until now: to be hung up first.
    pub before: Option<Line>,
}

impl<Line> Default for Roster<Line> {
    fn default() -> Self {
        Self { workers: BTreeMap::new(), by_instance: BTreeMap::new(), met: 0 }
    }
}

impl<Line: PartialEq> Roster<Line> {
    /// The settings for the session of a connection just accepted: who is here decides by which model it is let in.
    #[must_use]
    pub fn session_settings(&self, all: &ManagerSessionSettings) -> ManagerSessionSettings {
        let mut settings = all.clone();
        if let Some(model) = self.model_here().filter(|here| settings.model.is_none_or(|it| it == here.digest)) {
            (settings.model, settings.model_name) = (Some(model.digest), Some(model.name.clone()));
        }
        settings
    }

    /// Gives a seat to a worker whose session has let it in.
    ///
    /// `wanted` is the model that a worker has to hold; `None`: that of those that are here. There is no seat for one
    /// that does not hold it.
    pub fn join(
        &mut self,
        mut hello: Hello,
        wanted: Option<ModelDigest>,
        address: SocketAddr,
        line: Line,
    ) -> Option<Seat<Line>> {
        if let Some(in_use) = wanted.or_else(|| Some(self.model_here()?.digest)) {
            let at = hello.models.iter().position(|held| held.digest == in_use)?;
            hello.models.swap(0, at);
        }
        let known = self.by_instance.get(&hello.instance).copied();
        let (worker, replaces) = match known {
            Some(worker) => (worker, None),
            None => self.meet(&hello),
        };
        let id = match self.workers.get(&worker).and_then(|entry| entry.id.clone()) {
            Some(id) => id,
            None => self.distinct(&hello.name),
        };
        let counters = self.counted_as(worker, &id);
        let entry = self.workers.get_mut(&worker).expect("known, or met just now");
        (entry.id, entry.counted_as, entry.counters) = (Some(id.clone()), Some(id.clone()), counters);
        entry.connections = entry.connections.saturating_add(1);
        let connection = entry.connections;
        entry.model = hello.models.first().cloned();
        let before = match std::mem::replace(&mut entry.presence, Presence::Here(line)) {
            Presence::Here(line) => Some(line),
            Presence::Lost | Presence::Gone => None,
        };
        let Hello { instance, slots, window, name, software, models, .. } = hello;
        let returning = known.is_some();
        let profile = WorkerProfile {
            id,
            name,
            instance,
            slots,
            window,
            models,
            software,
            address,
            returning,
            connection,
            congestion_control: None,
            replaces,
        };
        let (counters, moves) = (Arc::clone(&entry.counters), Arc::clone(&entry.moves));
        Some(Seat { worker, profile, counters, moves, before })
    }

    /// A connection has ended. One that another has taken the place of changes nothing.
    pub fn leave(&mut self, worker: WorkerId, line: &Line, departure: &Departure) {
        let Some(entry) = self.workers.get_mut(&worker) else {
            return;
        };
        let Presence::Here(current) = &entry.presence else {
            return;
        };
        if current != line {
            return;
        }
        entry.presence = if *departure == Departure::Disconnected { Presence::Lost } else { Presence::Gone };
        if *departure == Departure::Goodbye {
            entry.id = None;
        }
    }

    /// How to reach a worker that is here.
    #[must_use]
    pub fn line(&self, worker: WorkerId) -> Option<&Line> {
        match &self.workers.get(&worker)?.presence {
            Presence::Here(line) => Some(line),
            Presence::Lost | Presence::Gone => None,
        }
    }

    /// Which connection a worker has that is here.
    #[must_use]
    pub fn connection(&self, worker: WorkerId) -> Option<u32> {
        let entry = self.workers.get(&worker)?;
        matches!(entry.presence, Presence::Here(_)).then_some(entry.connections)
    }

    /// The model of a worker that is here.
    #[must_use]
    pub fn model_here(&self) -> Option<&ModelDescription> {
        let here = |entry: &&Entry<Line>| matches!(entry.presence, Presence::Here(_));
        self.workers.values().filter(here).find_map(|entry| entry.model.as_ref())
    }

    pub(super) fn counters(&self, worker: WorkerId) -> Option<&Arc<Counters>> {
        self.workers.get(&worker).map(|entry| &entry.counters)
    }

    /// A new process: its number, and the crashed one in whose place it comes, whose distinct name it inherits.
    fn meet(&mut self, hello: &Hello) -> (WorkerId, Option<WorkerId>) {
        self.forget_one();
        let crashed = self
            .workers
            .iter_mut()
            .rev()
            .find(|(_, entry)| entry.name == hello.name && matches!(entry.presence, Presence::Lost));
        let (replaces, id) = match crashed {
            Some((crashed, entry)) => {
                entry.presence = Presence::Gone;
                (Some(*crashed), entry.id.take())
            }
            None => (None, None),
        };
        self.met += 1;
        let worker = WorkerId(self.met);
        let (instance, name) = (hello.instance, hello.name.clone());
        self.by_instance.insert(instance, worker);
        let entry = Entry {
            instance,
            name,
            id,
            counted_as: None,
            presence: Presence::Gone,
            connections: 0,
            model: None,
            counters: Arc::default(),
            moves: Arc::default(),
        };
        self.workers.insert(worker, entry);
        (worker, replaces)
    }

    /// `name`, or the first of `name-2`, `name-3`, ... that nobody has.
    fn distinct(&self, name: &str) -> String {
        let taken = |id: &str| self.workers.values().any(|entry| entry.id.as_deref() == Some(id));
        if !taken(name) {
            return name.to_owned();
        }
        let mut number = 2;
        loop {
            let id = format!("{name}-{number}");
            if !taken(&id) {
                return id;
            }
            number += 1;
        }
    }

    /// The counters for a worker of this id: its own, where it had that before; else those of the process that had it last, so
    /// that what is told of an id goes on from process to process.
    fn counted_as(&self, worker: WorkerId, id: &str) -> Arc<Counters> {
        let had = |entry: &&Entry<Line>| entry.counted_as.as_deref() == Some(id);
        let own = self.workers.get(&worker).filter(had);
        let last = own.or_else(|| self.workers.values().rev().find(had));
        last.map_or_else(Arc::default, |entry| Arc::clone(&entry.counters))
    }

    /// When many have gone, forgets the one that was met first.
    fn forget_one(&mut self) {
        let gone = |(_, entry): &(&WorkerId, &Entry<Line>)| !matches!(entry.presence, Presence::Here(_));
        if self.workers.iter().filter(gone).count() < MAX_GONE {
            return;
        }
        if let Some(worker) = self.workers.iter().find(gone).map(|(worker, _)| *worker)
            && let Some(entry) = self.workers.remove(&worker)
        {
            self.by_instance.remove(&entry.instance);
        }
    }
}

#[cfg(test)]
mod tests;
