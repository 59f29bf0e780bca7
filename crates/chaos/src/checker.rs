//! Whether a client was told the truth: its history against the promises. Pure: records in, violations out.
//!
//! What accepted means is `docs/api.md`'s: on 202 an image is kept, and it leaves the books with a result, with a stated error,
//! or by a person's own doing. Each file of a run is unlike all others and each worker answers with its file's digest, so an
//! answer shows whose it is.

mod batch;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use self::batch::Batch;
use crate::history::{Fact, Record, Wish};

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// What was accepted is not there, or was not accepted whole.
    Lost,
    /// One file is there twice, or one request was answered with two sets of images.
    Doubled,
    /// An image has the answer of another, or none.
    WrongLabel,
    /// There is an image that nobody has uploaded.
    NeverUploaded,
    /// It had ended and then had not, or ended otherwise, without anybody asking.
    ChangedEnding,
    /// It was given up.
    GivenUp,
    /// It has not ended though all was whole for long enough.
    Unfinished,
    /// It was cancelled, or a batch was gone, without anybody asking.
    Unasked,
    /// It was deleted and is there again.
    CameBack,
    /// Two copies with one number differ, or the last one that was told has a higher number than the books'.
    Numbering,
    /// The numbers of an event stream went back or were used twice.
    EventNumbers,
    /// A refusal without a documented reason.
    Refusal,
    /// The last reading of a batch is missing: nothing is known of it.
    NotRead,
}

/// A broken promise, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}

/// What was counted on the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Images that were answered 202.
    pub(crate) accepted: u64,
    /// Accepted images that ended recognised with their own label.
    pub(crate) recognised: u64,
    /// Accepted images that ended cancelled, by a wish.
    pub(crate) cancelled: u64,
    /// Accepted images that were deleted by a wish: singly, or with their batch while a doubted answer was made anew.
    pub(crate) deleted: u64,
    /// Images of uploads without an answer that are there: whole, once.
    pub(crate) kept_without_answer: u64,
    /// Wishes to run an image again.
    pub(crate) run_again: u64,
    /// Requests without an answer.
    pub(crate) no_answer: u64,
    /// Uploads that were sent more than once under one key.
    pub(crate) sent_again: u64,
    /// Event streams that were opened, and of these with a number to go on from.
    pub(crate) streams: (u64, u64),
    /// Changes that streams told.
    pub(crate) changes: u64,
    /// Tellings of wrong answers of workers that answered wrongly on purpose.
    pub(crate) excused: u64,
    /// Refusals by status and code.
    pub(crate) refusals: BTreeMap<(u16, String), u64>,
}

impl Tally {
    /// Adds what was counted of somebody else.
    pub(crate) fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.recognised += other.recognised;
        self.cancelled += other.cancelled;
        self.deleted += other.deleted;
        self.kept_without_answer += other.kept_without_answer;
        self.run_again += other.run_again;
        self.no_answer += other.no_answer;
        self.sent_again += other.sent_again;
        self.streams.0 += other.streams.0;
        self.streams.1 += other.streams.1;
        self.changes += other.changes;
        self.excused += other.excused;
        for (refusal, times) in other.refusals {
            *self.refusals.entry(refusal).or_default() += times;
        }
    }
}

/// The refusals that a client of a run may meet, by `docs/api.md`. The batch's own (404, 409) are looked at apart.
const DOCUMENTED: [(u16, &str); 8] = [
    (408, "too_slow"),
    (429, "busy"),
    (429, "queue_full"),
    (429, "too_many_from_you"),
    (500, "internal"),
    (503, "not_ready"),
    (503, "shutting_down"),
    (507, "no_space"),
];

/// A time at which a worker answered wrongly on purpose. What it had answered then may be wrong, and may be recognised again
/// without anybody asking; at the end all must be right.
#[derive(Clone, Debug)]
pub(crate) struct Excuse {
    pub(crate) worker: String,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
}

impl Excuse {
    /// Whether it is one for an answer of that worker that was told at that time.
    fn covers(&self, worker: Option<&str>, at_ms: u64) -> bool {
        // Two workers of one name are told apart by a number behind it.
        let is_it = worker.and_then(|worker| worker.strip_prefix(self.worker.as_str()));
        is_it.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            && (self.from_ms..=self.to_ms).contains(&at_ms)
    }
}

/// Reads the histories of one or more clients.
#[derive(Default)]
pub(crate) struct Checker {
    excuses: Vec<Excuse>,
    batches: BTreeMap<String, Batch>,
    tally: Tally,
    violations: Vec<Violation>,
}

impl Checker {
    /// For a run in which workers answered wrongly on purpose.
    pub(crate) fn with(excuses: Vec<Excuse>) -> Self {
        Self { excuses, ..Self::default() }
    }

    /// Takes the next record.
    pub(crate) fn take(&mut self, record: Record) {
        let Self { excuses, batches, tally, violations } = self;
        let mut found = Found { violations, excuses, at_ms: record.at_ms, excused: 0 };
        match record.fact {
            Fact::Sent { batch, key, files } => {
                if !batch_of(batches, &batch).sent(key, files) {
                    tally.sent_again += 1;
                }
            }
            Fact::Accepted { batch, key, images } => {
                tally.accepted += batch_of(batches, &batch).accepted(&key, images, &mut found)
            }
            Fact::NoAnswer { .. } => tally.no_answer += 1,
            Fact::Refused { batch, image, request, status, code } => {
                let of_batch = batch_of(batches, &batch).may_refuse(image.as_deref(), status, &code);
                if !of_batch && !DOCUMENTED.contains(&(status, code.as_str())) {
                    found.add(Promise::Refusal, format!("{request} was answered {status} {code}"));
                }
                *tally.refusals.entry((status, code)).or_default() += 1;
            }
            Fact::Asked { batch, image, wish } => {
                tally.run_again += u64::from(wish == Wish::Retry);
                batch_of(batches, &batch).asked(image, wish);
            }
            Fact::Done { batch, image, wish } => batch_of(batches, &batch).done(image, wish),
            Fact::Opened { batch, from } => {
                tally.streams.0 += 1;
                tally.streams.1 += u64::from(from.is_some());
                batch_of(batches, &batch).opened(from);
            }
            Fact::Snapshot { batch, seq, images, deleted, complete: _ } => {
                batch_of(batches, &batch).snapshot(seq, images, deleted, &mut found);
            }
            Fact::Change { batch, seq, image, deleted } => {
                tally.changes += 1;
                batch_of(batches, &batch).change(seq, image, deleted, &mut found);
            }
            Fact::Gone { batch } => batch_of(batches, &batch).gone(&mut found),
            Fact::Books { batch, images } => batch_of(batches, &batch).read(images, &mut found),
        }
        tally.excused += found.excused;
    }

    /// The verdict, when all has been read.
    pub(crate) fn finish(mut self) -> (Tally, Vec<Violation>) {
        let mut found = Found { violations: &mut self.violations, excuses: &self.excuses, at_ms: 0, excused: 0 };
        for batch in self.batches.into_values() {
            batch.finish(&mut self.tally, &mut found);
        }
        (self.tally, self.violations)
    }
}

fn batch_of<'a>(batches: &'a mut BTreeMap<String, Batch>, id: &str) -> &'a mut Batch {
    batches.entry(id.to_owned()).or_insert_with(|| Batch::new(id))
}

/// Takes violations down, with the time of the record that showed them.
struct Found<'a> {
    violations: &'a mut Vec<Violation>,
    excuses: &'a [Excuse],
    at_ms: u64,
    /// Wrong answers that were told and have an excuse.
    excused: u64,
}

impl Found<'_> {
    fn is_excused(&self, worker: Option<&str>, at_ms: u64) -> bool {
        self.excuses.iter().any(|excuse| excuse.covers(worker, at_ms))
    }

    fn add(&mut self, promise: Promise, what: String) {
        let what = if self.at_ms == 0 { what } else { format!("{what} (at {} ms)", self.at_ms) };
        self.violations.push(Violation { promise, what });
    }
}
