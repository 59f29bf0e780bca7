//! The line before the writer, and the numbers that are given at its end. One lock for both, so that the order of
//! sequence numbers is the order in which changes are written.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use manyeyes_protocol::id::{BatchId, ImageId};
use tokio::sync::oneshot;

use super::numbers::Counter;
use super::row::{BatchKey, Ending, ImageRow, Recorded};
use super::spool::Spooled;
use super::{QUEUE_LIMIT, StoreError};
use crate::api::ImageState;

/// Sequence numbers reserved at a time. An unclean end skips what is left of them; a browser's numbers (2^53) last for
/// 33 million unclean ends.
const SEQ_BLOCK: u64 = 1 << 28;
/// Image numbers reserved at a time: seconds of the fastest uploads, so a raise at half of it always comes in time.
const IMAGE_BLOCK: u64 = 1 << 16;
/// Sequence numbers left for a run that is ending.
const SEQ_MARGIN: u64 = 1 << 16;
/// Requests in one group: bounds how long the first of them waits for the last.
const GROUP_REQUESTS: usize = 4096;
/// Bytes of image files in one group, for the same reason.
const GROUP_BYTES: u64 = 32 << 20;

/// Where an answer of the writer's arrives.
pub(super) type Answered = oneshot::Receiver<Result<Reply, StoreError>>;

/// A change that waits for the writer.
pub(super) struct Request {
    pub(super) seq: u64,
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<Reply, StoreError>>,
}

pub(super) enum Change {
    CreateBatch {
        id: String,
    },
    Keep(Keep),
    Finish {
        image: ImageId,
        ending: Box<Ending>,
        /// To be told before it is durable, if the image ends so.
        decided: Option<oneshot::Sender<Box<ImageRow>>>,
    },
    Blame {
        image: ImageId,
        worker: String,
        attempts: u32,
    },
    Reopen {
        image: ImageId,
        /// Only if the image is in this run, and ended in it by this worker's word.
        only: Option<(u32, String)>,
    },
    DeleteImage {
        image: ImageId,
    },
    DeleteBatch {
        batch: BatchId,
    },
    /// Finished batches that are too old, or as many as make room for so many bytes.
    Expire {
        room: Option<u64>,
    },
}

pub(super) struct Keep {
    pub(super) batch: BatchId,
    pub(super) key: Option<String>,
    pub(super) images: Vec<KeptImage>,
}

pub(super) struct KeptImage {
    pub(super) row: ImageRow,
    pub(super) body: Option<Spooled>,
}

/// What the writer answers once it is durable.
pub(super) enum Reply {
    Done,
    Batch(BatchKey),
    Recorded(Recorded),
    Deleted(Option<Box<ImageRow>>),
    Unfinished(Vec<ImageId>),
    Expired(Vec<BatchKey>),
}

impl Reply {
    /// Images that no worker will want any more, unless they are run again.
    pub(super) fn over(&self) -> impl Iterator<Item = ImageId> {
        let one = match self {
            Self::Recorded(Recorded::Yes(row)) if row.state != ImageState::Waiting => Some(row.id),
            Self::Deleted(row) => row.as_ref().map(|row| row.id),
            _ => None,
        };
        let many = if let Self::Unfinished(images) = self { images.as_slice() } else { &[] };
        one.into_iter().chain(many.iter().copied())
    }
}

impl Keep {
    /// Bytes of image files.
    pub(super) fn bytes(&self) -> u64 {
        self.images.iter().filter_map(|image| image.body.as_ref()).map(Spooled::bytes).sum()
    }
}

/// The line and its two ends.
pub(super) struct Line {
    state: Mutex<State>,
    /// The writer waits here for something to do.
    filled: Condvar,
    /// Whoever has used all numbers up waits here.
    raised: Condvar,
}

/// The line, locked.
pub(super) struct State {
    requests: VecDeque<Request>,
    closed: bool,
    /// More numbers are to be reserved although nothing else waits.
    thirsty: bool,
    seq: Counter,
    image: Counter,
}

/// The next numbers, as the books are to have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ceilings {
    pub(super) seq: u64,
    pub(super) image: u64,
}

/// What the writer is to do next.
pub(super) struct Group {
    pub(super) requests: Vec<Request>,
    /// To be written with the group.
    pub(super) raise: Option<Ceilings>,
    /// Nothing follows.
    pub(super) last: bool,
}

impl Line {
    /// `start` are the first numbers that are free; the books must have [`Line::first_ceilings`] of it already.
    pub(super) fn new(start: Ceilings) -> Self {
        let state = State {
            requests: VecDeque::new(),
            closed: false,
            thirsty: false,
            seq: Counter::new(start.seq, SEQ_BLOCK),
            image: Counter::new(start.image, IMAGE_BLOCK),
        };
        Self { state: Mutex::new(state), filled: Condvar::new(), raised: Condvar::new() }
    }

    pub(super) fn first_ceilings(start: Ceilings) -> Ceilings {
        Ceilings { seq: start.seq + SEQ_BLOCK, image: start.image + IMAGE_BLOCK }
    }

    pub(super) fn next_seq(&self) -> u64 {
        let mut state = self.lock();
        loop {
            if let Some(seq) = state.seq.take(1) {
                if state.seq.is_low() {
                    state.thirsty = true;
                    self.filled.notify_one();
                }
                return seq;
            }
            // A hundred million numbers were used while the disk took nothing: waiting is all that is left.
            state.thirsty = true;
            self.filled.notify_one();
            if state.closed {
                return state.seq.ceiling;
            }
            state = self.raised.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts a change in line. `make` gets its number and that of the first of `images` images, under the lock.
    pub(super) fn push<T>(
        &self,
        images: u64,
        make: impl FnOnce(u64, ImageId) -> (Change, T),
    ) -> Result<(u64, Answered, T), StoreError> {
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        if state.requests.len() >= QUEUE_LIMIT {
            return Err(StoreError::Busy);
        }
        let numbers = state.take_numbers(images);
        let Some((image, seq)) = numbers else {
            // Only when no commit has raised them for a whole block: the disk takes nothing. Nothing comes into the line for want
            // of numbers, so the writer is to reserve more though nothing waits.
            state.thirsty = true;
            drop(state);
            self.filled.notify_one();
            return Err(StoreError::Busy);
        };
        let (answer, answered) = oneshot::channel();
        let (change, made) = make(seq, ImageId(image));
        state.requests.push_back(Request { seq, change, answer });
        drop(state);
        self.filled.notify_one();
        Ok((seq, answered, made))
    }

    /// The next group. Without `wait` it may be empty.
    pub(super) fn take(&self, wait: bool) -> Group {
        let mut state = self.lock();
        while wait && state.requests.is_empty() && !state.closed && !state.thirsty {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut requests = Vec::with_capacity(state.requests.len().min(GROUP_REQUESTS));
        let mut bytes = 0;
        while requests.len() < GROUP_REQUESTS && bytes < GROUP_BYTES {
            let Some(request) = state.requests.pop_front() else {
                break;
            };
            if let Change::Keep(keep) = &request.change {
                bytes += keep.bytes();
            }
            requests.push(request);
        }
        state.thirsty = false;
        let raise = (state.seq.is_low() || state.image.is_low())
            .then(|| Ceilings { seq: state.seq.raised(), image: state.image.raised() });
        let last = state.closed && state.requests.is_empty();
        Group { requests, raise, last }
    }

    /// The books have these ceilings.
    pub(super) fn raise(&self, ceilings: Ceilings) {
        let mut state = self.lock();
        state.seq.raise(ceilings.seq);
        state.image.raise(ceilings.image);
        drop(state);
        self.raised.notify_all();
    }

    /// Nothing is taken any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.raised.notify_all();
    }

    /// Closes the line and drops what waits in it, which its askers notice.
    pub(super) fn abandon(&self) {
        self.close();
        self.lock().requests.clear();
    }

    /// The first numbers that the next run may give. After [`Line::close`] no image is numbered any more, but changes
    /// that are not written down may still be, while everything around the store ends.
    pub(super) fn unused(&self) -> Ceilings {
        let mut state = self.lock();
        let unused = Ceilings { seq: state.seq.next + SEQ_MARGIN, image: state.image.next };
        state.seq.raise(unused.seq);
        state.image.raise(unused.image);
        unused
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first of so many image numbers, and of the sequence numbers for them.
    fn take_numbers(&mut self, images: u64) -> Option<(u64, u64)> {
        let image = if images == 0 { 0 } else { self.image.take(images)? };
        Some((image, self.seq.take(images.max(1))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by the simulator (seed 7071): when commits had failed for as long as a block of numbers lasts, uploads were refused
    /// for want of numbers, so nothing came into the line, and the writer slept on while the disk had long been well.
    #[test]
    fn the_writer_is_woken_to_reserve_numbers_when_there_are_none_for_what_would_come_into_the_line() {
        let line = Line::new(Ceilings { seq: 1, image: 1 });
        let upload = |images| line.push(images, |_, _| (Change::CreateBatch { id: String::new() }, ()));
        assert!(upload(IMAGE_BLOCK).is_ok());
        assert_eq!(line.take(false).requests.len(), 1, "its commit fails, and with it the raise");
        assert!(matches!(upload(1), Err(StoreError::Busy)));
        let raise = line.take(true).raise.expect("more are to be reserved");
        line.raise(raise);
        assert!(upload(1).is_ok());
    }
}
