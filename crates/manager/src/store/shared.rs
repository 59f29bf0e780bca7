//! What the store's callers and its writer share: the line, the bytes that are not yet in the books, and how much is
//! kept.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use manyeyes_protocol::id::{BatchId, ImageId};
use tokio::sync::watch;

use super::line::{Ceilings, Change, Keep, KeptImage, Line, Reply};
use super::memory::{Held, Memory};
use super::pack::read_at;
use super::pending::{Keeping, Pending};
use super::row::{Content, ImageRow, NewImage};
use super::spool::Body;
use super::{StoreError, StoreSettings};
use crate::api::{ImageState, Timing};

/// What the store's callers and its writer share.
pub(super) struct Shared {
    pub(super) settings: StoreSettings,
    pub(super) line: Line,
    /// Uploads with an idempotency key that are not yet in the books.
    keys: Mutex<HashMap<(BatchId, String), InFlight>>,
    /// The bytes of images that are not yet in the books.
    fresh: Mutex<HashMap<ImageId, Fresh>>,
    memory: Arc<Memory>,
    /// Bytes of image files in the books or on the way there.
    kept_bytes: AtomicU64,
}

struct InFlight {
    images: Vec<ImageRow>,
    settled: watch::Sender<Option<Result<(), StoreError>>>,
}

struct Fresh {
    body: FreshBody,
    /// No worker will want it any more: one has it, or the image has ended.
    delivered: bool,
}

#[derive(Clone)]
enum FreshBody {
    Small(Held),
    Large(Arc<File>, u64),
}

impl Shared {
    pub(super) fn new(settings: StoreSettings, memory: Arc<Memory>, start: Ceilings, kept_bytes: u64) -> Self {
        Self {
            settings,
            line: Line::new(start),
            keys: Mutex::new(HashMap::new()),
            fresh: Mutex::new(HashMap::new()),
            memory,
            kept_bytes: AtomicU64::new(kept_bytes),
        }
    }

    /// Puts a change in line that keeps nothing.
    pub(super) fn ask<T: 'static>(&self, change: Change, reply: fn(Reply) -> Option<T>) -> Pending<T> {
        match self.line.push(0, |_, _| (change, ())) {
            Ok((seq, answered, ())) => Pending::new(seq, answered, reply),
            Err(error) => Pending::failed(error),
        }
    }

    /// Numbers the images and puts them in line.
    pub(super) fn keep(
        &self,
        batch: BatchId,
        images: Vec<NewImage>,
        key: Option<String>,
    ) -> Result<Keeping, StoreError> {
        let bytes = images.iter().map(NewImage::kept_bytes).sum();
        self.reserve(bytes)?;
        let pushed = self.line.push(images.len() as u64, |seq, first| {
            let number = |(index, image): (u64, NewImage)| image.number(batch, ImageId(first.0 + index), seq + index);
            let images: Vec<KeptImage> = (0..).zip(images).map(number).collect();
            let rows = images.iter().map(|image| image.row.clone()).collect();
            self.fresh().extend(images.iter().filter_map(|image| Some((image.row.id, image.fresh()?))));
            (Change::Keep(Keep { batch, key, images }), rows)
        });
        match pushed {
            Ok((seq, answered, images)) => {
                let done = |reply| matches!(reply, Reply::Done).then_some(());
                Ok(Keeping { images, repeated: false, durable: Pending::new(seq, answered, done) })
            }
            Err(error) => {
                self.unkeep(bytes);
                Err(error)
            }
        }
    }

    /// As [`Shared::keep`], unless an upload with that key is on its way or (says `in_books`) in the books.
    pub(super) fn keep_once(
        &self,
        batch: BatchId,
        images: Vec<NewImage>,
        key: &str,
        in_books: impl FnOnce() -> Result<Option<Vec<ImageRow>>, StoreError>,
    ) -> Result<Keeping, StoreError> {
        // Locked until the upload is in line, so that of two with one key the second finds the first.
        let mut keys = self.keys();
        let key = (batch, key.to_owned());
        if let Some(first) = keys.get(&key) {
            let mut settled = first.settled.subscribe();
            let outcome = async move {
                let outcome = settled.wait_for(Option::is_some).await.map_err(|_| StoreError::Closed)?;
                outcome.clone().unwrap_or(Err(StoreError::Closed))
            };
            return Ok(Keeping::repeated(first.images.clone(), outcome));
        }
        if let Some(images) = in_books()? {
            return Ok(Keeping::repeated(images, std::future::ready(Ok(()))));
        }
        let keeping = self.keep(batch, images, Some(key.1.clone()))?;
        let first = InFlight { images: keeping.images.clone(), settled: watch::Sender::new(None) };
        keys.insert(key, first);
        Ok(keeping)
    }

    /// The bytes of an image that is not yet in the books.
    pub(super) fn fresh_bytes(&self, image: ImageId) -> Option<io::Result<Bytes>> {
        let body = self.fresh().get(&image).map(|fresh| fresh.body.clone());
        Some(match body? {
            FreshBody::Small(held) => Ok(held.bytes().clone()),
            FreshBody::Large(file, bytes) => read_at(&file, 0, bytes).map(Bytes::from),
        })
    }

    /// The bytes for a worker, if they are in memory: no disk is waited for. They are not kept there for another one.
    pub(super) fn deliver(&self, image: ImageId) -> Option<Bytes> {
        // Locked over both: else it could be in neither, on its way from one to the other.
        let mut fresh = self.fresh();
        match fresh.get_mut(&image) {
            Some(fresh) => {
                fresh.delivered = true;
                match &fresh.body {
                    FreshBody::Small(held) => Some(held.bytes().clone()),
                    FreshBody::Large(..) => None,
                }
            }
            None => self.memory.take(image),
        }
    }

    /// No worker will want the image any more.
    pub(super) fn forget(&self, image: ImageId) {
        drop(self.deliver(image));
    }

    /// An upload is in the books, or will never be.
    pub(super) fn settle(&self, keep: Keep, outcome: Result<(), StoreError>) {
        let mut fresh = self.fresh();
        for image in &keep.images {
            if let Some(Fresh { body: FreshBody::Small(held), delivered: false }) = fresh.remove(&image.row.id)
                && outcome.is_ok()
            {
                self.memory.keep(image.row.id, held);
            }
        }
        drop(fresh);
        if let Some(key) = keep.key
            && let Some(first) = self.keys().remove(&(keep.batch, key))
        {
            first.settled.send_replace(Some(outcome));
        }
    }

    /// Whoever waits for the writer is told that there is none any more.
    pub(super) fn abandon(&self) {
        self.line.abandon();
        self.keys().clear();
    }

    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept_bytes.load(Ordering::Acquire)
    }

    /// Bytes that [`Shared::keep`] counted are kept no more.
    pub(super) fn unkeep(&self, bytes: u64) {
        self.kept_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    fn reserve(&self, bytes: u64) -> Result<(), StoreError> {
        let limit_bytes = self.settings.limit_bytes;
        let room = |kept: u64| kept.checked_add(bytes).filter(|kept| *kept <= limit_bytes || bytes == 0);
        self.kept_bytes
            .try_update(Ordering::AcqRel, Ordering::Acquire, room)
            .map(|_| ())
            .map_err(|kept_bytes| StoreError::Full { kept_bytes, limit_bytes })
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
            Content::Accepted(spooled) => {
                (ImageState::Waiting, spooled.bytes(), Some(spooled.sha256()), None, Some(spooled))
            }
            Content::Rejected { problem, bytes, sha256 } => (ImageState::Rejected, bytes, sha256, Some(problem), None),
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
            run: 0,
            model: None,
            problem,
            timing: Timing::default(),
            wire: None,
            form_bytes: None,
        };
        KeptImage { row, body }
    }
}

impl KeptImage {
    fn fresh(&self) -> Option<Fresh> {
        let body = match self.body.as_ref()?.body() {
            Body::Small(held) => FreshBody::Small(held.clone()),
            Body::Large(file, _) => FreshBody::Large(Arc::clone(file), self.row.bytes),
        };
        Some(Fresh { body, delivered: false })
    }
}
