//! The books' SQLite file: its schema, its settings, and how rows of it become types.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use manyeyes_protocol::id::{BatchId, BooksId, ImageId};
use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::line::{Ceilings, Line};
use super::pack::{PackFacts, Span};
use super::row::{AnsweringModel, BatchFacts, ImageRow, Spent};
use super::seal::{self, Sealed};
use super::{StoreError, folder};
use crate::api::{Counts, ImageState, Problem};

/// The schema that this program writes, in `PRAGMA user_version`. A change of [`SCHEMA`] raises it and brings the step
/// from the one before.
pub(super) const SCHEMA_NUMBER: i64 = 3;

/// Times are microseconds since 1970. `pack` says where an image's bytes are: null for none, 0 for a file of its own,
/// else the pack's number, `place` being the offset in it. `state` is as in [`state_number`]. `checksum` is [`seal`]'s.
const SCHEMA: &str = "
CREATE TABLE books (
    id BLOB NOT NULL,
    seq_ceiling INTEGER NOT NULL,
    image_ceiling INTEGER NOT NULL,
    checksum INTEGER
);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    seq INTEGER NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    first_upload INTEGER,
    last_answer INTEGER,
    total INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,
    recognised INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    answered_images INTEGER NOT NULL DEFAULT 0,
    answered_bytes INTEGER NOT NULL DEFAULT 0,
    kept_bytes INTEGER NOT NULL DEFAULT 0,
    model BLOB,
    model_name TEXT,
    checksum INTEGER
);
CREATE INDEX batches_finished ON batches (changed) WHERE waiting = 0;
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state INTEGER NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 BLOB,
    media_type TEXT,
    width INTEGER,
    height INTEGER,
    began INTEGER NOT NULL,
    pack INTEGER,
    place INTEGER,
    labels TEXT,
    worker TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    error_code TEXT,
    error_message TEXT,
    timing TEXT,
    run INTEGER NOT NULL DEFAULT 0,
    model TEXT,
    checksum INTEGER
);
CREATE INDEX images_of_batch ON images (batch);
CREATE INDEX images_known ON images (batch, sha256) WHERE pack IS NOT NULL;
CREATE INDEX images_unfinished ON images (batch) WHERE state = 0;
CREATE TABLE blames (
    image INTEGER NOT NULL,
    worker TEXT NOT NULL,
    checksum INTEGER,
    PRIMARY KEY (image, worker)
) WITHOUT ROWID;
CREATE TABLE idempotency (
    batch INTEGER NOT NULL,
    key TEXT NOT NULL,
    first_image INTEGER NOT NULL,
    images INTEGER NOT NULL,
    checksum INTEGER,
    PRIMARY KEY (batch, key)
) WITHOUT ROWID;
CREATE TABLE condemned (
    number INTEGER PRIMARY KEY,
    checksum INTEGER
);
CREATE TABLE packs (
    number INTEGER PRIMARY KEY,
    end INTEGER NOT NULL,
    live INTEGER NOT NULL,
    checksum INTEGER
);
";

/// What brings books of schema 1 to schema 2.
pub(super) const FROM_1_TO_2: &str = "
ALTER TABLE batches ADD COLUMN model BLOB;
ALTER TABLE batches ADD COLUMN model_name TEXT;
ALTER TABLE images ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN model TEXT;
";

/// The columns that [`image_row`] reads, and their order; its readers want their checksum behind them.
pub(super) const IMAGE_COLUMNS: &str = seal::IMAGES.columns;

/// The log is written back into the file when it has this many pages of 4 KiB: rarely enough that it costs little, and
/// soon enough that the log stays at 16 MiB.
const CHECKPOINT_PAGES: i64 = 4096;
/// The writer's cache, for the indexes' inner pages. What it does not hold is mostly in the system's own cache, and four times as
/// much made no difference to commits a second that four noisy runs could show.
const WRITER_CACHE_KIB: i64 = 2048;
/// The cache of each reader, who reads each page once in a request.
const READER_CACHE_KIB: i64 = 512;
/// Statements kept ready; more than there are.
const STATEMENTS: usize = 64;
/// Readers and a checkpoint may meet for moments.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the books know at the start.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) id: BooksId,
    /// The first numbers of this run; its blocks are reserved.
    pub(super) start: Ceilings,
    pub(super) packs: BTreeMap<u32, PackFacts>,
    pub(super) kept_bytes: u64,
}

/// Opens the books for the one writer; makes them if there are none.
pub(super) fn open(file: &Path, limit_bytes: u64) -> Result<Opened, StoreError> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    seal::register(&connection)?;
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
    if found > SCHEMA_NUMBER {
        return Err(StoreError::NewerSchema { found, known: SCHEMA_NUMBER });
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    let page_bytes: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    connection.pragma_update(None, "max_page_count", signed(limit_bytes) / page_bytes)?;
    match found {
        0 => write_schema(&connection, &format!("{SCHEMA}{}", seal::triggers()), make)?,
        1 => write_schema(&connection, &format!("{FROM_1_TO_2}{}", seal::from_2_to_3()), |_| Ok(()))?,
        2 => write_schema(&connection, &seal::from_2_to_3(), |_| Ok(()))?,
        _ => {}
    }
    if let Some(above) = file.parent() {
        folder::sync_folder(above)?;
    }
    // From wrong numbers another would be given twice, and from a wrong end a pack would be cut or written over.
    for sealed in [&seal::BOOKS, &seal::PACKS] {
        if !is_intact(&connection, sealed)? {
            return Err(StoreError::Damaged(format!(
                "the books: an entry of \"{}\" is not what was written",
                sealed.table
            )));
        }
    }
    let (id, start) = connection.query_row("SELECT id, seq_ceiling, image_ceiling FROM books", [], |row| {
        Ok((row.get::<_, [u8; 16]>(0)?, Ceilings { seq: unsigned(row, 1)?, image: unsigned(row, 2)? }))
    })?;
    write_ceilings(&connection, Line::first_ceilings(start))?;
    let packs = connection
        .prepare("SELECT number, end, live FROM packs")?
        .query_map([], |row| Ok((row.get(0)?, PackFacts { end: unsigned(row, 1)?, live: unsigned(row, 2)? })))?
        .collect::<Result<_, _>>()?;
    let kept = format!("SELECT coalesce(sum(kept_bytes), 0) FROM batches WHERE {}", seal::BATCHES.intact());
    let kept_bytes = connection.query_row(&kept, [], |row| unsigned(row, 0))?;
    Ok(Opened { connection, id: BooksId(id), start, packs, kept_bytes })
}

/// Whether all rows of a table are what was written.
fn is_intact(connection: &Connection, sealed: &Sealed) -> Result<bool, StoreError> {
    let sql = format!("SELECT 1 FROM {} WHERE NOT ({})", sealed.table, sealed.intact());
    Ok(!connection.prepare(&sql)?.exists([])?)
}

/// Opens the books for reading.
pub(super) fn open_reader(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

/// Opens the books for reading beside the manager that may be working on them.
///
/// # Errors
/// [`StoreError::NoBooks`], and of another schema [`StoreError::NewerSchema`], [`StoreError::OlderSchema`].
pub(super) fn open_beside(file: &Path) -> Result<Connection, StoreError> {
    if !file.exists() {
        return Err(StoreError::NoBooks(file.to_owned()));
    }
    let connection = open_reader(file)?;
    seal::register(&connection)?;
    match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
        SCHEMA_NUMBER => Ok(connection),
        found if found > SCHEMA_NUMBER => Err(StoreError::NewerSchema { found, known: SCHEMA_NUMBER }),
        found => Err(StoreError::OlderSchema { found, known: SCHEMA_NUMBER }),
    }
}

/// Brings the books to the present schema, all or nothing.
fn write_schema(
    connection: &Connection,
    step: &str,
    and: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute_batch(step)?;
    and(connection)?;
    connection.pragma_update(None, "user_version", SCHEMA_NUMBER)?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// Books without anything in them, to compare others with.
pub(super) fn empty_in_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory()?;
    seal::register(&connection)?;
    connection.execute_batch(&format!("{SCHEMA}{}", seal::triggers()))?;
    Ok(connection)
}

fn make(connection: &Connection) -> Result<(), StoreError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| StoreError::Disk(format!("draw random bytes: {error}")))?;
    connection.execute("INSERT INTO books (id, seq_ceiling, image_ceiling) VALUES (?1, 1, 1)", params![id])?;
    Ok(())
}

/// Numbers below these may be given.
pub(super) fn write_ceilings(connection: &Connection, ceilings: Ceilings) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE books SET seq_ceiling = ?1, image_ceiling = ?2")?
        .execute(params![signed(ceilings.seq), signed(ceilings.image)])?;
    Ok(())
}

/// The image of that number, and where its bytes are.
///
/// # Errors
/// [`StoreError::DamagedEntry`], beside those of the disk.
pub(super) fn find_image(connection: &Connection, image: ImageId) -> Result<Option<(ImageRow, Place)>, StoreError> {
    let sql = format!("SELECT {} FROM images WHERE id = ?1", seal::IMAGES.selected());
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([signed(image.0)], sealed_image).optional()?;
    found.map(|intact| intact.ok_or_else(|| StoreError::DamagedEntry(format!("image {image}")))).transpose()
}

/// Where an image's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Rejected.
    Nowhere,
    Pack(Span),
    /// A file of its own, named by the image's number.
    Own,
}

impl Place {
    /// The columns `pack` and `place`.
    pub(super) fn columns(self) -> (Option<u32>, Option<i64>) {
        match self {
            Self::Nowhere => (None, None),
            Self::Own => (Some(0), None),
            Self::Pack(span) => (Some(span.pack), Some(signed(span.offset))),
        }
    }

    pub(super) fn from_columns(pack: Option<u32>, offset: Option<i64>, bytes: u64) -> Self {
        match pack {
            None => Self::Nowhere,
            Some(0) => Self::Own,
            Some(pack) => Self::Pack(Span { pack, offset: offset.map_or(0, i64::cast_unsigned), bytes }),
        }
    }
}

/// An image of a row with the [`Sealed::selected`] of [`seal::IMAGES`], if it is what was written.
pub(super) fn sealed_image(row: &Row<'_>) -> rusqlite::Result<Option<(ImageRow, Place)>> {
    Ok(if seal::IMAGES.is_intact(row)? { Some((image_row(row)?, place(row)?)) } else { None })
}

fn image_row(row: &Row<'_>) -> rusqlite::Result<ImageRow> {
    let code: Option<String> = row.get(14)?;
    let message: Option<String> = row.get(15)?;
    let Spent { timing, wire, form_bytes } = json(row, 16)?;
    Ok(ImageRow {
        id: ImageId(unsigned(row, 0)?),
        batch: BatchId(unsigned(row, 1)?),
        seq: unsigned(row, 2)?,
        name: row.get(3)?,
        state: state(row.get(4)?)?,
        bytes: unsigned(row, 5)?,
        sha256: row.get(6)?,
        media_type: row.get(7)?,
        width: row.get(8)?,
        height: row.get(9)?,
        began: time(row.get(10)?),
        labels: json(row, 11)?,
        worker: row.get(12)?,
        attempts: row.get(13)?,
        run: row.get(19)?,
        model: row.get(20)?,
        problem: code.map(|code| Problem { code, message: message.unwrap_or_default() }),
        timing,
        wire,
        form_bytes,
    })
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place::from_columns(row.get(17)?, row.get(18)?, unsigned(row, 5)?))
}

/// A batch as a whole.
///
/// # Errors
/// [`StoreError::DamagedEntry`], beside those of the disk.
pub(super) fn find_facts(connection: &Connection, batch: BatchId) -> Result<Option<BatchFacts>, StoreError> {
    let sql = format!("SELECT {} FROM batches WHERE number = ?1", seal::BATCHES.selected());
    let mut statement = connection.prepare_cached(&sql)?;
    let facts = statement.query_row([signed(batch.0)], |row| {
        Ok(if seal::BATCHES.is_intact(row)? { Some(batch_facts(row)?) } else { None })
    });
    let damaged = || StoreError::DamagedEntry(format!("batch number {}", batch.0));
    facts.optional()?.map(|intact| intact.ok_or_else(damaged)).transpose()
}

/// A batch of a row with the columns of [`seal::BATCHES`].
fn batch_facts(row: &Row<'_>) -> rusqlite::Result<BatchFacts> {
    Ok(BatchFacts {
        seq: unsigned(row, 2)?,
        first_upload: row.get::<_, Option<i64>>(5)?.map(time),
        last_answer: row.get::<_, Option<i64>>(6)?.map(time),
        counts: Counts {
            total: row.get(7)?,
            waiting: row.get(8)?,
            assigned: 0,
            recognised: row.get(9)?,
            failed: row.get(10)?,
            rejected: row.get(11)?,
            cancelled: row.get(12)?,
        },
        deleted: row.get(13)?,
        answered_images: unsigned(row, 14)?,
        answered_bytes: unsigned(row, 15)?,
        kept_bytes: unsigned(row, 16)?,
        model: match row.get(17)? {
            Some(digest) => Some(AnsweringModel { digest, name: row.get(18)? }),
            None => None,
        },
    })
}

/// The number of a state in the books. Frozen.
pub(super) fn state_number(state: ImageState) -> i64 {
    match state {
        // Who has an image is not written down.
        ImageState::Waiting | ImageState::Assigned => 0,
        ImageState::Recognised => 2,
        ImageState::Failed => 3,
        ImageState::Rejected => 4,
        ImageState::Cancelled => 5,
    }
}

fn state(number: i64) -> rusqlite::Result<ImageState> {
    match number {
        0 => Ok(ImageState::Waiting),
        2 => Ok(ImageState::Recognised),
        3 => Ok(ImageState::Failed),
        4 => Ok(ImageState::Rejected),
        5 => Ok(ImageState::Cancelled),
        _ => Err(rusqlite::Error::IntegralValueOutOfRange(4, number)),
    }
}

/// SQLite's integers have a sign; ours have none and never reach half of their range.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// Microseconds since 1970; times before are 1970.
pub(super) fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn time(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros.max(0).cast_unsigned())
}

/// Null is the default.
fn json<T: serde::de::DeserializeOwned + Default>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map_or_else(
        || Ok(T::default()),
        |text| {
            serde_json::from_str(text)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
        },
    )
}
