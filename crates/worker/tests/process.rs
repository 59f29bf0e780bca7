//! The promises of the worker that end a process: each test starts this test binary again as the process to be ended.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use manyeyes_link::{Assignment, Departure, FromWorker, ManagerEnd, ManagerSettings};
use manyeyes_protocol::id::{Attempt, BooksId, ImageId};
use manyeyes_worker::{FaultMode, FaultPlan, Work, WorkerSettings, end_with_parent, run};

/// Says to the child which manager to connect to.
const MANAGER: &str = "MANYEYES_TEST_MANAGER";

/// `up`'s workers end within this time when `up` is gone.
const PROMISE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_worker_ends_with_its_parent() {
    let (manager, mut from_worker) = manager();
    let mut child = start_child("worker_that_ends_with_its_parent", &manager);
    assert!(matches!(hear(&mut from_worker).await, FromWorker::Joined { .. }));
    // What the system does to the pipe when the process that holds it is gone, however it went.
    drop(child.stdin.take());
    assert!(ended_within(&mut child, PROMISE), "the worker lives on");
}

#[tokio::test]
async fn a_crash_on_purpose_kills_the_process_without_a_goodbye() {
    let (manager, mut from_worker) = manager();
    let mut child = start_child("worker_that_crashes", &manager);
    let FromWorker::Joined { worker, profile } = hear(&mut from_worker).await else { panic!("nobody joined") };
    let assignment = Assignment {
        image: ImageId(1),
        attempt: Attempt(1),
        model: profile.models[0].digest,
        deadline: Duration::from_secs(60),
        payload: Bytes::from_static(b"anything"),
    };
    manager.assign(worker, 1, assignment);
    let mut started = 0;
    let departure = loop {
        match hear(&mut from_worker).await {
            FromWorker::Left { departure, .. } => break departure,
            FromWorker::Started { image: ImageId(1), .. } => started += 1,
            _ => {}
        }
    };
    assert_eq!(started, 1, "the manager knows which image to blame");
    assert_eq!(departure, Departure::Disconnected);
    assert!(ended_within(&mut child, PROMISE));
    assert_eq!(child.wait().expect("it has ended").code(), None, "killed by a signal");
}

#[tokio::test]
#[ignore = "no test: what the tests above start"]
async fn worker_that_ends_with_its_parent() {
    end_with_parent().expect("a thread");
    let _ = run(child_settings(), Work::fixed(Duration::ZERO), Default::default()).await;
}

#[tokio::test]
#[ignore = "no test: what the tests above start"]
async fn worker_that_crashes() {
    end_with_parent().expect("a thread");
    let fault = FaultPlan { probability: 1.0, after: 0, mode: FaultMode::Crash, for_good: false, seed: 0 };
    let settings = WorkerSettings { fault: Some(fault), ..child_settings() };
    let _ = run(settings, Work::fixed(Duration::ZERO), Default::default()).await;
}

fn child_settings() -> WorkerSettings {
    let manager = std::env::var(MANAGER).expect("only the tests of this file start this");
    WorkerSettings::new(manager, "child")
}

fn manager() -> (ManagerEnd, tokio::sync::mpsc::Receiver<FromWorker>) {
    let settings = ManagerSettings::new(BooksId([1; 16]));
    ManagerEnd::bind((Ipv4Addr::LOCALHOST, 0).into(), settings).expect("a free port")
}

fn start_child(name: &str, manager: &ManagerEnd) -> Child {
    let program = std::env::current_exe().expect("this program has a path");
    Command::new(program)
        .args(["--exact", "--ignored", name])
        .env(MANAGER, manager.local_addr().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("this program starts again")
}

async fn hear(from_worker: &mut tokio::sync::mpsc::Receiver<FromWorker>) -> FromWorker {
    let heard = tokio::time::timeout(Duration::from_secs(20), from_worker.recv()).await;
    heard.expect("something is heard in time").expect("the manager's end lives")
}

fn ended_within(child: &mut Child, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if child.try_wait().expect("it is our child").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}
