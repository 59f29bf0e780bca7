//! Workers and managers that die, stop and come back: everything accepted is answered, once, correctly.

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::cluster::{Process, Server, children_of, command_line_of, folder, folder_of, signal_process, wait_until};
use crate::photos::labelled_in;

/// The children of `up`, by the names that they were given.
fn worker_processes(server: &Server) -> Vec<(String, u32)> {
    let workers = children_of(server.process.id()).into_iter().filter_map(|id| {
        let words = command_line_of(id);
        let position = words.iter().position(|word| word == "--name")?;
        (words.get(1).map(String::as_str) == Some("worker")).then(|| (words[position + 1].clone(), id))
    });
    workers.collect()
}

pub(crate) fn process_of(server: &Server, name: &str) -> Option<u32> {
    worker_processes(server).into_iter().find(|(named, _)| named == name).map(|(_, id)| id)
}

#[test]
fn a_killed_and_a_stopped_worker_cost_no_image() {
    let test = "a_killed_and_a_stopped_worker_cost_no_image";
    let (Some(_), Some(images)) = (folder_of("MANYEYES_MODELS", test), folder_of("MANYEYES_IMAGES_250", test)) else {
        return;
    };
    let photos = labelled_in(&images);
    let data = folder();
    let server = Server::up(data.path(), &["--workers", "3"]);
    server.wait_until_ready();
    wait_until("three workers have joined", || server.workers().len() == 3);
    let killed = process_of(&server, "worker-1").expect("worker-1 runs");
    let stopped = process_of(&server, "worker-2").expect("worker-2 runs");

    let batch = server.new_batch();
    for photo in &photos {
        server.upload(&batch, &photo.name, &photo.bytes());
    }
    wait_until("half are answered", || server.count(&batch, "recognised") >= photos.len() as u64 / 2);
    signal_process(killed, Signal::KILL);
    let stopped_worker = Stopped::new(stopped);
    wait_until("all are answered", || server.count(&batch, "recognised") == photos.len() as u64);

    let answered = server.images(&batch);
    let ids: BTreeSet<_> = answered.iter().map(|image| image["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!((answered.len(), ids.len()), (photos.len(), photos.len()), "each once");
    let correct = photos.iter().zip(&answered).filter(|(photo, image)| {
        assert_eq!(image["name"], photo.name.as_str());
        image["labels"][0]["index"].as_u64() == Some(photo.class)
    });
    let correct = correct.count();
    assert!(correct * 1000 >= photos.len() * 780, "{correct} of {} have their class", photos.len());

    wait_until("the killed worker runs again", || process_of(&server, "worker-1").is_some_and(|id| id != killed));
    assert_eq!(process_of(&server, "worker-2"), Some(stopped), "silence is no reason to start another");
    drop(stopped_worker);
    wait_until("the stopped worker is back", || {
        server.workers().iter().any(|worker| worker["name"] == "worker-2" && worker["state"] == "idle")
    });

    // Both others are kept from it. Left to choose, the manager may well give a few photos to those that it has seen to be
    // faster of late, which a test took for a worker that was never used again.
    let others = ["worker-1", "worker-3"].map(|name| Stopped::new(process_of(&server, name).expect("it runs")));
    let batch = server.new_batch();
    for photo in photos.iter().take(5) {
        server.upload(&batch, &photo.name, &photo.bytes());
    }
    wait_until("five more are answered", || server.count(&batch, "recognised") == 5);
    for image in server.images(&batch) {
        assert_eq!(image["worker"], "worker-2", "the stopped worker works again");
    }
    drop(others);
}

/// A process that is stopped for as long as this lives.
struct Stopped(u32);

impl Stopped {
    fn new(id: u32) -> Self {
        signal_process(id, Signal::STOP);
        Self(id)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal_process(self.0, Signal::CONT);
    }
}

#[test]
fn a_killed_manager_comes_back_with_everything_that_it_accepted() {
    let data = folder();
    let first = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let (listen, worker_listen) = (first.url.replace("http://", ""), first.workers.clone());
    let workers: Vec<Process> = (0..2)
        .map(|number| {
            let name = format!("worker-{number}");
            first.worker(&["--name", &name, "--slots", "1", "--fixed-service-ms", "20"])
        })
        .collect();
    first.wait_until_ready();

    let batch = first.new_batch();
    let picture = picture();
    let accepted: Vec<String> = (0..100)
        .map(|number| {
            let image = first.upload(&batch, &format!("{number}.png"), &picture);
            image["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    wait_until("some are answered", || first.count(&batch, "recognised") >= 20);
    let answered_before: Vec<_> =
        first.images(&batch).into_iter().filter(|image| image["state"] == "recognised").collect();
    let mut process = first.process;
    process.kill();

    let second = Server::manager(data.path(), &listen, &worker_listen);
    wait_until("all are answered", || second.count(&batch, "recognised") == 100);
    let images = second.images(&batch);
    let ids: Vec<_> = images.iter().map(|image| image["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids, accepted, "nothing lost, nothing doubled");
    for before in answered_before {
        let after = images.iter().find(|image| image["id"] == before["id"]).expect("it is still there");
        assert_eq!(after, &before, "an answer that was seen does not change");
    }
    drop(workers);
}

#[test]
fn workers_end_when_up_is_killed() {
    let data = folder();
    let mut server = Server::up(data.path(), &["--workers", "2", "--model", "builtin"]);
    server.wait_until_ready();
    let workers = worker_processes(&server);
    assert_eq!(workers.len(), 2);
    server.process.kill();
    wait_until("the workers have ended", || {
        workers.iter().all(|(_, id)| command_line_of(*id).get(1).is_none_or(|word| word != "worker"))
    });
}

#[test]
fn a_worker_may_be_started_before_its_manager() {
    let data = folder();
    let first = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let (listen, worker_listen) = (first.url.replace("http://", ""), first.workers.clone());
    drop(first);
    let _worker = Process::start(&["worker", "--manager", &worker_listen, "--fixed-service-ms", "0"]);
    let server = Server::manager(data.path(), &listen, &worker_listen);
    server.wait_until_ready();
}

/// Found by a test that hung: SIGTERM right after the addresses were printed killed the process, books open.
#[test]
fn a_manager_may_be_asked_to_end_as_soon_as_it_says_where_it_listens() {
    let data = folder();
    for _ in 0..5 {
        let Server { mut process, .. } = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
        process.signal(Signal::TERM);
        assert_eq!(process.exit_code(), Some(0));
    }
}

#[test]
fn images_wait_while_there_is_no_worker() {
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let (status, body) = server.request("GET", "/readyz", None);
    assert_eq!(status, 503, "{body}");
    let batch = server.new_batch();
    server.upload(&batch, "a.png", &picture());
    assert_eq!(server.count(&batch, "waiting"), 1);
    let _worker = server.worker(&["--fixed-service-ms", "0"]);
    wait_until("the image is answered", || server.count(&batch, "recognised") == 1);
}

#[test]
fn two_workers_of_one_name_are_told_apart() {
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let _one = server.worker(&["--name", "twin", "--fixed-service-ms", "0"]);
    let _other = server.worker(&["--name", "twin", "--fixed-service-ms", "0"]);
    wait_until("both have joined", || server.workers().len() == 2);
    let ids: BTreeSet<_> = server.workers().iter().map(|worker| worker["id"].to_string()).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_manager_that_is_asked_to_end_says_goodbye_and_its_workers_come_back_to_the_next() {
    let data = folder();
    let first = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let (listen, worker_listen) = (first.url.replace("http://", ""), first.workers.clone());
    let mut worker = first.worker(&["--fixed-service-ms", "0"]);
    first.wait_until_ready();
    first.process.signal(Signal::TERM);
    let mut process = first.process;
    wait_until("the manager has ended", || process.has_ended());
    let second = Server::manager(data.path(), &listen, &worker_listen);
    second.wait_until_ready();
    assert!(!worker.has_ended());
}

/// A PNG of one grey pixel, made here byte by byte so that the test needs no encoder.
pub(crate) fn picture() -> Vec<u8> {
    const PIXEL: &[u8] = &[
        0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, // signature
        0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b,
        0x55, // 1x1 grey
        0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x68, 0x00, 0x00, 0x00, 0x82, 0x00, 0x81, 0x77, 0xcd,
        0x72, 0xb6, // one row
        0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
    ];
    PIXEL.to_vec()
}
