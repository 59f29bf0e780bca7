//! Checksums over the rows of the books. SQLite keeps none, so a bit that changes on the disk within a row's cell would be
//! read as if it had been written: another label, another place of the bytes, another number.
//!
//! Each row has one in its last column, `checksum`, over all of its other columns. Triggers write it, so that no statement
//! can forget to; every reader compares it before it believes the row. A row that is found damaged stays so: writing to it
//! does not make it whole.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::StoreError;

/// The SQL function that the triggers call.
const FUNCTION: &str = "row_checksum";

/// A table whose rows are sealed.
pub(super) struct Sealed {
    pub(super) table: &'static str,
    /// All columns but `checksum`, in the order in which they are summed up. Frozen with the schema.
    pub(super) columns: &'static str,
    /// What names a row.
    key: &'static [&'static str],
}

pub(super) const IMAGES: Sealed = Sealed {
    table: "images",
    columns: "id, batch, seq, name, state, bytes, sha256, media_type, width, height, began, labels, worker, attempts, \
              error_code, error_message, timing, pack, place, run, model",
    key: &["id"],
};
pub(super) const BATCHES: Sealed = Sealed {
    table: "batches",
    columns: "number, id, seq, created, changed, first_upload, last_answer, total, waiting, recognised, failed, \
              rejected, cancelled, deleted, answered_images, answered_bytes, kept_bytes, model, model_name",
    key: &["number"],
};
pub(super) const IDEMPOTENCY: Sealed =
    Sealed { table: "idempotency", columns: "batch, key, first_image, images", key: &["batch", "key"] };
pub(super) const BLAMES: Sealed = Sealed { table: "blames", columns: "image, worker", key: &["image", "worker"] };
pub(super) const CONDEMNED: Sealed = Sealed { table: "condemned", columns: "number", key: &["number"] };
pub(super) const PACKS: Sealed = Sealed { table: "packs", columns: "number, end, live", key: &["number"] };
pub(super) const BOOKS: Sealed = Sealed { table: "books", columns: "id, seq_ceiling, image_ceiling", key: &["rowid"] };

/// All tables of the books.
pub(super) const TABLES: [Sealed; 7] = [IMAGES, BATCHES, IDEMPOTENCY, BLAMES, CONDEMNED, PACKS, BOOKS];

impl Sealed {
    /// The columns and their checksum, as [`Sealed::is_intact`] wants them.
    pub(super) fn selected(&self) -> String {
        format!("{}, checksum", self.columns)
    }

    /// Whether a row of [`Sealed::selected`] is what was written.
    pub(super) fn is_intact(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let columns = self.columns.split(',').count();
        let values = (0..columns).map(|column| row.get_ref(column)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(row.get_ref(columns)? == ValueRef::Integer(checksum(values)))
    }

    /// SQL that holds for a row that is what was written. For connections with [`register`].
    pub(super) fn intact(&self) -> String {
        format!("checksum IS {FUNCTION}({})", self.columns)
    }

    /// What keeps the checksums of the table.
    fn triggers(&self) -> String {
        let Self { table, columns, key } = self;
        let of = |which: &str| {
            let columns: Vec<_> = columns.split(", ").map(|column| format!("{which}.{column}")).collect();
            format!("{FUNCTION}({})", columns.join(", "))
        };
        let (old, new) = (of("OLD"), of("NEW"));
        let here = key.iter().map(|column| format!("{column} = NEW.{column}")).collect::<Vec<_>>().join(" AND ");
        format!(
            "CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} BEGIN \
             UPDATE {table} SET checksum = {new} WHERE {here}; END;\n\
             CREATE TRIGGER {table}_updated AFTER UPDATE OF {columns} ON {table} BEGIN \
             UPDATE {table} SET checksum = iif(OLD.checksum IS {old}, {new}, NULL) WHERE {here}; END;\n"
        )
    }
}

/// What makes tables that have the column `checksum` keep it.
pub(super) fn triggers() -> String {
    TABLES.iter().map(Sealed::triggers).collect()
}

/// What adds checksums to the tables of books that had none: their rows are taken as they are.
pub(super) fn from_2_to_3() -> String {
    let add = |Sealed { table, columns, .. }: &Sealed| {
        format!(
            "ALTER TABLE {table} ADD COLUMN checksum INTEGER;\nUPDATE {table} SET checksum = {FUNCTION}({columns});\n"
        )
    };
    TABLES.iter().map(add).chain([triggers()]).collect()
}

/// Gives a connection that writes the function that the triggers call.
pub(super) fn register(connection: &Connection) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let sum = |context: &mut Context<'_>| Ok(checksum((0..context.len()).map(|column| context.get_raw(column))));
    Ok(connection.create_scalar_function(FUNCTION, -1, flags, sum)?)
}

/// CRC-32 (as of zip and PNG) over the values, each with its type and length, so that no two rows are the same bytes.
/// It misses no change within 32 neighbouring bits, and one of four billion others.
fn checksum<'a>(values: impl IntoIterator<Item = ValueRef<'a>>) -> i64 {
    let mut sum = crc32fast::Hasher::new();
    for value in values {
        let (kind, bytes): (u8, &[u8]) = match value {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(number) => {
                sum.update(&[1]);
                sum.update(&number.to_le_bytes());
                continue;
            }
            ValueRef::Real(number) => {
                sum.update(&[2]);
                sum.update(&number.to_bits().to_le_bytes());
                continue;
            }
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(bytes) => (4, bytes),
        };
        sum.update(&[kind]);
        sum.update(&(bytes.len() as u64).to_le_bytes());
        sum.update(bytes);
    }
    i64::from(sum.finalize())
}
