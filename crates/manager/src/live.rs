//! What is known of unfinished images beyond the books: who has them, since when, and who waits for them.
//!
//! Nothing here is written down. After a restart an image is `waiting` until it is assigned again.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use manyeyes_link::WireTiming;
use manyeyes_protocol::{
    id::{BatchId, ImageId},
    result::WorkerTiming,
};
use tokio::sync::oneshot;

use crate::{
    admission::Place,
    api::{Image, ImageState, Queue, Timing},
    rate::Rate,
};

/// The unfinished images.
#[derive(Debug, Default)]
pub(crate) struct Live {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    images: HashMap<ImageId, LiveImage>,
    /// How many of a batch are with a worker. No entry for none.
    assigned: HashMap<BatchId, u32>,
    ends: Rate,
}

#[derive(Debug)]
struct LiveImage {
    batch: BatchId,
    /// The number of the change that made it unfinished.
    unfinished_since: u64,
    seq: u64,
    began: Instant,
    upload: Upload,
    assigned: Option<Holder>,
    attempts: u32,
    /// Its ending is on the way into the books: no change of who has it is to be shown after it.
    ending: bool,
    waiters: Vec<oneshot::Sender<Image>>,
    /// Its place among those that may wait.
    _place: Place,
}

/// How far an image's upload is.
#[derive(Clone, Copy, Debug)]
enum Upload {
    /// It has its number; nobody outside may hear of it.
    NotDurable,
    /// Durable since.
    Durable(Instant),
    /// By an earlier run of the manager, so how long it took is not known.
    Earlier,
}

/// Who has an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The worker's id, as it is shown.
    pub(crate) worker: Arc<str>,
    /// When it was handed over.
    pub(crate) since: Instant,
}

impl Live {
    /// An image has its number. `began` is when its first byte arrived; `seq` is its change's number.
    pub(crate) fn kept(&self, image: ImageId, batch: BatchId, seq: u64, began: Instant, place: Place) {
        self.insert(image, LiveImage::new(batch, seq, began, Upload::NotDurable, 0, place));
    }

    /// An image that an earlier run of the manager accepted, or that is tried again.
    pub(crate) fn reopened(
        &self,
        image: ImageId,
        batch: BatchId,
        seq: u64,
        began: Instant,
        attempts: u32,
        place: Place,
    ) {
        self.insert(image, LiveImage::new(batch, seq, began, Upload::Earlier, attempts, place));
    }

    /// The image would survive a crash, so it may be shown, unless it has been answered already.
    pub(crate) fn durable(&self, image: ImageId, now: Instant) {
        if let Some(live) = self.lock().images.get_mut(&image) {
            live.upload = Upload::Durable(now);
        }
    }

    /// Calls back with the image as it ends; dropped without a call when it is deleted. `None` where it has ended.
    pub(crate) fn wait_for(&self, image: ImageId) -> Option<oneshot::Receiver<Image>> {
        let (sender, receiver) = oneshot::channel();
        self.lock().images.get_mut(&image)?.waiters.push(sender);
        Some(receiver)
    }

    /// A worker has it. Says which batch is to be told; none when there is nothing that may be shown.
    pub(crate) fn assigned(
        &self,
        image: ImageId,
        holder: Holder,
        attempt: u32,
        seq: impl FnOnce() -> u64,
    ) -> Option<BatchId> {
        self.change(image, Some(holder), Some(attempt), seq)
    }

    /// Nobody has it any more. Says which batch is to be told, as [`Live::assigned`] does.
    pub(crate) fn requeued(&self, image: ImageId, seq: impl FnOnce() -> u64) -> Option<BatchId> {
        self.change(image, None, None, seq)
    }

    /// Those who wait for its ending, who are to be told of it before the books have it, and wait no more.
    pub(crate) fn take_waiters(&self, image: ImageId) -> Vec<oneshot::Sender<Image>> {
        self.lock().images.get_mut(&image).map(|live| mem::take(&mut live.waiters)).unwrap_or_default()
    }

    /// Its ending goes into the books now. Gives how often it has been assigned.
    pub(crate) fn ending(&self, image: ImageId) -> Option<u32> {
        let mut table = self.lock();
        let live = table.images.get_mut(&image)?;
        live.ending = true;
        Some(live.attempts)
    }

    /// Its ending could not go into the books after all.
    pub(crate) fn not_ending(&self, image: ImageId) {
        if let Some(live) = self.lock().images.get_mut(&image) {
            live.ending = false;
        }
    }

    /// The books have an ending of it, by the change `seq`. What is known here is forgotten if it is from before that: a
    /// late result may end an image between the moments when the books take it back to waiting and when it is noted here.
    /// Those who wait for it are given back, to be told.
    pub(crate) fn outlived(&self, image: ImageId, seq: u64) -> Vec<oneshot::Sender<Image>> {
        let is_older = self.lock().images.get(&image).is_some_and(|live| live.unfinished_since < seq);
        if is_older { self.ended(image) } else { Vec::new() }
    }

    /// It has ended or was deleted. Those who wait for it are given back, to be told.
    pub(crate) fn ended(&self, image: ImageId) -> Vec<oneshot::Sender<Image>> {
        let mut table = self.lock();
        let Some(live) = table.images.remove(&image) else {
            return Vec::new();
        };
        if live.assigned.is_some() {
            table.count(live.batch, -1);
        }
        table.ends.count(Instant::now());
        live.waiters
    }

    /// Where the time of an image went that was answered at `now`.
    pub(crate) fn timing(&self, image: ImageId, wire: WireTiming, worker: WorkerTiming, now: Instant) -> Timing {
        let table = self.lock();
        match table.images.get(&image) {
            Some(live) => timing(live.began, live.upload, wire, worker, now),
            None => timing(now, Upload::Earlier, wire, worker, now),
        }
    }

    /// Where the time of an image went that was given up at `now` without an answer.
    pub(crate) fn timing_without_answer(&self, image: ImageId, now: Instant) -> Timing {
        let table = self.lock();
        let Some(live) = table.images.get(&image) else {
            return Timing::default();
        };
        let upload = live.upload.lasted(live.began, now);
        let waiting = now.saturating_duration_since(live.began).saturating_sub(upload.unwrap_or_default());
        Timing {
            upload: upload.map(ms),
            waiting: Some(ms(waiting)),
            total: Some(ms(upload.unwrap_or_default() + waiting)),
            ..Timing::default()
        }
    }

    /// Lays what is known here over images as the books have them.
    pub(crate) fn overlay<'a>(&self, images: impl IntoIterator<Item = (ImageId, &'a mut Image)>) {
        let table = self.lock();
        for (id, image) in images {
            if let (ImageState::Waiting, Some(live)) = (image.state, table.images.get(&id)) {
                live.overlay(image);
            }
        }
    }

    /// How many images of the batch are with a worker.
    pub(crate) fn assigned_of(&self, batch: BatchId) -> u32 {
        self.lock().assigned.get(&batch).copied().unwrap_or(0)
    }

    /// How many images of all batches wait, and how many are with a worker.
    pub(crate) fn queue(&self) -> Queue {
        let table = self.lock();
        let assigned = table.assigned.values().sum();
        let unfinished = u32::try_from(table.images.len()).unwrap_or(u32::MAX);
        Queue { waiting: unfinished.saturating_sub(assigned), assigned }
    }

    /// How many images are unfinished.
    pub(crate) fn len(&self) -> usize {
        self.lock().images.len()
    }

    /// How many images have ended or were removed a second, as of late.
    pub(crate) fn ends_per_s(&self, now: Instant) -> f64 {
        self.lock().ends.per_s(now)
    }

    fn insert(&self, image: ImageId, live: LiveImage) {
        let mut table = self.lock();
        let before = table.images.insert(image, live);
        // Of an image that was run again as soon as it had ended, the ending may not have been noted here yet.
        if let Some(before) = before.filter(|before| before.assigned.is_some()) {
            table.count(before.batch, -1);
        }
    }

    fn change(
        &self,
        image: ImageId,
        holder: Option<Holder>,
        attempt: Option<u32>,
        seq: impl FnOnce() -> u64,
    ) -> Option<BatchId> {
        let mut table = self.lock();
        let live = table.images.get_mut(&image)?;
        if live.ending {
            return None;
        }
        let difference = i32::from(holder.is_some()) - i32::from(live.assigned.is_some());
        live.assigned = holder;
        live.attempts = attempt.unwrap_or(live.attempts);
        live.seq = seq();
        let (batch, shown) = (live.batch, !matches!(live.upload, Upload::NotDurable));
        table.count(batch, difference);
        shown.then_some(batch)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Each change is whole before anything that could panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&mut self, batch: BatchId, difference: i32) {
        let assigned = self.assigned.entry(batch).or_default();
        *assigned = assigned.saturating_add_signed(difference);
        if *assigned == 0 {
            self.assigned.remove(&batch);
        }
    }
}

impl LiveImage {
    fn new(batch: BatchId, seq: u64, began: Instant, upload: Upload, attempts: u32, place: Place) -> Self {
        Self {
            batch,
            unfinished_since: seq,
            seq,
            began,
            upload,
            assigned: None,
            attempts,
            ending: false,
            waiters: Vec::new(),
            _place: place,
        }
    }

    fn overlay(&self, image: &mut Image) {
        image.seq = image.seq.max(self.seq);
        image.attempts = self.attempts;
        if let Upload::Durable(at) = self.upload {
            image.timing_ms.upload = Some(ms(at.saturating_duration_since(self.began)));
        }
        if let Some(holder) = &self.assigned {
            image.state = ImageState::Assigned;
            image.worker = Some(holder.worker.to_string());
            let upload = self.upload.lasted(self.began, holder.since);
            let before = holder.since.saturating_duration_since(self.began);
            image.timing_ms.upload = upload.map(ms);
            image.timing_ms.waiting = Some(ms(before.saturating_sub(upload.unwrap_or_default())));
        }
    }
}

impl Upload {
    /// From the first byte to durable, or to `end` where that came first: an image may be handed to a worker before it
    /// is durable.
    fn lasted(self, began: Instant, end: Instant) -> Option<Duration> {
        match self {
            Self::NotDurable => Some(end.saturating_duration_since(began)),
            Self::Durable(at) => Some(at.min(end).saturating_duration_since(began)),
            Self::Earlier => None,
        }
    }
}

/// Splits the time from `began` to the answer at `now`. The clocks of two machines are never subtracted: what the worker
/// did not account for, less the way back, was the way there. The parts sum to the total.
fn timing(began: Instant, upload: Upload, wire: WireTiming, worker: WorkerTiming, now: Instant) -> Timing {
    let at_worker = worker.receive + worker.queue + worker.decode + worker.inference;
    let returning = wire.returning.min(wire.since_assigned.saturating_sub(at_worker));
    let sending = wire.since_assigned.saturating_sub(at_worker + returning);
    let assigned = now.checked_sub(wire.since_assigned).unwrap_or(began).max(began);
    let upload = upload.lasted(began, assigned);
    let waiting = assigned.saturating_duration_since(began).saturating_sub(upload.unwrap_or_default());
    let parts = [waiting, sending, worker.receive, worker.queue, worker.decode, worker.inference, returning].map(ms);
    let [waiting, sending, receive, worker_queue, decoding, inference, returning] = parts.map(Some);
    let upload = upload.map(ms);
    let total = Some(upload.unwrap_or_default() + parts.iter().sum::<f64>());
    Timing { upload, waiting, sending, receive, worker_queue, decoding, inference, returning, total }
}

/// Milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests;
