//! Why a download failed.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Why a published model could not be had.
#[derive(Debug, Error)]
pub enum PullError {
    /// The manifest has no address for it.
    #[error("`{name}` is published nowhere that is known; bring the file yourself (MANYEYES_MODELS or --model PATH)")]
    NoSource {
        /// The model.
        name: String,
    },
    /// There is no folder to put it in.
    #[error("there is no cache folder: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    /// The cache cannot be written.
    #[error("cannot write to {}", folder.display())]
    Unwritable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No source had it.
    #[error("no source has it{}", Failures(failures))]
    AllSources {
        /// Each source and what was wrong with it.
        failures: Vec<(String, String)>,
    },
}

/// Why one source is of no use, or why no source would be.
#[derive(Debug)]
pub(super) enum SourceError {
    /// The source's fault: another one may do.
    Source(String),
    /// This machine's fault.
    File(std::io::Error),
}

impl From<std::io::Error> for SourceError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// Failures, one a line.
struct Failures<'a>(&'a [(String, String)]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(source, reason)| write!(f, "\n  {source}: {reason}"))
    }
}
