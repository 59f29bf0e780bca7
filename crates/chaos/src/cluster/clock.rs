//! Wall clocks that go wrong.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::means::Means;

/// A wall clock that can be set while its process runs.
pub(super) struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// One that goes right; `None` where there is no means for it.
    pub(super) fn new(folder: &Path, name: &str, means: &Means) -> anyhow::Result<Option<Self>> {
        let Some(library) = means.faketime.clone() else { return Ok(None) };
        Self::set(folder, name, 0)?;
        Ok(Some(Self { library, file: Self::file(folder, name) }))
    }

    /// What its process finds in its environment.
    pub(super) fn variables(&self) -> [String; 5] {
        [
            format!("LD_PRELOAD={}", self.library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file.display()),
            // The clock that measures durations goes on as it is, as the kernel's does when somebody sets the time.
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "NO_FAKE_STAT=1".to_owned(),
            // In seconds: so soon a jump is seen.
            "FAKETIME_CACHE_DURATION=1".to_owned(),
        ]
    }

    /// Sets it off by so many seconds.
    pub(super) fn set(folder: &Path, name: &str, seconds: i64) -> anyhow::Result<()> {
        let (file, new) = (Self::file(folder, name), folder.join(format!("{name}.clock.new")));
        // In one step, so that no half of it is read.
        fs::write(&new, format!("{seconds:+}\n")).and_then(|()| fs::rename(&new, file)).context("failed to set a clock")
    }

    fn file(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.clock"))
    }
}
