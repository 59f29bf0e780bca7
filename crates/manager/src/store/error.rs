//! What can go wrong in the store, told apart where the caller reacts differently.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store did not do what was asked. The text follows "failed to ...". Can be cloned, because one failed commit
/// is the answer to everyone who waited for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// At open: another process holds the lock on the data folder.
    #[error("the data folder {} is in use by another manager; stop that one or name another folder with --data", .0.display())]
    InUse(PathBuf),
    /// At open: the folder cannot be made or written.
    #[error("the data folder {} cannot be written: {reason}", folder.display())]
    NotWritable {
        /// The data folder.
        folder: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// At open: a newer program has written the books.
    #[error("the books are of schema {found}, newer than this program's {known}; use the program that wrote them")]
    NewerSchema {
        /// The schema number in the file.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// For a look at them or a backup: an older program has written the books.
    #[error(
        "the books are of schema {found}, older than this program's {known}; start a manager on them once, which brings them forward, or copy the folder while none runs"
    )]
    OlderSchema {
        /// The schema number in the file.
        found: i64,
        /// The one that this program knows.
        known: i64,
    },
    /// For a look or a backup: no manager has ever worked in that folder.
    #[error("there are no books at {}, so this is no data folder", .0.display())]
    NoBooks(PathBuf),
    /// For a backup: something is in the destination.
    #[error("{} is not empty; name a folder that is, or that does not exist", .0.display())]
    NotEmpty(PathBuf),
    /// For a backup: it is too large for the destination.
    #[error("{} has no room: {needed_bytes} bytes are needed, and {free_bytes} are free", folder.display())]
    NoRoom {
        /// The destination.
        folder: PathBuf,
        /// What the images and the books take.
        needed_bytes: u64,
        /// What the disk can take.
        free_bytes: u64,
    },
    /// Books or image bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// One row of the books is not what was written, by its checksum. Nothing of it is believed; the rest of the books is
    /// as good as it was.
    #[error("damaged: the books' entry of {0} is not what was written")]
    DamagedEntry(String),
    /// The disk is full. Only what was being written is lost; the store goes on.
    #[error("no space left on the disk of the data folder")]
    NoSpace,
    /// The data folder has reached its limit. With [`super::Store::make_room`]: nothing of it is finished.
    #[error("the store is full: {kept_bytes} of {limit_bytes} bytes are taken")]
    Full {
        /// Bytes of image files that are kept.
        kept_bytes: u64,
        /// [`super::StoreSettings::limit_bytes`].
        limit_bytes: u64,
    },
    /// The batch has [`super::StoreSettings::images_per_batch`] images.
    #[error("the batch has reached its limit of {limit} images")]
    BatchFull {
        /// The limit.
        limit: u32,
    },
    /// The batch was never there, was deleted, or has expired.
    #[error("there is no such batch")]
    NoSuchBatch,
    /// The image was never there or was deleted with or without its batch.
    #[error("there is no such image")]
    NoSuchImage,
    /// More requests wait for the disk than [`super::QUEUE_LIMIT`].
    #[error("too many requests wait for the disk")]
    Busy,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// Any other fault of the disk or of SQLite.
    #[error("{0}")]
    Disk(String),
}

impl StoreError {
    /// The error for a failed system call on `path`.
    pub(super) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull || error.kind() == io::ErrorKind::QuotaExceeded {
            Self::NoSpace
        } else {
            Self::Disk(format!("{doing} {}: {error}", path.display()))
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // A value that its column cannot have.
        if let rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) = error
        {
            return Self::Damaged(format!("the books: {error}"));
        }
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::NoSpace,
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Damaged(format!("the books: {error}"))
            }
            _ => Self::Disk(format!("the books: {error}")),
        }
    }
}
