//! One process of a run, with its log, wherever it runs. It ends when this value does.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// How many lines of a log are told when its process has gone wrong.
const LAST_LINES: usize = 5;

/// What can be had of a process, on whichever machine it is.
pub(crate) trait Running: Send {
    /// How it ended, if it has.
    ///
    /// # Errors
    /// Its system does not say, or cannot be asked any more.
    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>>;

    /// Sends a signal. One that has ended needs none.
    fn signal(&self, signal: Signal);

    /// Ends it at once, and waits until it is gone.
    fn kill(&mut self);
}

/// One of this machine.
pub(crate) struct Child(pub(crate) process::Child);

/// A process that runs, or that has ended.
pub(crate) struct Process {
    name: String,
    running: Box<dyn Running>,
    log: PathBuf,
}

impl Running for Child {
    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, signal);
        }
    }

    fn kill(&mut self) {
        // Fails only when it has ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Has it started; what it says is to go to the end of `NAME.log` in `folder`.
    ///
    /// # Errors
    /// The log cannot be written, or it does not start.
    pub(crate) fn start(
        name: &str,
        folder: &Path,
        start: impl FnOnce(File) -> anyhow::Result<Box<dyn Running>>,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let running = start(file.with_context(|| format!("failed to write {}", log.display()))?)?;
        Ok(Self { name: name.to_owned(), running, log })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// As [`Running::ended`].
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.running.ended()
    }

    /// Sends a signal. One that has ended needs none.
    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Ends it at once: nothing that a process of a run has is needed afterwards.
    pub(crate) fn kill(&mut self) {
        self.running.kill();
    }

    /// The rest of the first line that it has written that begins so.
    pub(crate) fn said(&self, beginning: &str) -> Option<String> {
        let log = fs::read(&self.log).ok()?;
        String::from_utf8_lossy(&log).lines().find_map(|line| Some(line.strip_prefix(beginning)?.to_owned()))
    }

    /// The end of its log, for who has to say why it went wrong.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        match &lines[lines.len().saturating_sub(LAST_LINES)..] {
            [] => format!("{} has said nothing", self.name),
            last => format!("{} said last: {}", self.name, last.join(" / ")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
