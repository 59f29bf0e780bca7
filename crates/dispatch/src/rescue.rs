//! Which of the images that are with a worker an idle worker takes over, when nothing waits that it may have.
//!
//! What no slot has begun is *stolen*: taken back there, given here. That is no extra work. What a slot is at cannot be
//! stopped, so it is *hedged*: delivered a second time, and the first answer wins. Either is done only where the idle worker
//! is expected to be through in a fraction of the time, by what was measured of both; and the image that gains most is first.
//!
//! It comes to rest: a stolen image is begun at once, because it goes to a free slot; and each is stolen only so often.

use std::time::{Duration, Instant};

use manyeyes_protocol::id::{ImageId, ModelDigest, WorkerId};

use crate::image::Holder;
use crate::lanes::Lanes;
use crate::roster::Roster;
use crate::settings::RescueSettings;
use crate::worker::Worker;

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

/// Decides, given what waits, who is here, what may be done about each image, and whether a hedge can be paid for.
pub(crate) fn rescue(
    lanes: &Lanes,
    roster: &Roster,
    candidate: impl Fn(ImageId) -> Option<Candidate>,
    may_hedge: bool,
    settings: &RescueSettings,
    now: Instant,
) -> Rescue {
    let idle = idle_workers(lanes, roster, now);
    if idle.is_empty() {
        return Rescue::Nothing;
    }
    let prior_s = roster.prior_s();
    let mut best: Option<(f64, Rescue)> = None;
    let mut later: Option<Instant> = None;
    for (from, worker) in roster.iter() {
        for (at, delivery) in worker.held().iter().enumerate().filter(|(_, delivery)| !delivery.outlived) {
            let begun = delivery.started.is_some();
            let Some(candidate) = candidate(delivery.image) else { continue };
            if !(if begun { may_hedge } else { candidate.may_be_stolen }) {
                continue;
            }
            let may = |idle: &&Idle<'_>| idle.id != from && idle.worker.serves(candidate.need.as_ref());
            let Some(to) = idle.iter().find(may) else { continue };
            let (remaining_s, enough_s) = (worker.remaining_s(at, prior_s, now), settings.advantage * to.finish_s);
            if remaining_s < enough_s {
                let late = worker.late_from(at, prior_s) + Duration::from_secs_f64(enough_s);
                later = later.into_iter().chain([late.max(now + SOONEST)]).min();
                continue;
            }
            let gain_s = remaining_s - to.finish_s;
            if best.is_none_or(|(most_s, _)| gain_s > most_s) {
                let (image, holder) = (delivery.image, (from, delivery.attempt));
                let hedge = Rescue::Hedge { image, to: to.id };
                let rescue = if begun { hedge } else { Rescue::Steal { image, from: holder, to: to.id } };
                best = Some((gain_s, rescue));
            }
        }
    }
    best.map(|(_, rescue)| rescue).or(later.map(Rescue::Later)).unwrap_or(Rescue::Nothing)
}

struct Idle<'a> {
    id: WorkerId,
    worker: &'a Worker,
    /// How long from now until one more image would be back.
    finish_s: f64,
}

/// The workers with a free slot for which nothing waits, the one that would be through first in front. None, before any
/// worker was measured: nothing is known then of what takes long.
fn idle_workers<'a>(lanes: &Lanes, roster: &'a Roster, now: Instant) -> Vec<Idle<'a>> {
    if !roster.is_measured() {
        return Vec::new();
    }
    let prior_s = roster.prior_s();
    let something_waits =
        |worker: &Worker| lanes.queues().any(|queue| queue.easy() > 0 && worker.serves(queue.model()));
    let free = roster.free().filter(|(_, worker)| worker.is_idle() && !something_waits(worker));
    let mut idle: Vec<_> =
        free.map(|(id, worker)| Idle { id, worker, finish_s: worker.finish_s(prior_s, now) }).collect();
    idle.sort_by(|one, other| {
        let turns = one.worker.last_assigned().cmp(&other.worker.last_assigned());
        one.finish_s.total_cmp(&other.finish_s).then(turns).then(one.id.cmp(&other.id))
    });
    idle
}
