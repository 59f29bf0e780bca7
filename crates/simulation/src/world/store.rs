//! The store's line and its writer: changes gather while a commit is under way, and what is not committed is lost with the
//! process.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use manyeyes_manager::store::StoreError;
use manyeyes_manager::store::numbers::Counter;
use manyeyes_protocol::id::{BatchId, ImageId};

use super::people::Answer;
use super::results::Recording;
use super::{Event, World};
use crate::books::{Books, Change, Reply};
use crate::content::Token;

/// Numbers reserved at a time: few, so that runs come to the end of a block.
pub(super) const SEQ_BLOCK: u64 = 2048;
/// The same for images.
pub(super) const IMAGE_BLOCK: u64 = 64;
/// As the product's line has it for a run that ends in order.
const SEQ_MARGIN: u64 = 16;

/// What survives the process.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) books: Books,
    pub(super) full: Full,
    pub(super) slow: bool,
    /// The next commit fails.
    pub(super) fails: bool,
    /// What a failed commit may have written: there again after a crash, if nothing was committed since.
    ghost: Vec<(u64, Change)>,
    pub(super) reads_fail: u32,
}

/// How full the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Full {
    #[default]
    No,
    /// Nothing new fits; endings and deletions do, into what is set aside.
    ForUploads,
    /// Nothing fits.
    ForAll,
}

/// What one run of the manager has of the store in memory.
#[derive(Debug)]
pub(super) struct StoreLine {
    pub(super) seq: Counter,
    pub(super) image: Counter,
    line: VecDeque<LineEntry>,
    committing: Vec<LineEntry>,
    is_committing: bool,
    pub(super) fresh: BTreeMap<ImageId, FreshImage>,
    /// Uploads under way by their keys: their images, and who else has asked.
    pub(super) keys: BTreeMap<(BatchId, u64), (Vec<ImageId>, Vec<u64>)>,
}

#[derive(Debug)]
struct LineEntry {
    seq: u64,
    change: Change,
    asker: Asker,
}

/// Who waits for a change.
#[derive(Clone, Debug)]
pub(super) enum Asker {
    Nobody,
    Results(Box<Recording>),
    Person(u64),
}

/// An image whose upload is not durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct FreshImage {
    pub(super) token: Token,
    pub(super) bytes: usize,
}

impl FreshImage {
    pub(super) fn bytes(&self) -> Bytes {
        self.token.file(self.bytes)
    }
}

impl StoreLine {
    pub(super) fn new(seq: Counter, image: Counter) -> Self {
        Self {
            seq,
            image,
            line: VecDeque::new(),
            committing: Vec::new(),
            is_committing: false,
            fresh: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Nothing is on its way to the disk.
    pub(super) fn is_idle(&self) -> bool {
        self.line.is_empty() && !self.is_committing
    }

    /// The images whose endings are on their way to the disk.
    pub(super) fn ending(&self) -> impl Iterator<Item = ImageId> + '_ {
        self.line.iter().chain(&self.committing).filter_map(|entry| match &entry.change {
            Change::Finish { image, .. } => Some(*image),
            _ => None,
        })
    }
}

impl World {
    /// Puts a change in line, with a number of its own.
    pub(super) fn push_change(&mut self, change: Change, asker: Asker) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        match manager.store.seq.take(1) {
            Some(seq) => {
                self.history.numbered(seq);
                self.push_numbered(seq, change, asker);
            }
            None => {
                self.reserve_numbers();
                self.settle(asker, &change, Err(StoreError::Busy));
            }
        }
    }

    pub(super) fn push_numbered(&mut self, seq: u64, change: Change, asker: Asker) {
        if let Some(manager) = &mut self.manager {
            manager.store.line.push_back(LineEntry { seq, change, asker });
            self.commit_what_waits();
        }
    }

    /// There are no numbers for what would come into the line: the writer is woken to reserve more.
    pub(super) fn reserve_numbers(&mut self) {
        if let Some(manager) = self.manager.as_mut().filter(|manager| manager.store.is_idle()) {
            manager.store.is_committing = true;
            let life = manager.life;
            let takes = self.chance.ms(0, 8);
            self.at(takes, Event::Committed { life });
        }
    }

    fn commit_what_waits(&mut self) {
        let takes = if self.disk.slow {
            self.chance.ms(500, 3_000)
        } else if self.chance.percent(5) {
            self.chance.ms(10, 300)
        } else {
            self.chance.ms(0, 8)
        };
        let Some(manager) = self.manager.as_mut().filter(|manager| manager.store.is_idle_with_work()) else {
            return;
        };
        manager.store.committing = manager.store.line.drain(..).collect();
        manager.store.is_committing = true;
        let life = manager.life;
        self.at(takes, Event::Committed { life });
    }

    /// A commit has come to its end: it is durable, or has failed. Then all are answered.
    pub(super) fn committed(&mut self, life: u32) {
        let Some(manager) = self.manager.as_mut().filter(|manager| manager.life == life) else {
            return;
        };
        let group = std::mem::take(&mut manager.store.committing);
        manager.store.is_committing = false;
        let fails = std::mem::take(&mut self.disk.fails);
        let mut outcomes = Vec::with_capacity(group.len());
        if fails {
            self.disk.ghost = group.iter().map(|entry| (entry.seq, entry.change.clone())).collect();
            self.say(|_| "a commit fails".to_owned());
        } else if self.disk.full != Full::ForAll {
            self.disk.ghost.clear();
            self.raise();
        }
        for entry in group {
            let refused = match self.disk.full {
                _ if fails => Some(StoreError::Disk("write the books".to_owned())),
                Full::ForAll => Some(StoreError::NoSpace),
                Full::ForUploads if entry.change.is_new() => Some(StoreError::NoSpace),
                Full::ForUploads | Full::No => None,
            };
            let outcome = match refused {
                Some(error) => Err(error),
                None => self.disk.books.apply(entry.seq, &entry.change, &mut self.history),
            };
            outcomes.push((entry, outcome));
        }
        for (entry, outcome) in outcomes {
            self.settle(entry.asker, &entry.change, outcome);
        }
        self.commit_what_waits();
    }

    /// What was being written when the process died is on the disk or not; what waited is lost. A group is written to where
    /// in SQLite's log the failed one before it is, so of the two at most one is there.
    pub(super) fn crash_store(&mut self, store: StoreLine) {
        let ghost = std::mem::take(&mut self.disk.ghost);
        let mut last = if self.chance.percent(50) { ghost } else { Vec::new() };
        if self.chance.percent(50) && self.disk.full == Full::No && !self.disk.fails {
            last = store.committing.into_iter().map(|entry| (entry.seq, entry.change)).collect();
        }
        for (seq, change) in last {
            // Whoever asked will never hear of it.
            let _ = self.disk.books.apply(seq, &change, &mut self.history);
        }
    }

    /// An orderly end gives the numbers that were reserved and not given back.
    pub(super) fn close_store(&mut self) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        let unused = |counter: &Counter, margin: u64, block: u64| counter.raised() - block + margin;
        self.disk.books.seq_ceiling = unused(&manager.store.seq, SEQ_MARGIN, SEQ_BLOCK);
        self.disk.books.image_ceiling = unused(&manager.store.image, 0, IMAGE_BLOCK);
    }

    fn raise(&mut self) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        let store = &mut manager.store;
        if store.seq.is_low() || store.image.is_low() {
            let (seq, image) = (store.seq.raised(), store.image.raised());
            (self.disk.books.seq_ceiling, self.disk.books.image_ceiling) = (seq, image);
            store.seq.raise(seq);
            store.image.raise(image);
        }
    }

    fn settle(&mut self, asker: Asker, change: &Change, outcome: Result<Reply, StoreError>) {
        if let Change::Keep { batch, key, images } = change {
            self.upload_settled(*batch, *key, images.iter().map(|(row, _)| row.id), outcome.is_ok());
        }
        match asker {
            Asker::Nobody => {}
            Asker::Results(recording) => match outcome {
                Ok(Reply::Recorded(recorded)) => self.recorded(recording, Ok(recorded)),
                Ok(_) => self.history.violation("an ending was answered with something else".to_owned()),
                Err(error) => self.recorded(recording, Err(error)),
            },
            Asker::Person(request) => self.serve(request, change, outcome),
        }
    }

    fn upload_settled(&mut self, batch: BatchId, key: Option<u64>, images: impl Iterator<Item = ImageId>, kept: bool) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        let store = &mut manager.store;
        for image in images {
            store.fresh.remove(&image);
        }
        if let Some(key) = key
            && let Some((images, others)) = store.keys.remove(&(batch, key))
        {
            for other in others {
                let answer = if kept { Answer::Uploaded(images.clone()) } else { Answer::Refused };
                self.answer(other, answer, Duration::ZERO);
            }
        }
    }
}

impl StoreLine {
    fn is_idle_with_work(&self) -> bool {
        !self.is_committing && !self.line.is_empty()
    }
}
