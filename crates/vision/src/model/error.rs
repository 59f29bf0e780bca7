//! Why there is no model, for the person who has to mend it.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::DAMAGED;
use crate::pull::PullError;

/// Why a model could not be had.
#[derive(Debug, Error)]
pub enum ModelError {
    /// It is nowhere.
    #[error(
        "no model `{name}`{}\n  get it with `manyeyes model pull`, or name a file with --model PATH, \
         or a folder with MANYEYES_MODELS; or be content with ten classes: --model builtin",
        Places(places)
    )]
    NotFound {
        /// What was looked for.
        name: String,
        /// Every place that was looked in.
        places: Vec<Place>,
    },
    /// It is nowhere, and the download failed too.
    #[error("no model `{name}`{}\n  downloads", Places(places))]
    Pull {
        /// What was looked for.
        name: String,
        /// Every place that was looked in before.
        places: Vec<Place>,
        /// Why each source failed.
        source: PullError,
    },
    /// The file cannot be read.
    #[error("cannot read the model {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has changed since it was found.
    #[error("{} has changed while the program was running; start it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a network.
    #[error("{} is not usable as a model: {why}", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The network takes or gives something else than one picture and one number a label.
    #[error("{} does not fit: {why}", path.display())]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// What it takes or gives, and what is needed.
        why: String,
    },
    /// Nothing says how the input of this network is made.
    #[error(
        "how to feed {} is unknown: its digest and its name are not in the manifest (see `manyeyes model list`); \
         describe it in {}, as models/README.md shows",
        path.display(), sidecar.display()
    )]
    NoRecipe {
        /// The file.
        path: PathBuf,
        /// Where its description would be looked for.
        sidecar: PathBuf,
    },
    /// The description beside the file is not right.
    #[error("{}: {why}", path.display())]
    Sidecar {
        /// The description.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl ModelError {
    /// Where the model is simply not there: why, in words that name no folder. `None` where it is there and is broken.
    pub(crate) fn absence(&self) -> Option<String> {
        let (name, places, download) = match self {
            Self::NotFound { name, places } => (name, places, None),
            Self::Pull { name, places, source } => (name, places, Some(source)),
            _ => return None,
        };
        let damaged = places.iter().any(|place| place.why == DAMAGED);
        let what = if damaged { "damaged in the cache" } else { "not on this machine" };
        let download = download.map(|error| format!("; {}", error.in_short())).unwrap_or_default();
        Some(format!("{name} is {what}{download}"))
    }
}

/// One place that was looked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file that would have been used.
    pub path: PathBuf,
    /// Why it was not.
    pub why: &'static str,
}

/// Places, one a line.
struct Places<'a>(&'a [Place]);

impl fmt::Display for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, " is known, and no folder was named to look for it in");
        }
        write!(f, "; looked for")?;
        self.0.iter().try_for_each(|place| write!(f, "\n  {}: {}", place.path.display(), place.why))
    }
}
