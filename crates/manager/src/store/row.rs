//! What goes into the books and what comes out of them.

use std::time::SystemTime;

use manyeyes_protocol::id::{BatchId, ImageId};
use serde::{Deserialize, Serialize};

use super::spool::Spooled;
use crate::api::{Counts, ImageState, Label, Problem, Timing, Wire};

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
    /// How often it has been taken back to waiting after it had ended. An ending of an earlier run is none of this one.
    pub run: u32,
    /// The name of the model that answered.
    pub model: Option<String>,
    /// Why it was rejected or failed.
    pub problem: Option<Problem>,
    /// Where its time went; written with its ending.
    pub timing: Timing,
    /// What the wire carried of it; written with its answer.
    pub wire: Option<Wire>,
    /// Bytes that were sent for its answer, written with that; `None`: not known.
    pub form_bytes: Option<u64>,
}

/// What one column of the books holds: where an image's time went, what the wire carried of it, and of which form. Rows that were written
/// before the others were known have only the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spent {
    #[serde(flatten)]
    pub(super) timing: Timing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wire: Option<Wire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) form_bytes: Option<u64>,
}

impl ImageRow {
    /// What is shown of an image whose entry in the books is not what was written: that, and nothing of the entry.
    pub(super) fn damaged(id: ImageId, batch: BatchId) -> Self {
        let message = "The manager's disk has changed what was written about this image, so nothing of it is shown.";
        Self {
            id,
            batch,
            seq: 0,
            name: "?".to_owned(),
            state: ImageState::Failed,
            bytes: 0,
            sha256: None,
            media_type: None,
            width: None,
            height: None,
            began: SystemTime::UNIX_EPOCH,
            labels: Vec::new(),
            worker: None,
            attempts: 0,
            run: 0,
            model: None,
            problem: Some(Problem { code: "lost".to_owned(), message: message.to_owned() }),
            timing: Timing::default(),
            wire: None,
            form_bytes: None,
        }
    }
}

/// How an image ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Answered.
    Recognised {
        /// Which run of the image it is the ending of.
        run: u32,
        /// What answered. None: not known any more.
        model: Option<AnsweringModel>,
        /// Most probable first.
        labels: Vec<Label>,
        /// Who answered, by the name it is shown under.
        worker: String,
        /// Deliveries made.
        attempts: u32,
        /// Where the time went.
        timing: Timing,
        /// What the wire carried of it.
        wire: Option<Wire>,
        /// Bytes that were sent for it: of the file, or of a smaller form. None: not known.
        form_bytes: Option<u64>,
    },
    /// Given up.
    Failed {
        /// Which run of the image it is the ending of.
        run: u32,
        /// Why.
        problem: Problem,
        /// Who found out, if it was a worker.
        worker: Option<String>,
        /// Deliveries made.
        attempts: u32,
        /// Where the time went.
        timing: Timing,
    },
    /// A person took it back, in whatever run it was.
    Cancelled {
        /// Deliveries made.
        attempts: u32,
    },
}

/// The model that an answer is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweringModel {
    /// SHA-256 of its file.
    pub digest: [u8; 32],
    /// As the worker calls it.
    pub name: String,
}

/// What became of a change to an image that only some states allow.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// It is in the books, durable; the image as it is now.
    Yes(Box<ImageRow>),
    /// The image's state does not allow it (it has ended before, it is of an earlier run, or its bytes are not kept); the
    /// image as it is.
    No(Box<ImageRow>),
    /// The answer is of another model than those of its batch, and nobody has asked for that; the image as it is.
    OtherModel(Box<ImageRow>, AnsweringModel),
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
    /// Its run, as [`ImageRow::run`].
    pub run: u32,
    /// The digest of the model that answers its batch, once one has.
    pub model: Option<[u8; 32]>,
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
    /// The model that answers it: that of its first answer, or of the last image that was run again.
    pub model: Option<AnsweringModel>,
    /// When the first byte of its first image arrived; later by the long times in which it had nothing to do.
    pub first_upload: Option<SystemTime>,
    /// When its last answer was recorded; later by those times that followed.
    pub last_answer: Option<SystemTime>,
    /// Answers recorded, those of images deleted since and of earlier runs included.
    pub answered_images: u64,
    /// The bytes of the files that were answered.
    pub answered_bytes: u64,
    /// Bytes of image files that are kept for it.
    pub(super) kept_bytes: u64,
}
