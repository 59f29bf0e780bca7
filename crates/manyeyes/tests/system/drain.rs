//! Ends that are asked for: of a manager, of a worker, of all of them in turn under load. Nothing is lost, nothing doubled.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::{Process, Server, folder, wait_until};
use crate::failures::picture;

/// Clients that upload all the time.
const CLIENTS: usize = 3;
/// Uploads that are accepted between two restarts, at least.
const BETWEEN: usize = 30;

fn manager_with(data: &Path, listen: &str, worker_listen: &str, arguments: &[&str]) -> Server {
    let data = data.to_str().expect("a readable path");
    let all = ["manager", "--listen", listen, "--worker-listen", worker_listen, "--data", data];
    Server::of(Process::start(&[&all[..], arguments].concat()))
}

/// A picture of its own for each number.
fn file(number: u32) -> Vec<u8> {
    [picture(), number.to_be_bytes().to_vec()].concat()
}

#[test]
fn a_manager_that_is_asked_to_end_finishes_what_its_workers_have_and_refuses_what_is_new() {
    let data = folder();
    let mut server = manager_with(data.path(), "127.0.0.1:0", "127.0.0.1:0", &["--grace", "600"]);
    let _worker = server.worker(&["--slots", "1", "--fixed-service-ms", "3000"]);
    server.wait_until_ready();
    let batch = server.new_batch();
    let image = server.upload(&batch, "a.png", &file(1));
    wait_until("a worker has it", || server.count(&batch, "assigned") == 1);
    server.process.signal(Signal::TERM);
    wait_until("it is ending", || server.post("/api/v1/batches", b"").0 == 503);
    let (status, body) = server.post(&format!("/api/v1/batches/{batch}/images?name=b.png"), &file(2));
    assert_eq!((status, &body["error"]["code"]), (503, &Value::from("shutting_down")));
    assert_eq!(server.count(&batch, "total"), 1, "what is there is still told");
    assert_eq!(server.process.exit_code(), Some(0));

    // On another port, so that no worker comes.
    let next = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let images = next.images(&batch);
    assert_eq!(images[0]["id"], image["id"]);
    assert_eq!(images[0]["state"], "recognised", "it was finished, and its answer written down, before the end");
}

#[test]
fn a_second_signal_ends_a_manager_at_once_and_what_it_accepted_is_kept() {
    let data = folder();
    let mut server = manager_with(data.path(), "127.0.0.1:0", "127.0.0.1:0", &["--grace", "600"]);
    let _worker = server.worker(&["--slots", "1", "--fixed-service-ms", "600000"]);
    server.wait_until_ready();
    let batch = server.new_batch();
    server.upload(&batch, "a.png", &file(1));
    wait_until("a worker has it", || server.count(&batch, "assigned") == 1);
    server.process.signal(Signal::TERM);
    wait_until("it is ending", || server.post("/api/v1/batches", b"").0 == 503);
    assert!(!server.process.has_ended(), "it waits for its worker");
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.exit_code(), Some(1));
    let next = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    assert_eq!(next.count(&batch, "waiting"), 1);
}

#[test]
fn a_worker_that_is_asked_to_end_finishes_what_runs_and_gives_back_the_rest() {
    const IMAGES: u32 = 4;
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let mut first = server.worker(&["--name", "first", "--slots", "1", "--fixed-service-ms", "1500"]);
    server.wait_until_ready();
    let batch = server.new_batch();
    (0..IMAGES).for_each(|number| drop(server.upload(&batch, "a.png", &file(number))));
    wait_until("it has more than it can run", || server.count(&batch, "assigned") > 1);
    first.signal(Signal::TERM);
    assert_eq!(first.exit_code(), Some(0));
    let by_first = server.count(&batch, "recognised");
    assert!((1..u64::from(IMAGES)).contains(&by_first), "what ran was answered and what did not was not: {by_first}");
    // Of the same service time, which is what their model is called by.
    let _second = server.worker(&["--name", "second", "--slots", "2", "--fixed-service-ms", "1500"]);
    wait_until("all are answered", || server.count(&batch, "recognised") == u64::from(IMAGES));
    let by = |name: &str| server.images(&batch).iter().filter(|image| image["worker"] == name).count() as u64;
    assert_eq!((by("first"), by("second")), (by_first, u64::from(IMAGES) - by_first));
}

#[test]
fn up_that_is_asked_to_end_finishes_what_its_workers_have() {
    let data = folder();
    let mut server = Server::up(data.path(), &["--workers", "1", "--model", "builtin", "--grace", "600"]);
    server.wait_until_ready();
    let batch = server.new_batch();
    (0..50).for_each(|number| drop(server.upload(&batch, "a.png", &file(number))));
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.exit_code(), Some(0));
    let next = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let counts = next.get(&format!("/api/v1/batches/{batch}?limit=1"))["counts"].clone();
    let ended = counts["recognised"].as_u64().expect("a count") + counts["failed"].as_u64().expect("a count");
    assert_eq!(ended + counts["waiting"].as_u64().expect("a count"), 50, "{counts}");
    let moved_on = next.images(&batch).iter().filter(|image| image["attempts"].as_u64() > Some(1)).count();
    assert_eq!(moved_on, 0, "nothing was taken from a worker that had it");
}

/// Uploads until told to stop, each file as often as it takes.
fn upload_all_the_time(url: &str, batch: &str, load: &Load) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    while !load.is_over.load(Ordering::Relaxed) {
        let number = load.next.fetch_add(1, Ordering::Relaxed);
        loop {
            let sent = agent
                .post(format!("{url}/api/v1/batches/{batch}/images?name={number}.png"))
                .header("Idempotency-Key", number.to_string())
                .content_type("application/octet-stream")
                .send(&file(number)[..]);
            match sent.map(|response| response.status().as_u16()) {
                Ok(202) => break,
                Ok(status) => assert!([429, 503].contains(&status), "{status}"),
                // Between the end of one manager and the start of the next.
                Err(_) => {}
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        load.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Load {
    next: AtomicU32,
    accepted: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn wait_for_more(&self) {
        let before = self.accepted.load(Ordering::Relaxed);
        wait_until("uploads are accepted", || self.accepted.load(Ordering::Relaxed) >= before + BETWEEN);
    }
}

#[test]
fn a_rolling_restart_of_manager_and_workers_under_load_loses_nothing_and_doubles_nothing() {
    let data = folder();
    let mut server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let (url, worker_listen) = (server.url.clone(), server.workers.clone());
    let listen = url.replace("http://", "");
    let worker = |server: &Server, number: u32| {
        let name = format!("worker-{number}");
        server.worker(&["--name", &name, "--slots", "2", "--fixed-service-ms", "5"])
    };
    let mut workers: Vec<Process> = (0..2).map(|number| worker(&server, number)).collect();
    server.wait_until_ready();
    let batch = server.new_batch();
    let load = Load::default();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| upload_all_the_time(&url, &batch, &load));
        }
        for round in 1..=2 {
            load.wait_for_more();
            server.process.signal(Signal::TERM);
            assert_eq!(server.process.exit_code(), Some(0));
            server = Server::manager(data.path(), &listen, &worker_listen);
            for (number, old) in (0..).zip(&mut workers) {
                load.wait_for_more();
                let next = worker(&server, 10 * round + number);
                let mut old = std::mem::replace(old, next);
                old.signal(Signal::TERM);
                assert_eq!(old.exit_code(), Some(0));
            }
        }
        load.wait_for_more();
        load.is_over.store(true, Ordering::Relaxed);
    });
    let accepted = load.accepted.into_inner();
    wait_until("all are answered", || server.count(&batch, "recognised") == accepted as u64);
    let images = server.images(&batch);
    let by_name: BTreeMap<&str, &Value> =
        images.iter().map(|image| (image["name"].as_str().expect("a name"), image)).collect();
    assert_eq!((images.len(), by_name.len()), (accepted, accepted), "each once");
    for image in images.iter() {
        let digest = image["sha256"].as_str().expect("a digest");
        assert_eq!(image["labels"][0]["name"], format!("sha256:{}", &digest[..16]), "the answer is its own: {image}");
    }
}
