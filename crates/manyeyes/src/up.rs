//! `manyeyes up`: a manager in this process, and workers as its children.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use manyeyes_manager::Manager;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{cli, manager, model};

/// How long a worker may take to end, which has finished what it had. Then it is killed.
const WORKER_GRACE: Duration = Duration::from_secs(1);

/// A worker that has ended is started again after this, doubled for each end in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A worker that ran this long was well: the next start is at once again.
const WELL_AFTER: Duration = Duration::from_secs(30);

pub(crate) fn run(arguments: cli::Up) -> anyhow::Result<()> {
    // Found here so that a person hears of a missing or a broken model at once, and a download happens once.
    let model = model::find_or_builtin(&arguments.model)?;
    let mut settings = manager::settings(&arguments.serve, arguments.worker_listen)?;
    settings.model = Some(model.digest);
    let model = model::options_for_child(&model);
    let grace = manager::grace(&arguments.serve);
    manager::until_ended(async |ending| {
        let manager = manyeyes_manager::start(settings).await?;
        let end = End::default();
        let workers = TaskTracker::new();
        for number in 1..=arguments.workers {
            let worker = WorkerProcess::new(number, &arguments, &manager, &model)?;
            workers.spawn(worker.keep_running(end.clone()));
        }
        workers.close();
        manager::announce(&manager)?;
        ending.asked().await;
        let until = Instant::now() + grace;
        let orderly = async {
            end.starting.cancel();
            manager.drain(grace).await;
            end.running.cancel();
            workers.wait().await;
            manager.shutdown(until.saturating_duration_since(Instant::now())).await;
        };
        ending.or_at_once(orderly).await
    })
}

/// How the workers are told that all ends.
#[derive(Clone, Default)]
struct End {
    /// None is started any more. Those that run finish what they have; where the signal came from a terminal, they have had
    /// it too, and end as soon as they have.
    starting: CancellationToken,
    /// Those that still run are to end.
    running: CancellationToken,
}

/// How one child is started, again and again.
struct WorkerProcess {
    name: String,
    program: std::path::PathBuf,
    arguments: Vec<OsString>,
    token: Option<String>,
}

impl WorkerProcess {
    fn new(number: u32, up: &cli::Up, manager: &Manager, model: &[OsString]) -> anyhow::Result<Self> {
        let name = format!("worker-{number}");
        let (address, slots) = (reachable(manager.worker_addr()).to_string(), slots_each(up.workers).to_string());
        let options = ["worker", "--end-with-stdin", "--name", &name, "--manager", &address, "--slots", &slots];
        let mut arguments = options.map(OsString::from).to_vec();
        // On one machine nothing speaks for QUIC but the wish to have no other.
        let transport = if up.serve.transport == cli::Listening::Quic { "quic" } else { "tcp" };
        arguments.extend(["--transport", transport].map(OsString::from));
        arguments.extend(["--engine", up.model.engine_name()].map(OsString::from));
        arguments.extend_from_slice(model);
        let program = std::env::current_exe().context("failed to find this program's own file")?;
        Ok(Self { name, program, arguments, token: manager.worker_token() })
    }

    /// Runs the worker and starts it again when it ends; never when it is merely silent.
    async fn keep_running(self, end: End) {
        let mut ends_in_a_row = 0;
        while !end.starting.is_cancelled() {
            let started = Instant::now();
            let ended = match self.start() {
                Ok(child) => match wait_or_end(child, &end.running).await {
                    Some(status) => describe(status),
                    None => return,
                },
                Err(error) => format!("could not be started: {error}"),
            };
            if end.starting.is_cancelled() {
                return;
            }
            ends_in_a_row = if started.elapsed() >= WELL_AFTER { 0 } else { ends_in_a_row + 1 };
            let pause = pause_after(ends_in_a_row);
            tracing::warn!("{} {ended}; starting it again in {pause:?}", self.name);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = end.starting.cancelled() => {}
            }
        }
    }

    /// The child's standard input stays open as long as this process lives; its end is the child's own end.
    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).kill_on_drop(true);
        if let Some(token) = &self.token {
            command.env("MANYEYES_TOKEN", token);
        }
        command.spawn()
    }
}

/// Waits for a child's end. `None`: this process is ending, and so the child was let go and has ended.
async fn wait_or_end(mut child: Child, ending: &CancellationToken) -> Option<std::io::Result<ExitStatus>> {
    tokio::select! {
        status = wait_with_stdin_open(&mut child) => return Some(status),
        () = ending.cancelled() => {}
    }
    drop(child.stdin.take());
    if tokio::time::timeout(WORKER_GRACE, child.wait()).await.is_err() {
        // It holds nothing that is not safe in the books.
        let _ = child.kill().await;
    }
    None
}

/// `Child::wait` closes the child's standard input first, which would end it.
async fn wait_with_stdin_open(child: &mut Child) -> std::io::Result<ExitStatus> {
    let stdin = child.stdin.take();
    let status = child.wait().await;
    drop(stdin);
    status
}

fn pause_after(ends_in_a_row: u32) -> Duration {
    if ends_in_a_row == 0 {
        return FIRST_PAUSE;
    }
    (FIRST_PAUSE * 2_u32.saturating_pow((ends_in_a_row - 1).min(10))).min(LONGEST_PAUSE)
}

/// One-thread slots are best for throughput on a CPU, so the cores are shared out among the workers.
fn slots_each(workers: u32) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.div_ceil(workers.max(1) as usize).max(1)
}

/// Where children on this machine find a manager that listens on every address.
fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("was ended by signal {signal}"),
            (None, Some(code)) => format!("ended with status {code}"),
            (None, None) => "ended".to_owned(),
        },
        Err(error) => format!("was lost: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_keeps_ending_is_started_ever_more_rarely() {
        let pauses: Vec<_> = (0..10).map(pause_after).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(pauses[1], FIRST_PAUSE);
        assert_eq!(pauses[9], LONGEST_PAUSE);
    }

    #[test]
    fn children_of_a_manager_on_every_address_connect_to_loopback() {
        assert_eq!(reachable("0.0.0.0:2888".parse().unwrap()).to_string(), "127.0.0.1:2888");
        assert_eq!(reachable("[::]:2888".parse().unwrap()).to_string(), "[::1]:2888");
        assert_eq!(reachable("10.0.0.1:2888".parse().unwrap()).to_string(), "10.0.0.1:2888");
    }
}
