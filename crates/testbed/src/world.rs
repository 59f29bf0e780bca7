//! A world of its own for a process: its own networks, mounts and processes, of which it is root, also where an ordinary user
//! has started it. Whatever is in it ends with it, and it ends with the process that made it, however that ends.
//!
//! The program is executed a second time, inside. Of the four processes that are there then (this one, `unshare`, a shell as the
//! inside's process 1, the program inside), each ends when the one before it does.

mod right;
mod waiter;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use anyhow::{Context, bail};
use rustix::process::{Signal, getpid, kill_process};

pub use self::right::possible;
pub use self::waiter::GRACE;
use self::waiter::Waiter;
use crate::door::while_we_live;

/// By this variable the process inside knows that it is: the network from which its world was made, as `/proc` names it.
const MADE_FROM: &str = "MANYEYES_WORLD_MADE_FROM";

/// The life of process 1: it begins the program, buries whatever is left to it, and ends with the program's status.
const FIRST_PROCESS: &str = "\"$@\"; exit \"$?\"";

/// Which side one is on after [`enter`].
#[must_use]
pub enum Entered {
    /// This process is inside: go on. A Ctrl-C (or SIGTERM, or the end of the terminal) comes as that signal; [`GRACE`]
    /// after the first, or with a second, everything is killed. Its standard input is taken.
    ///
    /// [`GRACE`]: crate::GRACE
    Inside,
    /// This process has waited outside. The one inside has ended, with this status.
    Ended(ExitCode),
}

/// Goes on in a new world: executes this program a second time inside, with `arguments`, and waits for it. To be called early, by
/// the main thread: what is done before is done on both sides, and when the calling thread ends, the world does.
///
/// # Errors
/// As [`possible`].
pub fn enter(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> anyhow::Result<Entered> {
    let network = fs::read_link("/proc/self/ns/net").context("failed to see which network this is")?;
    if let Some(made_from) = env::var_os(MADE_FROM) {
        if made_from == network {
            bail!("{MADE_FROM} is set outside: it is for the inside of a world only");
        }
        thread::spawn(hear);
        return Ok(Entered::Inside);
    }
    possible()?;
    let program = env::current_exe().context("failed to find this program's own file")?;
    // Before there is anything to be ended.
    let waiter = Waiter::new()?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "sh", "-c"]).arg(while_we_live()).args(["sh", "unshare"]);
    command.args(right::namespaces()).args(["--fork", "--kill-child"]);
    command.args(["sh", "-c", FIRST_PROCESS, "sh"]).arg(program).args(arguments);
    command.env(MADE_FROM, network).stdin(Stdio::piped());
    // In a group of its own: a Ctrl-C is for the waiter, who passes it on. `unshare` would take it as its own end.
    let outermost = command.process_group(0).spawn().context("failed to run setpriv (of util-linux)")?;
    Ok(Entered::Ended(waiter.wait(outermost)?))
}

/// Inside: hears from outside which signals were for us.
fn hear() {
    let mut outside = io::stdin().lock();
    let mut heard = [0];
    while outside.read_exact(&mut heard).is_ok() {
        if let Some(signal) = Signal::from_named_raw(heard[0].into()) {
            // To oneself it cannot fail.
            let _ = kill_process(getpid(), signal);
        }
    }
}
