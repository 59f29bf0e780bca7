//! Who waits outside: passes on what this process is asked to, and loses patience.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitCode, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// So long the inside may take to end when it is asked to, before it is killed. What it has measured it writes as it goes; this
/// is for the processes on its machines, of which the slowest (the manager) gives itself 5 s.
pub const GRACE: Duration = Duration::from_secs(10);

/// How often it is looked whether the inside has ended: as late a prompt comes back, which nobody notices.
const LOOK: Duration = Duration::from_millis(20);

/// What shells add to the number of a signal for the status of a process that it has ended.
const ENDED_BY_SIGNAL: i32 = 128;

pub(super) struct Waiter {
    signals: Signals,
}

impl Waiter {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { signals: Signals::new([SIGINT, SIGTERM, SIGHUP]).context("failed to watch for signals")? })
    }

    pub(super) fn wait(mut self, mut outermost: Child) -> anyhow::Result<ExitCode> {
        let mut inside = outermost.stdin.take();
        let mut asked: Option<Instant> = None;
        loop {
            if let Some(status) = outermost.try_wait().context("failed to wait for the world")? {
                return Ok(code(status));
            }
            for signal in self.signals.pending() {
                let word = u8::try_from(signal).ok().filter(|_| asked.is_none());
                let is_passed_on =
                    word.zip(inside.as_mut()).is_some_and(|(word, inside)| inside.write_all(&[word]).is_ok());
                if !is_passed_on {
                    outermost.kill().context("failed to end the world")?;
                }
                asked = asked.or_else(|| Some(Instant::now()));
            }
            if asked.is_some_and(|asked| asked.elapsed() > GRACE) {
                outermost.kill().context("failed to end the world")?;
            }
            thread::sleep(LOOK);
        }
    }
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| Some(ENDED_BY_SIGNAL + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
