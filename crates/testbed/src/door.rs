//! The ways into a machine: for threads of this process, and for programs.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::share::Share;

/// Joins the group of which the first argument is the list of processes, and runs the others. To the kernel 0 is who writes it.
const IN_GROUP: &str = "echo 0 >\"$1\" && shift && exec \"$@\"";

/// A machine's network, for a thread that is to be in it.
pub struct WayIn(File);

impl WayIn {
    pub(crate) fn new(network: File) -> Self {
        Self(network)
    }

    /// Moves the calling thread, and what it starts, into the machine's network.
    ///
    /// # Errors
    /// We may not: this process has no right over the network.
    pub fn enter(&self) -> anyhow::Result<()> {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(self.0.as_fd(), network).context("failed to enter a network")
    }
}

/// The way into a machine for a program. It leads nowhere once the machine is gone.
#[derive(Clone)]
pub struct Door {
    holder: u32,
    share: Option<Share>,
}

impl Door {
    pub(crate) fn new(holder: u32) -> Self {
        Self { holder, share: None }
    }

    /// The same way, for programs that have a share of the processor only, together, from before they begin.
    #[must_use]
    pub fn sharing(self, share: Share) -> Self {
        Self { share: Some(share), ..self }
    }

    /// A program that is to run in the machine. It gets SIGKILL when the thread that starts it ends, and so it does not outlive
    /// this process; it is the leader of a group of its own, so that a Ctrl-C is not for it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        let namespace = |kind| format!("/proc/{}/ns/{kind}", self.holder);
        command.arg(format!("--net={}", namespace("net"))).arg(format!("--mount={}", namespace("mnt")));
        command.args(["setpriv", "--pdeathsig", "KILL", "sh", "-c"]).arg(while_we_live()).arg("sh");
        if let Some(share) = &self.share {
            command.args(["sh", "-c", IN_GROUP, "sh"]).arg(share.door());
        }
        command.arg(program).stdin(Stdio::null()).process_group(0);
        command
    }
}

/// Runs its arguments if this process is there still. If it ended before the wish for SIGKILL was said, none comes.
pub(crate) fn while_we_live() -> String {
    format!("[ \"$PPID\" = {} ] && exec \"$@\"", std::process::id())
}
