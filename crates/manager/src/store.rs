//! The store: one owner of the books (what was accepted and what became of it) and of the bytes.
//!
//! The books are an SQLite file; the bytes of small images are appended to *packs*, those of large ones have a file of
//! their own. One writer thread commits in groups: it takes every request that waits, makes the bytes durable, commits
//! the books, and only then answers all of them. Why so: `docs/decisions/0001-packs-and-group-commit.md`.
//!
//! Every change takes its place in the writer's queue, and its sequence number, when the method is *called*; the
//! future that comes back only tells when it is durable. So a `finish` called after a `keep` is recorded after it.

mod backup;
mod books;
mod check;
mod error;
mod folder;
mod group;
mod kept;
mod line;
mod memory;
pub mod numbers;
mod pack;
mod pending;
mod reader;
mod reserve;
mod row;
pub mod rules;
mod seal;
mod shared;
mod spool;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use manyeyes_protocol::id::{BatchId, BooksId, ImageId};
use tokio::sync::oneshot;

pub use self::backup::{BackedUp, backup};
pub use self::check::{Fault, Part, Report, check};
pub use self::error::StoreError;
pub use self::pending::{Keeping, Pending};
pub use self::row::{AnsweringModel, BatchFacts, BatchKey, Content, Ending, ImageRow, NewImage, Recorded, Unfinished};
pub use self::spool::{Spool, Spooled};

use self::books::Place;
use self::folder::Folder;
use self::kept::Kept;
use self::line::{Change, Reply};
use self::memory::Memory;
use self::pack::{PackFiles, Packs};
use self::reader::Readers;
use self::reserve::Reserve;
use self::shared::Shared;
use self::spool::Spooling;
use self::writer::Writer;

/// Requests that may wait for the writer; more are answered [`StoreError::Busy`]. Far above what uploads and workers
/// have outstanding, so that it is met only when the disk has stopped.
pub const QUEUE_LIMIT: usize = 65_536;

/// What the store may use, and its clock.
#[derive(Clone)]
pub struct StoreSettings {
    /// Bytes of image files that are kept at most.
    pub limit_bytes: u64,
    /// The size of the books at most: a kilobyte an image or so. What no longer fits is [`StoreError::NoSpace`].
    pub books_bytes: u64,
    /// A finished batch expires this long after its last change.
    pub max_age: Duration,
    /// Images in one batch, those deleted from it included.
    pub images_per_batch: u32,
    /// Images up to this size stay in memory until they are committed, and then live in a pack; larger ones have a
    /// file of their own.
    pub small_bytes: usize,
    /// Memory for small images, all together: those that are not yet committed, and with what is left those that wait for a worker. When it is
    /// used up by the former, small ones go to files.
    pub memory_bytes: usize,
    /// A pack that has reached this size is followed by a new one.
    pub pack_bytes: u64,
    /// Set aside on the disk, so that a full one still takes results and deletions: some thousand of either. While it
    /// cannot be set aside, uploads are [`StoreError::NoSpace`].
    pub reserve_bytes: u64,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            limit_bytes: 20 << 30,
            books_bytes: 8 << 30,
            max_age: Duration::from_secs(30 * 24 * 3600),
            images_per_batch: 200_000,
            small_bytes: 8 << 20,
            memory_bytes: 96 << 20,
            pack_bytes: 256 << 20,
            reserve_bytes: 16 << 20,
            clock: Arc::new(SystemTime::now),
        }
    }
}

/// The one owner of books and bytes. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    id: BooksId,
    shared: Arc<Shared>,
    readers: Readers,
    kept: Kept,
    spooling: Arc<Spooling>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// The lock on the folder goes last.
    _folder: Arc<Folder>,
}

impl Store {
    /// Opens the books in `folder`, or makes them, and removes what a crash has left beyond the books.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NotWritable`], [`StoreError::NewerSchema`], [`StoreError::Damaged`],
    /// [`StoreError::NoSpace`], [`StoreError::Disk`].
    pub fn open(folder: &Path, settings: StoreSettings) -> Result<Self, StoreError> {
        let folder = Arc::new(Folder::open(folder)?);
        let layout = folder.layout();
        let mut reserve = Reserve::new(layout.reserve(), settings.reserve_bytes);
        let opened = books::open(&layout.books(), settings.books_bytes)?;
        let readers = Readers::new(layout.books());
        let pack_files = Arc::new(PackFiles::new(layout.packs()));
        let kept = Kept::with(Arc::clone(&pack_files), layout.large());
        let packs = Packs::open(Arc::clone(&pack_files), settings.pack_bytes, opened.packs)?;
        let orphans = folder::remove_orphans(&layout.large(), |image| readers.is_known(image))?
            + folder::remove_orphans(&layout.spool(), |_| Ok(false))?;
        if orphans > 0 {
            tracing::info!(files = orphans, "removed what an unclean end had left");
        }
        let memory = Arc::new(Memory::new(settings.memory_bytes));
        let spooling = Spooling::new(layout.spool(), settings.small_bytes, Arc::clone(&memory));
        let shared = Arc::new(Shared::new(settings, memory, opened.start, opened.kept_bytes));
        if !reserve.hold() {
            tracing::warn!("the disk is full: uploads are refused until there is space");
        }
        let writer = Writer::new(Arc::clone(&shared), Arc::clone(&folder), opened.connection, packs, reserve);
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| StoreError::io("start the writer of", folder.layout().root(), &error))?;
        let inner = Inner {
            id: opened.id,
            shared,
            readers,
            kept,
            spooling: Arc::new(spooling),
            writer: Mutex::new(Some(thread)),
            _folder: folder,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The identity of these books, drawn when the folder was made.
    #[must_use]
    pub fn books(&self) -> BooksId {
        self.inner.id
    }

    /// The number for a change that is not written down (an assignment, say). Numbers only rise, across all batches,
    /// and are never given twice, whatever crashed in between.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.inner.shared.line.next_seq()
    }

    /// What was accepted and not answered when the last run ended, in upload order.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.inner.readers.unfinished()
    }

    /// Makes an empty batch.
    pub fn create_batch(&self) -> Pending<BatchKey> {
        let mut id = [0; 16];
        if let Err(error) = getrandom::fill(&mut id) {
            return Pending::failed(StoreError::Disk(format!("draw random bytes: {error}")));
        }
        let id = bs58::encode(id).with_alphabet(bs58::Alphabet::FLICKR).into_string();
        self.inner.shared.ask(Change::CreateBatch { id }, |reply| match reply {
            Reply::Batch(key) => Some(key),
            _ => None,
        })
    }

    /// A place for the bytes of one upload.
    #[must_use]
    pub fn spool(&self) -> Spool {
        self.spool_of(None)
    }

    /// The same where so many bytes were announced, which need not be true.
    #[must_use]
    pub fn spool_of(&self, announced: Option<u64>) -> Spool {
        Spool::new(Arc::clone(&self.inner.spooling), announced)
    }

    /// Makes sure that `bytes` more fit under the limit, if need be by letting finished batches expire, the longest
    /// unchanged first. Says which did. Cheap when there is room.
    ///
    /// # Errors
    /// [`StoreError::Full`] when all that is kept is unfinished.
    pub async fn make_room(&self, bytes: u64) -> Result<Vec<BatchKey>, StoreError> {
        let limit_bytes = self.inner.shared.settings.limit_bytes;
        if self.kept_bytes().saturating_add(bytes) <= limit_bytes {
            return Ok(Vec::new());
        }
        self.inner.shared.ask(Change::Expire { room: Some(bytes) }, expired).await
    }

    /// Numbers the images and takes them into the books. Work on them may begin at once ([`Store::payload`] has their
    /// bytes), but nobody outside may hear of them before `durable`. With a key that an earlier call for this batch
    /// had, it gives that call's images, those deleted since left out, and what was uploaded now is dropped.
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
        let Inner { shared, readers, .. } = &*self.inner;
        match idempotency_key {
            Some(key) => shared.keep_once(batch, images, key, || readers.by_idempotency_key(batch, key)),
            None => shared.keep(batch, images, None),
        }
    }

    /// Records how an image ended. The first ending of its present run wins; any other is answered [`Recorded::No`].
    ///
    /// The first answer of a batch decides by which model it is answered. An answer of another is [`Recorded::OtherModel`],
    /// except to an image that was run again: whoever runs it again wants the model that is in use now, for the rest of
    /// the batch too.
    pub fn finish(&self, image: ImageId, ending: Ending) -> Pending<Recorded> {
        self.inner.shared.ask(Change::Finish { image, ending: Box::new(ending), decided: None }, recorded)
    }

    /// The same, for who cannot wait for the disk: also gives the image as it ends, once nothing but the disk can still be in the
    /// way of that. It comes without one if the image does not end so, or its end could not be written.
    pub fn finish_soon(&self, image: ImageId, ending: Ending) -> (oneshot::Receiver<Box<ImageRow>>, Pending<Recorded>) {
        let (tell, decided) = oneshot::channel();
        let change = Change::Finish { image, ending: Box::new(ending), decided: Some(tell) };
        (decided, self.inner.shared.ask(change, recorded))
    }

    /// Writes down that a worker crashed or stalled on the image, and how many deliveries have been made.
    pub fn blame(&self, image: ImageId, worker: &str, attempts: u32) -> Pending<()> {
        let worker = worker.to_owned();
        self.inner
            .shared
            .ask(Change::Blame { image, worker, attempts }, |reply| matches!(reply, Reply::Done).then_some(()))
    }

    /// Takes an image that has ended and whose bytes are kept back to waiting: its next run. Forgets its answer and who
    /// was blamed; its attempts go on counting.
    pub fn reopen(&self, image: ImageId) -> Pending<Recorded> {
        self.inner.shared.ask(Change::Reopen { image, only: None }, recorded)
    }

    /// The same, but only if the image is in this run, and ended in it by this worker's word.
    pub fn take_back(&self, image: ImageId, run: u32, worker: &str) -> Pending<Recorded> {
        self.inner.shared.ask(Change::Reopen { image, only: Some((run, worker.to_owned())) }, recorded)
    }

    /// Removes an image and its bytes. Says what it was, or None if there was none.
    pub fn delete_image(&self, image: ImageId) -> Pending<Option<ImageRow>> {
        self.inner.shared.ask(Change::DeleteImage { image }, |reply| match reply {
            Reply::Deleted(row) => Some(row.map(|row| *row)),
            _ => None,
        })
    }

    /// Removes a batch: gone at once for every reader, its bytes a little later. Gives the images of it that were
    /// unfinished.
    pub fn delete_batch(&self, batch: BatchId) -> Pending<Vec<ImageId>> {
        self.inner.shared.ask(Change::DeleteBatch { batch }, |reply| match reply {
            Reply::Unfinished(images) => Some(images),
            _ => None,
        })
    }

    /// Removes finished batches that have not changed for [`StoreSettings::max_age`], and says which.
    pub fn expire(&self) -> Pending<Vec<BatchKey>> {
        self.inner.shared.ask(Change::Expire { room: None }, expired)
    }

    /// The bytes of an image's file, also before they are durable. Bytes from the disk are checked against their
    /// digest. Reads the disk: up to the size of the largest upload.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`] also for a rejected one; [`StoreError::Damaged`], [`StoreError::DamagedEntry`].
    pub fn payload(&self, image: ImageId) -> Result<Bytes, StoreError> {
        let Inner { shared, readers, kept, _folder: folder, .. } = &*self.inner;
        if let Some(fresh) = shared.fresh_bytes(image) {
            return fresh.map_err(|error| StoreError::io("read", &folder.layout().large(), &error));
        }
        let (row, place) = readers.image(image)?.ok_or(StoreError::NoSuchImage)?;
        if place == Place::Nowhere {
            return Err(StoreError::NoSuchImage);
        }
        kept.read(&row, place).map(Bytes::from).or_else(|fault| {
            // It may have been removed since its row was read.
            readers.image(image)?.ok_or(StoreError::NoSuchImage)?;
            Err(StoreError::Damaged(format!("image {image} ({}): {fault}", row.name)))
        })
    }

    /// The bytes of an image's file for the worker that it is for, if they are still in memory. After this they are on the disk only.
    #[must_use]
    pub fn deliver(&self, image: ImageId) -> Option<Bytes> {
        self.inner.shared.deliver(image)
    }

    /// The batch of that id.
    ///
    /// # Errors
    /// Those of the disk, as with all that follow.
    pub fn batch(&self, id: &str) -> Result<Option<BatchKey>, StoreError> {
        self.inner.readers.batch(id)
    }

    /// A batch as a whole.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBatch`], and those of the disk.
    pub fn facts(&self, batch: BatchId) -> Result<BatchFacts, StoreError> {
        self.inner.readers.facts(batch)
    }

    /// One image, if it is in the batch. Of one whose entry is damaged only that is said, here and in [`Store::page`]: it is
    /// shown as failed, for the reason "lost".
    ///
    /// # Errors
    /// Those of the disk.
    pub fn image(&self, batch: BatchId, image: ImageId) -> Result<Option<ImageRow>, StoreError> {
        match self.inner.readers.image(image) {
            Ok(found) => Ok(found.map(|(row, _)| row).filter(|row| row.batch == batch)),
            Err(StoreError::DamagedEntry(_)) => Ok(Some(ImageRow::damaged(image, batch))),
            Err(error) => Err(error),
        }
    }

    /// Images of a batch in upload order, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn page(&self, batch: BatchId, after: Option<ImageId>, limit: u32) -> Result<Vec<ImageRow>, StoreError> {
        self.inner.readers.page(batch, after.unwrap_or(ImageId(0)), limit)
    }

    /// Those of the digests whose bytes the batch has.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn known(&self, batch: BatchId, sha256: &[[u8; 32]]) -> Result<HashSet<[u8; 32]>, StoreError> {
        self.inner.readers.known(batch, sha256)
    }

    /// How long after its last change a finished batch expires.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        self.inner.shared.settings.max_age
    }

    /// Bytes of image files that are kept.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.inner.shared.kept_bytes()
    }

    /// Refuses new changes, commits those that wait, and gives the numbers not used back. Blocks until that is done.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("books", &self.inner.id).finish_non_exhaustive()
    }
}

impl Inner {
    fn close(&self) {
        self.shared.line.close();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn recorded(reply: Reply) -> Option<Recorded> {
    match reply {
        Reply::Recorded(recorded) => Some(recorded),
        _ => None,
    }
}

fn expired(reply: Reply) -> Option<Vec<BatchKey>> {
    match reply {
        Reply::Expired(batches) => Some(batches),
        _ => None,
    }
}
