//! Reading the books, beside the writer: what is committed, as of the moment of the call.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};

use manyeyes_protocol::id::{BatchId, ImageId};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::StoreError;
use super::books::{self, IMAGE_COLUMNS, Place, image_row, signed, unsigned};
use super::row::{BatchFacts, BatchKey, ImageRow, Unfinished};

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
            let sql = "SELECT i.id, i.batch, i.bytes, i.attempts, i.began, i.run, b.model FROM batches b \
                       JOIN images i ON i.batch = b.number AND i.state = 0 WHERE b.waiting > 0 ORDER BY i.id";
            let mut found = books
                .prepare_cached(sql)?
                .query_map([], |row| {
                    Ok(Unfinished {
                        image: ImageId(unsigned(row, 0)?),
                        batch: BatchId(unsigned(row, 1)?),
                        bytes: unsigned(row, 2)?,
                        attempts: row.get(3)?,
                        began: books::time(row.get(4)?),
                        run: row.get(5)?,
                        model: row.get(6)?,
                        blamed: Vec::new(),
                    })
                })?
                .collect::<Result<Vec<_>, _>>()?;
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
            let key = |row: &rusqlite::Row<'_>| Ok(BatchKey { number: BatchId(unsigned(row, 0)?), id: row.get(1)? });
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
        let sql = format!("SELECT {IMAGE_COLUMNS} FROM images WHERE batch = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
        self.read(|books| images(books, &sql, params![signed(batch.0), signed(after.0), limit]))
    }

    pub(super) fn known(&self, batch: BatchId, sha256: &[[u8; 32]]) -> Result<HashSet<[u8; 32]>, StoreError> {
        self.read(|books| {
            let sql = "SELECT 1 FROM images WHERE batch = ?1 AND sha256 = ?2 AND pack IS NOT NULL";
            let mut statement = books.prepare_cached(sql)?;
            let mut known = HashSet::new();
            for digest in sha256 {
                if statement.exists(params![signed(batch.0), digest])? {
                    known.insert(*digest);
                }
            }
            Ok(known)
        })
    }

    pub(super) fn by_idempotency_key(&self, batch: BatchId, key: &str) -> Result<Option<Vec<ImageRow>>, StoreError> {
        let sql = format!("SELECT {IMAGE_COLUMNS} FROM images WHERE id >= ?1 AND id < ?1 + ?2 ORDER BY id");
        self.read(|books| {
            let range = books
                .prepare_cached("SELECT first_image, images FROM idempotency WHERE batch = ?1 AND key = ?2")?
                .query_row(params![signed(batch.0), key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
                .optional()?;
            range.map(|(first, count)| images(books, &sql, [first, count])).transpose()
        })
    }

    /// Whether an image with a file of its own is in the books.
    pub(super) fn has_own_file(&self, image: u64) -> Result<bool, StoreError> {
        self.read(|books| {
            let mut statement = books.prepare_cached("SELECT 1 FROM images WHERE id = ?1 AND pack = 0")?;
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

fn images(books: &Connection, sql: &str, which: impl Params) -> Result<Vec<ImageRow>, StoreError> {
    let mut statement = books.prepare_cached(sql)?;
    let rows = statement.query_map(which, image_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
