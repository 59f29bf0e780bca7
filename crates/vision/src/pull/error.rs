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
    /// Another process holds the file's lock for longer than this one would wait.
    #[error("another process is fetching it")]
    Busy,
    /// No source had it.
    #[error("no source has it{}", Failures(failures))]
    AllSources {
        /// Each source and what was wrong with it.
        failures: Vec<PullFailure>,
    },
}

impl PullError {
    /// In a few words that name neither folders nor addresses, since everyone who sees the page may read them.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::NoSource { .. } => "it is published nowhere that is known".to_owned(),
            Self::NoCache | Self::Busy => self.to_string(),
            Self::Unwritable { source, .. } => format!("the cache cannot be written: {source}"),
            Self::AllSources { failures } => match failures.iter().find(|failure| failure.reached) {
                Some(failure) => format!("no source has it: {}", failure.reason),
                None => format!("no network: {}", failures.first().map_or("no source", |first| &first.reason)),
            },
        }
    }
}

/// One source and what was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullFailure {
    /// Its address.
    pub source: String,
    /// Whether it answered at all.
    pub reached: bool,
    /// What was wrong.
    pub reason: String,
}

/// Why one source is of no use, or why no source would be.
#[derive(Debug)]
pub(super) enum SourceError {
    /// The source's fault, or that of the way to it: another one may do.
    Source {
        /// Whether it answered at all.
        reached: bool,
        /// What was wrong.
        reason: String,
    },
    /// This machine's fault.
    File(std::io::Error),
}

impl SourceError {
    /// Nothing came.
    pub(super) fn unreached(reason: impl Into<String>) -> Self {
        Self::Source { reached: false, reason: reason.into() }
    }

    /// What came is no help.
    pub(super) fn useless(reason: impl Into<String>) -> Self {
        Self::Source { reached: true, reason: reason.into() }
    }
}

impl From<std::io::Error> for SourceError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// Failures, one a line.
struct Failures<'a>(&'a [PullFailure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|failure| write!(f, "\n  {}: {}", failure.source, failure.reason))
    }
}
