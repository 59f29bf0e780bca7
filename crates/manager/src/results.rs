//! What becomes of the images: recorded first, then acknowledged to the worker, then shown. The one place that decides
//! what a page may see, and the one place where late and repeated results end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use manyeyes_link::WireUse;
use manyeyes_protocol::{
    id::{BatchId, ImageId},
    result::Label as AnswerLabel,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    admission::Places,
    api::{Image, ImageState, Label, Wire},
    engine::{Engine, Outcome, Receipt, after_recording, work},
    hub::Hub,
    live::{Holder, Live},
    store::{BatchKey, Ending, ImageRow, Recorded, Store, StoreError},
};

/// Endings that may be on their way into the books. Full: results receives nothing more, and the engine waits.
const RECORDING: usize = 4096;
/// How long to wait before an ending that could not be written (a full disk, say) is tried again.
const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// Records and shows. Clones are handles of the same.
#[derive(Clone)]
pub(crate) struct Results {
    pub(crate) store: Store,
    pub(crate) live: Arc<Live>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) tally: Arc<Tally>,
    /// One for each image that has not ended.
    pub(crate) waiting: Places,
}

/// What this run of the manager has counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: AtomicU64,
    pub(crate) accepted_bytes: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) assigned: AtomicU64,
    pub(crate) requeued: AtomicU64,
    pub(crate) recognised: AtomicU64,
    /// Those of them that were recognised from a smaller form.
    pub(crate) recognised_smaller: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// Requests that were refused for want of a place.
    pub(crate) turned_away: AtomicU64,
    /// Results of images that had ended or were gone.
    pub(crate) repeated: AtomicU64,
    /// Answers that were taken back because their worker was found to answer wrongly.
    pub(crate) taken_back: AtomicU64,
}

/// An ending that is on its way into the books.
struct Recording {
    image: ImageId,
    ending: Ending,
    /// When the engine heard of it.
    heard: Instant,
    receipt: Option<Receipt>,
}

impl Results {
    /// Receives outcomes until there are no more, and ends when the last is recorded.
    pub(crate) async fn run(self, mut outcomes: mpsc::Receiver<Outcome>, engine: Engine) {
        let mut recording = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = recording.next() => {}
                outcome = outcomes.recv(), if recording.len() < RECORDING => match outcome {
                    Some(Outcome::Doubted { worker, images }) => {
                        // What is doubted may be on its way into the books: it has to be there to be taken back.
                        while recording.next().await.is_some() {}
                        self.take_back(&worker, &images, &engine).await;
                    }
                    Some(outcome) => if let Some(ending) = self.received(outcome, &engine) {
                        recording.push(self.record(ending, &engine));
                    },
                    None => break,
                },
            }
        }
        while recording.next().await.is_some() {}
    }

    /// Shows images of one batch that have become durable.
    pub(crate) fn uploaded(&self, rows: &[ImageRow]) {
        if rows.first().is_some_and(|row| self.hub.is_watched(row.batch)) {
            rows.iter().zip(&self.current(rows)).for_each(|(row, image)| self.hub.changed(row.batch, row.id, image));
        }
    }

    /// Images as they are now, from how the books have them.
    pub(crate) fn current(&self, rows: &[ImageRow]) -> Vec<Image> {
        let mut images: Vec<Image> = rows.iter().map(shown).collect();
        self.live.overlay(rows.iter().map(|row| row.id).zip(&mut images));
        images
    }

    /// A person takes the image back.
    pub(crate) async fn cancel(&self, image: ImageId) -> Result<Recorded, StoreError> {
        let attempts = self.live.ending(image).unwrap_or(0);
        let recorded = self.store.finish(image, Ending::Cancelled { attempts }).await;
        match &recorded {
            Ok(Recorded::Yes(row)) => self.ended(row),
            Ok(Recorded::No(_) | Recorded::OtherModel(..) | Recorded::Gone) => {}
            Err(_) => self.live.not_ending(image),
        }
        recorded
    }

    /// The image is no more.
    pub(crate) fn deleted(&self, batch: BatchId, image: ImageId) {
        self.live.ended(image);
        self.hub.deleted(batch, image);
    }

    /// Batches are no more.
    pub(crate) fn gone(&self, batches: &[BatchKey]) {
        batches.iter().for_each(|batch| self.hub.gone(batch.number));
    }

    fn received(&self, outcome: Outcome, engine: &Engine) -> Option<Recording> {
        match outcome {
            Outcome::Assigned { image, worker, attempt, at } => {
                self.tally.assigned.fetch_add(1, Relaxed);
                let holder = Holder { worker, since: at };
                let told = self.live.assigned(image, holder, attempt.0, || self.store.next_seq());
                self.changed_hands(image, told);
                None
            }
            Outcome::Requeued { image } => {
                self.tally.requeued.fetch_add(1, Relaxed);
                let told = self.live.requeued(image, || self.store.next_seq());
                self.changed_hands(image, told);
                None
            }
            Outcome::Answered { image, run, model, worker, answer, wire, used, at, receipt } => {
                let timing = self.live.timing(image, wire, answer.timing, at);
                let attempts = self.live.ending(image).unwrap_or(0).max(receipt.attempt.0);
                let labels = answer.labels.into_iter().map(label).collect();
                let worker = worker.to_string();
                let form_bytes = wire.form_bytes;
                let wire = used.map(|used| wire_of(*used));
                let ending = Ending::Recognised { run, model, labels, worker, attempts, timing, wire, form_bytes };
                Some(Recording { image, ending, heard: at, receipt: Some(receipt) })
            }
            Outcome::Failed { image, run, worker, problem, at, receipt } => {
                let timing = self.live.timing_without_answer(image, at);
                let attempts = self.live.ending(image).unwrap_or(0).max(receipt.attempt.0);
                let worker = Some(worker.to_string());
                let ending = Ending::Failed { run, problem, worker, attempts, timing };
                Some(Recording { image, ending, heard: at, receipt: Some(receipt) })
            }
            Outcome::Outdated { receipt } => {
                self.tally.repeated.fetch_add(1, Relaxed);
                engine.acknowledge(receipt);
                None
            }
            Outcome::GivenUp { image, run, problem, at } => {
                let timing = self.live.timing_without_answer(image, at);
                let attempts = self.live.ending(image).unwrap_or(0);
                let ending = Ending::Failed { run, problem, worker: None, attempts, timing };
                Some(Recording { image, ending, heard: at, receipt: None })
            }
            Outcome::Vanished { image } => {
                self.live.ended(image);
                None
            }
            // The loop has its own way with those.
            Outcome::Doubted { .. } => None,
        }
    }

    /// Takes answers back that are not to be believed: their images wait again, in a run of their own. What has become of an
    /// image since, or is kept no more, stays as it is.
    async fn take_back(&self, worker: &str, images: &[(ImageId, u32)], engine: &Engine) {
        let taking: Vec<_> = images.iter().map(|&(image, run)| self.store.take_back(image, run, worker)).collect();
        let mut waiting = Vec::new();
        for taken in futures_util::future::join_all(taking).await {
            match taken {
                Ok(Recorded::Yes(row)) => waiting.push(*row),
                Ok(Recorded::No(_) | Recorded::OtherModel(..) | Recorded::Gone) => {}
                Err(error) => tracing::error!(worker, %error, "failed to take back a doubtful answer"),
            }
        }
        tracing::info!(worker, images = waiting.len(), "what it answered of late is recognised again");
        self.tally.taken_back.fetch_add(waiting.len() as u64, Relaxed);
        let now = Instant::now();
        for row in &waiting {
            // What a worker did wrong is no reason to refuse it a place.
            self.live.reopened(row.id, row.batch, row.seq, now, row.attempts, self.waiting.take_anyway());
            self.uploaded(std::slice::from_ref(row));
        }
        let engine = engine.clone();
        // Not waited for: while results waits for the engine, the engine must not wait for results.
        tokio::spawn(async move { engine.submit(waiting.iter().map(work).collect()).await });
    }

    /// Shows who has an image, if anyone watches its batch.
    fn changed_hands(&self, image: ImageId, batch: Option<BatchId>) {
        let Some(batch) = batch.filter(|&batch| self.hub.is_watched(batch)) else {
            return;
        };
        match self.store.image(batch, image) {
            Ok(Some(row)) => {
                let now = &self.current(std::slice::from_ref(&row))[0];
                self.hub.changed(batch, image, now);
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%image, %error, "failed to read an image from the books"),
        }
    }

    /// Writes the ending down, then lets the worker forget it and shows it. An ending is not lost to a full disk: it is
    /// tried again until it is in the books or the store is closed.
    ///
    /// Those who wait for the ending itself are told as soon as it is decided, which is a sync of the disk earlier. What they are told has no
    /// address at which it could be read again, and a manager that dies in between has the durable image recognised once more.
    async fn record(&self, recording: Recording, engine: &Engine) {
        let Recording { image, ending, heard, receipt } = recording;
        let recorded = loop {
            let (decided, recorded) = self.store.finish_soon(image, ending.clone());
            if let Ok(row) = decided.await {
                tell(self.live.take_waiters(image), &shown(&row));
            }
            match recorded.await {
                Ok(recorded) => break recorded,
                Err(StoreError::Closed) => return,
                // What the books have of the image is shown as lost, and takes no ending however often it is tried.
                Err(error @ StoreError::DamagedEntry(_)) => {
                    tracing::error!(%image, %error, "failed to record a result");
                    if let Some(receipt) = receipt {
                        engine.acknowledge(receipt);
                    }
                    self.live.ended(image);
                    return;
                }
                Err(error) => {
                    // That the disk is in trouble is said by who writes, once for all results.
                    tracing::debug!(%image, %error, "failed to record a result; trying again");
                    tokio::time::sleep(RECORD_AGAIN).await;
                }
            }
        };
        if let Some(receipt) = receipt {
            engine.acknowledge(receipt);
        }
        if let Some(asked) = after_recording(&recorded, &ending, heard, Instant::now()) {
            let engine = engine.clone();
            // Not waited for: while results waits for the engine, the engine must not wait for results.
            tokio::spawn(async move { engine.follow_up(asked).await });
        }
        match recorded {
            Recorded::Yes(row) => {
                let counter = if matches!(ending, Ending::Recognised { .. }) {
                    &self.tally.recognised
                } else {
                    &self.tally.failed
                };
                counter.fetch_add(1, Relaxed);
                if row.form_bytes.is_some_and(|sent| sent < row.bytes) {
                    self.tally.recognised_smaller.fetch_add(1, Relaxed);
                }
                self.ended(&row);
            }
            // Delivery is at least once: this is where every result but the first ends.
            Recorded::No(row) => {
                self.tally.repeated.fetch_add(1, Relaxed);
                if row.state == ImageState::Waiting {
                    // It was of an earlier run, and has not ended this one.
                    self.live.not_ending(image);
                } else {
                    tell(self.live.outlived(image, row.seq), &shown(&row));
                }
            }
            Recorded::OtherModel(..) => {
                self.tally.repeated.fetch_add(1, Relaxed);
                self.live.not_ending(image);
                let told = self.live.requeued(image, || self.store.next_seq());
                self.changed_hands(image, told);
            }
            Recorded::Gone => {
                self.tally.repeated.fetch_add(1, Relaxed);
                self.live.ended(image);
            }
        }
    }

    /// The image's ending is durable: shows it, and tells those who wait for it.
    fn ended(&self, row: &ImageRow) {
        let waiters = self.live.ended(row.id);
        if waiters.is_empty() && !self.hub.is_watched(row.batch) {
            return;
        }
        let image = shown(row);
        self.hub.changed(row.batch, row.id, &image);
        tell(waiters, &image);
    }
}

/// Tells those who wait for an image's ending.
fn tell(waiters: Vec<oneshot::Sender<Image>>, image: &Image) {
    for waiter in waiters {
        // Whoever waited may have gone.
        let _ = waiter.send(image.clone());
    }
}

/// An image as the books have it.
pub(crate) fn shown(row: &ImageRow) -> Image {
    Image {
        id: row.id.to_string(),
        name: row.name.clone(),
        state: row.state,
        labels: row.labels.clone(),
        worker: row.worker.clone(),
        model: row.model.clone(),
        attempts: row.attempts,
        error: row.problem.clone(),
        timing_ms: row.timing,
        wire: row.wire,
        bytes: row.bytes,
        form_bytes: row.form_bytes,
        sha256: row.sha256.map(|digest| hex(&digest)),
        media_type: row.media_type.clone(),
        width: row.width,
        height: row.height,
        seq: row.seq,
    }
}

/// Seconds since `began` by the wall clock; 0 where the clock has been set back.
pub(crate) fn age(began: SystemTime) -> Duration {
    began.elapsed().unwrap_or_default()
}

fn wire_of(used: WireUse) -> Wire {
    Wire {
        bytes_sent: used.bytes_sent,
        bytes_resent: used.bytes_resent,
        rtt_ms: used.round_trip.map(|round_trip| round_trip.as_micros() as f64 / 1000.0),
        window_bytes: used.window_bytes,
        delivery_bits_per_s: used.delivery_bytes_per_s.map(|bytes| bytes as f64 * 8.0),
    }
}

fn label(label: AnswerLabel) -> Label {
    Label { index: label.index, name: label.name, probability: label.probability }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
