//! Whether a worker with credit gets something at all: how much those without would have back before it.
//!
//! Among a few it is counted; among thousands it is counted now and then, and what was found holds for a while.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use manyeyes_protocol::id::{ModelDigest, WorkerId};

use crate::contest::{NOBODY, before};
use crate::pool::{Pool, Room};
use crate::roster::Roster;
use crate::worker::Worker;

/// How many images at the queue's head are left to faster workers before a slower one just takes the next. They would be through with so many
/// first in the order in which they were uploaded; more are more workers to look at, at each decision.
const LOOK_AHEAD: usize = 8;

/// So many workers that would be sooner are gone through for each decision, and more are counted now and then. That takes a few microseconds.
const LOOKED_AT: usize = 64;

/// What was counted holds for this part of the time ahead for which it was counted. In so long all workers together have back an eighth of that,
/// so it is wrong by about as much.
const GOOD_FOR: f64 = 1.0 / 8.0;

/// And for times ahead that are so many times as long or as short, with as many more or fewer images: what does not grow with the time, the first
/// answer of each, makes that wrong by a few per cent.
const GOOD_WITHIN: f64 = 1.25;

/// How many counts are remembered: workers that are tens of times faster than others are asked about in turns.
const REMEMBERED: usize = 16;

/// By less than this nobody is sooner: it may be nothing but rounding.
const SOONER_S: f64 = 1e-6;

/// What was counted of late.
#[derive(Debug, Default)]
pub(crate) struct Foresight {
    counts: VecDeque<Count>,
}

#[derive(Debug)]
struct Count {
    need: Option<ModelDigest>,
    ahead_s: f64,
    /// How many will be back in that time.
    images: usize,
    holds_until: Instant,
}

/// What is asked about a worker with credit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// The model that is needed by what waits.
    pub(crate) need: Option<&'a ModelDigest>,
    /// How many images wait.
    pub(crate) waiting: usize,
    /// How long from now until the worker would be back with one of them.
    pub(crate) finish_s: f64,
    pub(crate) now: Instant,
}

impl Foresight {
    /// How many images those without credit would have back before that worker, of those in these pools that may have them; or [`LOOK_AHEAD`], if
    /// that is less. `None`: all that wait.
    pub(crate) fn left_to_others(
        &mut self,
        ask: Ask<'_>,
        roster: &mut Roster,
        pools: impl Fn(&Pool) -> bool + Copy,
        may: impl Fn(WorkerId, &Worker) -> bool,
    ) -> Option<usize> {
        let Ask { waiting, finish_s, now, .. } = ask;
        let known = self.enough_wait(ask, roster, pools);
        let most = match known {
            Some(false) => return None,
            Some(true) => LOOK_AHEAD.min(waiting),
            None => waiting,
        };
        let (prior_s, mut count, mut looked_at) = (roster.prior_s(), 0_usize, 0_usize);
        let sooner = before(finish_s - SOONER_S);
        roster.search(Room::None, pools, sooner, now, |id, worker, _| {
            looked_at += 1;
            if may(id, worker) {
                count = count.saturating_add(worker.more_before(finish_s, prior_s, now));
            }
            if count >= most || looked_at >= LOOKED_AT { NOBODY } else { sooner }
        });
        let is_all = looked_at < LOOKED_AT || count >= waiting;
        let enough_wait = match known {
            Some(known) => known,
            None if is_all => count < waiting,
            None => self.count(ask, roster, pools) < waiting,
        };
        enough_wait.then_some(count.min(LOOK_AHEAD))
    }

    /// Whether more wait than that, as far as it is known without looking at workers.
    fn enough_wait(&self, ask: Ask<'_>, roster: &Roster, pools: impl Fn(&Pool) -> bool) -> Option<bool> {
        let Ask { need, waiting, finish_s, now } = ask;
        // No worker that has something has more back than it does in that time.
        if roster.rate_without_room(pools) * finish_s < waiting as f64 {
            return Some(true);
        }
        let near = 1.0 / GOOD_WITHIN..=GOOD_WITHIN;
        let holds = |count: &&Count| count.need.as_ref() == need && now <= count.holds_until;
        let count = self.counts.iter().filter(holds).find(|count| near.contains(&(finish_s / count.ahead_s)))?;
        Some(count.images as f64 * finish_s / count.ahead_s < waiting as f64)
    }

    /// Counts all that others would have back before.
    fn count(&mut self, ask: Ask<'_>, roster: &Roster, pools: impl Fn(&Pool) -> bool) -> usize {
        let Ask { need, finish_s, now, .. } = ask;
        let (prior_s, without_room) = (roster.prior_s(), roster.without_room(pools));
        let images =
            without_room.map(|worker| worker.more_before(finish_s, prior_s, now)).fold(0, usize::saturating_add);
        let holds_until = now + Duration::from_secs_f64(GOOD_FOR * finish_s);
        self.counts.push_front(Count { need: need.copied(), ahead_s: finish_s, images, holds_until });
        self.counts.truncate(REMEMBERED);
        images
    }
}
