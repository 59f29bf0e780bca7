//! Where an upload's bytes go while they stream in: small ones stay in memory until the group commit, large ones (and
//! all, when that memory is used up) go to a file of their own as they come.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::StoreError;
use super::memory::{Held, Memory, Share};
use super::pack::read_at;

/// Memory for a file is given as its bytes come, until there are so many: to announce many costs nothing.
const UNBELIEVED_BYTES: usize = 256 << 10;

/// What all spools of a store share.
#[derive(Debug)]
pub(super) struct Spooling {
    folder: PathBuf,
    small_bytes: usize,
    memory: Arc<Memory>,
    next: AtomicU64,
}

/// The bytes of one upload while they arrive. Dropped, it removes what it has written.
#[derive(Debug)]
pub struct Spool {
    spooling: Arc<Spooling>,
    /// How many its sender says there are.
    announced: Option<u64>,
    bytes: u64,
    digest: Sha256,
    arriving: Arriving,
}

#[derive(Debug)]
enum Arriving {
    /// In a buffer of its own rather than in the network's pieces: its share is for its capacity, so that the memory
    /// held is the memory counted, in however small pieces the bytes come.
    InMemory {
        whole: Vec<u8>,
        share: Option<Share>,
    },
    InFile {
        file: tokio::fs::File,
        path: Temporary,
    },
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
    /// For a pack.
    Small(Held),
    /// Written and synced.
    Large(Arc<File>, Temporary),
}

/// A file that is removed with this, unless it was moved to where it is to stay.
#[derive(Debug)]
pub(super) struct Temporary(Option<PathBuf>);

impl Spooling {
    pub(super) fn new(folder: PathBuf, small_bytes: usize, memory: Arc<Memory>) -> Self {
        Self { folder, small_bytes, memory, next: AtomicU64::new(0) }
    }

    /// Makes room in `whole` for so many bytes more. Not for an image that becomes too large for memory, nor when the
    /// memory for all of them is used up.
    fn grow(&self, whole: &mut Vec<u8>, share: &mut Option<Share>, more: usize, announced: Option<u64>) -> bool {
        let (held, wanted) = (whole.capacity(), whole.len() + more);
        if wanted <= held {
            return true;
        }
        // Who has sent a part of a large file is believed how large it is: then what is there already need not be moved again and again.
        let believed = announced.filter(|_| wanted > UNBELIEVED_BYTES).and_then(|bytes| usize::try_from(bytes).ok());
        let all = wanted.max(believed.unwrap_or(0));
        if all > self.small_bytes {
            return false;
        }
        // With something over for what follows, where there is as much.
        let generous = all.max(held + held / 2).min(self.small_bytes);
        let share_of = |capacity: usize| Some((capacity, self.memory.share(capacity - held)?));
        let Some((capacity, grown)) = share_of(generous).or_else(|| share_of(wanted)) else {
            return false;
        };
        whole.reserve_exact(capacity - whole.len());
        match share {
            Some(share) => share.merge(grown),
            None => *share = Some(grown),
        }
        true
    }
}

impl Spool {
    pub(super) fn new(spooling: Arc<Spooling>, announced: Option<u64>) -> Self {
        let arriving = Arriving::InMemory { whole: Vec::new(), share: None };
        Self { spooling, announced, bytes: 0, digest: Sha256::new(), arriving }
    }

    /// Takes the next bytes of the upload.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Disk`]. The spool is of no use afterwards.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.digest.update(&bytes);
        self.bytes += bytes.len() as u64;
        if let Arriving::InMemory { whole, share } = &mut self.arriving {
            if self.spooling.grow(whole, share, bytes.len(), self.announced) {
                whole.extend_from_slice(&bytes);
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
            Arriving::InMemory { mut whole, mut share } => {
                let spare = whole.capacity() - whole.len();
                whole.shrink_to_fit();
                if let Some(share) = &mut share {
                    share.give_back(spare);
                }
                Body::Small(Held::new(Bytes::from(whole), share))
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
        let path = self.spooling.folder.join(number.to_string());
        // The file and what removes it come back as one: an upload that breaks off here leaves nothing, although the
        // thread goes on that makes the file.
        let make = move || {
            let made = File::options().read(true).write(true).create_new(true).open(&path);
            let file = made.map_err(|error| StoreError::io("make", &path, &error))?;
            Ok::<_, StoreError>((file, Temporary(Some(path))))
        };
        let made = tokio::task::spawn_blocking(make).await;
        let (file, path) = made.map_err(|_| StoreError::Disk("the runtime ends".to_owned()))??;
        let mut file = tokio::fs::File::from_std(file);
        if let Arriving::InMemory { whole, .. } = &self.arriving {
            file.write_all(whole).await.map_err(|error| StoreError::io("write", path.path(), &error))?;
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
            Body::Small(held) => Ok(held.bytes().slice(..limit.min(held.bytes().len()))),
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
    /// Moves the file to where it is to stay, if it is not there yet.
    pub(super) fn move_to(&mut self, place: &Path) -> std::io::Result<()> {
        if let Some(path) = &self.0 {
            fs::rename(path, place)?;
            self.0 = None;
        }
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
