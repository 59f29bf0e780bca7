//! What a client did and what it was told, in the order in which it knew it: written down one JSON object a line, before the
//! request that it speaks of is sent and after its answer has come. The checker reads it; so may a person.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many hex digits of a file's SHA-256 tell it from all others; as many as a worker of fixed service time answers with.
pub(crate) const DIGEST_DIGITS: usize = 16;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Milliseconds since the beginning of the run.
    pub(crate) at_ms: u64,
    #[serde(flatten)]
    pub(crate) fact: Fact,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub(crate) enum Fact {
    /// Files are about to be sent under a key; each try is told.
    Sent { batch: String, key: String, files: Vec<String> },
    /// 202: these images were accepted.
    Accepted { batch: String, key: String, images: Vec<Copy> },
    /// A request had no answer, or one that was not waited for.
    NoAnswer { request: String },
    /// A request was refused.
    Refused { batch: String, image: Option<String>, request: String, status: u16, code: String },
    /// A person's wish is about to be sent: of one image, or of the whole batch.
    Asked { batch: String, image: Option<String>, wish: Wish },
    /// It was answered with success.
    Done { batch: String, image: Option<String>, wish: Wish },
    /// An event stream was opened, asking for what has changed since a number.
    Opened { batch: String, from: Option<u64> },
    /// An event stream said how the batch is.
    Snapshot { batch: String, seq: u64, images: Vec<Copy>, deleted: Vec<String>, complete: bool },
    /// An event stream said that an image is now so, or that it is no more.
    Change { batch: String, seq: u64, image: Option<Copy>, deleted: Option<String> },
    /// An event stream said that the batch is no more.
    Gone { batch: String },
    /// The whole batch was read, page by page; `None`: there is no such batch.
    Books { batch: String, images: Option<Vec<Copy>> },
}

/// What a person may wish of an image or a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wish {
    Retry,
    Cancel,
    Delete,
}

/// A copy of an image as the manager told it, as much of it as the checker looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Copy {
    pub(crate) id: String,
    pub(crate) seq: u64,
    pub(crate) state: State,
    /// The first [`DIGEST_DIGITS`] of its file's digest.
    pub(crate) digest: Option<String>,
    /// The worker that has it or that answered it.
    pub(crate) worker: Option<String>,
    /// The most probable label.
    pub(crate) label: Option<String>,
    /// The code of what went wrong with it.
    pub(crate) error: Option<String>,
}

/// The states of an image, as `docs/api.md` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Waiting,
    Assigned,
    Recognised,
    Failed,
    Rejected,
    Cancelled,
}

impl State {
    pub(crate) fn has_ended(self) -> bool {
        !matches!(self, Self::Waiting | Self::Assigned)
    }
}

impl Copy {
    /// Of an Image in JSON; `None` where it has not the form that `docs/api.md` gives it.
    pub(crate) fn of(image: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let digest = image["sha256"].as_str().and_then(|digest| digest.get(..DIGEST_DIGITS));
        Some(Self {
            id: text(&image["id"])?,
            seq: image["seq"].as_u64()?,
            state: State::deserialize(&image["state"]).ok()?,
            digest: digest.map(str::to_owned),
            worker: text(&image["worker"]),
            label: text(&image["labels"][0]["name"]),
            error: text(&image["error"]["code"]),
        })
    }

    /// Of a list of Images; `None` where one of them has another form.
    pub(crate) fn all_of(images: &Value) -> Option<Vec<Self>> {
        images.as_array()?.iter().map(Self::of).collect()
    }
}

/// A client's history, being written.
pub(crate) struct History {
    began: Instant,
    file: Mutex<BufWriter<File>>,
}

impl History {
    pub(crate) fn create(path: &Path, began: Instant) -> io::Result<Self> {
        Ok(Self { began, file: Mutex::new(BufWriter::new(File::create(path)?)) })
    }

    /// Writes a fact down. What two threads of a client know has one order: that of their calls.
    ///
    /// # Panics
    /// Where it cannot be written: without its history a run proves nothing.
    pub(crate) fn add(&self, fact: Fact) {
        let mut file = self.lock();
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = serde_json::to_string(&Record { at_ms, fact }).expect("a record is JSON");
        writeln!(file, "{line}").expect("the history can be written");
    }

    pub(crate) fn flush(&self) -> io::Result<()> {
        self.lock().flush()
    }

    fn lock(&self) -> MutexGuard<'_, BufWriter<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a history back, line by line.
pub(crate) fn read(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Record>>> {
    let lines = BufReader::new(File::open(path)?).lines();
    Ok(lines.map(|line| serde_json::from_str(&line?).map_err(io::Error::from)))
}
