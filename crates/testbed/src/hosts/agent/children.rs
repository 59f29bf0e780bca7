//! The programs that an agent has started: each with its log, and none that outlives the agent.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::super::said::Said;
use super::Voice;
use crate::door::while_we_live;

/// How long it is waited for the last words of a program that has ended: somebody else may have them still in hand.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How often it is looked for them.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How long programs may take to be gone when they are killed.
const GONE: Duration = Duration::from_secs(5);

pub(super) struct Children {
    voice: Voice,
    /// Those that run, by the lab's numbers.
    running: std::sync::Arc<Mutex<BTreeMap<u64, Pid>>>,
}

impl Children {
    pub(super) fn new(voice: Voice) -> Self {
        Self { voice, running: std::sync::Arc::default() }
    }

    /// Starts the program that this agent is of. It gets SIGKILL when the calling thread ends.
    pub(super) fn start(
        &self,
        process: u64,
        arguments: &[String],
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("failed to find this program's own file")?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "sh", "-c"]).arg(while_we_live()).arg("sh").arg(program).args(arguments);
        command.envs(environment).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().context("failed to run setpriv (of util-linux)")?;
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process has no number")?;
        lock(&self.running).insert(process, id);
        let said = [self.listen(process, child.stdout.take()), self.listen(process, child.stderr.take())];
        let (voice, running) = (self.voice.clone(), std::sync::Arc::clone(&self.running));
        thread::spawn(move || {
            let status = bury(&mut child, &running, process);
            await_all(said.into_iter().flatten());
            voice.say(&Said::Ended { process, status });
        });
        Ok(())
    }

    /// Sends a signal to one. One that has ended needs none.
    pub(super) fn signal(&self, process: u64, signal: i32) -> anyhow::Result<()> {
        let signal = Signal::from_named_raw(signal).context("there is no such signal")?;
        if let Some(id) = lock(&self.running).get(&process) {
            let _ = kill_process(*id, signal);
        }
        Ok(())
    }

    /// Kills all, with whatever they have started, and waits until they are gone.
    pub(super) fn end(&self) {
        for id in lock(&self.running).values() {
            let _ = kill_process_group(*id, Signal::KILL);
        }
        let asked = Instant::now();
        while !lock(&self.running).is_empty() && asked.elapsed() < GONE {
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Passes on what a program writes, line by line.
    fn listen(&self, process: u64, from: Option<impl Read + Send + 'static>) -> Option<JoinHandle<()>> {
        let (mut from, voice) = (BufReader::new(from?), self.voice.clone());
        Some(thread::spawn(move || {
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                voice.say(&Said::Log { process, text: String::from_utf8_lossy(&line).into_owned() });
                line.clear();
            }
        }))
    }
}

/// Waits for its end. A number that another process may have is known no more by then.
fn bury(child: &mut Child, running: &Mutex<BTreeMap<u64, Pid>>, process: u64) -> i32 {
    loop {
        let mut running = lock(running);
        // A child that cannot be waited for is not there.
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => {
                running.remove(&process);
                return status.into_raw();
            }
            Err(_) => {
                running.remove(&process);
                return 0;
            }
        }
        drop(running);
        thread::sleep(LOOK_EVERY);
    }
}

fn await_all(threads: impl Iterator<Item = JoinHandle<()>>) {
    let since = Instant::now();
    for thread in threads {
        while !thread.is_finished() && since.elapsed() < LAST_WORDS {
            thread::sleep(LOOK_EVERY);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
