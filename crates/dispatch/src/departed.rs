//! What must be remembered of workers that left.

use std::collections::{BTreeMap, VecDeque};

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};

use crate::worker::Measured;

/// How many workers that left are remembered; the one that left first is forgotten for one more. A crash is found out,
/// and a connection comes back, within seconds; a thousand restarts take longer.
const DEPARTED_LIMIT: usize = 1024;

/// What is remembered of a worker that left.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) name: String,
    /// What had started there and was not answered: what is to blame if it turns out that the worker crashed.
    pub(crate) started: Vec<(ImageId, Attempt)>,
    pub(crate) measured: Measured,
}

/// The workers that left.
#[derive(Debug, Default)]
pub(crate) struct AllDeparted {
    workers: BTreeMap<WorkerId, Departed>,
    in_order: VecDeque<WorkerId>,
}

impl AllDeparted {
    pub(crate) fn remember(&mut self, id: WorkerId, departed: Departed) {
        self.workers.insert(id, departed);
        self.in_order.push_back(id);
        if self.in_order.len() > DEPARTED_LIMIT
            && let Some(first) = self.in_order.pop_front()
        {
            self.workers.remove(&first);
        }
    }

    /// Takes what is remembered of a worker.
    pub(crate) fn forget(&mut self, id: WorkerId) -> Option<Departed> {
        let departed = self.workers.remove(&id)?;
        self.in_order.retain(|other| *other != id);
        Some(departed)
    }

    /// An image that a departed worker had started was answered by it after all: it did not die of that one.
    pub(crate) fn absolve(&mut self, id: WorkerId, image: ImageId, attempt: Attempt) {
        if let Some(departed) = self.workers.get_mut(&id) {
            departed.started.retain(|started| *started != (image, attempt));
        }
    }

    pub(crate) fn name(&self, id: WorkerId) -> Option<&str> {
        self.workers.get(&id).map(|departed| departed.name.as_str())
    }
}
