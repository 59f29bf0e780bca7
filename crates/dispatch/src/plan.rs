//! Which image goes to which worker next.
//!
//! Images that any worker may have are alike, so the plan needs no search. The worker with credit that would be done
//! first is the only candidate: those with credit that would be later have even less reason to get something. It gets an
//! image if more images wait than all the other workers together would have back before it: those are left for the
//! others, which have no credit at the moment but would be sooner. That is what assigning every waiting image, one by
//! one, to the worker that would finish it first comes to.

use std::time::{Duration, Instant};

use manyeyes_protocol::id::{ImageId, WorkerId};

use crate::breaker::Licence;
use crate::lanes::{Lanes, Queue};
use crate::roster::Roster;
use crate::worker::Worker;

/// How many images at the queue's head are left to faster workers before a slower one just takes the next: what is
/// searched for one decision.
const LOOK_AHEAD: usize = 32;

/// How many troubled images of one batch are looked at for one decision. Those that nobody may have at the moment must not
/// hide one that somebody may.
const TROUBLED_LOOK_AHEAD: usize = 256;

/// The bounds of the time after which a worker that was passed over is considered again, though nothing happened: the
/// one that was preferred may have become late.
const RECONSIDER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plan {
    /// Assign it.
    Assign { image: ImageId, worker: WorkerId },
    /// Nothing now; look again then.
    Later(Instant),
    /// Nothing before something happens.
    Nothing,
}

/// Whom an image avoids.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trouble<'a> {
    /// The names of workers that it crashed or stalled.
    pub(crate) blamed: &'a [String],
    /// The worker that announced a failure last.
    pub(crate) avoid: Option<WorkerId>,
    /// It may go to a worker that it is blamed for, when there is no other.
    pub(crate) desperate: bool,
}

/// Decides, given what waits, who is here, and whom a troubled image avoids.
pub(crate) fn plan<'a>(lanes: &Lanes, roster: &Roster, trouble: impl Fn(ImageId) -> Trouble<'a>, now: Instant) -> Plan {
    let mut later: Option<Instant> = None;
    for queue in lanes.queues() {
        if roster.free().next().is_none() {
            break;
        }
        match plan_queue(queue, roster, &trouble, now) {
            assign @ Plan::Assign { .. } => return assign,
            Plan::Later(at) => later = Some(later.map_or(at, |earliest| earliest.min(at))),
            Plan::Nothing => {}
        }
    }
    later.map_or(Plan::Nothing, Plan::Later)
}

fn plan_queue<'a>(queue: Queue<'_>, roster: &Roster, trouble: impl Fn(ImageId) -> Trouble<'a>, now: Instant) -> Plan {
    let serves = |_: WorkerId, worker: &Worker| worker.serves(queue.model());
    let easy = if queue.easy() > 0 { choose(roster, serves, queue.easy(), now) } else { Choice::Nobody };
    let mut later = easy.later(now);
    if queue.troubled() == 0 && !matches!(easy, Choice::Give { .. }) {
        return later.map_or(Plan::Nothing, Plan::Later);
    }
    for (troubled, others) in queue.turns(TROUBLED_LOOK_AHEAD) {
        for image in troubled {
            let choice = choose_for(roster, &queue, trouble(image), now);
            if let Choice::Give { worker, .. } = choice {
                return Plan::Assign { image, worker };
            }
            later = later.into_iter().chain(choice.later(now)).min();
        }
        if let Choice::Give { worker, left_to_others } = easy
            && others
            && let Some(image) = queue.nth_easy(left_to_others.min(LOOK_AHEAD))
        {
            return Plan::Assign { image, worker };
        }
    }
    later.map_or(Plan::Nothing, Plan::Later)
}

/// Chooses for an image that avoids somebody: whoever it has no trouble with, else whoever it did not crash, else, when
/// it has waited long enough for another, anybody.
///
/// A worker on trial is tried with an image that has no trouble, as long as one waits: else one that fails everywhere would
/// keep a worker that is well from all others.
fn choose_for(roster: &Roster, queue: &Queue<'_>, trouble: Trouble<'_>, now: Instant) -> Choice {
    let may =
        |worker: &Worker| worker.serves(queue.model()) && (queue.easy() == 0 || worker.licence() != Licence::Trial);
    let innocent = |worker: &Worker| may(worker) && !trouble.blamed.iter().any(|blamed| blamed == worker.name());
    let preferred = |id: WorkerId, worker: &Worker| Some(id) != trouble.avoid && innocent(worker);
    if roster.iter().any(|(id, worker)| preferred(id, worker)) {
        return choose(roster, preferred, 1, now);
    }
    if roster.iter().any(|(_, worker)| innocent(worker)) {
        return choose(roster, |_, worker: &Worker| innocent(worker), 1, now);
    }
    if trouble.desperate {
        return choose(roster, |_, worker: &Worker| may(worker), 1, now);
    }
    Choice::Nobody
}

/// What becomes of the next of some images that are alike.
#[derive(Clone, Copy, Debug)]
enum Choice {
    /// One goes to this worker; the others would have this many more back before.
    Give { worker: WorkerId, left_to_others: usize },
    /// All are better off waiting for a worker without credit. The best with credit would be done in this time.
    Wait { finish_s: f64 },
    /// No worker that may have them has credit.
    Nobody,
}

impl Choice {
    fn later(self, now: Instant) -> Option<Instant> {
        let Self::Wait { finish_s } = self else {
            return None;
        };
        let (shortest, longest) = RECONSIDER;
        Some(now + Duration::from_secs_f64((finish_s / 8.0).clamp(shortest.as_secs_f64(), longest.as_secs_f64())))
    }
}

fn choose(roster: &Roster, may: impl Fn(WorkerId, &Worker) -> bool, waiting: usize, now: Instant) -> Choice {
    let prior_s = roster.prior_s();
    let candidates = roster.free().filter(|(id, worker)| may(*id, worker));
    let best = candidates
        .map(|(id, worker)| (worker.finish_s(prior_s, now), worker.last_assigned(), id))
        .min_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)).then(one.2.cmp(&other.2)));
    let Some((finish_s, _, best)) = best else {
        return Choice::Nobody;
    };
    let mut left_to_others = 0_usize;
    for (_, worker) in roster.iter().filter(|(id, worker)| *id != best && may(*id, worker)) {
        left_to_others = left_to_others.saturating_add(worker.more_before(finish_s, prior_s, now));
        if left_to_others >= waiting {
            return Choice::Wait { finish_s };
        }
    }
    Choice::Give { worker: best, left_to_others }
}
