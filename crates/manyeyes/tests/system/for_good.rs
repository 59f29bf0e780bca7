//! A worker that fails for good beside one that is well: whatever the way, every image is answered once, and from then on by the
//! other.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{Process, Server, folder, wait_until};
use crate::failures::picture;

/// Enough that both have some while one fails, and few enough that a slow one ends its own in a few seconds.
const IMAGES: u64 = 40;

const FAILING: &str = "failing";

/// What is left when all images are answered.
struct Outcome {
    server: Server,
    failing: Process,
    images: Vec<Value>,
    _data: TempDir,
}

/// The failing worker does one image well, so that it is known to have been there.
fn fail_by(mode: &str) -> Outcome {
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let worker = |name, faults: &[&str]| {
        server.worker(&[&["--name", name, "--slots", "1", "--fixed-service-ms", "20"], faults].concat())
    };
    let for_good = ["--fail-probability", "1", "--fail-after", "1", "--fail-for-good", "--fail-mode", mode];
    let failing = worker(FAILING, &for_good);
    let batch = server.new_batch();
    server.wait_until_ready();
    server.upload(&batch, "0.png", &picture());
    wait_until("the failing worker has done its last image", || server.count(&batch, "recognised") == 1);
    let _sound = worker("sound", &[]);
    wait_until("both have joined", || server.workers().len() == 2);
    for number in 1..IMAGES {
        server.upload(&batch, &format!("{number}.png"), &picture());
    }
    wait_until("all are answered", || server.count(&batch, "recognised") == IMAGES);
    let images = server.images(&batch);
    let ids: BTreeSet<_> = images.iter().map(|image| image["id"].to_string()).collect();
    assert_eq!((images.len() as u64, ids.len() as u64), (IMAGES, IMAGES), "each once");
    Outcome { server, failing, images, _data: data }
}

impl Outcome {
    /// What the failing worker answered.
    fn by_failing(&self) -> Vec<&Value> {
        self.images.iter().filter(|image| image["worker"] == FAILING).collect()
    }

    /// How the manager sees the failing worker.
    fn state(&self) -> String {
        let worker = self.server.workers().into_iter().find(|worker| worker["name"] == FAILING);
        worker.expect("it is remembered")["state"].as_str().expect("a state").to_owned()
    }
}

#[test]
fn one_that_announces_its_failure_is_gone_with_a_status_of_its_own() {
    let mut outcome = fail_by("announce");
    assert_eq!(outcome.failing.exit_code(), Some(3));
    assert_eq!(outcome.by_failing().len(), 1);
    wait_until("its goodbye is heard", || outcome.state() == "gone");
}

#[test]
fn one_that_crashes_is_gone() {
    let mut outcome = fail_by("crash");
    assert_eq!(outcome.failing.exit_code(), None, "a signal was its end");
    assert_eq!(outcome.by_failing().len(), 1);
    wait_until("its end is noticed", || outcome.state() == "gone");
}

#[test]
fn one_that_hangs_stays_and_answers_nothing_more() {
    let mut outcome = fail_by("hang");
    assert!(!outcome.failing.has_ended());
    assert_eq!(outcome.by_failing().len(), 1);
    assert!(!["gone", "silent"].contains(&&*outcome.state()));
    outcome.failing.signal(Signal::TERM);
    assert_eq!(outcome.failing.exit_code(), Some(0), "it goes when it is told to");
}

#[test]
fn one_that_is_slow_stays_and_answers_late() {
    let mut outcome = fail_by("slow");
    assert!(!outcome.failing.has_ended());
    let times = outcome.by_failing().into_iter().skip(1);
    let times: Vec<_> = times.map(|image| image["timing_ms"]["inference"].as_f64().expect("a time")).collect();
    assert!(!times.is_empty(), "what it had begun when it turned slow is its own to answer");
    assert!(times.iter().all(|ms| *ms >= 200.0), "ten times 20 ms: {times:?}");
    assert!(!["gone", "silent"].contains(&&*outcome.state()));
}

#[test]
fn one_whose_connection_is_dropped_stays_away_and_alive() {
    let mut outcome = fail_by("disconnect");
    assert!(!outcome.failing.has_ended());
    assert_eq!(outcome.by_failing().len(), 1);
    assert_eq!(outcome.state(), "gone");
    outcome.failing.signal(Signal::TERM);
    assert_eq!(outcome.failing.exit_code(), Some(0), "it goes when it is told to");
}
