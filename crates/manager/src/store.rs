//! The store: one owner of the books (what was accepted and what became of it) and of the bytes.
//!
//! The books are an SQLite file; the bytes of small images are appended to *packs*, those of large ones have a file of
//! their own. One writer thread commits in groups: it takes every request that waits, makes the bytes durable, commits
//! the books, and only then answers all of them. Why so: `docs/decisions/0001-packs-and-group-commit.md`.
//!
//! Every change takes its place in the writer's queue, and its sequence number, when the method is *called*; the
//! future that comes back only tells when it is durable. So a `finish` called after a `keep` is recorded after it.

mod books;
mod error;
mod folder;
mod group;
mod line;
mod pack;
mod reader;
mod row;
mod spool;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use manyeyes_protocol::id::{BatchId, BooksId, ImageId};
use sha2::{Digest, Sha256};
use tokio::sync::{oneshot, watch};

use self::books::Place;
use self::folder::Folder;
use self::line::{Change, Keep, KeptImage, Line, Reply};
use self::pack::{PackFiles, Packs, read_at};
use self::reader::Readers;
use self::spool::{Body, Spooling};
use self::writer::Writer;
use crate::api::{ImageState, Timing};

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
    /// The size of the books at most: a kilobyte an image or so. What no longer fits is [`StoreError::NoSpace`].
    pub books_bytes: u64,
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
            books_bytes: 8 << 30,
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
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    id: BooksId,
    shared: Arc<Shared>,
    readers: Readers,
    pack_files: Arc<PackFiles>,
    large: PathBuf,
    spooling: Arc<Spooling>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// The lock on the folder goes last.
    _folder: Arc<Folder>,
}

/// What the store's callers and its writer share.
struct Shared {
    settings: StoreSettings,
    line: Line,
    /// Uploads with an idempotency key that are not yet in the books.
    keys: Mutex<HashMap<(BatchId, String), InFlight>>,
    /// The bytes of images that are not yet in the books.
    fresh: Mutex<HashMap<ImageId, Fresh>>,
    /// Bytes of image files in the books or on the way there.
    kept_bytes: AtomicU64,
}

struct InFlight {
    images: Vec<ImageRow>,
    settled: watch::Sender<Option<Result<(), StoreError>>>,
}

#[derive(Clone)]
enum Fresh {
    Small(Bytes),
    Large(Arc<File>, u64),
}

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
        let folder = Arc::new(Folder::open(folder)?);
        let opened = books::open(&folder.books(), settings.books_bytes)?;
        let readers = Readers::new(folder.books());
        let pack_files = Arc::new(PackFiles::new(folder.packs()));
        let packs = Packs::open(Arc::clone(&pack_files), settings.pack_bytes, opened.packs)?;
        let orphans = folder::remove_orphans(&folder.large(), |image| readers.has_own_file(image))?
            + folder::remove_orphans(&folder.spool(), |_| Ok(false))?;
        if orphans > 0 {
            tracing::info!(files = orphans, "removed what an unclean end had left");
        }
        let spooling = Spooling::new(folder.spool(), settings.small_bytes, settings.memory_bytes);
        let shared = Arc::new(Shared {
            settings,
            line: Line::new(opened.start),
            keys: Mutex::new(HashMap::new()),
            fresh: Mutex::new(HashMap::new()),
            kept_bytes: AtomicU64::new(opened.kept_bytes),
        });
        let writer = Writer::new(
            Arc::clone(&shared),
            Arc::clone(&folder),
            opened.connection,
            packs,
        );
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run());
        let thread =
            thread.map_err(|error| StoreError::io("start the writer of", folder.root(), &error))?;
        let inner = Inner {
            id: opened.id,
            shared,
            readers,
            pack_files,
            large: folder.large(),
            spooling: Arc::new(spooling),
            writer: Mutex::new(Some(thread)),
            _folder: folder,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
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
        let id = bs58::encode(id)
            .with_alphabet(bs58::Alphabet::FLICKR)
            .into_string();
        self.ask(Change::CreateBatch { id }, |reply| match reply {
            Reply::Batch(key) => Some(key),
            _ => None,
        })
    }

    /// A place for the bytes of one upload.
    #[must_use]
    pub fn spool(&self) -> Spool {
        Spool::new(Arc::clone(&self.inner.spooling))
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
        self.ask(Change::Expire { room: Some(bytes) }, expired)
            .await
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
        let Some(key) = idempotency_key else {
            return self.keep_new(batch, images, None);
        };
        // Locked until the upload is in line, so that of two with one key the second finds the first.
        let mut keys = self.inner.shared.keys();
        if let Some(first) = keys.get(&(batch, key.to_owned())) {
            let mut settled = first.settled.subscribe();
            let outcome = async move {
                let outcome = settled
                    .wait_for(Option::is_some)
                    .await
                    .map_err(|_| StoreError::Closed)?;
                outcome.clone().unwrap_or(Err(StoreError::Closed))
            };
            return Ok(Keeping::repeated(first.images.clone(), outcome));
        }
        if let Some(images) = self.by_idempotency_key(batch, key)? {
            return Ok(Keeping::repeated(images, std::future::ready(Ok(()))));
        }
        let keeping = self.keep_new(batch, images, Some(key.to_owned()))?;
        let first = InFlight {
            images: keeping.images.clone(),
            settled: watch::Sender::new(None),
        };
        keys.insert((batch, key.to_owned()), first);
        Ok(keeping)
    }

    /// Records how an image ended. The first ending wins; a later one is answered [`Recorded::No`].
    pub fn finish(&self, image: ImageId, ending: Ending) -> Pending<Recorded> {
        self.ask(Change::Finish { image, ending }, recorded)
    }

    /// Writes down that a worker crashed or stalled on the image, and how many deliveries have been made.
    pub fn blame(&self, image: ImageId, worker: &str, attempts: u32) -> Pending<()> {
        let worker = worker.to_owned();
        self.ask(
            Change::Blame {
                image,
                worker,
                attempts,
            },
            |reply| matches!(reply, Reply::Done).then_some(()),
        )
    }

    /// Takes a failed or cancelled image back to waiting and forgets who was blamed; its attempts go on counting.
    pub fn reopen(&self, image: ImageId) -> Pending<Recorded> {
        self.ask(Change::Reopen { image }, recorded)
    }

    /// Removes an image and its bytes. Says what it was, or None if there was none.
    pub fn delete_image(&self, image: ImageId) -> Pending<Option<ImageRow>> {
        self.ask(Change::DeleteImage { image }, |reply| match reply {
            Reply::Deleted(row) => Some(row.map(|row| *row)),
            _ => None,
        })
    }

    /// Removes a batch: gone at once for every reader, its bytes a little later. Gives the images of it that were
    /// unfinished.
    pub fn delete_batch(&self, batch: BatchId) -> Pending<Vec<ImageId>> {
        self.ask(Change::DeleteBatch { batch }, |reply| match reply {
            Reply::Unfinished(images) => Some(images),
            _ => None,
        })
    }

    /// Removes finished batches that have not changed for [`StoreSettings::max_age`], and says which.
    pub fn expire(&self) -> Pending<Vec<BatchKey>> {
        self.ask(Change::Expire { room: None }, expired)
    }

    /// The bytes of an image's file, also before they are durable. Bytes from the disk are checked against their
    /// digest. Reads the disk: up to the size of the largest upload.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`] also for a rejected one; [`StoreError::Damaged`].
    pub fn payload(&self, image: ImageId) -> Result<Bytes, StoreError> {
        let fresh = self.inner.shared.fresh().get(&image).cloned();
        match fresh {
            Some(Fresh::Small(bytes)) => return Ok(bytes),
            Some(Fresh::Large(file, bytes)) => {
                let path = self.inner.large.join(image.to_string());
                return read_at(&file, 0, bytes)
                    .map(Bytes::from)
                    .map_err(|e| StoreError::io("read", &path, &e));
            }
            None => {}
        }
        let (row, place) = self
            .inner
            .readers
            .image(image)?
            .ok_or(StoreError::NoSuchImage)?;
        let read = match place {
            Place::Nowhere => return Err(StoreError::NoSuchImage),
            Place::Pack(span) => self.inner.pack_files.read(span),
            Place::Own => {
                let path = self.inner.large.join(image.to_string());
                File::open(&path)
                    .and_then(|file| read_at(&file, 0, row.bytes))
                    .map_err(|error| StoreError::io("read", &path, &error))
            }
        };
        match read {
            Ok(bytes) if row.sha256 == Some(Sha256::digest(&bytes).into()) => {
                Ok(Bytes::from(bytes))
            }
            // It may have been removed since its row was read.
            _ if self.inner.readers.image(image)?.is_none() => Err(StoreError::NoSuchImage),
            Ok(bytes) => Err(StoreError::Damaged(format!(
                "image {image} ({}): {} of {} bytes can be read and they are not those that were uploaded",
                row.name,
                bytes.len(),
                row.bytes
            ))),
            Err(error) => Err(StoreError::Damaged(format!(
                "image {image} ({}): {error}",
                row.name
            ))),
        }
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

    /// One image, if it is in the batch.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn image(&self, batch: BatchId, image: ImageId) -> Result<Option<ImageRow>, StoreError> {
        let found = self.inner.readers.image(image)?.map(|(row, _)| row);
        Ok(found.filter(|row| row.batch == batch))
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
        self.inner
            .readers
            .page(batch, after.unwrap_or(ImageId(0)), limit)
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
        self.inner.readers.changed_since(batch, seq, limit)
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
        self.inner.readers.known(batch, sha256)
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
        self.inner.readers.by_idempotency_key(batch, key)
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

    fn keep_new(
        &self,
        batch: BatchId,
        images: Vec<NewImage>,
        key: Option<String>,
    ) -> Result<Keeping, StoreError> {
        let shared = &self.inner.shared;
        let bytes = images.iter().map(NewImage::kept_bytes).sum();
        shared.reserve(bytes)?;
        let count = images.len() as u64;
        let pushed = shared.line.push(count, |seq, first| {
            let number = |(index, image): (u64, NewImage)| {
                image.number(batch, ImageId(first.0 + index), seq + index)
            };
            let images: Vec<KeptImage> = (0..).zip(images).map(number).collect();
            let rows = images.iter().map(|image| image.row.clone()).collect();
            shared.fresh().extend(
                images
                    .iter()
                    .filter_map(|image| Some((image.row.id, image.fresh()?))),
            );
            (Change::Keep(Keep { batch, key, images }), rows)
        });
        match pushed {
            Ok((seq, answered, images)) => {
                let done = |reply| matches!(reply, Reply::Done).then_some(());
                Ok(Keeping {
                    images,
                    repeated: false,
                    durable: Pending::new(seq, answered, done),
                })
            }
            Err(error) => {
                shared.unkeep(bytes);
                Err(error)
            }
        }
    }

    fn ask<T: 'static>(&self, change: Change, reply: fn(Reply) -> Option<T>) -> Pending<T> {
        match self.inner.shared.line.push(0, |_, _| (change, ())) {
            Ok((seq, answered, ())) => Pending::new(seq, answered, reply),
            Err(error) => Pending::failed(error),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("books", &self.inner.id)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn close(&self) {
        self.shared.line.close();
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
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

impl Shared {
    fn kept_bytes(&self) -> u64 {
        self.kept_bytes.load(Ordering::Acquire)
    }

    /// Takes room for an upload.
    fn reserve(&self, bytes: u64) -> Result<(), StoreError> {
        let limit_bytes = self.settings.limit_bytes;
        let room = |kept: u64| {
            kept.checked_add(bytes)
                .filter(|kept| *kept <= limit_bytes || bytes == 0)
        };
        self.kept_bytes
            .try_update(Ordering::AcqRel, Ordering::Acquire, room)
            .map(|_| ())
            .map_err(|kept_bytes| StoreError::Full {
                kept_bytes,
                limit_bytes,
            })
    }

    fn unkeep(&self, bytes: u64) {
        self.kept_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// An upload is in the books, or will never be.
    fn settle(&self, keep: Keep, outcome: Result<(), StoreError>) {
        let mut fresh = self.fresh();
        for image in &keep.images {
            fresh.remove(&image.row.id);
        }
        drop(fresh);
        if let Some(key) = keep.key
            && let Some(first) = self.keys().remove(&(keep.batch, key))
        {
            first.settled.send_replace(Some(outcome));
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<(BatchId, String), InFlight>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> MutexGuard<'_, HashMap<ImageId, Fresh>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewImage {
    fn kept_bytes(&self) -> u64 {
        match &self.content {
            Content::Accepted(spooled) => spooled.bytes(),
            Content::Rejected { .. } => 0,
        }
    }

    fn number(self, batch: BatchId, id: ImageId, seq: u64) -> KeptImage {
        let (state, bytes, sha256, problem, body) = match self.content {
            Content::Accepted(spooled) => (
                ImageState::Waiting,
                spooled.bytes(),
                Some(spooled.sha256()),
                None,
                Some(spooled),
            ),
            Content::Rejected {
                problem,
                bytes,
                sha256,
            } => (ImageState::Rejected, bytes, sha256, Some(problem), None),
        };
        let row = ImageRow {
            id,
            batch,
            seq,
            name: self.name,
            state,
            bytes,
            sha256,
            media_type: self.media_type,
            width: self.width,
            height: self.height,
            began: self.began,
            labels: Vec::new(),
            worker: None,
            attempts: 0,
            problem,
            timing: Timing::default(),
        };
        KeptImage { row, body }
    }
}

impl KeptImage {
    fn fresh(&self) -> Option<Fresh> {
        Some(match self.body.as_ref()?.body() {
            Body::Small(bytes, _) => Fresh::Small(bytes.clone()),
            Body::Large(file, _) => Fresh::Large(Arc::clone(file), self.row.bytes),
        })
    }
}

impl Keeping {
    fn repeated(
        images: Vec<ImageRow>,
        outcome: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Self {
        let seq = images.last().map_or(0, |image| image.seq);
        Self {
            images,
            repeated: true,
            durable: Pending {
                seq,
                outcome: Box::pin(outcome),
            },
        }
    }
}

impl<T: 'static> Pending<T> {
    fn new(
        seq: u64,
        answered: oneshot::Receiver<Result<Reply, StoreError>>,
        reply: fn(Reply) -> Option<T>,
    ) -> Self {
        let outcome = async move {
            let answer = answered.await.map_err(|_| StoreError::Closed)??;
            Ok(reply(answer).expect("the writer answers each change with its own kind of reply"))
        };
        Self {
            seq,
            outcome: Box::pin(outcome),
        }
    }

    fn failed(error: StoreError) -> Self {
        Self {
            seq: 0,
            outcome: Box::pin(async { Err(error) }),
        }
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
