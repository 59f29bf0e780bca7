//! Where an upload's bytes go while they stream in: small ones stay in memory until the group commit, large ones (and
//! all, when that memory is used up) go to a file of their own as they come.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::StoreError;
use super::pack::read_at;

/// What all spools of a store share.
#[derive(Debug)]
pub(super) struct Spooling {
    folder: PathBuf,
    small_bytes: usize,
    /// One permit a byte.
    memory: Arc<Semaphore>,
    next: AtomicU64,
}

/// The bytes of one upload while they arrive. Dropped, it removes what it has written.
#[derive(Debug)]
pub struct Spool {
    spooling: Arc<Spooling>,
    bytes: u64,
    digest: Sha256,
    arriving: Arriving,
}

#[derive(Debug)]
enum Arriving {
    InMemory { parts: Vec<Bytes>, permit: Option<OwnedSemaphorePermit> },
    InFile { file: tokio::fs::File, path: Temporary },
}

/// The bytes of one upload, whole. Dropped without having been kept, it removes them.
#[derive(Debug)]
pub struct Spooled {
    bytes: u64,
    sha256: [u8; 32],
    body: Body,
}

/// Where the bytes of a whole upload are.
#[derive(Debug)]
pub(super) enum Body {
    /// For a pack. The permit is its share of [`super::StoreSettings::memory_bytes`].
    Small(Bytes, #[expect(dead_code, reason = "held until the bytes are in a pack")] Option<OwnedSemaphorePermit>),
    /// Written and synced.
    Large(Arc<File>, Temporary),
}

/// A file that is removed with this, unless it was moved to where it is to stay.
#[derive(Debug)]
pub(super) struct Temporary(Option<PathBuf>);

impl Spooling {
    pub(super) fn new(folder: PathBuf, small_bytes: usize, memory_bytes: usize) -> Self {
        let permits = memory_bytes.min(Semaphore::MAX_PERMITS);
        Self { folder, small_bytes, memory: Arc::new(Semaphore::new(permits)), next: AtomicU64::new(0) }
    }

    fn permit(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.memory).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }
}

impl Spool {
    pub(super) fn new(spooling: Arc<Spooling>) -> Self {
        let arriving = Arriving::InMemory { parts: Vec::new(), permit: None };
        Self { spooling, bytes: 0, digest: Sha256::new(), arriving }
    }

    /// Takes the next bytes of the upload.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Disk`]. The spool is of no use afterwards.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.digest.update(&bytes);
        self.bytes += bytes.len() as u64;
        if let Arriving::InMemory { parts, permit } = &mut self.arriving {
            let small = self.bytes <= self.spooling.small_bytes as u64;
            if let Some(more) = small.then(|| self.spooling.permit(bytes.len())).flatten() {
                match permit {
                    Some(permit) => permit.merge(more),
                    None => *permit = Some(more),
                }
                parts.push(bytes);
                return Ok(());
            }
            self.spill().await?;
        }
        let Arriving::InFile { file, path } = &mut self.arriving else {
            return Ok(());
        };
        file.write_all(&bytes).await.map_err(|error| StoreError::io("write", path.path(), &error))
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The upload is whole. A large one is durable on return, except for its place in the books.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Disk`].
    pub async fn finish(self) -> Result<Spooled, StoreError> {
        let body = match self.arriving {
            Arriving::InMemory { mut parts, permit } => {
                // One part alone may be a slice of a larger buffer of the network's; it is copied too, so that the
                // memory held is the memory counted.
                let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
                parts.drain(..).for_each(|part| whole.extend_from_slice(&part));
                Body::Small(whole.freeze(), permit)
            }
            Arriving::InFile { mut file, path } => {
                let failed = |error: std::io::Error| StoreError::io("sync", path.path(), &error);
                file.flush().await.map_err(failed)?;
                file.sync_data().await.map_err(failed)?;
                Body::Large(Arc::new(file.into_std().await), path)
            }
        };
        Ok(Spooled { bytes: self.bytes, sha256: self.digest.finalize().into(), body })
    }

    /// From memory to a file.
    async fn spill(&mut self) -> Result<(), StoreError> {
        let number = self.spooling.next.fetch_add(1, Ordering::Relaxed);
        let path = Temporary(Some(self.spooling.folder.join(number.to_string())));
        let failed = |error: std::io::Error| StoreError::io("write", path.path(), &error);
        let mut options = tokio::fs::OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(true).open(path.path()).await;
        let mut file = opened.map_err(failed)?;
        if let Arriving::InMemory { parts, .. } = &self.arriving {
            for part in parts {
                file.write_all(part).await.map_err(failed)?;
            }
        }
        self.arriving = Arriving::InFile { file, path };
        Ok(())
    }
}

impl Spooled {
    /// The size of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The file's beginning, at most `limit` bytes of it; for reading its header.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn head(&self, limit: usize) -> Result<Bytes, StoreError> {
        match &self.body {
            Body::Small(bytes, _) => Ok(bytes.slice(..limit.min(bytes.len()))),
            Body::Large(file, path) => read_at(file, 0, self.bytes.min(limit as u64))
                .map(Bytes::from)
                .map_err(|error| StoreError::io("read", path.path(), &error)),
        }
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    pub(super) fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }
}

impl Temporary {
    /// Moves the file to where it is to stay.
    pub(super) fn move_to(&mut self, place: &Path) -> std::io::Result<()> {
        fs::rename(self.path(), place)?;
        self.0 = None;
        Ok(())
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // What stays behind is removed at the next start.
            let _ = fs::remove_file(path);
        }
    }
}
