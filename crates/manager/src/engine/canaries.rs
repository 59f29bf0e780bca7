//! Canaries: pictures whose class is known, asked of each worker now and then. Here is decided which worker is asked what,
//! what an answer means, and when a canary itself is at fault. Nothing here reads a clock, awaits or sends.
//!
//! A canary is *proven* once any worker has answered it rightly: all workers hold one model, and a model answers a picture
//! the same way each time. A worker that answers a proven canary wrongly is condemned at once. A wrong answer to one that is
//! not proven may be the model's own: it is remembered, and the canary goes to another worker next. Does that answer rightly,
//! the first is condemned; does it say the same, the canary is retired. A worker that answers [`SUSPICIONS_MAX`] such wrongly
//! without a right answer between is condemned as well: it may be alone.
//!
//! A condemned worker is asked canaries and nothing else, and acquitted after [`PASSES`] right answers in a row.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use manyeyes_protocol::id::{ImageId, WorkerId};

use crate::settings::{Canary, CanarySettings};

/// Set in the number of a delivery that is no image of the books: those are counted from 1, and do not come so far.
const CANARY_BIT: u64 = 1 << 63;
/// So many wrong answers to canaries that nobody has proven condemn a worker. One or two are a model's own mistakes on
/// pictures that a person chose.
const SUSPICIONS_MAX: u32 = 3;
/// So many right answers in a row acquit a condemned worker: one that is wrong every other time has one such in eight.
const PASSES: u32 = 3;
/// How long a condemned worker is left alone after it was condemned, or after a wrong answer to a trial; doubled for each
/// further one.
const TRIAL_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause: a worker that was mended is back within a minute or so.
const TRIAL_PAUSE_LIMIT: Duration = Duration::from_secs(60);
/// Of what a worker answered since its last right canary, the most that is taken back; the latest. Twenty times what it is
/// given between two canaries.
const DOUBTED_MAX: usize = 1000;
/// The most workers that are remembered; one that has gone is forgotten for another.
const WATCHED_MAX: usize = 1024;

/// Watches over the workers' answers.
#[derive(Debug)]
pub(super) struct Canaries {
    every: u32,
    pictures: Vec<Picture>,
    /// Those of them that are not proven, and were answered wrongly.
    suspect: BTreeSet<usize>,
    /// By name, so that a worker that comes back is the same.
    watched: BTreeMap<String, Watched>,
    last_number: u64,
    tally: CanaryTally,
}

/// What canaries have found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CanaryTally {
    /// Wrong answers to them, those included that turned out to be the model's.
    pub(crate) wrong: u64,
    /// Canaries that are asked no more, because the model is wrong about them.
    pub(crate) retired: u64,
}

#[derive(Debug)]
struct Picture {
    canary: Canary,
    repute: Repute,
}

/// What is known of a canary.
#[derive(Debug)]
enum Repute {
    /// Nobody has answered it rightly yet. Who has answered what.
    Unproven(Vec<(String, String)>),
    Proven,
    Retired,
}

#[derive(Debug)]
struct Watched {
    /// The process that has, or last had, the name.
    worker: WorkerId,
    here: bool,
    asked: Option<Asked>,
    times_asked: u64,
    /// Deliveries since it was asked last; `None`: it has not been asked since it came.
    deliveries: Option<u32>,
    /// It had no answer when it was asked last: it is not asked out of turn.
    balked: bool,
    /// The picture after the one that it was asked last.
    next: usize,
    suspicions: u32,
    /// What it has answered since its last right canary.
    answered: VecDeque<(ImageId, u32)>,
    condemned: Option<Condemned>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    number: ImageId,
    picture: usize,
}

#[derive(Clone, Copy, Debug)]
struct Condemned {
    trial_at: Instant,
    pause: Duration,
    passed: u32,
}

/// A canary to be given to a worker.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) worker: WorkerId,
    pub(super) number: ImageId,
    pub(super) file: Bytes,
}

/// What an answer to a canary means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The worker's answers are not to be believed, nor these of it.
    Condemned { worker: WorkerId, why: String, doubted: Vec<(ImageId, u32)> },
    /// The worker answers rightly again.
    Acquitted { worker: WorkerId },
    /// The model is wrong about this file.
    Retired { file: String, said: String },
}

/// Whether a delivery is a canary's.
pub(super) fn is_canary(image: ImageId) -> bool {
    image.0 & CANARY_BIT != 0
}

impl Canaries {
    pub(super) fn new(settings: CanarySettings) -> Self {
        let picture = |canary| Picture { canary, repute: Repute::Unproven(Vec::new()) };
        Self {
            every: settings.every.max(1),
            pictures: settings.pictures.into_iter().map(picture).collect(),
            suspect: BTreeSet::new(),
            watched: BTreeMap::new(),
            last_number: 0,
            tally: CanaryTally::default(),
        }
    }

    /// A worker is there.
    pub(super) fn joined(&mut self, worker: WorkerId, name: &str) {
        if self.pictures.is_empty() {
            return;
        }
        if !self.watched.contains_key(name) && self.watched.len() >= WATCHED_MAX {
            let gone = self.watched.iter().find(|(_, watched)| !watched.here).map(|(name, _)| name.clone());
            gone.and_then(|name| self.watched.remove(&name));
        }
        let first = self.watched.len();
        let watched = self.watched.entry(name.to_owned()).or_insert_with(|| Watched {
            worker,
            here: true,
            asked: None,
            times_asked: 0,
            deliveries: None,
            balked: false,
            // Not all with the same one, so that many are proven soon.
            next: first,
            suspicions: 0,
            answered: VecDeque::new(),
            condemned: None,
        });
        (watched.worker, watched.here, watched.asked, watched.deliveries) = (worker, true, None, None);
    }

    /// A worker has gone.
    pub(super) fn left(&mut self, worker: WorkerId) {
        if let Some(watched) = self.by_id(worker) {
            (watched.here, watched.asked) = (false, None);
        }
    }

    /// A worker was given an image.
    pub(super) fn delivered(&mut self, worker: WorkerId) {
        if let Some(deliveries) = self.by_id(worker).and_then(|watched| watched.deliveries.as_mut()) {
            *deliveries = deliveries.saturating_add(1);
        }
    }

    /// A worker has answered an image, in this run of it.
    pub(super) fn answered_an_image(&mut self, worker: WorkerId, image: ImageId, run: u32) {
        if let Some(watched) = self.by_id(worker) {
            if watched.answered.len() == DOUBTED_MAX {
                watched.answered.pop_front();
            }
            watched.answered.push_back((image, run));
        }
    }

    /// The next canary that is to be given to a worker now.
    pub(super) fn due(&mut self, now: Instant) -> Option<Ask> {
        let every = self.every;
        let is_due = |name: &str, watched: &Watched| match watched.condemned {
            Some(condemned) => condemned.trial_at <= now,
            None => {
                let its_turn = watched.deliveries.is_none_or(|deliveries| deliveries >= every);
                its_turn || (!watched.balked && self.suspect(name).is_some())
            }
        };
        let mut due = self.watched.iter().filter(|(name, watched)| watched.is_free() && is_due(name, watched));
        let (name, picture) = due.find_map(|(name, watched)| Some((name.clone(), self.choose(name, watched)?)))?;
        self.last_number += 1;
        let number = ImageId(CANARY_BIT | self.last_number);
        let watched = self.watched.get_mut(&name)?;
        watched.asked = Some(Asked { number, picture });
        watched.times_asked += 1;
        (watched.deliveries, watched.balked) = (Some(0), false);
        watched.next = picture + 1;
        Some(Ask { worker: watched.worker, number, file: self.pictures[picture].canary.file.clone() })
    }

    /// When another may be due though nothing happens.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.watched.values().filter(|watched| watched.is_free());
        waiting.filter_map(|watched| watched.condemned).map(|condemned| condemned.trial_at).min()
    }

    /// A worker has no answer to a canary through no fault of the picture's, or has not answered it in time.
    pub(super) fn not_answered(&mut self, worker: WorkerId, number: ImageId, now: Instant) {
        let Some(watched) = self.by_id(worker).filter(|watched| watched.was_asked(number).is_some()) else {
            return;
        };
        (watched.asked, watched.balked) = (None, true);
        watched.put_off_trial(now);
    }

    /// A worker has answered a canary: with this class, or with why nobody could recognise it.
    pub(super) fn answered(&mut self, worker: WorkerId, number: ImageId, said: &str, now: Instant) -> Vec<Verdict> {
        let Some((name, watched)) = self.watched.iter_mut().find(|(_, watched)| watched.worker == worker) else {
            return Vec::new();
        };
        let Some(picture) = watched.was_asked(number) else {
            return Vec::new();
        };
        watched.asked = None;
        let name = name.clone();
        if self.pictures[picture].canary.is_answered_by(said) {
            return self.right(&name, picture, now);
        }
        self.tally.wrong += 1;
        self.wrong(&name, picture, said, now)
    }

    pub(super) fn tally(&self) -> CanaryTally {
        self.tally
    }

    /// How many canaries each worker was given.
    pub(super) fn times_asked(&self) -> Vec<(String, u64)> {
        self.watched.iter().map(|(name, watched)| (name.clone(), watched.times_asked)).collect()
    }

    fn right(&mut self, name: &str, picture: usize, now: Instant) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.suspect.remove(&picture);
        let before = match &mut self.pictures[picture].repute {
            repute @ Repute::Unproven(_) => std::mem::replace(repute, Repute::Proven),
            Repute::Proven | Repute::Retired => Repute::Proven,
        };
        if let Some(watched) = self.watched.get_mut(name) {
            watched.suspicions = 0;
            watched.answered.clear();
            if let Some(condemned) = &mut watched.condemned {
                condemned.passed += 1;
                condemned.trial_at = now;
                if condemned.passed >= PASSES {
                    watched.condemned = None;
                    verdicts.push(Verdict::Acquitted { worker: watched.worker });
                }
            }
        }
        if let Repute::Unproven(wrong) = before {
            verdicts.extend(wrong.iter().filter_map(|(liar, said)| self.condemn(liar, picture, said, now)));
        }
        verdicts
    }

    fn wrong(&mut self, name: &str, picture: usize, said: &str, now: Instant) -> Vec<Verdict> {
        let Some(watched) = self.watched.get_mut(name) else {
            return Vec::new();
        };
        if watched.condemned.is_some() {
            watched.put_off_trial(now);
            return Vec::new();
        }
        match &mut self.pictures[picture].repute {
            Repute::Proven => self.condemn(name, picture, said, now).into_iter().collect(),
            Repute::Retired => Vec::new(),
            Repute::Unproven(wrong) if wrong.iter().any(|(other, same)| other != name && same == said) => {
                let agreed: Vec<String> = wrong.drain(..).map(|(other, _)| other).collect();
                self.retire(picture, said, &agreed)
            }
            Repute::Unproven(wrong) => {
                self.suspect.insert(picture);
                if wrong.iter().all(|(other, _)| other != name) {
                    wrong.push((name.to_owned(), said.to_owned()));
                }
                watched.suspicions += 1;
                let too_many = watched.suspicions >= SUSPICIONS_MAX;
                too_many.then(|| self.condemn(name, picture, said, now)).flatten().into_iter().collect()
            }
        }
    }

    /// The model is wrong about a picture: nobody is to be suspected for it. Without any picture left nobody could be
    /// acquitted, so all are.
    fn retire(&mut self, picture: usize, said: &str, suspected: &[String]) -> Vec<Verdict> {
        self.pictures[picture].repute = Repute::Retired;
        self.suspect.remove(&picture);
        self.tally.retired += 1;
        for name in suspected {
            if let Some(watched) = self.watched.get_mut(name) {
                watched.suspicions = watched.suspicions.saturating_sub(1);
            }
        }
        let file = self.pictures[picture].canary.name.clone();
        let mut verdicts = vec![Verdict::Retired { file, said: said.to_owned() }];
        if self.pictures.iter().all(|picture| matches!(picture.repute, Repute::Retired)) {
            let acquitted =
                |watched: &mut Watched| watched.condemned.take().map(|_| Verdict::Acquitted { worker: watched.worker });
            verdicts.extend(self.watched.values_mut().filter_map(acquitted));
        }
        verdicts
    }

    fn condemn(&mut self, name: &str, picture: usize, said: &str, now: Instant) -> Option<Verdict> {
        let watched = self.watched.get_mut(name).filter(|watched| watched.condemned.is_none())?;
        watched.suspicions = 0;
        watched.condemned = Some(Condemned { trial_at: now + TRIAL_PAUSE, pause: TRIAL_PAUSE, passed: 0 });
        let canary = &self.pictures[picture].canary;
        let right = canary.classes.first().map_or("", String::as_str);
        let why = format!("it answered '{said}' to a known picture of '{right}' ({})", canary.name);
        Some(Verdict::Condemned { worker: watched.worker, why, doubted: watched.answered.drain(..).collect() })
    }

    /// The picture for a worker: one for which another is suspected; else the next in turn. One on trial is asked what is
    /// proven, as long as anything is.
    fn choose(&self, name: &str, watched: &Watched) -> Option<usize> {
        let proven = || self.in_turn(watched).find(|at| matches!(self.pictures[*at].repute, Repute::Proven));
        let first_choice = if watched.condemned.is_some() { proven() } else { self.suspect(name) };
        first_choice.or_else(|| self.in_turn(watched).find(|at| !matches!(self.pictures[*at].repute, Repute::Retired)))
    }

    /// A picture that others have answered wrongly, or the model answers so: this worker's word will tell.
    fn suspect(&self, name: &str) -> Option<usize> {
        self.suspect.iter().copied().find(|at| match &self.pictures[*at].repute {
            Repute::Unproven(wrong) => wrong.iter().all(|(other, _)| other != name),
            Repute::Proven | Repute::Retired => false,
        })
    }

    fn in_turn(&self, watched: &Watched) -> impl Iterator<Item = usize> {
        let (count, next) = (self.pictures.len(), watched.next);
        (0..count).map(move |step| (next + step) % count)
    }

    fn by_id(&mut self, worker: WorkerId) -> Option<&mut Watched> {
        self.watched.values_mut().find(|watched| watched.worker == worker)
    }
}

impl Watched {
    /// Whether it may be asked at all.
    fn is_free(&self) -> bool {
        self.here && self.asked.is_none()
    }

    fn was_asked(&self, number: ImageId) -> Option<usize> {
        self.asked.filter(|asked| asked.number == number).map(|asked| asked.picture)
    }

    fn put_off_trial(&mut self, now: Instant) {
        if let Some(condemned) = &mut self.condemned {
            condemned.passed = 0;
            condemned.pause = (condemned.pause * 2).min(TRIAL_PAUSE_LIMIT);
            condemned.trial_at = now + condemned.pause;
        }
    }
}

#[cfg(test)]
mod tests;
