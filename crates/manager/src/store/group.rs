//! One transaction of the writer: the changes of a group, applied to the books. What must happen outside the books once
//! the group is committed (bytes to free, images that went) is gathered beside it.

mod batch_change;
mod removal;

use std::collections::HashMap;
use std::time::SystemTime;

use manyeyes_protocol::id::{BatchId, ImageId};
use rusqlite::{Connection, params};

use self::batch_change::BatchChange;
use super::books::{self, IMAGE_COLUMNS, Place, micros, signed, state_number};
use super::line::{Change, Keep, Reply};
use super::pack::{PackFacts, Packs, Span};
use super::row::{BatchKey, Ending, ImageRow, Recorded, Spent};
use super::rules::{self, Ended};
use super::{StoreError, StoreSettings};
use crate::api::ImageState;

/// The changes of a group while its transaction is open.
pub(super) struct Group<'a> {
    books: &'a Connection,
    settings: &'a StoreSettings,
    now: SystemTime,
    /// Bytes kept when the group began, those of uploads not yet written included.
    kept_bytes: u64,
    /// Batches touched; None for one that is not there.
    batches: HashMap<BatchId, Option<BatchChange>>,
    /// By how much the number of images in each pack changes.
    live: HashMap<u32, i64>,
    after: AfterCommit,
}

/// What is left to do when the group is in the books.
#[derive(Default)]
pub(super) struct AfterCommit {
    pub(super) packs: Vec<(u32, PackFacts)>,
    pub(super) freed: Vec<Span>,
    pub(super) large: Vec<ImageId>,
    /// Bytes of files that are kept no more.
    pub(super) freed_bytes: u64,
    /// Batches were deleted whose images are still to be removed.
    pub(super) condemned: bool,
}

impl<'a> Group<'a> {
    pub(super) fn new(books: &'a Connection, settings: &'a StoreSettings, now: SystemTime, kept_bytes: u64) -> Self {
        let (batches, live, after) = (HashMap::new(), HashMap::new(), AfterCommit::default());
        Self { books, settings, now, kept_bytes, batches, live, after }
    }

    /// Applies a change. `places` are those of a keep's images. An error that is the asker's own leaves the
    /// transaction as it was.
    pub(super) fn apply(&mut self, seq: u64, change: &Change, places: &[Place]) -> Result<Reply, StoreError> {
        match change {
            Change::CreateBatch { id } => self.create_batch(seq, id),
            Change::Keep(keep) => self.keep(keep, places),
            Change::Finish { image, ending, .. } => self.finish(seq, *image, ending),
            Change::Blame { image, worker, attempts } => self.blame(*image, worker, *attempts),
            Change::Reopen { image, only } => self.reopen(seq, *image, only.as_ref()),
            Change::DeleteImage { image } => self.delete_image(seq, *image),
            Change::DeleteBatch { batch } => self.delete_batch(*batch).map(Reply::Unfinished),
            Change::Expire { room } => self.expire(*room),
        }
    }

    /// The last statements before the commit.
    pub(super) fn close(mut self, packs: &Packs) -> Result<AfterCommit, StoreError> {
        self.flush()?;
        let mut changed: HashMap<u32, PackFacts> =
            packs.ends().map(|(number, end)| (number, PackFacts { end, ..packs.facts(number) })).collect();
        for (number, by) in self.live.drain() {
            let facts = changed.entry(number).or_insert_with(|| packs.facts(number));
            facts.live = facts.live.saturating_add_signed(by);
        }
        let sql = "INSERT INTO packs (number, end, live) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (number) DO UPDATE SET end = ?2, live = ?3";
        for (number, facts) in changed {
            self.books.prepare_cached(sql)?.execute(params![number, signed(facts.end), signed(facts.live)])?;
            self.after.packs.push((number, facts));
        }
        Ok(self.after)
    }

    fn create_batch(&mut self, seq: u64, id: &str) -> Result<Reply, StoreError> {
        let now = micros(self.now);
        self.books
            .prepare_cached("INSERT INTO batches (id, seq, created, changed) VALUES (?1, ?2, ?3, ?3)")?
            .execute(params![id, signed(seq), now])?;
        let number = BatchId(self.books.last_insert_rowid().cast_unsigned());
        Ok(Reply::Batch(BatchKey { number, id: id.to_owned() }))
    }

    fn keep(&mut self, keep: &Keep, places: &[Place]) -> Result<Reply, StoreError> {
        let limit = self.settings.images_per_batch;
        let batch = self.batch(keep.batch)?.ok_or(StoreError::NoSuchBatch)?;
        let adding = i64::try_from(keep.images.len()).unwrap_or(i64::MAX);
        let there = batch.ever + batch.deleted + batch.by_state.iter().sum::<i64>();
        if there.saturating_add(adding) > i64::from(limit) {
            return Err(StoreError::BatchFull { limit });
        }
        let sql = format!(
            "INSERT INTO images ({IMAGE_COLUMNS}) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, NULL, NULL, 0, ?12, ?13, NULL, ?14, ?15, 0, NULL)"
        );
        let mut insert = self.books.prepare_cached(&sql)?;
        for (image, place) in keep.images.iter().zip(places) {
            let row = &image.row;
            let (pack, offset) = place.columns();
            insert.execute(params![
                signed(row.id.0),
                signed(row.batch.0),
                signed(row.seq),
                row.name,
                state_number(row.state),
                signed(row.bytes),
                row.sha256,
                row.media_type,
                row.width,
                row.height,
                micros(row.began),
                row.problem.as_ref().map(|problem| &problem.code),
                row.problem.as_ref().map(|problem| &problem.message),
                pack,
                offset,
            ])?;
            if let Place::Pack(span) = place {
                *self.live.entry(span.pack).or_default() += 1;
            }
            let kept = if *place == Place::Nowhere { 0 } else { row.bytes };
            if let Some(batch) = self.batch(keep.batch)? {
                batch.seq = batch.seq.max(row.seq);
                batch.first_upload = Some(batch.first_upload.map_or(row.began, |first| first.min(row.began)));
                batch.kept_bytes += signed(kept);
                if row.state == ImageState::Waiting {
                    batch.has_something_to_do(row.began);
                }
                *batch.count(row.state) += 1;
            }
        }
        if let (Some(key), Some(first)) = (&keep.key, keep.images.first()) {
            self.books
                .prepare_cached("INSERT INTO idempotency (batch, key, first_image, images) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![signed(keep.batch.0), key, signed(first.row.id.0), adding])?;
        }
        Ok(Reply::Done)
    }

    fn finish(&mut self, seq: u64, image: ImageId, ending: &Ending) -> Result<Reply, StoreError> {
        let Some((mut row, _)) = self.find(image)? else {
            return Ok(Reply::Recorded(Recorded::Gone));
        };
        let before = row.state;
        let Some(batch) = self.batch(row.batch)? else {
            return Ok(Reply::Recorded(Recorded::Gone));
        };
        match rules::end(&mut row, &mut batch.model, ending.clone()) {
            Ended::Now => {}
            Ended::Not => return Ok(Reply::Recorded(Recorded::No(Box::new(row)))),
            Ended::OtherModel(model) => return Ok(Reply::Recorded(Recorded::OtherModel(Box::new(row), model))),
        }
        row.seq = seq;
        self.update(&row, before)?;
        Ok(Reply::Recorded(Recorded::Yes(Box::new(row))))
    }

    fn blame(&mut self, image: ImageId, worker: &str, attempts: u32) -> Result<Reply, StoreError> {
        let known = self
            .books
            .prepare_cached("UPDATE images SET attempts = max(attempts, ?2) WHERE id = ?1")?
            .execute(params![signed(image.0), attempts])?;
        if known > 0 {
            self.books
                .prepare_cached("INSERT OR IGNORE INTO blames (image, worker) VALUES (?1, ?2)")?
                .execute(params![signed(image.0), worker])?;
        }
        Ok(Reply::Done)
    }

    fn reopen(&mut self, seq: u64, image: ImageId, only: Option<&(u32, String)>) -> Result<Reply, StoreError> {
        let Some((mut row, place)) = self.find(image)? else {
            return Ok(Reply::Recorded(Recorded::Gone));
        };
        let ended = row.state;
        let is_meant = only.is_none_or(|(run, worker)| rules::is_word_of(&row, *run, worker));
        if !is_meant || !rules::reopen(&mut row, place != Place::Nowhere) {
            return Ok(Reply::Recorded(Recorded::No(Box::new(row))));
        }
        row.seq = seq;
        let now = self.now;
        if let Some(batch) = self.batch(row.batch)? {
            batch.has_something_to_do(now);
        }
        self.update(&row, ended)?;
        self.books.prepare_cached("DELETE FROM blames WHERE image = ?1")?.execute([signed(image.0)])?;
        Ok(Reply::Recorded(Recorded::Yes(Box::new(row))))
    }

    /// The image, unless it or its batch is gone.
    fn find(&mut self, image: ImageId) -> Result<Option<(ImageRow, Place)>, StoreError> {
        let Some(found) = books::find_image(self.books, image)? else {
            return Ok(None);
        };
        let there = self.batch(found.0.batch)?.is_some();
        Ok(there.then_some(found))
    }

    /// Writes a row back whose state was `before`.
    fn update(&mut self, row: &ImageRow, before: ImageState) -> Result<(), StoreError> {
        let json = |error: serde_json::Error| StoreError::Disk(format!("write an answer down: {error}"));
        let labels = (!row.labels.is_empty()).then(|| serde_json::to_string(&row.labels)).transpose().map_err(json)?;
        let spent = Spent { timing: row.timing, wire: row.wire, form_bytes: row.form_bytes };
        let spent = (spent != Spent::default()).then(|| serde_json::to_string(&spent)).transpose();
        let sql = "UPDATE images SET seq = ?2, state = ?3, labels = ?4, worker = ?5, attempts = ?6, \
                   error_code = ?7, error_message = ?8, timing = ?9, run = ?10, model = ?11 WHERE id = ?1";
        self.books.prepare_cached(sql)?.execute(params![
            signed(row.id.0),
            signed(row.seq),
            state_number(row.state),
            labels,
            row.worker,
            row.attempts,
            row.problem.as_ref().map(|problem| &problem.code),
            row.problem.as_ref().map(|problem| &problem.message),
            spent.map_err(json)?,
            row.run,
            row.model,
        ])?;
        let now = self.now;
        if let Some(batch) = self.batch(row.batch)? {
            batch.seq = batch.seq.max(row.seq);
            *batch.count(before) -= 1;
            *batch.count(row.state) += 1;
            if row.state == ImageState::Recognised {
                batch.last_answer = Some(now);
                batch.answered_images += 1;
                batch.answered_bytes += signed(row.bytes);
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: BatchId) -> Result<Option<&mut BatchChange>, StoreError> {
        let books = self.books;
        let entry = match self.batches.entry(batch) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let facts = books::find_facts(books, batch)?;
                entry.insert(facts.map(BatchChange::new))
            }
        };
        Ok(entry.as_mut())
    }

    /// Writes what the group adds to its batches.
    fn flush(&mut self) -> Result<(), StoreError> {
        let sql = "UPDATE batches SET seq = max(seq, ?2), changed = ?3, \
                   first_upload = min(coalesce(first_upload + ?16, ?4), coalesce(?4, first_upload + ?16)), \
                   last_answer = max(coalesce(last_answer + ?16, ?5), coalesce(?5, last_answer + ?16)), \
                   total = total + ?6, waiting = waiting + ?7, recognised = recognised + ?8, failed = failed + ?9, \
                   rejected = rejected + ?10, cancelled = cancelled + ?11, answered_images = answered_images + ?12, \
                   answered_bytes = answered_bytes + ?13, kept_bytes = kept_bytes + ?14, deleted = deleted + ?15, \
                   model = ?17, model_name = ?18 \
                   WHERE number = ?1";
        let mut update = self.books.prepare_cached(sql)?;
        for (number, change) in self.batches.drain() {
            // A change was made if it has a number; others were only looked at.
            let Some(change) = change.filter(|change| change.seq > 0) else {
                continue;
            };
            let [waiting, recognised, failed, rejected, cancelled] = change.by_state;
            update.execute(params![
                signed(number.0),
                signed(change.seq),
                micros(self.now),
                change.first_upload.map(micros),
                change.last_answer.map(micros),
                change.by_state.iter().sum::<i64>(),
                waiting,
                recognised,
                failed,
                rejected,
                cancelled,
                change.answered_images,
                change.answered_bytes,
                change.kept_bytes,
                change.deleted,
                i64::try_from(change.idle.as_micros()).unwrap_or(i64::MAX),
                change.model.as_ref().map(|model| model.digest),
                change.model.as_ref().map(|model| &model.name),
            ])?;
        }
        Ok(())
    }
}
