//! Looks through a data folder for what is not as it was written, also while a manager works on it: takes no lock of the
//! folder, writes nothing, and does not call damaged what only changed while it looked.
//!
//! The books are looked at within one reading transaction, so at one moment; the bytes afterwards, image by image. Of an
//! image whose bytes are not right the books are asked again: they name no place before its bytes are there, and free no
//! bytes before they have forgotten the place.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use manyeyes_protocol::id::ImageId;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::StoreError;
use super::books::{self, Place, sealed_image};
use super::folder::Layout;
use super::kept::Kept;
use super::row::ImageRow;
use super::{pack, seal};

/// Faults that are told one by one: a disk that is gone has as many as images.
const FAULTS_TOLD: usize = 1000;
/// Rows that are read at a time: a reading transaction keeps SQLite from writing its log back, so none is long.
const ROWS_AT_A_TIME: i64 = 1000;

/// What was found in a data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Batches looked at.
    pub batches: u64,
    /// Images looked at, with their bytes where these are kept.
    pub images: u64,
    /// Bytes of image files that are as they were uploaded.
    pub bytes: u64,
    /// How much is wrong.
    pub faults: u64,
    /// What is wrong, at most a thousand of it.
    pub told: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What it is about.
    pub of: Part,
    /// The name of the image or the id of the batch, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A sentence that says it all.
    pub message: String,
}

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The books as a whole.
    Books,
    /// A batch's entry in them.
    Batch,
    /// An image's entry or its bytes.
    Image,
    /// A pack's file.
    Pack,
}

/// Looks through the data folder `root`.
///
/// # Errors
/// [`StoreError::NoBooks`], [`StoreError::NewerSchema`], [`StoreError::OlderSchema`], [`StoreError::Disk`]: there was nothing
/// to be looked at. What is wrong with what was looked at is in the report.
pub fn check(root: &Path) -> Result<Report, StoreError> {
    let layout = Layout::new(root);
    let books = match books::open_beside(&layout.books()) {
        Ok(books) => books,
        Err(StoreError::Damaged(what)) => {
            let mut found = Report::default();
            found.add(Part::Books, None, format!("The books cannot be read: {what}."));
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    let mut report = Report::default();
    report.of_books(&books, &layout)?;
    report.of_images(&books, &layout)?;
    Ok(report)
}

/// What the books have to agree with themselves about: SQL that gives a row for each fault, and the sentence, in which `{}`
/// are the row's columns. Batches that are being removed are left out.
const RULES: [(Part, &str, &str); 9] = [
    (
        Part::Batch,
        "SELECT b.id, b.total, count(i.id) FROM batches b LEFT JOIN images i ON i.batch = b.number GROUP BY b.number \
         HAVING b.total <> count(i.id) OR b.waiting <> coalesce(sum(i.state = 0), 0) \
         OR b.recognised <> coalesce(sum(i.state = 2), 0) OR b.failed <> coalesce(sum(i.state = 3), 0) \
         OR b.rejected <> coalesce(sum(i.state = 4), 0) OR b.cancelled <> coalesce(sum(i.state = 5), 0)",
        "Batch {} counts {} images by their states, and {} are there, or others than it counts.",
    ),
    (
        Part::Batch,
        "SELECT b.id, b.kept_bytes, coalesce(sum(iif(i.pack IS NULL, 0, i.bytes)), 0) AS kept FROM batches b \
         LEFT JOIN images i ON i.batch = b.number GROUP BY b.number HAVING b.kept_bytes <> kept",
        "Batch {} counts {} bytes of image files, and its images have {}.",
    ),
    (
        Part::Image,
        "SELECT name, id, batch FROM images i WHERE NOT EXISTS (SELECT 1 FROM batches WHERE number = i.batch) \
         AND NOT EXISTS (SELECT 1 FROM condemned WHERE number = i.batch)",
        "Image {} ({}) is of batch number {}, which is not there.",
    ),
    (
        Part::Image,
        "SELECT i.name, i.id, i.pack FROM images i LEFT JOIN packs p ON p.number = i.pack \
         WHERE i.pack > 0 AND (p.number IS NULL OR i.place < 0 OR i.bytes < 0 OR i.place + i.bytes > p.end)",
        "Image {} ({}) lies beyond the end of pack {}.",
    ),
    (
        Part::Image,
        "SELECT name, id, pack FROM (SELECT name, id, pack, place, bytes, \
         max(place + bytes) OVER (PARTITION BY pack ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) \
         AS before FROM images WHERE pack > 0 AND bytes > 0) WHERE place < before",
        "Image {} ({}) lies where another one lies in pack {}.",
    ),
    (
        Part::Pack,
        "SELECT p.number, p.live, count(i.id) FROM packs p LEFT JOIN images i ON i.pack = p.number GROUP BY p.number \
         HAVING p.live <> count(i.id)",
        "Pack {} counts {} images, and the books have {} in it.",
    ),
    (
        Part::Books,
        "SELECT max(i.id), max(i.seq), image_ceiling, seq_ceiling FROM images i, books \
         HAVING max(i.id) >= image_ceiling OR max(i.seq) >= seq_ceiling",
        "Image number {} and change number {} are in the books, though only those below {} and {} may be given.",
    ),
    (
        Part::Books,
        "SELECT k.key, k.batch, k.first_image FROM idempotency k WHERE k.images < 1 \
         OR (NOT EXISTS (SELECT 1 FROM batches WHERE number = k.batch) \
         AND NOT EXISTS (SELECT 1 FROM condemned WHERE number = k.batch)) \
         OR EXISTS (SELECT 1 FROM images i WHERE i.id >= k.first_image AND i.id < k.first_image + k.images \
         AND i.batch <> k.batch)",
        "The idempotency key {} of batch number {} names images from {} on that are not of that batch.",
    ),
    (
        Part::Books,
        "SELECT c.number, b.id FROM condemned c JOIN batches b ON b.number = c.number",
        "Batch number {} is to be removed, though batch {} of that number is there.",
    ),
];

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.faults == 0
    }

    fn add(&mut self, of: Part, name: Option<String>, message: String) {
        self.faults += 1;
        if self.told.len() < FAULTS_TOLD {
            self.told.push(Fault { of, name, message });
        }
    }

    /// The books, at one moment.
    fn of_books(&mut self, books: &Connection, layout: &Layout) -> Result<(), StoreError> {
        books.execute_batch("BEGIN")?;
        let looked = self.of_header(&layout.books()).and_then(|()| {
            self.of_pages(books)?;
            self.of_schema(books)?;
            self.of_entries(books)?;
            self.of_rules(books)?;
            self.of_packs(books, layout)
        });
        books.execute_batch("COMMIT")?;
        self.unless_damaged(looked)
    }

    /// The two bytes of the file's head that say how it may be written. SQLite takes any greater ones for those of a newer
    /// SQLite, and the file for one that can only be read.
    fn of_header(&mut self, file: &Path) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| StoreError::io("read", file, &error);
        let head = pack::read_at(&File::open(file).map_err(failed)?, 0, 20).map_err(failed)?;
        if head.get(18..) != Some(&[2, 2]) {
            self.add(Part::Books, None, "The books' file does not say how it may be written.".to_owned());
        }
        Ok(())
    }

    /// SQLite's own look at the pages, the indexes and the types.
    fn of_pages(&mut self, books: &Connection) -> Result<(), StoreError> {
        let mut statement = books.prepare("PRAGMA integrity_check(1000)")?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        for line in lines.into_iter().filter(|line| line != "ok") {
            self.add(Part::Books, None, format!("SQLite finds the books damaged: {}.", line.replace('\n', ", ")));
        }
        Ok(())
    }

    /// The tables' columns, the indexes and the triggers against those that this program makes: text in a page like any other.
    fn of_schema(&mut self, books: &Connection) -> Result<(), StoreError> {
        let lines = |books: &Connection| {
            let mut statement = books.prepare(
                "SELECT type || ' ' || name || ': ' || sql FROM sqlite_master WHERE type IN ('index', 'trigger') \
                 AND sql IS NOT NULL UNION ALL \
                 SELECT concat_ws(' ', 'table', m.name, p.cid, p.name, p.type, p.\"notnull\", p.dflt_value, p.pk) \
                 FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
            )?;
            let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
            Ok::<_, StoreError>(lines.collect::<Result<BTreeSet<_>, _>>()?)
        };
        let (found, wanted) = (lines(books)?, lines(&books::empty_in_memory()?)?);
        for missing in wanted.difference(&found) {
            let what = missing.split(':').next().unwrap_or(missing);
            self.add(Part::Books, None, format!("The books' definition of {what} is not what was written."));
        }
        Ok(())
    }

    /// Each row against its checksum.
    fn of_entries(&mut self, books: &Connection) -> Result<(), StoreError> {
        self.batches = books.query_row("SELECT count(*) FROM batches", [], |row| books::unsigned(row, 0))?;
        for sealed in &seal::TABLES {
            let (table, columns) = (sealed.table, sealed.columns);
            let first = columns.split(", ").next().unwrap_or(columns);
            let sql = format!("SELECT quote({first}) FROM {table} WHERE NOT ({})", sealed.intact());
            let mut statement = books.prepare(&sql)?;
            let damaged = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
            let of = match table {
                "images" => Part::Image,
                "batches" => Part::Batch,
                "packs" => Part::Pack,
                _ => Part::Books,
            };
            for row in damaged {
                let message = format!("The entry {row} of the books' table \"{table}\" is not what was written.");
                self.add(of, Some(row), message);
            }
        }
        Ok(())
    }

    fn of_rules(&mut self, books: &Connection) -> Result<(), StoreError> {
        for (of, sql, sentence) in RULES {
            let mut statement = books.prepare(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let values = (0..columns).map(|column| text(row, column)).collect::<rusqlite::Result<Vec<_>>>()?;
                let named = matches!(of, Part::Image | Part::Batch).then(|| values[0].clone());
                let message =
                    values.iter().fold(sentence.to_owned(), |message, value| message.replacen("{}", value, 1));
                self.add(of, named, message);
            }
        }
        Ok(())
    }

    /// The files of packs that have images, against the books' word on where they end.
    fn of_packs(&mut self, books: &Connection, layout: &Layout) -> Result<(), StoreError> {
        let mut statement = books.prepare("SELECT number, end FROM packs WHERE live > 0")?;
        let packs = statement.query_map([], |row| Ok((row.get::<_, u32>(0)?, books::unsigned(row, 1)?)))?;
        for pack in packs {
            let (number, end) = pack?;
            let length = fs::metadata(layout.packs().join(number.to_string())).map_or(0, |file| file.len());
            // Within the transaction it may have lost its last image, and with it its file.
            if length < end && still_has_images(&layout.books(), number)? {
                let message = format!("Pack {number} has {length} bytes, and should have {end}.");
                self.add(Part::Pack, None, message);
            }
        }
        Ok(())
    }

    /// The bytes of every image.
    fn of_images(&mut self, books: &Connection, layout: &Layout) -> Result<(), StoreError> {
        let kept = Kept::new(layout);
        let sql = format!("SELECT {} FROM images WHERE id > ?1 ORDER BY id LIMIT ?2", seal::IMAGES.selected());
        let mut after = -1;
        loop {
            let some = (|| {
                let mut statement = books.prepare_cached(&sql)?;
                let rows = statement
                    .query_map([after, ROWS_AT_A_TIME], |row| Ok((row.get::<_, i64>(0)?, sealed_image(row)?)))?;
                Ok(rows.collect::<Result<Vec<_>, _>>()?)
            })();
            let some = match some {
                Ok(some) => some,
                Err(error) => return self.unless_damaged(Err(error)),
            };
            match some.last() {
                None => return Ok(()),
                // Where the order is damaged the rows could go round in a circle.
                Some((last, _)) if *last <= after => {
                    let message = format!("The books do not give the images behind number {after} in their order.");
                    self.add(Part::Books, None, message);
                    return Ok(());
                }
                Some((last, _)) => after = *last,
            }
            for (row, place) in some.into_iter().filter_map(|(_, intact)| intact) {
                self.of_image(books, &kept, &row, place)?;
            }
        }
    }

    fn of_image(&mut self, books: &Connection, kept: &Kept, row: &ImageRow, place: Place) -> Result<(), StoreError> {
        self.images += 1;
        if place == Place::Nowhere {
            return Ok(());
        }
        match kept.read(row, place) {
            Ok(bytes) => self.bytes += bytes.len() as u64,
            Err(_) if !still_lies_there(books, row.id, place)? => {}
            Err(fault) => {
                let message = format!("Image {} ({}) is damaged: {fault}.", row.name, row.id);
                self.add(Part::Image, Some(row.name.clone()), message);
            }
        }
        Ok(())
    }

    /// A look that was cut short by damage is a fault that was found.
    fn unless_damaged(&mut self, looked: Result<(), StoreError>) -> Result<(), StoreError> {
        match looked {
            Err(StoreError::Damaged(what)) => {
                self.add(Part::Books, None, format!("The books could not be looked through to their end: {what}."));
                Ok(())
            }
            looked => looked,
        }
    }
}

/// Whether the books have the image, its bytes where they were.
pub(super) fn still_lies_there(books: &Connection, image: ImageId, place: Place) -> Result<bool, StoreError> {
    match books::find_image(books, image) {
        Ok(found) => Ok(found.is_some_and(|(_, now)| now == place)),
        Err(StoreError::DamagedEntry(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether the books have images in a pack now, whatever an open transaction shows.
fn still_has_images(file: &Path, pack: u32) -> Result<bool, StoreError> {
    let now = books::open_beside(file)?;
    let live =
        now.query_row("SELECT live FROM packs WHERE number = ?1", [pack], |row| row.get::<_, i64>(0)).optional()?;
    Ok(live.is_some_and(|live| live > 0))
}

/// A value as it is put in a sentence.
fn text(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<String> {
    use rusqlite::types::ValueRef;
    Ok(match row.get_ref(column)? {
        ValueRef::Null => "none".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    })
}
