//! Which workers have something that is late, or long in coming, without a look at all of them.
//!
//! Of each worker four values take part in contests: of what its slots are at and of what they are not, how late it is and how long it will still
//! be, both at the most. They name the workers at which something may be worth taking over; how much, [`crate::rescue`] asks of the worker itself.

use std::time::Instant;

use manyeyes_protocol::id::WorkerId;

use crate::contest::{Contest, Course, before, behind};
use crate::worker::{Delivery, Worker};

/// What is late by less than this after another is as late: it may be nothing but rounding.
const ALIKE_S: f64 = 1e-6;

/// What may be taken over, by the workers that have it.
#[derive(Debug, Default)]
pub(crate) struct Stragglers {
    begun: Kind,
    unbegun: Kind,
}

/// In contests of the least, so what is late or long is below zero.
#[derive(Debug, Default)]
struct Kind {
    late: Contest,
    long: Contest,
}

impl Stragglers {
    /// Takes note of a worker, or that nobody sits there any more. Of what it has, that counts which may be taken over.
    pub(crate) fn note(
        &mut self,
        seat: u32,
        worker: Option<(WorkerId, &Worker)>,
        may_be_taken_over: impl Fn(&Delivery) -> bool,
        prior_s: f64,
        now: Instant,
    ) {
        for (is_begun, kind) in [(true, &mut self.begun), (false, &mut self.unbegun)] {
            let Some((id, worker)) = worker else {
                kind.note(seat, WorkerId(0), None, now);
                continue;
            };
            let counts =
                |held: &Delivery| !held.outlived && held.started.is_some() == is_begun && may_be_taken_over(held);
            let counting = || worker.held().iter().enumerate().filter(|(_, held)| counts(held)).map(|(at, _)| at);
            let late_from = counting().map(|at| worker.late_from(at, prior_s)).min();
            let last = counting().max_by_key(|at| worker.due(*at, prior_s).map_or((None, *at), |due| (Some(due), 0)));
            let courses = late_from.zip(last).map(|(late_from, last)| {
                let long = match worker.due(last, prior_s) {
                    Some(due) => Course { value_s: until_s(due, now), slope: -1, bends: [None; 2] },
                    None => worker.unbegun(last, prior_s, now),
                };
                (Course { value_s: until_s(late_from, now), slope: -1, bends: [None; 2] }, long.negated())
            });
            kind.note(seat, id, courses, now);
        }
    }

    /// Visits the seats at which something may remain for so long or longer; each visit says for how long it must from then on. What slots are at
    /// only where it may be hedged.
    pub(crate) fn search(
        &mut self,
        now: Instant,
        mut remaining_s: f64,
        may_hedge: bool,
        mut visit: impl FnMut(u32) -> f64,
    ) {
        for contest in self.kinds(may_hedge).flat_map(|kind| [&mut kind.late, &mut kind.long]) {
            contest.search(now, behind(-remaining_s), |seat, _| {
                remaining_s = visit(seat);
                behind(-remaining_s)
            });
        }
    }

    /// Visits the seats at which something is late, or will be in so many seconds or less; each visit says how many from then on.
    pub(crate) fn search_late(&mut self, now: Instant, may_hedge: bool, mut visit: impl FnMut(u32) -> f64) {
        let mut within_s = f64::INFINITY;
        for kind in self.kinds(may_hedge) {
            kind.late.search(now, before(within_s), |seat, _| {
                within_s = visit(seat) - ALIKE_S;
                before(within_s)
            });
        }
    }

    fn kinds(&mut self, may_hedge: bool) -> impl Iterator<Item = &mut Kind> {
        [&mut self.unbegun].into_iter().chain(may_hedge.then_some(&mut self.begun))
    }
}

impl Kind {
    fn note(&mut self, seat: u32, worker: WorkerId, courses: Option<(Course, Course)>, now: Instant) {
        match courses {
            Some((late, long)) => {
                self.late.enter(seat, (0, worker), late, now);
                self.long.enter(seat, (0, worker), long, now);
            }
            None => {
                self.late.withdraw(seat, now);
                self.long.withdraw(seat, now);
            }
        }
    }
}

/// How many seconds from now; before zero, how many ago.
fn until_s(moment: Instant, now: Instant) -> f64 {
    match moment.checked_duration_since(now) {
        Some(left) => left.as_secs_f64(),
        None => -(now - moment).as_secs_f64(),
    }
}
