//! What a client has noted during a run: what it sent and when, what it was told and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::told::{Happening, Image, Worker};

/// Shared by the threads of a client and who waits for it.
#[derive(Default)]
pub(crate) struct Notebook {
    notes: Mutex<Notes>,
    news: Condvar,
}

/// All that was noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The moment before the first byte of the first upload.
    pub(crate) began: Option<Instant>,
    /// How long before that the last of the images had its answer that went before; `None` where none did, or not all had one.
    pub(crate) idle_s: Option<f64>,
    /// The workers as they were then, by their ids.
    pub(crate) workers_before: BTreeMap<String, Worker>,
    /// By the image's number.
    pub(crate) uploads: BTreeMap<u32, Upload>,
    /// What was told of images, by their ids.
    pub(crate) told: BTreeMap<String, Told>,
    /// The last copy of each worker, by its id: those that are gone for long are told of no more.
    pub(crate) workers: BTreeMap<String, Worker>,
    /// What happened to workers, with when, in seconds since the beginning.
    pub(crate) happenings: Vec<(f64, Happening)>,
    /// The batch as it was at the end, image by image; `None`: it could not be read.
    pub(crate) last: Option<Vec<Image>>,
}

/// An upload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upload {
    pub(crate) bytes: u64,
    pub(crate) begun_s: f64,
    pub(crate) accepted_s: Option<f64>,
    /// The image's id, once the manager has said it.
    pub(crate) id: Option<String>,
    /// Why it was refused for good.
    pub(crate) refused: Option<String>,
}

/// What was told of an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// When its answer was there first.
    pub(crate) answered_s: Option<f64>,
    /// How many different answers came.
    pub(crate) answers: u32,
    /// The newest copy.
    pub(crate) image: Image,
}

impl Notebook {
    /// A copy of everything.
    pub(crate) fn read(&self) -> Notes {
        self.lock().clone()
    }

    /// The run begins.
    pub(crate) fn begin(&self, now: Instant) {
        self.write(|notes| notes.began = Some(now));
    }

    /// Images went before, the last of them answered then; the workers are like that now.
    pub(crate) fn went_before(&self, answered: Instant, now: Instant, workers: Vec<Worker>) {
        self.write(|notes| {
            notes.idle_s = Some(now.saturating_duration_since(answered).as_secs_f64());
            notes.workers_before = workers.into_iter().map(|worker| (worker.id.clone(), worker)).collect();
        });
    }

    /// Seconds since the beginning.
    pub(crate) fn read_since(&self, now: Instant) -> f64 {
        self.lock().since(now)
    }

    pub(crate) fn upload(&self, number: u32, note: impl FnOnce(&mut Upload)) {
        self.write(|notes| note(notes.uploads.entry(number).or_default()));
    }

    /// An image was told of at this moment. A copy that is older than one that was told already is no news.
    pub(crate) fn told(&self, now: Instant, image: Image) {
        self.write(|notes| {
            let since = notes.since(now);
            let told = notes.told.entry(image.id.clone()).or_default();
            if image.seq <= told.image.seq && told.image.seq > 0 {
                return;
            }
            // Told again with the same answer it is the same answer: where it is kept has changed, or its small picture.
            let is_new = image.labels.iter().map(|label| &label.name).ne(told.image.labels.iter().map(|it| &it.name))
                || image.state != told.image.state
                || image.worker != told.image.worker;
            if image.has_ended() && is_new {
                told.answers += 1;
                told.answered_s.get_or_insert(since);
            }
            told.image = image;
        });
    }

    /// Workers as they are at this moment, and what has happened to them.
    pub(crate) fn status(&self, now: Instant, workers: Vec<Worker>, happenings: Vec<Happening>) {
        self.write(|notes| {
            let since = notes.since(now);
            notes.workers.extend(workers.into_iter().map(|worker| (worker.id.clone(), worker)));
            for happening in happenings {
                let is_known = |(_, other): &(f64, Happening)| {
                    other.seq == happening.seq && other.kind == happening.kind && other.worker == happening.worker
                };
                if !notes.happenings.iter().any(is_known) {
                    notes.happenings.push((since - happening.ago_ms as f64 / 1e3, happening));
                }
            }
        });
    }

    /// The batch as it is at the end.
    pub(crate) fn last(&self, images: Vec<Image>) {
        self.write(|notes| notes.last = Some(images));
    }

    /// Waits until a run of so many images has ended, or for `time`; says whether it has.
    pub(crate) fn await_end(&self, images: u32, time: Duration) -> bool {
        let notes = self.lock();
        let wait = self.news.wait_timeout_while(notes, time, |notes| !notes.have_all_ended(images));
        let (notes, _) = wait.unwrap_or_else(PoisonError::into_inner);
        notes.have_all_ended(images)
    }

    /// How many workers are not to be counted on any more, since the beginning.
    pub(crate) fn gone(&self) -> usize {
        let notes = self.lock();
        let gone = notes.happenings.iter().filter(|(at_s, happening)| *at_s >= 0.0 && happening.is_loss());
        gone.map(|(_, happening)| &happening.worker).collect::<BTreeSet<_>>().len()
    }

    /// For how long the run has lasted, once it has begun.
    pub(crate) fn since_beginning(&self, now: Instant) -> Option<Duration> {
        self.lock().began.map(|began| now.saturating_duration_since(began))
    }

    fn write(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.lock());
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        // Notes are whole after each change, also where the thread that made it has panicked since.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// Seconds since the beginning; below zero before it, which nobody measures.
    pub(crate) fn since(&self, now: Instant) -> f64 {
        self.began.map_or(-1.0, |began| match now.checked_duration_since(began) {
            Some(since) => since.as_secs_f64(),
            None => -began.duration_since(now).as_secs_f64(),
        })
    }

    fn have_all_ended(&self, images: u32) -> bool {
        let has_ended = |upload: &Upload| {
            let told = upload.id.as_ref().and_then(|id| self.told.get(id));
            upload.refused.is_some() || told.is_some_and(|told| told.image.has_ended())
        };
        self.uploads.len() == images as usize && self.uploads.values().all(has_ended)
    }
}
