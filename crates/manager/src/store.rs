//! The store: one owner of the books (what was accepted and what became of it) and of the bytes.
//!
//! The books are an SQLite file; the bytes of small images are appended to *packs*, those of large ones have a file of
//! their own. One writer thread commits in groups: it takes every request that waits, makes the bytes durable, commits
//! the books, and only then answers all of them. Why so: `docs/decisions/0001-packs-and-group-commit.md`.
//!
//! Every change takes its place in the writer's queue, and its sequence number, when the method is *called*; the
//! future that comes back only tells when it is durable. So a `finish` called after a `keep` is recorded after it.

mod error;
mod row;
mod spool;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use manyeyes_protocol::id::{BatchId, BooksId, ImageId};

pub use self::error::StoreError;
pub use self::row::{
    BatchFacts, BatchKey, Changes, Content, Ending, ImageRow, NewImage, Recorded, Unfinished,
};
pub use self::spool::{Spool, Spooled};

/// Requests that may wait for the writer; more are answered [`StoreError::Busy`]. Far above what uploads and workers
/// have outstanding, so that it is met only when the disk has stopped.
pub const QUEUE_LIMIT: usize = 65_536;

/// What the store may use, and its clock.
#[derive(Clone)]
pub struct StoreSettings {
    /// Bytes of image files that are kept at most.
    pub limit_bytes: u64,
    /// A finished batch expires this long after its last change.
    pub max_age: Duration,
    /// Images in one batch.
    pub images_per_batch: u32,
    /// Images up to this size stay in memory until they are committed and then live in a pack; larger ones have a
    /// file of their own.
    pub small_bytes: usize,
    /// Memory for small images that are not yet committed, all together. When it is used up, small ones go to files.
    pub memory_bytes: usize,
    /// A pack that has reached this size is followed by a new one.
    pub pack_bytes: u64,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            limit_bytes: 20 << 30,
            max_age: Duration::from_secs(30 * 24 * 3600),
            images_per_batch: 200_000,
            small_bytes: 512 << 10,
            memory_bytes: 48 << 20,
            pack_bytes: 256 << 20,
            clock: Arc::new(SystemTime::now),
        }
    }
}

/// The one owner of books and bytes. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Store {}

/// A change that has its place in the writer's queue. Resolves when the change would survive `kill -9` and a power
/// cut, or has failed. Dropping it does not take the change back.
pub struct Pending<T> {
    /// The number of the change; taken at the call, used up also when the change fails or is found to be none.
    pub seq: u64,
    outcome: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>,
}

/// Images that have their numbers and can be read, though they are not durable yet.
#[derive(Debug)]
pub struct Keeping {
    /// In the order given. Waiting, or rejected.
    pub images: Vec<ImageRow>,
    /// An earlier request with the same idempotency key made these images: nothing is to be submitted again.
    pub repeated: bool,
    /// Resolves when all of them are durable. With an error none of them is kept: their numbers are used up, and an
    /// image that has been handed to a worker is to be cancelled there.
    pub durable: Pending<()>,
}

impl Store {
    /// Opens the books in `folder`, or makes them, and removes what a crash has left beyond the books.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NotWritable`], [`StoreError::NewerSchema`], [`StoreError::Damaged`],
    /// [`StoreError::NoSpace`], [`StoreError::Disk`].
    pub fn open(folder: &Path, settings: StoreSettings) -> Result<Self, StoreError> {
        unimplemented!()
    }

    /// The identity of these books, drawn when the folder was made.
    #[must_use]
    pub fn books(&self) -> BooksId {
        unimplemented!()
    }

    /// The number for a change that is not written down (an assignment, say). Numbers only rise, across all batches,
    /// and are never given twice, whatever crashed in between.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        unimplemented!()
    }

    /// What was accepted and not answered when the last run ended, in upload order.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        unimplemented!()
    }

    /// Makes an empty batch.
    pub fn create_batch(&self) -> Pending<BatchKey> {
        unimplemented!()
    }

    /// A place for the bytes of one upload.
    #[must_use]
    pub fn spool(&self) -> Spool {
        unimplemented!()
    }

    /// Makes sure that `bytes` more fit under the limit, if need be by letting finished batches expire, the longest
    /// unchanged first. Says which did. Cheap when there is room.
    ///
    /// # Errors
    /// [`StoreError::Full`] when all that is kept is unfinished.
    pub async fn make_room(&self, bytes: u64) -> Result<Vec<BatchKey>, StoreError> {
        unimplemented!()
    }

    /// Numbers the images and takes them into the books. Work on them may begin at once ([`Store::payload`] has their
    /// bytes), but nobody outside may hear of them before `durable`. With a key that an earlier call for this batch
    /// had, it gives that call's images, and what was uploaded now is dropped.
    ///
    /// # Errors
    /// At once: [`StoreError::Full`] (see [`Store::make_room`]), [`StoreError::Busy`], [`StoreError::Closed`]; a key
    /// can only be looked up while the disk can be read. From `durable`: [`StoreError::NoSuchBatch`],
    /// [`StoreError::BatchFull`], [`StoreError::NoSpace`], [`StoreError::Disk`].
    pub fn keep(
        &self,
        batch: BatchId,
        images: Vec<NewImage>,
        idempotency_key: Option<&str>,
    ) -> Result<Keeping, StoreError> {
        unimplemented!()
    }

    /// Records how an image ended. The first ending wins; a later one is answered [`Recorded::No`].
    pub fn finish(&self, image: ImageId, ending: Ending) -> Pending<Recorded> {
        unimplemented!()
    }

    /// Writes down that a worker crashed or stalled on the image, and how many deliveries have been made.
    pub fn blame(&self, image: ImageId, worker: &str, attempts: u32) -> Pending<()> {
        unimplemented!()
    }

    /// Takes a failed or cancelled image back to waiting and forgets who was blamed; its attempts go on counting.
    pub fn reopen(&self, image: ImageId) -> Pending<Recorded> {
        unimplemented!()
    }

    /// Removes an image and its bytes. Says what it was, or None if there was none.
    pub fn delete_image(&self, image: ImageId) -> Pending<Option<ImageRow>> {
        unimplemented!()
    }

    /// Removes a batch: gone at once for every reader, its bytes a little later. Gives the images of it that were
    /// unfinished.
    pub fn delete_batch(&self, batch: BatchId) -> Pending<Vec<ImageId>> {
        unimplemented!()
    }

    /// Removes finished batches that have not changed for [`StoreSettings::max_age`], and says which.
    pub fn expire(&self) -> Pending<Vec<BatchKey>> {
        unimplemented!()
    }

    /// The bytes of an image's file, also before they are durable. Bytes from the disk are checked against their
    /// digest. Reads the disk: up to the size of the largest upload.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`] also for a rejected one; [`StoreError::Damaged`].
    pub fn payload(&self, image: ImageId) -> Result<Bytes, StoreError> {
        unimplemented!()
    }

    /// The batch of that id.
    ///
    /// # Errors
    /// Those of the disk, as with all that follow.
    pub fn batch(&self, id: &str) -> Result<Option<BatchKey>, StoreError> {
        unimplemented!()
    }

    /// A batch as a whole.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBatch`], and those of the disk.
    pub fn facts(&self, batch: BatchId) -> Result<BatchFacts, StoreError> {
        unimplemented!()
    }

    /// One image, if it is in the batch.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn image(&self, batch: BatchId, image: ImageId) -> Result<Option<ImageRow>, StoreError> {
        unimplemented!()
    }

    /// Images of a batch in upload order, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn page(
        &self,
        batch: BatchId,
        after: Option<ImageId>,
        limit: u32,
    ) -> Result<Vec<ImageRow>, StoreError> {
        unimplemented!()
    }

    /// What has changed in a batch after the change `seq`, at most `limit` images.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn changed_since(
        &self,
        batch: BatchId,
        seq: u64,
        limit: u32,
    ) -> Result<Changes, StoreError> {
        unimplemented!()
    }

    /// Those of the digests whose bytes the batch has.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn known(
        &self,
        batch: BatchId,
        sha256: &[[u8; 32]],
    ) -> Result<HashSet<[u8; 32]>, StoreError> {
        unimplemented!()
    }

    /// The images that an earlier [`Store::keep`] with this key made, those deleted since left out. None for a key
    /// that is not in the books (yet).
    ///
    /// # Errors
    /// Those of the disk.
    pub fn by_idempotency_key(
        &self,
        batch: BatchId,
        key: &str,
    ) -> Result<Option<Vec<ImageRow>>, StoreError> {
        unimplemented!()
    }

    /// Bytes of image files that are kept.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        unimplemented!()
    }

    /// Refuses new changes, commits those that wait, and gives the numbers not used back. Blocks until that is done.
    pub fn close(&self) {
        unimplemented!()
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.outcome.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}
