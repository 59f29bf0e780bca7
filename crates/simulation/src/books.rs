//! The books of the simulated manager: what is on its disk. Rows and numbers are kept by the product's own rules.

use std::collections::{BTreeMap, BTreeSet};

use manyeyes_manager::store::rules::{self, Ended};
use manyeyes_manager::store::{AnsweringModel, Ending, ImageRow, Recorded, StoreError, Unfinished};
use manyeyes_protocol::id::{BatchId, ImageId};

use crate::content::Token;
use crate::history::History;

/// What waits for the writer.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    CreateBatch,
    Keep { batch: BatchId, key: Option<u64>, images: Vec<(ImageRow, Token)> },
    Finish { image: ImageId, ending: Box<Ending> },
    Blame { image: ImageId, worker: String, attempts: u32 },
    Reopen { image: ImageId },
    DeleteImage { image: ImageId },
    DeleteBatch { batch: BatchId },
}

/// What the writer answers once it is durable.
#[derive(Debug)]
pub(crate) enum Reply {
    Done,
    Batch(BatchId),
    Recorded(Recorded),
    Deleted(bool),
    Unfinished(Vec<ImageId>),
}

/// An image in the books.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) row: ImageRow,
    pub(crate) token: Token,
    blamed: BTreeSet<String>,
}

/// What is on the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    batches: BTreeMap<BatchId, Option<AnsweringModel>>,
    pub(crate) images: BTreeMap<ImageId, Kept>,
    keys: BTreeMap<(BatchId, u64), Vec<ImageId>>,
    batches_made: u64,
    pub(crate) seq_ceiling: u64,
    pub(crate) image_ceiling: u64,
}

impl Books {
    /// Applies a change that is being committed.
    pub(crate) fn apply(&mut self, seq: u64, change: &Change, history: &mut History) -> Result<Reply, StoreError> {
        match change {
            Change::CreateBatch => {
                self.batches_made += 1;
                let batch = BatchId(self.batches_made);
                self.batches.insert(batch, None);
                Ok(Reply::Batch(batch))
            }
            Change::Keep { batch, key, images } => self.keep(*batch, *key, images, history),
            Change::Finish { image, ending } => Ok(Reply::Recorded(self.finish(seq, *image, ending, history))),
            Change::Blame { image, worker, attempts } => {
                if let Some(kept) = self.images.get_mut(image) {
                    kept.row.attempts = kept.row.attempts.max(*attempts);
                    kept.blamed.insert(worker.clone());
                }
                Ok(Reply::Done)
            }
            Change::Reopen { image } => Ok(Reply::Recorded(self.reopen(seq, *image, history))),
            Change::DeleteImage { image } => {
                let deleted = self.images.remove(image).is_some();
                if deleted {
                    history.deleted(*image);
                }
                Ok(Reply::Deleted(deleted))
            }
            Change::DeleteBatch { batch } => self.delete_batch(*batch, history).map(Reply::Unfinished),
        }
    }

    /// What was accepted and has not ended, as at a start.
    pub(crate) fn unfinished(&self) -> Vec<Unfinished> {
        let waiting = self.images.values().filter(|kept| kept.is_waiting());
        let unfinished = |kept: &Kept| Unfinished {
            image: kept.row.id,
            batch: kept.row.batch,
            bytes: kept.row.bytes,
            attempts: kept.row.attempts,
            began: kept.row.began,
            run: kept.row.run,
            model: self.model(kept.row.batch).map(|model| model.digest),
            blamed: kept.blamed.iter().cloned().collect(),
        };
        waiting.map(unfinished).collect()
    }

    /// The images of an earlier upload with that key, those deleted since left out.
    pub(crate) fn by_key(&self, batch: BatchId, key: u64) -> Option<Vec<ImageId>> {
        let images = self.keys.get(&(batch, key))?;
        Some(images.iter().copied().filter(|image| self.images.contains_key(image)).collect())
    }

    pub(crate) fn has_batch(&self, batch: BatchId) -> bool {
        self.batches.contains_key(&batch)
    }

    /// The model that answers a batch, once one has.
    pub(crate) fn model(&self, batch: BatchId) -> Option<&AnsweringModel> {
        self.batches.get(&batch)?.as_ref()
    }

    fn keep(
        &mut self,
        batch: BatchId,
        key: Option<u64>,
        images: &[(ImageRow, Token)],
        history: &mut History,
    ) -> Result<Reply, StoreError> {
        if !self.has_batch(batch) {
            return Err(StoreError::NoSuchBatch);
        }
        for (row, token) in images {
            history.kept(row.id, *token, batch);
            self.images.insert(row.id, Kept { row: row.clone(), token: *token, blamed: BTreeSet::new() });
        }
        if let Some(key) = key {
            self.keys.insert((batch, key), images.iter().map(|(row, _)| row.id).collect());
        }
        Ok(Reply::Done)
    }

    fn finish(&mut self, seq: u64, image: ImageId, ending: &Ending, history: &mut History) -> Recorded {
        let Some(kept) = self.images.get_mut(&image) else {
            return Recorded::Gone;
        };
        let Some(of_batch) = self.batches.get_mut(&kept.row.batch) else {
            return Recorded::Gone;
        };
        match rules::end(&mut kept.row, of_batch, ending.clone()) {
            Ended::Now => {}
            Ended::Not => return Recorded::No(Box::new(kept.row.clone())),
            Ended::OtherModel(model) => return Recorded::OtherModel(Box::new(kept.row.clone()), model),
        }
        kept.row.seq = seq;
        history.ended(&kept.row, of_batch.as_ref());
        Recorded::Yes(Box::new(kept.row.clone()))
    }

    fn reopen(&mut self, seq: u64, image: ImageId, history: &mut History) -> Recorded {
        let Some(kept) = self.images.get_mut(&image) else {
            return Recorded::Gone;
        };
        if !rules::reopen(&mut kept.row, true) {
            return Recorded::No(Box::new(kept.row.clone()));
        }
        kept.row.seq = seq;
        kept.blamed.clear();
        history.reopened(&kept.row);
        Recorded::Yes(Box::new(kept.row.clone()))
    }

    fn delete_batch(&mut self, batch: BatchId, history: &mut History) -> Result<Vec<ImageId>, StoreError> {
        if self.batches.remove(&batch).is_none() {
            return Err(StoreError::NoSuchBatch);
        }
        let of_batch: Vec<ImageId> =
            self.images.values().filter(|kept| kept.row.batch == batch).map(|kept| kept.row.id).collect();
        let mut unfinished = Vec::new();
        for image in of_batch {
            history.deleted(image);
            if self.images.remove(&image).is_some_and(|kept| kept.is_waiting()) {
                unfinished.push(image);
            }
        }
        self.keys.retain(|(of, _), _| *of != batch);
        Ok(unfinished)
    }
}

impl Kept {
    pub(crate) fn is_waiting(&self) -> bool {
        self.row.state == manyeyes_manager::api::ImageState::Waiting
    }
}

impl Change {
    /// Asks for lasting space, which a full disk is to refuse before anything else.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self, Self::Keep { .. } | Self::CreateBatch)
    }
}
