//! The memory for images' bytes: while they arrive, until they are in the books, and from then on until a worker has them, or something new
//! needs the room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use manyeyes_protocol::id::ImageId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One budget for all of it.
#[derive(Debug)]
pub(super) struct Memory {
    /// One permit a byte.
    budget: Arc<Semaphore>,
    /// Of images that are in the books, and were given to no worker yet.
    awaited: Mutex<BTreeMap<ImageId, Held>>,
}

/// Bytes in memory. Their part of the budget is free again when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Held(Arc<(Bytes, Option<Share>)>);

/// A part of the budget.
#[derive(Debug)]
pub(super) struct Share(OwnedSemaphorePermit);

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        let budget = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self { budget, awaited: Mutex::default() }
    }

    /// A part of the budget for so many bytes that arrive. What only spares a worker's image a way over the disk makes room for them.
    pub(super) fn share(&self, bytes: usize) -> Option<Share> {
        let bytes = u32::try_from(bytes).ok()?;
        let acquire = || Arc::clone(&self.budget).try_acquire_many_owned(bytes).ok().map(Share);
        acquire().or_else(|| {
            self.give_up(bytes as usize);
            acquire()
        })
    }

    /// The image is in the books, and a worker will want it.
    pub(super) fn keep(&self, image: ImageId, bytes: Held) {
        self.awaited().insert(image, bytes);
    }

    /// The image's bytes, for the worker that it is for. They are not kept any longer.
    pub(super) fn take(&self, image: ImageId) -> Option<Bytes> {
        self.awaited().remove(&image).map(|held| held.bytes().clone())
    }

    /// Those that came last go first: in their order, workers want those that came before them sooner.
    fn give_up(&self, bytes: usize) {
        let mut awaited = self.awaited();
        let mut freed = 0;
        while freed < bytes
            && let Some((_, held)) = awaited.pop_last()
        {
            freed += held.bytes().len();
        }
    }

    fn awaited(&self) -> MutexGuard<'_, BTreeMap<ImageId, Held>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    pub(super) fn new(bytes: Bytes, share: Option<Share>) -> Self {
        Self(Arc::new((bytes, share)))
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0.0
    }
}

impl Share {
    pub(super) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// Gives so many bytes of it back.
    pub(super) fn give_back(&mut self, bytes: usize) {
        drop(self.0.split(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(memory: &Memory, bytes: usize) -> Held {
        Held::new(vec![1; bytes].into(), memory.share(bytes))
    }

    #[test]
    fn what_waits_for_a_worker_makes_room_for_what_arrives_the_latest_first() {
        let memory = Memory::new(100);
        for image in 1..=3 {
            memory.keep(ImageId(image), held(&memory, 30));
        }
        let arriving = memory.share(40).expect("one of them goes");
        assert!(memory.take(ImageId(3)).is_none());
        assert_eq!(memory.take(ImageId(1)).map(|bytes| bytes.len()), Some(30));
        assert!(memory.take(ImageId(1)).is_none(), "a worker has it");
        drop(arriving);
        assert!(memory.share(70).is_some(), "what was taken counts no more");
        assert!(memory.share(101).is_none(), "and there is no more than there is");
    }

    #[test]
    fn what_is_not_in_the_books_yet_makes_room_for_nothing() {
        let memory = Memory::new(100);
        let fresh = held(&memory, 80);
        assert!(memory.share(30).is_none());
        drop(fresh);
        assert!(memory.share(100).is_some());
    }
}
