//! What happened in a run, and whether it may have: the checker. It hears of what became durable, of what people asked for
//! and of what truly befell the workers, and knows nothing of the manager.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use manyeyes_manager::api::ImageState;
use manyeyes_manager::store::{AnsweringModel, ImageRow};
use manyeyes_protocol::id::{BatchId, ImageId};

use crate::content::{Nature, Token};

/// The history of one run.
#[derive(Debug, Default)]
pub(crate) struct History {
    images: BTreeMap<ImageId, Fate>,
    sent: BTreeSet<Token>,
    kept: BTreeSet<Token>,
    deletable: BTreeSet<BatchId>,
    ordeals: BTreeMap<(ImageId, String), Ordeal>,
    /// By the names that the manager gives them, whom each image has truly crashed or stalled in its present run.
    blamed: BTreeMap<ImageId, BTreeSet<String>>,
    damaged: BTreeSet<ImageId>,
    seqs: BTreeSet<u64>,
    /// The shortest time in a slot that may be a stall.
    pub(crate) stall: Duration,
    violations: Vec<String>,
}

/// What is known of one image.
#[derive(Debug)]
struct Fate {
    token: Token,
    batch: BatchId,
    accepted: bool,
    run: u32,
    ended: Option<ImageState>,
    /// What people have asked for.
    wishes: Wishes,
    deleted: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wishes {
    cancel: bool,
    again: u32,
    delete: bool,
}

/// What an image went through at a worker of some name.
#[derive(Debug, Default)]
struct Ordeal {
    crashed: bool,
    began: Option<Instant>,
    longest: Duration,
}

/// What people ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Cancel(ImageId),
    Again(ImageId),
    Delete(ImageId),
    DeleteBatch(BatchId),
}

impl History {
    /// A client has sent a file.
    pub(crate) fn sent(&mut self, token: Token) {
        self.sent.insert(token);
    }

    /// A person has asked for something, whether or not it comes to be.
    pub(crate) fn wished(&mut self, wish: Wish) {
        let (image, wish): (ImageId, fn(&mut Wishes)) = match wish {
            Wish::Cancel(image) => (image, |wishes| wishes.cancel = true),
            Wish::Again(image) => (image, |wishes| wishes.again += 1),
            Wish::Delete(image) => (image, |wishes| wishes.delete = true),
            Wish::DeleteBatch(batch) => {
                self.deletable.insert(batch);
                return;
            }
        };
        match self.images.get_mut(&image) {
            Some(fate) => wish(&mut fate.wishes),
            None => self.violation(format!("image {image} was shown to a person and is not in the books")),
        }
    }

    /// A number has been given to a change.
    pub(crate) fn numbered(&mut self, seq: u64) {
        if !self.seqs.insert(seq) {
            self.violation(format!("the number {seq} was given twice"));
        }
    }

    /// An image is durable.
    pub(crate) fn kept(&mut self, image: ImageId, token: Token, batch: BatchId) {
        if !self.sent.contains(&token) {
            self.violation(format!("image {image} is in the books, but nobody has sent {token:?}"));
        }
        if !self.kept.insert(token) {
            self.violation(format!("{token:?} was sent once and is in the books twice (image {image})"));
        }
        let fate =
            Fate { token, batch, accepted: false, run: 0, ended: None, wishes: Wishes::default(), deleted: false };
        if self.images.insert(image, fate).is_some() {
            self.violation(format!("the number of image {image} was given twice"));
        }
    }

    /// The manager has answered the upload: 202.
    pub(crate) fn accepted(&mut self, image: ImageId, token: Token) {
        match self.images.get_mut(&image) {
            Some(fate) if fate.token == token => fate.accepted = true,
            Some(_) => {
                self.violation(format!("the upload of {token:?} was answered with image {image} of another file"))
            }
            None => self.violation(format!("image {image} was accepted and is not durable")),
        }
    }

    /// An image's ending is durable. Its batch is answered by `of_batch`.
    pub(crate) fn ended(&mut self, row: &ImageRow, of_batch: Option<&AnsweringModel>) {
        let image = row.id;
        let Some(fate) = self.images.get_mut(&image) else {
            return self.violation(format!("image {image} has ended and was never accepted"));
        };
        let (before, token, run) = (fate.ended.replace(row.state), fate.token, fate.run);
        if before.is_some() || run != row.run {
            self.violation(format!(
                "image {image} ended twice in run {run}: {before:?}, then {:?} of run {}",
                row.state, row.run
            ));
        }
        match row.state {
            ImageState::Recognised => self.recognised(row, token, of_batch),
            ImageState::Failed => self.failed(row, token),
            ImageState::Cancelled if self.wishes(image).cancel => {}
            state => self.violation(format!("image {image} became {state:?}, which nobody had asked for")),
        }
    }

    /// An image waits again.
    pub(crate) fn reopened(&mut self, row: &ImageRow) {
        let Some(fate) = self.images.get_mut(&row.id) else {
            return self.violation(format!("image {} is run again and was never accepted", row.id));
        };
        let had_ended = fate.ended.take().is_some();
        fate.run += 1;
        let run = fate.run;
        if !had_ended || run != row.run || run > fate.wishes.again {
            self.violation(format!("image {} went from run {} to run {} without a reason", row.id, run - 1, row.run));
        }
        self.blamed.remove(&row.id);
        // What a slot is still at may stall or crash it in this run too.
        self.ordeals.retain(|(image, _), ordeal| *image != row.id || ordeal.began.is_some());
        for (_, ordeal) in self.ordeals.iter_mut().filter(|((image, _), _)| *image == row.id) {
            (ordeal.crashed, ordeal.longest) = (false, Duration::ZERO);
        }
    }

    /// An image is no more.
    pub(crate) fn deleted(&mut self, image: ImageId) {
        let Some(fate) = self.images.get_mut(&image) else {
            return self.violation(format!("image {image} was deleted and had never been there"));
        };
        let twice = std::mem::replace(&mut fate.deleted, true);
        if twice || !(fate.wishes.delete || self.deletable.contains(&fate.batch)) {
            self.violation(format!("image {image} was deleted, which nobody had asked for (or twice)"));
        }
    }

    /// A slot of a worker of that name has taken the image.
    pub(crate) fn began(&mut self, image: ImageId, worker: &str, now: Instant) {
        self.ordeals.entry((image, worker.to_owned())).or_default().began = Some(now);
    }

    /// It is through with it, or gone. `crashed`: it died of it, or while it was at it.
    pub(crate) fn left(&mut self, image: ImageId, worker: &str, crashed: bool, now: Instant) {
        let ordeal = self.ordeals.entry((image, worker.to_owned())).or_default();
        ordeal.crashed |= crashed;
        if let Some(began) = ordeal.began.take() {
            ordeal.longest = ordeal.longest.max(now - began);
        }
    }

    /// The disk has lost the bytes of an image.
    pub(crate) fn lost_bytes(&mut self, image: ImageId) {
        self.damaged.insert(image);
    }

    /// The manager blames an image for a worker, of which it knows a name that begins with the machine's.
    pub(crate) fn blamed(&mut self, image: ImageId, worker: &str, now: Instant) {
        let stall = self.stall;
        let machine = worker.split('-').next().unwrap_or(worker);
        let ordeal = self.ordeals.get(&(image, machine.to_owned()));
        let is_true = ordeal.is_some_and(|ordeal| {
            let lasted = ordeal.began.map_or(ordeal.longest, |began| ordeal.longest.max(now - began));
            ordeal.crashed || lasted >= stall
        });
        if !is_true {
            let what = format!("image {image} was blamed for {worker}, which had neither crashed nor stalled on it");
            self.violation(what);
        } else {
            self.blamed.entry(image).or_default().insert(worker.to_owned());
        }
    }

    /// A worker is told that it may forget what it reported: it was safe, or not needed.
    pub(crate) fn acknowledged(&mut self, image: ImageId, of_run: u32, model_differs: bool) {
        let Some(fate) = self.images.get(&image) else {
            return;
        };
        let needed = !fate.deleted && fate.ended.is_none() && fate.run <= of_run && !model_differs;
        if needed {
            self.violation(format!("the outcome of image {image} was acknowledged and is not in the books"));
        }
    }

    /// Everything has come to rest: what was accepted has ended.
    pub(crate) fn close(&mut self) {
        let waiting: Vec<ImageId> = self
            .images
            .iter()
            .filter(|(_, fate)| !fate.deleted && fate.ended.is_none())
            .map(|(image, _)| *image)
            .collect();
        if let Some(first) = waiting.first() {
            self.violation(format!("{} images never ended, image {first} among them", waiting.len()));
        }
    }

    /// Something that must not be.
    pub(crate) fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Whether an image has ended, or is not known.
    pub(crate) fn has_ended(&self, image: ImageId) -> bool {
        self.images.get(&image).is_none_or(|fate| fate.deleted || fate.ended.is_some())
    }

    /// Whether an image is durable.
    pub(crate) fn is_kept(&self, image: ImageId) -> bool {
        self.images.contains_key(&image)
    }

    /// How many images were accepted, and how many of all ended in each way: recognised, failed, cancelled, deleted.
    pub(crate) fn totals(&self) -> [u64; 5] {
        let count = |is: fn(&Fate) -> bool| self.images.values().filter(|fate| is(fate)).count() as u64;
        [
            count(|fate| fate.accepted),
            count(|fate| !fate.deleted && fate.ended == Some(ImageState::Recognised)),
            count(|fate| !fate.deleted && fate.ended == Some(ImageState::Failed)),
            count(|fate| !fate.deleted && fate.ended == Some(ImageState::Cancelled)),
            count(|fate| fate.deleted),
        ]
    }

    fn recognised(&mut self, row: &ImageRow, token: Token, of_batch: Option<&AnsweringModel>) {
        let image = row.id;
        if row.labels.first().is_none_or(|label| label.name != token.label()) {
            self.violation(format!("image {image} of {token:?} was answered with {:?}", row.labels));
        }
        if row.model.is_some() && row.model != of_batch.map(|model| model.name.clone()) {
            self.violation(format!("image {image} was answered by {:?}, its batch by {of_batch:?}", row.model));
        }
    }

    /// It must be the file's fault, or that of two workers, or of the disk.
    fn failed(&mut self, row: &ImageRow, token: Token) {
        let image = row.id;
        let code = row.problem.as_ref().map_or("", |problem| problem.code.as_str());
        let true_blames = self.blamed.get(&image).map_or(0, BTreeSet::len);
        let may = match code {
            "damaged" => token.nature() == Nature::Bad,
            "worker_failures" => true_blames >= 2,
            "lost" => self.damaged.contains(&image),
            _ => false,
        };
        if !may {
            self.violation(format!(
                "image {image} of {token:?} failed with {code:?} without a reason ({true_blames} workers suffered)"
            ));
        }
    }

    fn wishes(&self, image: ImageId) -> Wishes {
        self.images.get(&image).map_or(Wishes::default(), |fate| fate.wishes)
    }
}

#[cfg(test)]
mod tests;
