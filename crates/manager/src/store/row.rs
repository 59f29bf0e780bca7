//! What goes into the books and what comes out of them.

use std::time::SystemTime;

use manyeyes_protocol::id::{BatchId, ImageId};

use super::spool::Spooled;
use crate::api::{Counts, ImageState, Label, Problem, Timing};

/// A batch: its number inside and its name outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchKey {
    /// Never given twice by one set of books.
    pub number: BatchId,
    /// Base58 (Flickr's alphabet) of 16 random bytes: unguessable.
    pub id: String,
}

/// An image that has been uploaded and is to be kept.
#[derive(Debug)]
pub struct NewImage {
    /// As shown; cleaned by the caller.
    pub name: String,
    /// The sniffed media type.
    pub media_type: Option<String>,
    /// Pixels across, by the header.
    pub width: Option<u32>,
    /// Pixels down, by the header.
    pub height: Option<u32>,
    /// When its first byte arrived.
    pub began: SystemTime,
    /// The bytes, or why there are none.
    pub content: Content,
}

/// The bytes of a [`NewImage`], or why they are not kept.
#[derive(Debug)]
pub enum Content {
    /// To be recognised.
    Accepted(Spooled),
    /// Refused at the door: a row that tells why, without bytes.
    Rejected {
        /// Why.
        problem: Problem,
        /// How many bytes were read.
        bytes: u64,
        /// Of the whole file, where it was read whole.
        sha256: Option<[u8; 32]>,
    },
}

/// An image in the books.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRow {
    /// Its number, in upload order.
    pub id: ImageId,
    /// Its batch.
    pub batch: BatchId,
    /// The number of the last change that the books know.
    pub seq: u64,
    /// As shown.
    pub name: String,
    /// Never [`ImageState::Assigned`]: who has an image is not written down.
    pub state: ImageState,
    /// The size of the file.
    pub bytes: u64,
    /// The file's digest. None only for what was not read whole.
    pub sha256: Option<[u8; 32]>,
    /// The sniffed media type.
    pub media_type: Option<String>,
    /// Pixels across, by the header.
    pub width: Option<u32>,
    /// Pixels down, by the header.
    pub height: Option<u32>,
    /// When its first byte arrived.
    pub began: SystemTime,
    /// Most probable first; empty unless recognised.
    pub labels: Vec<Label>,
    /// Who answered.
    pub worker: Option<String>,
    /// Deliveries made, as of the last blame or ending.
    pub attempts: u32,
    /// Why it was rejected or failed.
    pub problem: Option<Problem>,
    /// Where its time went; written with its ending.
    pub timing: Timing,
}

/// How an image ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Answered.
    Recognised {
        /// Most probable first.
        labels: Vec<Label>,
        /// Who answered, by the name it is shown under.
        worker: String,
        /// Deliveries made.
        attempts: u32,
        /// Where the time went.
        timing: Timing,
    },
    /// Given up.
    Failed {
        /// Why.
        problem: Problem,
        /// Who found out, if it was a worker.
        worker: Option<String>,
        /// Deliveries made.
        attempts: u32,
        /// Where the time went.
        timing: Timing,
    },
    /// A person took it back.
    Cancelled {
        /// Deliveries made.
        attempts: u32,
    },
}

/// What became of a change to an image that only some states allow.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// It is in the books, durable; the image as it is now.
    Yes(Box<ImageRow>),
    /// The image's state does not allow it (it has ended before, or its bytes are not kept); the image as it is.
    No(Box<ImageRow>),
    /// The image or its batch is no longer there.
    Gone,
}

/// What was accepted and has no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// The image.
    pub image: ImageId,
    /// Its batch.
    pub batch: BatchId,
    /// The size of its file.
    pub bytes: u64,
    /// Deliveries made, as far as the books know.
    pub attempts: u32,
    /// When its first byte arrived.
    pub began: SystemTime,
    /// The names of the workers that crashed or stalled on it.
    pub blamed: Vec<String>,
}

/// A batch as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchFacts {
    /// The number of the last change that the books know.
    pub seq: u64,
    /// Images by state; `assigned` is 0, those are under `waiting`.
    pub counts: Counts,
    /// Images deleted from it. They count towards [`super::StoreSettings::images_per_batch`], so that uploading and
    /// deleting in turns does not fill the books with idempotency keys.
    pub(super) deleted: u32,
    /// When the first byte of its first image arrived.
    pub first_upload: Option<SystemTime>,
    /// When its last answer was recorded.
    pub last_answer: Option<SystemTime>,
    /// Images recognised, those deleted since included.
    pub answered_images: u64,
    /// The bytes of their files.
    pub answered_bytes: u64,
    /// Bytes of image files that are kept for it.
    pub(super) kept_bytes: u64,
}
