//! Who is here, who was, and who is who: gives each worker process its number and its distinct name.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use manyeyes_protocol::frame::{Hello, ModelDescription};
use manyeyes_protocol::id::{InstanceId, ModelDigest, WorkerId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connection::Command;
use super::{Departure, WorkerProfile};
use crate::wire::Counters;

/// How many workers that have gone are remembered, to know them again and to tell what their links carried.
const MAX_GONE: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Roster {
    workers: BTreeMap<WorkerId, Entry>,
    by_instance: HashMap<InstanceId, WorkerId>,
    met: u32,
}

#[derive(Debug)]
struct Entry {
    instance: InstanceId,
    name: String,
    /// `None`: given up, for others to have.
    id: Option<String>,
    presence: Presence,
    /// Of the models that it holds, the one in use.
    model: Option<ModelDescription>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
enum Presence {
    Here(Line),
    /// It has gone, and when it is not back by the time that a process of its name comes, it has crashed.
    Lost,
    /// It has gone in another way.
    Gone,
}

/// How to reach a connection.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) commands: mpsc::Sender<Command>,
    /// Tells the connection to end at once.
    pub(super) hang_up: CancellationToken,
    /// Cancelled when the owner has been told that the worker has left.
    pub(super) ended: CancellationToken,
}

/// What a worker that joins is given.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) worker: WorkerId,
    pub(super) profile: WorkerProfile,
    pub(super) counters: Arc<Counters>,
    /// The connection that the same process had until now: to be hung up first.
    pub(super) before: Option<Line>,
}

impl Roster {
    /// `wanted` is the model that a worker has to hold; `None`: that of those that are here. There is no seat for one
    /// that does not hold it.
    pub(super) fn join(
        &mut self,
        mut hello: Hello,
        wanted: Option<ModelDigest>,
        address: SocketAddr,
        line: Line,
    ) -> Option<Seat> {
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
        let entry = self.workers.get_mut(&worker).expect("known, or met just now");
        entry.id = Some(id.clone());
        entry.model = hello.models.first().cloned();
        let before = match std::mem::replace(&mut entry.presence, Presence::Here(line)) {
            Presence::Here(line) => Some(line),
            Presence::Lost | Presence::Gone => None,
        };
        let Hello { instance, slots, window, name, software, models, .. } = hello;
        let returning = known.is_some();
        let profile =
            WorkerProfile { id, name, instance, slots, window, models, software, address, returning, replaces };
        Some(Seat { worker, profile, counters: Arc::clone(&entry.counters), before })
    }

    /// A connection has ended. One that another has taken the place of changes nothing.
    pub(super) fn leave(&mut self, worker: WorkerId, line: &Line, departure: &Departure) {
        let Some(entry) = self.workers.get_mut(&worker) else {
            return;
        };
        let Presence::Here(current) = &entry.presence else {
            return;
        };
        if !current.commands.same_channel(&line.commands) {
            return;
        }
        entry.presence = if *departure == Departure::Disconnected { Presence::Lost } else { Presence::Gone };
        if *departure == Departure::Goodbye {
            entry.id = None;
        }
    }

    pub(super) fn line(&self, worker: WorkerId) -> Option<&Line> {
        match &self.workers.get(&worker)?.presence {
            Presence::Here(line) => Some(line),
            Presence::Lost | Presence::Gone => None,
        }
    }

    /// The model of a worker that is here.
    pub(super) fn model_here(&self) -> Option<&ModelDescription> {
        let here = |entry: &&Entry| matches!(entry.presence, Presence::Here(_));
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
        let entry = Entry { instance, name, id, presence: Presence::Gone, model: None, counters: Arc::default() };
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

    /// When many have gone, forgets the one that was met first.
    fn forget_one(&mut self) {
        let gone = |(_, entry): &(&WorkerId, &Entry)| !matches!(entry.presence, Presence::Here(_));
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
