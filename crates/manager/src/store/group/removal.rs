//! Changes that take something out of the books: deletion and expiry. A batch goes in two steps, so that a large one
//! does not stop everybody: its row at once, which hides it, and its images a thousand at a time ([`Group::sweep`]).

use manyeyes_protocol::id::{BatchId, ImageId};
use rusqlite::OptionalExtension;

use super::Group;
use crate::store::StoreError;
use crate::store::books::{self, Place, micros, signed, unsigned};
use crate::store::line::Reply;
use crate::store::row::BatchKey;
use crate::store::seal;

/// Images removed in one group after their batch was deleted: a few milliseconds, so that nobody else waits for long.
const SWEEP_IMAGES: i64 = 1000;

impl Group<'_> {
    /// Removes some of the images of deleted batches.
    pub(in crate::store) fn sweep(&mut self) -> Result<(), StoreError> {
        // A damaged entry must not condemn a batch that nobody has deleted.
        let sql = format!("SELECT number FROM condemned WHERE {} LIMIT 1", seal::CONDEMNED.intact());
        let next = self.books.prepare_cached(&sql)?;
        let Some(batch) = { next }.query_row([], |row| row.get::<_, i64>(0)).optional()? else {
            return Ok(());
        };
        self.after.condemned = true;
        // Where the bytes of a damaged entry are is not known: to free them might free those of another.
        let sql = format!(
            "SELECT id, pack, place, bytes, {} FROM images WHERE batch = ?1 ORDER BY id LIMIT ?2",
            seal::IMAGES.intact()
        );
        let found = self
            .books
            .prepare_cached(&sql)?
            .query_map([batch, SWEEP_IMAGES], |row| {
                let image = ImageId(unsigned(row, 0)?);
                if !row.get::<_, bool>(4)? {
                    return Ok((image, Place::Nowhere));
                }
                Ok((image, Place::from_columns(row.get(1)?, row.get(2)?, unsigned(row, 3)?)))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let Some((last, _)) = found.last() else {
            for sql in ["DELETE FROM idempotency WHERE batch = ?1", "DELETE FROM condemned WHERE number = ?1"] {
                self.books.prepare_cached(sql)?.execute([batch])?;
            }
            return Ok(());
        };
        for sql in [
            "DELETE FROM blames WHERE image IN (SELECT id FROM images WHERE batch = ?1 AND id <= ?2)",
            "DELETE FROM images WHERE batch = ?1 AND id <= ?2",
        ] {
            self.books.prepare_cached(sql)?.execute([batch, signed(last.0)])?;
        }
        found.iter().for_each(|(image, place)| self.release(*image, *place));
        Ok(())
    }

    pub(super) fn delete_image(&mut self, seq: u64, image: ImageId) -> Result<Reply, StoreError> {
        let Some((row, place)) = self.find(image)? else {
            return Ok(Reply::Deleted(None));
        };
        let number = signed(image.0);
        self.books.prepare_cached("DELETE FROM images WHERE id = ?1")?.execute([number])?;
        self.books.prepare_cached("DELETE FROM blames WHERE image = ?1")?.execute([number])?;
        if let Some(batch) = self.batch(row.batch)? {
            batch.seq = batch.seq.max(seq);
            *batch.count(row.state) -= 1;
            batch.deleted += 1;
            if place != Place::Nowhere {
                batch.kept_bytes -= signed(row.bytes);
            }
        }
        if place != Place::Nowhere {
            self.after.freed_bytes += row.bytes;
        }
        self.release(image, place);
        Ok(Reply::Deleted(Some(Box::new(row))))
    }

    pub(super) fn delete_batch(&mut self, batch: BatchId) -> Result<Vec<ImageId>, StoreError> {
        self.flush()?;
        let Some(facts) = books::find_facts(self.books, batch)? else {
            return Err(StoreError::NoSuchBatch);
        };
        let unfinished = self
            .books
            .prepare_cached("SELECT id FROM images WHERE batch = ?1 AND state = 0 ORDER BY id")?
            .query_map([signed(batch.0)], |row| unsigned(row, 0).map(ImageId))?
            .collect::<Result<_, _>>()?;
        self.books.prepare_cached("DELETE FROM batches WHERE number = ?1")?.execute([signed(batch.0)])?;
        self.books.prepare_cached("INSERT INTO condemned (number) VALUES (?1)")?.execute([signed(batch.0)])?;
        self.batches.insert(batch, None);
        self.after.freed_bytes += facts.kept_bytes;
        self.after.condemned = true;
        Ok(unfinished)
    }

    pub(super) fn expire(&mut self, room: Option<u64>) -> Result<Reply, StoreError> {
        self.flush()?;
        let oldest = self.now.checked_sub(self.settings.max_age).map_or(0, micros);
        // By age all that are too old; for room those that free some, the longest unchanged first.
        let (sql, before) = match room {
            None => ("waiting = 0 AND changed <= ?1", oldest),
            Some(_) => ("waiting = 0 AND changed <= ?1 AND kept_bytes > 0", i64::MAX),
        };
        let sql = format!("SELECT number, id, kept_bytes FROM batches WHERE {sql} ORDER BY changed");
        let finished = self
            .books
            .prepare_cached(&sql)?
            .query_map([before], |row| {
                Ok((BatchKey { number: BatchId(unsigned(row, 0)?), id: row.get(1)? }, unsigned(row, 2)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut missing = u64::MAX;
        if let Some(room) = room {
            let limit_bytes = self.settings.limit_bytes;
            let kept_bytes = self.kept_bytes.saturating_sub(self.after.freed_bytes);
            missing = kept_bytes.saturating_add(room).saturating_sub(limit_bytes);
            if finished.iter().map(|(_, bytes)| bytes).sum::<u64>() < missing {
                return Err(StoreError::Full { kept_bytes, limit_bytes });
            }
        }
        let mut expired = Vec::new();
        for (key, bytes) in finished {
            if missing == 0 {
                break;
            }
            match self.delete_batch(key.number) {
                // One that cannot be believed stays; the others still make room.
                Err(StoreError::DamagedEntry(what)) => {
                    tracing::error!(what, "a batch does not expire, because its entry is not what was written");
                    continue;
                }
                deleted => deleted?,
            };
            missing = missing.saturating_sub(bytes);
            expired.push(key);
        }
        Ok(Reply::Expired(expired))
    }

    /// The bytes of an image are not needed once the group is in the books.
    fn release(&mut self, image: ImageId, place: Place) {
        match place {
            Place::Nowhere => {}
            Place::Own => self.after.large.push(image),
            Place::Pack(span) => {
                *self.live.entry(span.pack).or_default() -= 1;
                self.after.freed.push(span);
            }
        }
    }
}
