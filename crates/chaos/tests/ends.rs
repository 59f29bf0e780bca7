//! A run ends what it has started, however it ends itself.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that should happen soon. Generous: a busy machine is no failure.
const SOON: Duration = Duration::from_secs(60);

/// A sleep in the place of `manyeyes`, which knows no manager and no worker: what is looked at here is whether it is ended.
const PLAYS_DEAD: &str = "#!/bin/sh\n[ \"$2\" = --help ] || exec sleep 3600\n";

/// A run of which everything has been started.
fn begun(folder: &Path) -> Child {
    let binary = folder.join("manyeyes");
    fs::write(&binary, PLAYS_DEAD).expect("a script can be written");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).expect("a script can be made to run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(["--minutes", "5"]).arg("--binary").arg(&binary).arg("--folder").arg(folder.join("evidence"));
    let run = command.stdout(Stdio::null()).spawn().expect("the run begins");
    // A manager and four workers, and the eleven machines' holders.
    wait_until("everything has been started", || descendants_of(run.id()).len() >= 5 + 11);
    run
}

fn descendants_of(id: u32) -> BTreeSet<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect();
    children.into_iter().flat_map(|child| descendants_of(child).into_iter().chain([child])).collect()
}

fn send(id: u32, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(id).expect("ids fit")).expect("not zero");
    kill_process(id, signal).expect("the run is there");
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

fn all_end_with(signal: Signal) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = begun(folder.path());
    let started = descendants_of(run.id());
    send(run.id(), signal);
    wait_until("the run has ended", || run.try_wait().expect("the run can be waited for").is_some());
    let runs = |id: &u32| fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    wait_until("all that it has started has ended", || !started.iter().any(runs));
}

#[test]
fn all_that_was_started_ends_with_a_run_that_is_interrupted() {
    if manyeyes_chaos::is_possible() {
        all_end_with(Signal::INT);
    } else {
        eprintln!("NOT RUN without namespaces: all_that_was_started_ends_with_a_run_that_is_interrupted");
    }
}

/// Found by this test: a process that had just been started, and had not yet said that it wants to end with the run, stayed.
#[test]
fn all_that_was_started_ends_with_a_run_that_is_killed() {
    if manyeyes_chaos::is_possible() {
        all_end_with(Signal::KILL);
    } else {
        eprintln!("NOT RUN without namespaces: all_that_was_started_ends_with_a_run_that_is_killed");
    }
}
