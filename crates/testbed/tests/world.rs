//! A world ends with the process that made it, however that ends, and leaves nothing; an ordinary user may make one too.

#![expect(clippy::print_stderr, reason = "a test that is not run says so")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use manyeyes_testbed::Shares;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// How long anything may take that should happen soon. Generous: a busy machine is no failure.
const SOON: Duration = Duration::from_secs(60);

/// The example `star`, in a folder in which everybody may execute it.
struct Program {
    _folder: TempDir,
    path: PathBuf,
}

impl Program {
    fn new() -> Self {
        let own = std::env::current_exe().expect("a test has a file");
        let built = own.ancestors().nth(2).expect("tests are built into deps").join("examples/star");
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder can be opened to all");
        let path = folder.path().join("star");
        fs::copy(&built, &path).expect("the example is built with the tests: cargo build --examples");
        Self { _folder: folder, path }
    }
}

/// Who runs it.
#[derive(Clone, Copy, PartialEq)]
enum As {
    /// Whoever runs the tests.
    Us,
    /// A user without any rights. Only root can become one.
    Nobody,
}

impl As {
    fn command(self, program: &Path) -> Command {
        match self {
            Self::Us => Command::new(program),
            Self::Nobody => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
                command
            }
        }
    }

    /// Whether it can make a world; if not, it is said that the test was not run.
    fn is_possible(self, test: &str) -> bool {
        let mut missing = manyeyes_testbed::possible().is_err().then_some("namespaces");
        if self == Self::Nobody && missing.is_none() {
            let mut probe = self.command(Path::new("unshare"));
            let probe = probe.args([
                "--user",
                "--map-root-user",
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--mount-proc",
                "true",
            ]);
            let may = probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
            missing = match (geteuid().is_root(), may) {
                (false, _) => Some("root, who can become another user"),
                (true, false) => Some("user namespaces"),
                (true, true) => None,
            };
        }
        if let Some(missing) = missing {
            eprintln!("NOT RUN without {missing}: {test}");
        }
        missing.is_none()
    }
}

/// A world in which a star has been built.
struct World {
    _program: Program,
    outside: Child,
    said: Lines<BufReader<ChildStdout>>,
    everything: BTreeSet<u32>,
}

impl World {
    fn begun(by: As, words: &[&str]) -> Self {
        let program = Program::new();
        let mut command = by.command(&program.path);
        let mut outside = command.args(words).stdout(Stdio::piped()).spawn().expect("it begins");
        let mut said = BufReader::new(outside.stdout.take().expect("a pipe")).lines();
        let ready = said.next().expect("it says something").expect("text");
        assert!(ready.starts_with("ready"), "{ready}");
        let everything = descendants_of(outside.id());
        // The unshare, its process 1 and the process inside; a manager's, a client's and a worker's machine, and who sleeps there.
        assert!(everything.len() >= 3 + 3 + 2, "{} processes", everything.len());
        Self { _program: program, outside, said, everything }
    }

    fn send(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.outside.id()).expect("ids fit")).expect("not zero");
        kill_process(id, signal).expect("it is there");
    }

    fn end(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the process outside has ended", || {
            ended = self.outside.try_wait().expect("it can be waited for");
            ended.is_some()
        });
        wait_until("nothing of the world is left", || !self.everything.iter().any(runs));
        ended.expect("it has ended")
    }
}

fn runs(id: &u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn descendants_of(id: u32) -> BTreeSet<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect();
    children.into_iter().flat_map(|child| descendants_of(child).into_iter().chain([child])).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

fn a_killed_one_leaves_nothing(by: As) {
    let mut world = World::begun(by, &["1", "cut"]);
    world.send(Signal::KILL);
    assert!(!world.end().success());
}

fn an_interrupted_one_ends_well(by: As) {
    let mut world = World::begun(by, &["1"]);
    world.send(Signal::INT);
    assert_eq!(world.said.next().expect("it says something").expect("text"), "ended well");
    assert!(world.end().success(), "the status of the process inside is passed on");
}

#[test]
fn a_killed_world_leaves_nothing() {
    if As::Us.is_possible("a_killed_world_leaves_nothing") {
        a_killed_one_leaves_nothing(As::Us);
    }
}

#[test]
fn a_killed_world_of_an_ordinary_user_leaves_nothing() {
    if As::Nobody.is_possible("a_killed_world_of_an_ordinary_user_leaves_nothing") {
        a_killed_one_leaves_nothing(As::Nobody);
    }
}

#[test]
fn what_is_inside_hears_of_an_interruption_and_may_end_well() {
    if As::Us.is_possible("what_is_inside_hears_of_an_interruption_and_may_end_well") {
        an_interrupted_one_ends_well(As::Us);
    }
}

#[test]
fn what_is_inside_hears_of_an_interruption_in_the_world_of_an_ordinary_user_too() {
    if As::Nobody.is_possible("what_is_inside_hears_of_an_interruption_in_the_world_of_an_ordinary_user_too") {
        an_interrupted_one_ends_well(As::Nobody);
    }
}

#[test]
fn what_does_not_end_when_it_is_asked_to_is_ended_all_the_same() {
    if !As::Us.is_possible("what_does_not_end_when_it_is_asked_to_is_ended_all_the_same") {
        return;
    }
    let mut world = World::begun(As::Us, &["1", "stubborn"]);
    // Two signals of the same moment are one to a kernel: it is asked until it has ended.
    wait_until("it has ended", || {
        let has_ended = world.outside.try_wait().expect("it can be waited for").is_some();
        if !has_ended {
            world.send(Signal::INT);
        }
        has_ended
    });
    wait_until("nothing of the world is left", || !world.everything.iter().any(runs));
}

/// Whether there is a group of this name among the cgroups.
fn has_group(folder: &Path, name: &str) -> bool {
    let folders = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.any(|entry| entry.file_name() == name || has_group(&entry.path(), name))
}

#[test]
fn what_a_killed_run_has_left_among_the_cgroups_the_next_one_removes() {
    let test = "what_a_killed_run_has_left_among_the_cgroups_the_next_one_removes";
    if !As::Us.is_possible(test) {
        return;
    }
    if Shares::begin().is_err() {
        eprintln!("NOT RUN without processor quotas: {test}");
        return;
    }
    let name = format!("of-a-test-{}", std::process::id());
    let groups = Path::new("/sys/fs/cgroup");
    let mut world = World::begun(As::Us, &["1", &format!("share={name}")]);
    assert!(has_group(groups, &name), "there is no group to be left");
    world.send(Signal::KILL);
    world.end();
    // Any other test's beginning may have removed it already, or be about to.
    wait_until("it is removed", || Shares::begin().is_ok() && !has_group(groups, &name));
}

#[test]
fn a_root_without_rights_is_told_what_is_needed() {
    if !geteuid().is_root() || manyeyes_testbed::possible().is_err() {
        eprintln!("NOT RUN without root: a_root_without_rights_is_told_what_is_needed");
        return;
    }
    let program = Program::new();
    let mut command = Command::new("setpriv");
    let output = command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(&program.path).arg("1").output();
    let output = output.expect("it begins");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("--privileged"), "{said}");
}
