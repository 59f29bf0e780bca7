//! Reading the books, beside the writer: what is committed, as of the moment of the call.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};

use manyeyes_protocol::id::{BatchId, ImageId};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::StoreError;
use super::books::{self, Place, sealed_image, signed, unsigned};
use super::row::{BatchFacts, BatchKey, ImageRow, Unfinished};
use super::seal;

/// Reads at the same time. More callers wait; a read takes well under a millisecond.
const READERS: usize = 4;

/// A few connections that only read.
pub(super) struct Readers {
    file: PathBuf,
    pool: Mutex<Pool>,
    returned: Condvar,
}

struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

impl Readers {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, pool: Mutex::new(Pool { idle: Vec::new(), open: 0 }), returned: Condvar::new() }
    }

    pub(super) fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.read(|books| {
            let waiting = seal::IMAGES.selected();
            let sql = format!("SELECT {waiting} FROM images WHERE batch = ?1 AND state = 0 ORDER BY id");
            let mut of_batch = books.prepare_cached(&sql)?;
            let batches = books
                .prepare_cached("SELECT number FROM batches")?
                .query_map([], |row| unsigned(row, 0).map(BatchId))?
                .collect::<Result<Vec<_>, _>>()?;
            let mut found = Vec::new();
            for batch in batches {
                let model = match books::find_facts(books, batch) {
                    Ok(facts) => facts.and_then(|facts| facts.model).map(|model| model.digest),
                    Err(StoreError::DamagedEntry(what)) => {
                        tracing::error!(
                            what,
                            "an entry of the books is not what was written; its images stay as they are"
                        );
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let rows = of_batch.query_map([signed(batch.0)], |row| Ok((unsigned(row, 0)?, sealed_image(row)?)))?;
                for row in rows {
                    match row? {
                        (_, Some((row, _))) => found.push(unfinished(&row, model)),
                        // It is shown as lost; nobody can tell what it was.
                        (image, None) => tracing::error!(image, "the entry of an image is not what was written"),
                    }
                }
            }
            found.sort_by_key(|unfinished: &Unfinished| unfinished.image);
            let mut statement = books.prepare_cached("SELECT image, worker FROM blames ORDER BY image, worker")?;
            let mut blames = statement.query([])?;
            while let Some(row) = blames.next()? {
                let image = ImageId(unsigned(row, 0)?);
                if let Ok(at) = found.binary_search_by_key(&image, |unfinished| unfinished.image) {
                    found[at].blamed.push(row.get(1)?);
                }
            }
            Ok(found)
        })
    }

    pub(super) fn batch(&self, id: &str) -> Result<Option<BatchKey>, StoreError> {
        self.read(|books| {
            let mut statement = books.prepare_cached("SELECT number, id FROM batches WHERE id = ?1")?;
            let key = |row: &Row<'_>| Ok(BatchKey { number: BatchId(unsigned(row, 0)?), id: row.get(1)? });
            Ok(statement.query_row([id], key).optional()?)
        })
    }

    pub(super) fn facts(&self, batch: BatchId) -> Result<BatchFacts, StoreError> {
        self.read(|books| books::find_facts(books, batch)?.ok_or(StoreError::NoSuchBatch))
    }

    pub(super) fn image(&self, image: ImageId) -> Result<Option<(ImageRow, Place)>, StoreError> {
        self.read(|books| books::find_image(books, image))
    }

    pub(super) fn page(&self, batch: BatchId, after: ImageId, limit: u32) -> Result<Vec<ImageRow>, StoreError> {
        let columns = seal::IMAGES.selected();
        let sql = format!("SELECT {columns} FROM images WHERE batch = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
        self.read(|books| images(books, &sql, batch, params![signed(batch.0), signed(after.0), limit]))
    }

    pub(super) fn known(&self, batch: BatchId, sha256: &[[u8; 32]]) -> Result<HashSet<[u8; 32]>, StoreError> {
        self.read(|books| {
            let columns = seal::IMAGES.selected();
            let sql = format!("SELECT {columns} FROM images WHERE batch = ?1 AND sha256 = ?2 AND pack IS NOT NULL");
            let mut statement = books.prepare_cached(&sql)?;
            let mut known = HashSet::new();
            for digest in sha256 {
                // The index may say so, but whoever believes it sends its bytes to nobody: the row has to say so too.
                for row in statement.query_map(params![signed(batch.0), digest], sealed_image)? {
                    if row?.is_some_and(|(row, _)| row.batch == batch && row.sha256 == Some(*digest)) {
                        known.insert(*digest);
                    }
                }
            }
            Ok(known)
        })
    }

    pub(super) fn by_idempotency_key(&self, batch: BatchId, key: &str) -> Result<Option<Vec<ImageRow>>, StoreError> {
        let sql = format!("SELECT {} FROM images WHERE id >= ?1 AND id < ?1 + ?2 ORDER BY id", seal::IMAGES.selected());
        let key_sql = format!("SELECT {} FROM idempotency WHERE batch = ?1 AND key = ?2", seal::IDEMPOTENCY.selected());
        let range = |row: &Row<'_>| {
            let intact = seal::IDEMPOTENCY.is_intact(row)?;
            Ok(if intact { Some((row.get::<_, i64>(2)?, row.get::<_, i64>(3)?)) } else { None })
        };
        self.read(|books| {
            let found = books.prepare_cached(&key_sql)?.query_row(params![signed(batch.0), key], range).optional()?;
            let damaged = || StoreError::DamagedEntry("an idempotency key".to_owned());
            let found = found.map(|intact| intact.ok_or_else(damaged)).transpose()?;
            found.map(|(first, count)| images(books, &sql, batch, [first, count])).transpose()
        })
    }

    /// Whether the image is in the books: a file of its own is left alone even where the entry does not say so, since that
    /// may be damaged.
    pub(super) fn is_known(&self, image: u64) -> Result<bool, StoreError> {
        self.read(|books| {
            let mut statement = books.prepare_cached("SELECT 1 FROM images WHERE id = ?1")?;
            Ok(statement.exists([signed(image)])?)
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let reader = self.borrow()?;
        let outcome = read(&reader);
        self.lock().idle.push(reader);
        self.returned.notify_one();
        outcome
    }

    fn borrow(&self) -> Result<Connection, StoreError> {
        let mut pool = self.lock();
        loop {
            if let Some(reader) = pool.idle.pop() {
                return Ok(reader);
            }
            if pool.open < READERS {
                let reader = books::open_reader(&self.file)?;
                pool.open += 1;
                return Ok(reader);
            }
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Images of a batch, by a query for [`Sealed::selected`](seal::Sealed::selected). One whose entry is damaged is shown as
/// that; one that is of another batch is here by a damaged index, and left out.
fn images(books: &Connection, sql: &str, batch: BatchId, which: impl Params) -> Result<Vec<ImageRow>, StoreError> {
    let mut statement = books.prepare_cached(sql)?;
    let rows = statement.query_map(which, |row| Ok((ImageId(unsigned(row, 0)?), sealed_image(row)?)))?;
    let mut images = Vec::new();
    for row in rows {
        match row? {
            (_, Some((row, _))) if row.batch == batch => images.push(row),
            (image, Some(_)) => tracing::error!(%image, "the books' index names an image of another batch"),
            (image, None) => {
                tracing::error!(%image, "the books' entry of an image is not what was written");
                images.push(ImageRow::damaged(image, batch));
            }
        }
    }
    Ok(images)
}

fn unfinished(row: &ImageRow, model: Option<[u8; 32]>) -> Unfinished {
    let ImageRow { id: image, batch, bytes, attempts, began, run, .. } = *row;
    Unfinished { image, batch, bytes, attempts, began, run, model, blamed: Vec::new() }
}
