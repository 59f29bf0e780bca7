//! A worker's decoders are processes of their own, which can do nothing else; what becomes of one costs the image that it is at, and
//! no other.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::{Process, Server, children_of, command_line_of, folder, signal_process, wait_until};
use crate::failures::picture;

/// The decoders of a worker.
fn decoders(worker: &Process) -> Vec<u32> {
    let is_decoder = |id: &u32| command_line_of(*id).get(1).is_some_and(|word| word == "decoder");
    children_of(worker.id()).into_iter().filter(is_decoder).collect()
}

fn decoder(worker: &Process) -> u32 {
    wait_until("the worker has a decoder", || decoders(worker).len() == 1);
    decoders(worker)[0]
}

/// Whether a slot of the worker waits for what its decoder makes of an image: it sleeps in a read of a local socket.
fn waits_for_its_decoder(worker: &Process) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", worker.id())).expect("it runs");
    let read = |thread: &Path, file: &str| std::fs::read_to_string(thread.join(file)).unwrap_or_default();
    threads.flatten().any(|thread| {
        read(&thread.path(), "comm").starts_with("slot-") && read(&thread.path(), "wchan").starts_with("unix_stream")
    })
}

/// A manager with workers of one slot each that hold the built-in model.
struct Cluster {
    server: Server,
    workers: Vec<Process>,
    batch: String,
    _data: tempfile::TempDir,
}

impl Cluster {
    fn of(workers: usize) -> Self {
        let data = folder();
        let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
        let start =
            |number| server.worker(&["--name", &format!("worker-{number}"), "--slots", "1", "--model", "builtin"]);
        let workers: Vec<_> = (1..=workers).map(start).collect();
        wait_until("all have joined", || server.workers().len() == workers.len());
        let batch = server.new_batch();
        Self { server, workers, batch, _data: data }
    }

    fn upload(&self, name: &str) -> String {
        self.server.upload(&self.batch, name, &picture())["id"].as_str().expect("an id").to_owned()
    }

    fn image(&self, id: &str) -> Value {
        self.server.get(&format!("/api/v1/batches/{}/images/{id}", self.batch))
    }

    fn wait_for(&self, id: &str, state: &str) -> Value {
        wait_until(&format!("image {id} is {state}"), || self.image(id)["state"] == state);
        self.image(id)
    }

    /// The worker that waits for what its decoder, which is stopped, makes of an image.
    fn at_work(&self) -> &Process {
        let mut at_work = None;
        wait_until("a worker is in the middle of an image", || {
            at_work = self.workers.iter().find(|worker| waits_for_its_decoder(worker));
            at_work.is_some()
        });
        at_work.expect("it was waited for")
    }
}

#[test]
fn a_decoder_that_is_killed_in_the_middle_costs_no_more_than_another_try_of_its_image() {
    let cluster = Cluster::of(2);
    for worker in &cluster.workers {
        signal_process(decoder(worker), Signal::STOP);
    }
    let image = cluster.upload("in-the-middle.png");
    let at_work = cluster.at_work();
    let (killed, others) = (decoder(at_work), cluster.workers.iter().filter(|other| other.id() != at_work.id()));
    others.for_each(|other| signal_process(decoder(other), Signal::CONT));
    signal_process(killed, Signal::KILL);
    let answered = cluster.wait_for(&image, "recognised");
    assert_eq!(answered["attempts"], 2, "{answered}");
    wait_until("it has another decoder", || decoders(at_work).iter().any(|id| *id != killed));
    // More than one worker is given at a time, so that both are used.
    let next: Vec<_> = (0..20).map(|number| cluster.upload(&format!("{number}.png"))).collect();
    for id in next {
        assert_eq!(cluster.wait_for(&id, "recognised")["attempts"], 1);
    }
}

#[test]
fn an_image_of_which_the_decoders_of_two_workers_die_has_failed_and_says_why_and_the_next_is_recognised() {
    let cluster = Cluster::of(2);
    for worker in &cluster.workers {
        signal_process(decoder(worker), Signal::STOP);
    }
    let image = cluster.upload("poison.png");
    let first = cluster.at_work();
    signal_process(decoder(first), Signal::KILL);
    wait_until("the other has it", || cluster.at_work().id() != first.id());
    signal_process(decoder(cluster.at_work()), Signal::KILL);
    let failed = cluster.wait_for(&image, "failed");
    assert_eq!(failed["error"]["code"], "worker_failures");
    let message = failed["error"]["message"].as_str().expect("a message");
    assert!(message.contains("The last said: Its decoder was ended by signal 9."), "{message}");
    let next = cluster.upload("next.png");
    cluster.wait_for(&next, "recognised");
}

#[test]
fn a_decoder_that_hangs_is_killed_and_its_neighbours_are_recognised() {
    let mut cluster = Cluster::of(1);
    let stopped = decoder(&cluster.workers[0]);
    signal_process(stopped, Signal::STOP);
    let image = cluster.upload("hangs.png");
    cluster.at_work();
    let neighbour = cluster.upload("neighbour.png");
    assert_eq!(cluster.wait_for(&neighbour, "recognised")["attempts"], 1);
    wait_until("what hung is gone", || !decoders(&cluster.workers[0]).contains(&stopped));
    assert_eq!(cluster.image(&image)["state"], "waiting", "for another worker, or for half a minute");
    let another = cluster.server.worker(&["--name", "worker-2", "--slots", "1", "--model", "builtin"]);
    cluster.workers.push(another);
    cluster.wait_for(&image, "recognised");
}

/// Even while it is at an image and cannot notice that nobody listens any more.
#[test]
fn a_decoder_ends_with_its_worker() {
    let mut cluster = Cluster::of(1);
    let decoder = decoder(&cluster.workers[0]);
    signal_process(decoder, Signal::STOP);
    cluster.upload("one.png");
    cluster.at_work();
    cluster.workers[0].kill();
    wait_until("the decoder has ended", || command_line_of(decoder).get(1).is_none_or(|word| word != "decoder"));
}

#[test]
fn a_decoder_is_nobody_with_nothing_and_every_slot_has_one() {
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let arguments = ["worker", "--manager", &server.workers, "--slots", "2", "--model", "builtin"];
    let worker = Process::start_with(&arguments, &[("MANYEYES_TOKEN", "not-for-a-decoder")]);
    server.wait_until_ready();
    wait_until("each slot has a decoder", || decoders(&worker).len() == 2);
    let own_user = std::fs::metadata("/proc/self").expect("there").uid();
    for id in decoders(&worker) {
        let status = || std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = |name: &str| {
            let status = status();
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        wait_until("it is confined", || line("Seccomp:") == ["2"]);
        let user = if own_user == 0 { "65534".to_owned() } else { own_user.to_string() };
        assert_eq!(line("Uid:"), [&user; 4].map(String::as_str), "{}", status());
        assert_eq!(line("NoNewPrivs:"), ["1"]);
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(line(set), ["0000000000000000"], "{set}");
        }
        assert_eq!(line("Threads:"), ["1"]);
        let folder = format!("/proc/{id}");
        let inner_life = std::fs::metadata(format!("{folder}/environ")).expect("it runs");
        assert_eq!(inner_life.uid(), 0, "nobody of its own user may look into it");
        if own_user == 0 {
            assert_eq!(line("Groups:"), [""; 0]);
            let environment = std::fs::read(format!("{folder}/environ")).expect("root may read it");
            assert!(environment.is_empty(), "{}", String::from_utf8_lossy(&environment));
            let maps = std::fs::read_to_string(format!("{folder}/maps")).expect("root may read it");
            assert!(!maps.contains("onnx"), "no model runtime: {maps}");
        }
    }
}

#[test]
fn who_starts_the_decoder_by_hand_is_told_that_it_shares_no_memory() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyeyes"));
    let output = command.arg("decoder").stdin(Stdio::null()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no memory that is shared"), "{output:?}");
}
