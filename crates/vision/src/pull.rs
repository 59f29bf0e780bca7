//! Downloads of published models: several sources in order, resumed where one broke off, and only the right digest
//! counts.
//!
//! The bytes go to `FILE.part` in the cache, are checked, and are then renamed to `FILE`, so a file of that name is
//! whole. A lock on `FILE.lock` makes several processes that want the same model take turns: the second one finds it
//! done.

mod error;
mod fetch;
mod patience;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use self::error::SourceError;
pub use self::error::{PullError, PullFailure};
use self::patience::Patience;
use crate::manifest::{Download, Entry};
use crate::model::user_cache;

/// How often a process that will not wait long looks whether it is its turn.
const TURN_LOOKED_FOR_EVERY: Duration = Duration::from_millis(50);

/// Settings of a download. Default: nothing is known of this machine; see [`PullSettings::from_environment`].
#[derive(Clone, Debug)]
pub struct PullSettings {
    /// `MANYEYES_MODEL_MIRROR`: the address of a folder that holds the files under their published names, tried first.
    pub mirror: Option<String>,
    /// The folder that the file goes to; `None` where the user has no home.
    pub cache: Option<PathBuf>,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long a source may be silent, before its answer and within it.
    pub answer: Duration,
    /// How long one source may take for the whole file.
    pub whole: Duration,
    /// How long it may take, over all sources, until one of them begins its answer; whatever goes wrong: a name that
    /// nobody resolves, packets that are dropped, a server that is silent, another process that is fetching the same. A
    /// source that falls silent within its answer uses it up too; one that sends, however slowly, does not. `None`: as
    /// long as the other limits allow.
    pub begin: Option<Duration>,
}

impl Default for PullSettings {
    fn default() -> Self {
        // A source that is not reached at once is not worth waiting for while others are there; a slow line (28 MB in
        // half an hour is 16 kB/s) is.
        let (connect, answer, whole) = (Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(30 * 60));
        Self { mirror: None, cache: None, connect, answer, whole, begin: None }
    }
}

impl PullSettings {
    /// With the mirror that the environment names, into the user's cache.
    #[must_use]
    pub fn from_environment() -> Self {
        let mirror = std::env::var("MANYEYES_MODEL_MIRROR").ok().filter(|mirror| !mirror.is_empty());
        Self { mirror, cache: user_cache().map(|cache| cache.join("models")), ..Self::default() }
    }
}

/// What a download tells while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullEvent<'a> {
    /// A source is asked.
    Trying {
        /// Its address.
        source: &'a str,
    },
    /// Bytes have come.
    Received {
        /// How many are there, those of an earlier attempt included.
        bytes: u64,
        /// How many there will be.
        total: u64,
    },
    /// A source is of no use; the next one is asked.
    Failed {
        /// Its address.
        source: &'a str,
        /// Why.
        reason: &'a str,
    },
}

/// Makes sure that a published model is in the cache and whole; gives its path.
///
/// # Errors
/// It has no source, the cache cannot be written, or every source failed.
pub fn pull(
    entry: &Entry,
    settings: &PullSettings,
    report: &mut dyn FnMut(PullEvent<'_>),
) -> Result<PathBuf, PullError> {
    let no_source = || PullError::NoSource { name: entry.name.clone() };
    let download = entry.download.as_ref().ok_or_else(no_source)?;
    let cache = settings.cache.as_deref().ok_or(PullError::NoCache)?;
    let unwritable = |source| PullError::Unwritable { folder: cache.to_owned(), source };
    std::fs::create_dir_all(cache).map_err(unwritable)?;
    let target = cache.join(&download.file);
    // Held until this function returns.
    let lock = File::create(cache.join(format!("{}.lock", download.file))).map_err(unwritable)?;
    let mut patience = Patience::new(settings.begin);
    take_turn(&lock, &mut patience, &unwritable)?;
    if is_whole(&target, download).map_err(unwritable)? {
        return Ok(target);
    }
    let part = cache.join(format!("{}.part", download.file));
    let mut failures = Vec::new();
    let sources = sources(download, settings.mirror.as_deref());
    let count = sources.len();
    for (position, source) in sources.into_iter().enumerate() {
        report(PullEvent::Trying { source: &source });
        patience.share_among(count - position);
        match from_source(&source, download, &part, settings, &mut patience, report) {
            Ok(()) => {
                std::fs::rename(&part, &target).map_err(unwritable)?;
                return Ok(target);
            }
            Err(SourceError::File(error)) => return Err(unwritable(error)),
            Err(SourceError::Source { reached, reason }) => {
                report(PullEvent::Failed { source: &source, reason: &reason });
                failures.push(PullFailure { source, reached, reason });
            }
        }
    }
    Err(PullError::AllSources { failures })
}

/// Waits until no other process is fetching the file.
fn take_turn(
    lock: &File,
    patience: &mut Patience,
    unwritable: &impl Fn(std::io::Error) -> PullError,
) -> Result<(), PullError> {
    let Some(mut left) = patience.left() else {
        return lock.lock().map_err(unwritable);
    };
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            Err(TryLockError::WouldBlock) if left.is_zero() => return Err(PullError::Busy),
            Err(TryLockError::WouldBlock) => thread::sleep(TURN_LOOKED_FOR_EVERY),
        }
        left = patience.left().unwrap_or_default().saturating_sub(began.elapsed());
    }
    patience.spend(began.elapsed());
    Ok(())
}

/// Where a file is asked for, the user's mirror first.
fn sources(download: &Download, mirror: Option<&str>) -> Vec<String> {
    let mirror = mirror.map(|base| format!("{}/{}", base.trim_end_matches('/'), download.file));
    mirror.into_iter().chain(download.sources.iter().cloned()).collect()
}

/// One source's attempt. What an earlier attempt left is built on; when the whole then has another digest, that may be
/// the fault of the earlier source, so this one gets to send everything once.
fn from_source(
    source: &str,
    download: &Download,
    part: &Path,
    settings: &PullSettings,
    patience: &mut Patience,
    report: &mut dyn FnMut(PullEvent<'_>),
) -> Result<(), SourceError> {
    let resumed = fetch::fetch(source, download.bytes, part, settings, patience, report)?;
    if is_whole(part, download)? {
        return Ok(());
    }
    std::fs::remove_file(part)?;
    if resumed {
        fetch::fetch(source, download.bytes, part, settings, patience, report)?;
        if is_whole(part, download)? {
            return Ok(());
        }
        std::fs::remove_file(part)?;
    }
    Err(SourceError::useless("its file is another one: the digest differs"))
}

/// Whether a file has the published length and digest. One that is not there has not.
fn is_whole(path: &Path, download: &Download) -> std::io::Result<bool> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    if file.metadata()?.len() != download.bytes {
        return Ok(false);
    }
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher)?;
    Ok(<[u8; 32]>::from(hasher.finalize()) == download.sha256)
}

#[cfg(test)]
mod tests;
