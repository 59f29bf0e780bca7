//! The lab's end of the conversation with a host's agent.

mod heard;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::heard::{Heard, State};
use super::file::Destination;
use super::said::{HEARTBEAT, Numbered, Order, Said};
use super::ssh::{self, Program};

/// How long an answer may take: the longest is that of probes on the slowest link, a few minutes.
const ANSWER: Duration = Duration::from_secs(600);

/// How long an agent may take to put everything back: some calls of `tc` for each of 63 links.
const FAREWELL: Duration = Duration::from_secs(15);

/// How long it is waited for what a host still has to say when a conversation has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How often it is looked whether something has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How much of what a host says beside the conversation is kept, for who has to say why it went wrong.
const MOST_SAID_BYTES: u64 = 8 << 10;

/// A host, with its agent at work.
pub(super) struct Session {
    name: String,
    data: PathBuf,
    orders: Arc<Mutex<Orders>>,
    heard: Arc<Heard>,
    /// What `ssh` is, or the agent itself.
    child: Mutex<Child>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// When it is dropped, the heartbeat ends.
    beats: Mutex<Option<SyncSender<()>>>,
}

/// Where orders go; `None` when no more are given.
struct Orders {
    to: Option<ChildStdin>,
    given: u64,
    processes: u64,
}

impl Session {
    /// Begins an agent on a host; `None` is this machine. `name` is what it is on the star.
    ///
    /// # Errors
    /// The host does not answer, or there is no such program, or the agent does not begin: as a sentence about the host.
    pub(super) fn begin(name: &str, host: Option<&Destination>, program: &Program<'_>) -> anyhow::Result<Self> {
        let mut command = match host {
            Some(host) => host.command(program)?,
            None => ssh::here(program.path),
        };
        let mut child = command.spawn().with_context(|| format!("failed to run {}", shown(&command)))?;
        let (Some(mut to), Some(from), Some(beside)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("a child has no pipes");
        };
        let mut from = BufReader::new(from);
        let said = Arc::new(Mutex::new(String::new()));
        let listener = thread::spawn({
            let said = Arc::clone(&said);
            move || listen_beside(beside, &said)
        });
        let introduced = host.map_or(Ok(()), |host| host.introduce(program, &mut from, &mut to));
        let data = match introduced.and_then(|()| hello(&mut from)) {
            Ok(data) => data,
            // What the conversation itself has found is said; where it only ended, the host knows why.
            Err(error) => {
                drop(to);
                let status = end(&mut child);
                await_end(|| listener.is_finished(), LAST_WORDS);
                let said = lock(&said).clone();
                let why = match host {
                    _ if !is_end(&error) => format!("{error:#}"),
                    Some(host) => ssh::explain(host, status, &said),
                    None => said.trim().to_owned(),
                };
                bail!("{name}: {why}");
            }
        };
        let heard = Arc::new(Heard::default());
        let orders = Arc::new(Mutex::new(Orders { to: Some(to), given: 0, processes: 0 }));
        let (beats, beat) = sync_channel(1);
        let threads = vec![
            thread::spawn({
                let heard = Arc::clone(&heard);
                move || heard.listen(from)
            }),
            thread::spawn({
                let orders = Arc::clone(&orders);
                move || keep_alive(&orders, &beat)
            }),
        ];
        let (child, threads) = (Mutex::new(child), Mutex::new(threads));
        Ok(Self { name: name.to_owned(), data, orders, heard, child, threads, beats: Mutex::new(Some(beats)) })
    }

    /// Where programs on it may keep data.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// Gives an order and waits for what comes of it.
    ///
    /// # Errors
    /// It could not be done there, or the connection has ended.
    pub(super) fn ask<T: DeserializeOwned>(&self, order: Order) -> anyhow::Result<T> {
        let answered = self.give(order).with_context(|| self.lost())?;
        let value = match answered.recv_timeout(ANSWER) {
            Ok(told) => told.map_err(|why| anyhow!("{}: {why}", self.name))?,
            Err(RecvTimeoutError::Timeout) => bail!("{} has not answered for {} s", self.name, ANSWER.as_secs()),
            Err(RecvTimeoutError::Disconnected) => bail!(self.lost()),
        };
        serde_json::from_value(value).with_context(|| format!("failed to understand {}", self.name))
    }

    /// Starts its program there, whose output goes to `log`; gives the number by which it is known.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) fn start(
        &self,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        log: File,
    ) -> anyhow::Result<u64> {
        let process = {
            let mut orders = lock(&self.orders);
            orders.processes += 1;
            orders.processes
        };
        self.heard.state().logs.insert(process, log);
        self.ask::<()>(Order::Start { process, arguments, environment })?;
        Ok(process)
    }

    /// How a program has ended, by wait(2), if it has.
    ///
    /// # Errors
    /// The connection has ended: nobody knows.
    pub(super) fn ended(&self, process: u64) -> anyhow::Result<Option<i32>> {
        let state = self.heard.state();
        match state.ended.get(&process) {
            Some(status) => Ok(Some(*status)),
            None if state.is_over => bail!(self.lost()),
            None => Ok(None),
        }
    }

    /// Waits until it has ended, or nobody will know any more, but no longer than this.
    pub(super) fn await_end_of(&self, process: u64, time: Duration) {
        let is_known = |state: &mut State| !state.ended.contains_key(&process) && !state.is_over;
        drop(self.heard.news.wait_timeout_while(self.heard.state(), time, is_known));
    }

    /// Lets the agent put everything back; tells what it could not, or that nobody knows.
    pub(super) fn end(&self) -> Vec<String> {
        lock(&self.beats).take();
        lock(&self.orders).to.take();
        let mut child = lock(&self.child);
        await_end(|| !matches!(child.try_wait(), Ok(None)), FAREWELL);
        end(&mut child);
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
        match self.heard.state().left.take() {
            Some(left) => left.into_iter().map(|what| format!("{}: {what}", self.name)).collect(),
            None => vec![format!(
                "{}: the connection ended early; its agent ends within seconds and puts everything back, but that was not seen",
                self.name
            )],
        }
    }

    fn give(&self, order: Order) -> anyhow::Result<Receiver<Result<Value, String>>> {
        let (answer, answered) = sync_channel(1);
        let mut orders = lock(&self.orders);
        orders.given += 1;
        let number = orders.given;
        {
            let mut state = self.heard.state();
            if state.is_over {
                bail!("it has ended");
            }
            state.waiting.insert(number, answer);
        }
        orders.say(&Numbered { number, order })?;
        Ok(answered)
    }

    fn lost(&self) -> String {
        format!("the connection to {} is lost", self.name)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if lock(&self.orders).to.is_some() {
            self.end();
        }
    }
}

impl Orders {
    fn say(&mut self, numbered: &Numbered) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(numbered).context("failed to write an order as JSON")?;
        line.push(b'\n');
        let to = self.to.as_mut().context("no more orders are given")?;
        to.write_all(&line).and_then(|()| to.flush()).context("failed to give an order")
    }
}

/// Says every now and then that the lab is there still.
fn keep_alive(orders: &Mutex<Orders>, beat: &Receiver<()>) {
    while beat.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
        let mut orders = lock(orders);
        orders.given += 1;
        let number = orders.given;
        if orders.say(&Numbered { number, order: Order::Go }).is_err() {
            return;
        }
    }
}

/// The connection's end came where a word was expected.
#[derive(Debug, thiserror::Error)]
#[error("the connection has ended")]
pub(super) struct Ended;

fn is_end(error: &anyhow::Error) -> bool {
    error.is::<Ended>() || error.downcast_ref::<std::io::Error>().is_some()
}

/// Waits until the agent is there; gives where programs may keep data.
fn hello(from: &mut impl BufRead) -> anyhow::Result<PathBuf> {
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Err(Ended.into());
        }
        if let Ok(Said::Hello { data }) = serde_json::from_str(&line) {
            return Ok(data);
        }
    }
}

fn listen_beside(from: impl Read, said: &Mutex<String>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    let mut kept = 0;
    while from.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        kept += line.len() as u64;
        if kept < MOST_SAID_BYTES {
            lock(said).push_str(&String::from_utf8_lossy(&line));
        }
        line.clear();
    }
}

/// The status of a child, which is killed where it does not end by itself at once.
fn end(child: &mut Child) -> Option<i32> {
    await_end(|| !matches!(child.try_wait(), Ok(None)), LAST_WORDS);
    let _ = child.kill();
    child.wait().ok()?.code()
}

fn await_end(mut is_over: impl FnMut() -> bool, time: Duration) {
    let until = Instant::now() + time;
    while !is_over() && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
    }
}

fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    if program == "ssh" { "ssh (package openssh-client)".to_owned() } else { program }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
