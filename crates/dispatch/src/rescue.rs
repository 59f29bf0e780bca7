//! Which of the images that are with a worker an idle worker takes over, when nothing waits that it may have.
//!
//! What no slot has begun is *stolen*: taken back there, given here. That is no extra work. What a slot is at cannot be
//! stopped, so it is *hedged*: delivered a second time, and the first answer wins. Either is done only where the idle worker
//! is expected to be through in a fraction of the time, by what was measured of both; and the image that gains most is first.
//!
//! It comes to rest: a stolen image is begun at once, because it goes to a free slot; and each is stolen only so often.

use std::time::{Duration, Instant};

use manyeyes_protocol::id::{ImageId, ModelDigest, WorkerId};

use crate::contest::behind;
use crate::image::Holder;
use crate::lanes::Lanes;
use crate::pool::{Pool, Room};
use crate::roster::Roster;
use crate::settings::RescueSettings;
use crate::stragglers::Stragglers;
use crate::worker::{Delivery, Worker};

/// When a moment is computed at which something will be late enough, it is no earlier than this from now: what is computed
/// in floating point may be a little early, and shall not be asked after again and again.
const SOONEST: Duration = Duration::from_millis(1);

/// What to do about what is late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rescue {
    /// Take it back there, and give it here.
    Steal { image: ImageId, from: Holder, to: WorkerId },
    /// Give it here too.
    Hedge { image: ImageId, to: WorkerId },
    /// Nothing now; look again then.
    Later(Instant),
    /// Nothing before something happens.
    Nothing,
}

/// What may be done about an image that is with one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// The model that it needs; `None` for any.
    pub(crate) need: Option<ModelDigest>,
    pub(crate) may_be_stolen: bool,
}

impl Candidate {
    /// Whether this delivery of it may be taken over, if a hedge can be paid for.
    fn allows(self, delivery: &Delivery) -> bool {
        delivery.started.is_some() || self.may_be_stolen
    }
}

/// Decides, given what waits, who is here, what may be done about each image, and whether a hedge can be paid for.
pub(crate) fn rescue(
    lanes: &Lanes,
    roster: &mut Roster,
    stragglers: &mut Stragglers,
    candidate: impl Fn(ImageId) -> Option<Candidate>,
    may_hedge: bool,
    settings: &RescueSettings,
    now: Instant,
) -> Rescue {
    // Before any worker was measured nothing is known of what takes long.
    if !roster.is_measured() {
        return Rescue::Nothing;
    }
    let mut idle = IdleWorkers { lanes, now, first: None };
    idle.first = idle.first_that_may(roster, None, |_| true);
    let Some(first) = idle.first else {
        return Rescue::Nothing;
    };
    // How long something must remain for one of the idle workers.
    let enough_s = |idle: Idle| settings.advantage * idle.finish_s;
    let prior_s = roster.prior_s();
    for (seat, worker) in roster.take_touched() {
        let may = |held: &Delivery| candidate(held.image).is_some_and(|candidate| candidate.allows(held));
        stragglers.note(seat, worker, may, prior_s, now);
    }
    let mut best: Option<(f64, Rescue)> = None;
    stragglers.search(now, enough_s(first), may_hedge, |seat| {
        idle.look_at(seat, roster, &candidate, may_hedge, |late| {
            let gain_s = late.remaining_s - late.to.finish_s;
            if late.remaining_s >= enough_s(late.to) && best.is_none_or(|(most_s, _)| gain_s > most_s) {
                best = Some((gain_s, late.rescue()));
            }
        });
        best.map_or(enough_s(first), |(most_s, _)| first.finish_s + most_s)
    });
    if let Some((_, rescue)) = best {
        return rescue;
    }
    let mut later: Option<Instant> = None;
    stragglers.search_late(now, may_hedge, |seat| {
        idle.look_at(seat, roster, &candidate, may_hedge, |late| {
            let enough = late.late_from + Duration::from_secs_f64(enough_s(late.to));
            later = later.into_iter().chain([enough.max(now + SOONEST)]).min();
        });
        later.map_or(f64::INFINITY, |later| later.saturating_duration_since(now).as_secs_f64() - enough_s(first))
    });
    later.map_or(Rescue::Nothing, Rescue::Later)
}

/// A delivery for which there is an idle worker.
struct Late {
    image: ImageId,
    from: Holder,
    is_begun: bool,
    late_from: Instant,
    remaining_s: f64,
    to: Idle,
}

impl Late {
    fn rescue(&self) -> Rescue {
        let Self { image, from, to: Idle { id: to, .. }, .. } = *self;
        let hedge = Rescue::Hedge { image, to };
        if self.is_begun { hedge } else { Rescue::Steal { image, from, to } }
    }
}

#[derive(Clone, Copy)]
struct Idle {
    id: WorkerId,
    /// How long from now until one more image would be back.
    finish_s: f64,
}

/// The workers with a free slot for which nothing waits.
struct IdleWorkers<'a> {
    lanes: &'a Lanes,
    now: Instant,
    /// The one that would be through first.
    first: Option<Idle>,
}

impl IdleWorkers<'_> {
    /// Tells of all that is at a seat and could be taken over by somebody.
    fn look_at(
        &self,
        seat: u32,
        roster: &mut Roster,
        candidate: impl Fn(ImageId) -> Option<Candidate>,
        may_hedge: bool,
        mut tell: impl FnMut(Late),
    ) {
        let prior_s = roster.prior_s();
        let Some((from, worker)) = roster.at(seat) else { return };
        let mut found = Vec::new();
        for (at, delivery) in worker.held().iter().enumerate().filter(|(_, delivery)| !delivery.outlived) {
            let is_begun = delivery.started.is_some();
            let candidate = candidate(delivery.image).filter(|candidate| candidate.allows(delivery));
            let Some(candidate) = candidate.filter(|_| may_hedge || !is_begun) else { continue };
            let late_from = worker.late_from(at, prior_s);
            let remaining_s = worker.remaining_s(at, prior_s, self.now);
            found.push((candidate.need, delivery.image, (from, delivery.attempt), is_begun, late_from, remaining_s));
        }
        for (need, image, from, is_begun, late_from, remaining_s) in found {
            if let Some(to) = self.for_one(roster, from.0, need.as_ref()) {
                tell(Late { image, from, is_begun, late_from, remaining_s, to });
            }
        }
    }

    /// The one that would be through first with what another worker has.
    fn for_one(&self, roster: &mut Roster, from: WorkerId, need: Option<&ModelDigest>) -> Option<Idle> {
        let first = self.first.filter(|first| first.id != from);
        let first = first.filter(|first| roster.get(first.id).is_some_and(|worker| worker.serves(need)));
        first.or_else(|| self.first_that_may(roster, need, |id| id != from))
    }

    fn first_that_may(
        &self,
        roster: &mut Roster,
        need: Option<&ModelDigest>,
        may: impl Fn(WorkerId) -> bool,
    ) -> Option<Idle> {
        let something_waits =
            |pool: &Pool| self.lanes.queues().any(|queue| queue.easy() > 0 && pool.serves(queue.model()));
        let pools = |pool: &Pool| pool.serves(need) && !something_waits(pool);
        let mut first = None;
        roster.search(Room::Idle, pools, behind(f64::INFINITY), self.now, |id, _: &Worker, rank| {
            if !may(id) {
                return first.map_or(behind(f64::INFINITY), |(rank, _)| rank);
            }
            first = Some((rank, id));
            rank
        });
        first.map(|((finish_s, _), id)| Idle { id, finish_s })
    }
}
