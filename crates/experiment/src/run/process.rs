//! One process of a run, with its log. It ends when this value does.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// How many lines of a log are told when its process has gone wrong.
const LAST_LINES: usize = 5;

/// A process that runs, or that has ended.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to the end of `NAME.log` in `folder`.
    ///
    /// # Errors
    /// The log cannot be written, or the program not be run.
    pub(crate) fn start(name: &str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("failed to write {}", log.display()))?;
        let other = file.try_clone().with_context(|| format!("failed to write {}", log.display()))?;
        let child = command.stdout(file).stderr(other).spawn();
        let child = child.with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system does not say.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal. One that has ended needs none.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, signal);
        }
    }

    /// Ends it at once: nothing that a process of a run has is needed afterwards.
    pub(crate) fn kill(&mut self) {
        // Fails only when it has ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has written a line that begins so.
    pub(crate) fn has_said(&self, beginning: &str) -> bool {
        fs::read(&self.log).is_ok_and(|log| String::from_utf8_lossy(&log).lines().any(|it| it.starts_with(beginning)))
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
