//! What workers do, and what they are given after it: the breakers at work.

use std::time::Instant;

use manyeyes_protocol::id::WorkerId;

use super::Dispatch;
use crate::breaker::{Conduct, Licence};
use crate::event::{Action, BreakerChange};

impl Dispatch {
    /// Takes note of what a worker did, that is here or was.
    pub(super) fn note(&mut self, worker: WorkerId, conduct: Conduct, now: Instant) {
        let Some(name) = self.roster.name(worker) else {
            return;
        };
        if let Some(change) = self.breakers.note(name, conduct, &self.settings.breaker, now) {
            let name = name.to_owned();
            self.breaker_changed(name, change, now);
        }
    }

    /// Tries those whose time is over.
    pub(super) fn ring_breakers(&mut self, now: Instant) {
        while let Some((name, change)) = self.breakers.ring(now) {
            self.breaker_changed(name, change, now);
        }
    }

    /// Whether what a worker says counts for nothing.
    pub(super) fn is_condemned(&self, worker: WorkerId) -> bool {
        self.roster.name(worker).is_some_and(|name| self.breakers.licence(name) == Licence::Condemned)
    }

    /// What no slot has begun goes elsewhere at once. What runs is let finish; but of a worker that answers wrongly nobody
    /// wants that either.
    fn breaker_changed(&mut self, name: String, change: BreakerChange, now: Instant) {
        let licence = self.breakers.licence(&name);
        let here = self.roster.named(&name);
        self.actions.push_back(Action::Breaker { worker: name, change });
        let Some(worker) = here else {
            return;
        };
        let taken = self.roster.change(worker, now, |worker, _| {
            worker.license(licence);
            match licence {
                Licence::Full | Licence::Trial => Vec::new(),
                Licence::Suspended => worker.take_back_unbegun(),
                Licence::Condemned => worker.take_back_all(),
            }
        });
        self.take_back(worker, taken);
    }
}
