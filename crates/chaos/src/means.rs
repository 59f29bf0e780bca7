//! What this machine can do: which faults it has the means for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use manyeyes_testbed::Machine;

use crate::plan::Kind;

/// What a run may use.
pub(crate) struct Means {
    /// Whether processes can be looked into while they run.
    pub(crate) has_strace: bool,
    /// The library that fakes a process's wall clock.
    pub(crate) faketime: Option<PathBuf>,
    /// Whether the program knows canaries, and a worker that answers wrongly.
    pub(crate) has_canaries: bool,
}

impl Means {
    /// Looks, at this machine and at the program. Fails where there can be no run at all: without namespaces.
    pub(crate) fn find(binary: &Path) -> anyhow::Result<Self> {
        Self::has_namespaces()?;
        let strace = Command::new("strace").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        let has_strace = strace.is_ok_and(|status| status.success());
        let knows = |command, word| {
            let help = Command::new(binary).args([command, "--help"]).stdin(Stdio::null()).output();
            help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains(word))
        };
        let has_canaries = knows("manager", "--canaries") && knows("worker", "wrong:");
        Ok(Self { has_strace, faketime: faketime(), has_canaries })
    }

    /// Fails where this system does not let us make namespaces.
    pub(crate) fn has_namespaces() -> anyhow::Result<()> {
        Machine::new("true").map(drop)
    }

    /// The kinds that can happen here.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|&kind| self.missing(kind).is_none()).collect()
    }

    /// What a kind would need that is not here.
    pub(crate) fn missing(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::SlowFsync if !self.has_strace => Some("strace"),
            Kind::ManagerClock | Kind::WorkerClock if self.faketime.is_none() => Some("libfaketime"),
            Kind::WrongWorker if !self.has_canaries => Some("canaries"),
            _ => None,
        }
    }
}

/// Where Debian, Fedora and Arch put it; the one for programs with threads.
fn faketime() -> Option<PathBuf> {
    const NAME: &str = "faketime/libfaketimeMT.so.1";
    let architecture = std::env::consts::ARCH;
    let folders = [format!("/usr/lib/{architecture}-linux-gnu"), "/usr/lib64".to_owned(), "/usr/lib".to_owned()];
    folders.iter().map(|folder| Path::new(folder).join(NAME)).find(|path| path.exists())
}
