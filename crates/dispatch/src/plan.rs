//! Which image goes to which worker next.
//!
//! Images that any worker may have are alike, so the plan needs no search. The worker with credit that would be done
//! first is the only candidate: those with credit that would be later have even less reason to get something. It gets an
//! image if more images wait than all the other workers together would have back before it: those are left for the
//! others, which have no credit at the moment but would be sooner. That is what assigning every waiting image, one by
//! one, to the worker that would finish it first comes to.

use std::time::{Duration, Instant};

use manyeyes_protocol::id::{ImageId, ModelDigest, WorkerId};

use crate::contest::{NOBODY, behind};
use crate::foresight::{Ask, Foresight};
use crate::lanes::{Lanes, Queue};
use crate::pool::{Pool, Room};
use crate::roster::Roster;
use crate::worker::Worker;

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
pub(crate) fn plan<'a>(
    lanes: &Lanes,
    roster: &mut Roster,
    foresight: &mut Foresight,
    trouble: impl Fn(ImageId) -> Trouble<'a>,
    now: Instant,
) -> Plan {
    let mut later: Option<Instant> = None;
    for queue in lanes.queues() {
        if !roster.has_room() {
            break;
        }
        let workers = Workers { roster, foresight, need: queue.model(), with_trials: true, now };
        match plan_queue(queue, workers, &trouble) {
            assign @ Plan::Assign { .. } => return assign,
            Plan::Later(at) => later = Some(later.map_or(at, |earliest| earliest.min(at))),
            Plan::Nothing => {}
        }
    }
    later.map_or(Plan::Nothing, Plan::Later)
}

fn plan_queue<'a>(queue: Queue<'_>, mut workers: Workers<'_>, trouble: impl Fn(ImageId) -> Trouble<'a>) -> Plan {
    let now = workers.now;
    let easy = if queue.easy() > 0 { workers.choose(|_, _| true, queue.easy()) } else { Choice::Nobody };
    let mut later = easy.later(now);
    if queue.troubled() == 0 && !matches!(easy, Choice::Give { .. }) {
        return later.map_or(Plan::Nothing, Plan::Later);
    }
    // A worker on trial is tried with an image that has no trouble, as long as one waits: else one that fails everywhere would
    // keep a worker that is well from all others.
    workers.with_trials = queue.easy() == 0;
    for (troubled, others) in queue.turns(TROUBLED_LOOK_AHEAD) {
        for image in troubled {
            let choice = choose_for(&mut workers, trouble(image));
            if let Choice::Give { worker, .. } = choice {
                return Plan::Assign { image, worker };
            }
            later = later.into_iter().chain(choice.later(now)).min();
        }
        if let Choice::Give { worker, left_to_others } = easy
            && others
            && let Some(image) = queue.nth_easy(left_to_others)
        {
            return Plan::Assign { image, worker };
        }
    }
    later.map_or(Plan::Nothing, Plan::Later)
}

/// Chooses for an image that avoids somebody: whoever it has no trouble with, else whoever it did not crash, else, when
/// it has waited long enough for another, anybody.
fn choose_for(workers: &mut Workers<'_>, trouble: Trouble<'_>) -> Choice {
    let innocent = |worker: &Worker| !trouble.blamed.iter().any(|blamed| blamed == worker.name());
    let preferred = |id: WorkerId, worker: &Worker| Some(id) != trouble.avoid && innocent(worker);
    if workers.are_any(preferred) {
        return workers.choose(preferred, 1);
    }
    if workers.are_any(|_, worker: &Worker| innocent(worker)) {
        return workers.choose(|_, worker: &Worker| innocent(worker), 1);
    }
    if trouble.desperate { workers.choose(|_, _| true, 1) } else { Choice::Nobody }
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

/// The workers that serve a queue.
struct Workers<'a> {
    roster: &'a mut Roster,
    foresight: &'a mut Foresight,
    /// The model that they must hold.
    need: Option<&'a ModelDigest>,
    /// Those on trial too.
    with_trials: bool,
    now: Instant,
}

impl Workers<'_> {
    /// The one with credit that would be done first is the only candidate.
    fn choose(&mut self, may: impl Fn(WorkerId, &Worker) -> bool, waiting: usize) -> Choice {
        let pools = serving(self.need, self.with_trials);
        let mut best = None;
        let mut limit = behind(f64::INFINITY);
        for room in [Room::Idle, Room::Some] {
            self.roster.search(room, pools, limit, self.now, |id, worker, rank| {
                if may(id, worker) {
                    (best, limit) = (Some(id), rank);
                }
                limit
            });
        }
        let (Some(worker), (finish_s, _)) = (best, limit) else {
            return Choice::Nobody;
        };
        let ask = Ask { need: self.need, waiting, finish_s, now: self.now };
        match self.foresight.left_to_others(ask, self.roster, pools, may) {
            Some(left_to_others) => Choice::Give { worker, left_to_others },
            None => Choice::Wait { finish_s },
        }
    }

    /// Whether one of them is such a worker, now or when its credit allows.
    fn are_any(&mut self, may: impl Fn(WorkerId, &Worker) -> bool) -> bool {
        let pools = serving(self.need, self.with_trials);
        let mut found = false;
        for room in [Room::Idle, Room::Some, Room::None] {
            let limit = if found { NOBODY } else { behind(f64::INFINITY) };
            self.roster.search(room, pools, limit, self.now, |id, worker, _| {
                found = may(id, worker);
                if found { NOBODY } else { limit }
            });
        }
        found
    }
}

fn serving(need: Option<&ModelDigest>, with_trials: bool) -> impl Fn(&Pool) -> bool + Copy {
    move |pool: &Pool| pool.serves(need) && (with_trials || !pool.is_on_trial())
}
