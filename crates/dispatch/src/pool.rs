//! Workers that may have the same images, in the order in which they would have one more back.

use std::time::Instant;

use manyeyes_protocol::id::ModelDigest;

use crate::contest::{Contest, Course, Tie};

/// Whether a worker may be given something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It has a slot that nothing is meant for, and may take over what another worker has.
    Idle,
    /// It has credit.
    Some,
    /// It is to have more when something comes back.
    None,
}

/// Those that hold the same models, and are on trial, or are not.
#[derive(Debug)]
pub(crate) struct Pool {
    models: Vec<ModelDigest>,
    on_trial: bool,
    idle: Contest,
    some: Contest,
    none: Contest,
    /// What those without room do, in images a second.
    rate_without_room: f64,
}

/// How a worker takes part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) room: Room,
    pub(crate) tie: Tie,
    /// When one more image would be back.
    pub(crate) finish: Course,
    /// Images a second.
    pub(crate) rate: f64,
}

impl Pool {
    pub(crate) fn new(models: Vec<ModelDigest>, on_trial: bool) -> Self {
        let [idle, some, none] = [(); 3].map(|()| Contest::default());
        Self { models, on_trial, idle, some, none, rate_without_room: 0.0 }
    }

    pub(crate) fn is_of(&self, models: &[ModelDigest], on_trial: bool) -> bool {
        self.on_trial == on_trial && self.models == models
    }

    /// Whether its workers may have images that need this model.
    pub(crate) fn serves(&self, need: Option<&ModelDigest>) -> bool {
        need.is_none_or(|model| self.models.contains(model))
    }

    pub(crate) fn is_on_trial(&self) -> bool {
        self.on_trial
    }

    /// What those without room do together, in images a second.
    pub(crate) fn rate_without_room(&self) -> f64 {
        self.rate_without_room
    }

    pub(crate) fn with(&mut self, room: Room) -> &mut Contest {
        match room {
            Room::Idle => &mut self.idle,
            Room::Some => &mut self.some,
            Room::None => &mut self.none,
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.idle.is_empty() || !self.some.is_empty()
    }

    /// A worker takes part as `part` and no more as `before`.
    pub(crate) fn replace(&mut self, seat: u32, before: Option<Part>, part: Option<Part>, now: Instant) {
        if let Some(before) = before {
            if part.is_none_or(|part| part.room != before.room) {
                self.with(before.room).withdraw(seat, now);
            }
            self.count(before, -1.0);
        }
        if let Some(part) = part {
            self.with(part.room).enter(seat, part.tie, part.finish, now);
            self.count(part, 1.0);
        }
        // What is added up and taken off in floating point does not come to nothing by itself.
        if self.none.is_empty() {
            self.rate_without_room = 0.0;
        }
    }

    fn count(&mut self, part: Part, times: f64) {
        if part.room == Room::None {
            self.rate_without_room += times * part.rate;
        }
    }
}
