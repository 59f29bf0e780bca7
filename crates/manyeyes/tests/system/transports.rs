//! Workers that reach their manager by TCP and by QUIC, as real processes.

use rustix::process::Signal;

use crate::cluster::{Process, Server, children_of, command_line_of, folder, wait_until};
use crate::failures::picture;

/// What the workers that are there are carried with, sorted.
fn carried_with(server: &Server) -> Vec<String> {
    let workers = server.workers();
    let told = workers.iter().map(|worker| worker["congestion_control"].as_str().unwrap_or("not told").to_owned());
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

fn answer_images(server: &Server, count: u64) {
    let batch = server.new_batch();
    for number in 0..count {
        let mut file = picture();
        file.extend(number.to_be_bytes());
        server.upload(&batch, "a.png", &file);
    }
    wait_until("all are answered", || server.count(&batch, "recognised") == count);
}

#[test]
fn workers_of_both_transports_answer_the_images_of_one_manager() {
    let data = folder();
    let path = data.path().to_str().unwrap();
    let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", path];
    let server = Server::of(Process::start(&[&listen[..], &["--congestion-control", "reno"]].concat()));
    let work = ["--slots", "1", "--fixed-service-ms", "5"];
    let _by_tcp = server.worker(&[&work[..], &["--name", "eye"]].concat());
    let mut by_quic = server.worker(&[&work[..], &["--name", "ear", "--transport", "quic"]].concat());
    wait_until("both are there", || server.workers().len() == 2);
    let by_tcp = if cfg!(target_os = "linux") { "reno" } else { "not told" };
    let mut expected = [by_tcp, "quic reno"];
    expected.sort_unstable();
    assert_eq!(carried_with(&server), expected);
    answer_images(&server, 40);

    by_quic.signal(Signal::TERM);
    assert_eq!(by_quic.exit_code(), Some(0));
    answer_images(&server, 5);
}

#[test]
fn a_worker_that_may_choose_comes_by_tcp_and_where_there_is_none_by_quic() {
    for (transport, choice, expected) in [
        ("auto", None, "auto"),
        ("auto", Some("reno"), "reno"),
        ("quic", None, "quic auto"),
        ("quic", Some("reno"), "quic reno"),
    ] {
        let data = folder();
        let path = data.path().to_str().unwrap();
        let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", path];
        let choice: Vec<_> = choice.iter().flat_map(|name| ["--congestion-control", name]).collect();
        let options = [&listen[..], &["--start-fast=20", "--transport", transport], &choice].concat();
        let server = Server::of(Process::start(&options));
        let _worker = server.worker(&["--slots", "1", "--fixed-service-ms", "5", "--transport", "auto"]);
        wait_until("it is there", || carried_with(&server) == [expected]);
        answer_images(&server, 10);
    }
}

#[test]
fn the_workers_of_up_use_quic_where_nothing_else_is_listened_for() {
    let data = folder();
    let server = Server::up(data.path(), &["--workers", "2", "--model", "builtin", "--transport", "quic"]);
    wait_until("both are there", || carried_with(&server) == ["quic cubic", "quic cubic"]);
    for worker in children_of(server.process.id()) {
        let words = command_line_of(worker);
        if words.get(1).is_some_and(|command| command == "worker") {
            assert!(words.windows(2).any(|pair| pair == ["--transport", "quic"]), "{words:?}");
        }
    }
}
