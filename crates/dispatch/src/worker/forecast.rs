//! What is expected of a worker: when it would be back with one more image, with many, and with what it has.

use std::time::{Duration, Instant};

use super::{SHORTEST_SERVICE_S, Worker};
use crate::breaker::Licence;
use crate::contest::Course;
use crate::transfer::Explained;

impl Worker {
    /// How long from now until one more image would be back. What is late counts twice: for as long as something is overdue,
    /// it is most likely to take as long again.
    pub(crate) fn finish_s(&self, prior_s: f64, now: Instant) -> f64 {
        self.measured.transfer.finish_s(&self.explained(prior_s, now)) + self.lateness_s(now)
    }

    /// The same, and how it goes on while nothing happens: it falls while slots work off what is before the image, as long as that queue is the
    /// longer one, and rises once something is late.
    pub(crate) fn finish(&self, prior_s: f64, now: Instant) -> Course {
        let falls_for_s = self.falls_for_s(prior_s, now);
        let falls = falls_for_s > 0.0;
        let is_late = self.first_expected.is_some_and(|expected| expected <= now);
        let levels = falls.then(|| (now + Duration::from_secs_f64(falls_for_s), 1));
        let rises = self.first_expected.filter(|_| !is_late).map(|expected| (expected, 1));
        Course {
            value_s: self.finish_s(prior_s, now),
            slope: i32::from(is_late) - i32::from(falls),
            bends: [levels, rises],
        }
    }

    /// How many images it does in a second.
    pub(crate) fn rate(&self, prior_s: f64) -> f64 {
        f64::from(self.sound_slots()) / self.service_or(prior_s)
    }

    /// How many more images would be back sooner than `horizon_s` from now. Never more than it does in that time, where something is with it.
    pub(crate) fn more_before(&self, horizon_s: f64, prior_s: f64, now: Instant) -> usize {
        let (service_s, transfer_s) = (self.service_or(prior_s), self.measured.transfer.each_s());
        let slots = f64::from(self.sound_slots());
        let unqueued_s = self.round_trip_s() + transfer_s + service_s + self.lateness_s(now);
        let spare_s = horizon_s - unqueued_s;
        if spare_s <= 0.0 {
            return 0;
        }
        let rounds = ((spare_s + self.done_s(service_s, slots, now)) * slots / service_s).ceil() - 1.0;
        let by_slots = slots - self.held.len() as f64 + rounds;
        let by_way = if transfer_s > 0.0 { (spare_s / transfer_s).ceil() - self.unbegun as f64 } else { by_slots };
        let more = by_slots.min(by_way).max(0.0) as usize;
        if self.licence == Licence::Trial { more.min(1_usize.saturating_sub(self.held.len())) } else { more }
    }

    /// How long from now until what is held at this position would be back. What is late is most likely to take as long
    /// again; and while a slot is at something for longer than the smoothed service time, so will what waits behind it be.
    pub(crate) fn remaining_s(&self, at: usize, prior_s: f64, now: Instant) -> f64 {
        let service_s = self.service_or(prior_s);
        let age_s = |started: Instant| now.saturating_duration_since(started).as_secs_f64();
        let left_s = |started: Instant| (service_s - age_s(started)).abs();
        let delivery = &self.held[at];
        let late_s = now.saturating_duration_since(delivery.expected).as_secs_f64();
        if let Some(started) = delivery.started {
            return left_s(started).max(late_s);
        }
        let running = || self.held.iter().filter_map(|held| held.started);
        let slots = self.sound_slots().max(1) as usize;
        let all_slots_busy = running().count() >= slots;
        let first_free_s = running().map(left_s).min_by(f64::total_cmp).filter(|_| all_slots_busy).unwrap_or(0.0);
        let pace_s = running().map(age_s).fold(service_s, f64::max);
        let ahead = self.held[..at].iter().filter(|held| held.started.is_none()).count();
        let queue_s = first_free_s + (ahead / slots) as f64 * pace_s;
        (self.round_trip_s() / 2.0 + queue_s + pace_s).max(late_s)
    }

    /// From when on what is held at this position is late, so that it looks worse with time.
    pub(crate) fn late_from(&self, at: usize, prior_s: f64) -> Instant {
        let expected = self.held[at].expected;
        self.due(at, prior_s).map_or(expected, |due| expected.min(due))
    }

    /// No less than how long from now until what is held at this position and was not begun would be back, unless it is late, and how that goes
    /// on while nothing happens. Of a worker with one slot it is just that.
    pub(crate) fn unbegun(&self, at: usize, prior_s: f64, now: Instant) -> Course {
        let (service_s, slots) = (self.service_or(prior_s), self.sound_slots().max(1) as usize);
        let rounds = (self.held[..at].iter().filter(|held| held.started.is_none()).count() / slots) as i32 + 1;
        let level_s = self.round_trip_s() / 2.0 + f64::from(rounds) * service_s;
        let started = || self.held.iter().filter_map(|held| held.started);
        let Some(due) = started().min().map(|first| first + Duration::from_secs_f64(service_s)) else {
            return Course { value_s: level_s, slope: 0, bends: [None; 2] };
        };
        // A slot that is free has nothing to wait for; where none is, the first to be is the one that began first, or another that is sooner.
        let waits = i32::from(started().count() >= slots);
        let (until_due_s, late_s) =
            (due.saturating_duration_since(now).as_secs_f64(), now.saturating_duration_since(due).as_secs_f64());
        let value_s = level_s + f64::from(waits) * (until_due_s + late_s) + f64::from(rounds) * late_s;
        if due > now {
            Course { value_s, slope: -waits, bends: [Some((due, 2 * waits + rounds)), None] }
        } else {
            Course { value_s, slope: waits + rounds, bends: [None; 2] }
        }
    }

    /// When what is held at this position is to be ready by what was measured, if it was begun.
    pub(crate) fn due(&self, at: usize, prior_s: f64) -> Option<Instant> {
        let service = Duration::from_secs_f64(self.service_or(prior_s));
        self.held[at].started.map(|started| started + service)
    }

    /// What explains how long one more image would take, but for the transfers.
    pub(super) fn explained(&self, prior_s: f64, now: Instant) -> Explained {
        let service_s = self.service_or(prior_s);
        let slots = f64::from(self.sound_slots().max(1));
        let ahead = (self.held.len() as f64 + 1.0 - slots).max(0.0);
        let queue_s = ahead * service_s / slots - self.done_s(service_s, slots, now);
        Explained { all_s: self.round_trip_s() + queue_s + service_s, queue_s, before: self.unbegun }
    }

    /// For how long from now on what is before one more image is worked off, which makes that sooner.
    fn falls_for_s(&self, prior_s: f64, now: Instant) -> f64 {
        let (service_s, slots) = (self.service_or(prior_s), f64::from(self.sound_slots().max(1)));
        if (self.held.len() as f64) < slots {
            return 0.0;
        }
        let next_answer_s = service_s / slots - self.done_s(service_s, slots, now);
        next_answer_s.min(self.measured.transfer.falls_for_s(&self.explained(prior_s, now)))
    }

    /// How much of the next answer's service is done.
    fn done_s(&self, service_s: f64, slots: f64, now: Instant) -> f64 {
        let all_slots_busy = self.held.len() as f64 >= slots;
        let at_it_s = now.saturating_duration_since(self.at_it_since).as_secs_f64();
        if all_slots_busy { at_it_s.min(service_s / slots) } else { 0.0 }
    }

    pub(super) fn round_trip_s(&self) -> f64 {
        self.measured.round_trip_s.unwrap_or(0.0)
    }

    fn lateness_s(&self, now: Instant) -> f64 {
        self.first_expected.map_or(0.0, |expected| now.saturating_duration_since(expected).as_secs_f64())
    }

    /// The smoothed service time, or what it is taken to be.
    pub(crate) fn service_or(&self, prior_s: f64) -> f64 {
        self.measured.service_s.unwrap_or(prior_s).max(SHORTEST_SERVICE_S)
    }
}
