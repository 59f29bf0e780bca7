//! `manyeyes bench` on a real manager: what it says is what happened.

use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{Process, Server, folder, manyeyes};
use crate::failures::picture;

/// Puts load on it; gives how it ended and what it wrote for a program.
fn bench(server: &Server, arguments: &[&str]) -> (Output, Value) {
    let elsewhere = folder();
    let (photo, json) = (elsewhere.path().join("dot.png"), elsewhere.path().join("result.json"));
    std::fs::write(&photo, picture()).expect("it can be written");
    let short = ["--seconds", "0.6", "--warm-up", "0.1", "--repeats", "2"];
    let mut command = manyeyes();
    command.arg("bench").arg(&photo).args(["--server", &server.url]).args(short).args(arguments);
    let output = command.arg("--json").arg(&json).output().expect("the program runs");
    let written = std::fs::read(&json).expect("it was written");
    (output, serde_json::from_slice(&written).expect("it is JSON"))
}

fn with_a_worker(service_ms: &str) -> (TempDir, Server, Process) {
    let data = folder();
    let server = Server::open_manager(data.path(), "127.0.0.1:0");
    let worker = server.worker(&["--slots", "2", "--fixed-service-ms", service_ms]);
    server.wait_until_ready();
    (data, server, worker)
}

#[test]
fn a_closed_loop_gets_no_more_than_the_workers_can_do_and_every_answer_is_counted() {
    let (_data, server, _worker) = with_a_worker("20");
    let (output, report) = bench(&server, &["--concurrency", "4"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("images/s "), "{output:?}");
    let repeats = report["repeats"].as_array().expect("repeats");
    assert_eq!((repeats.len(), &report["concurrency"]), (2, &Value::from(4)));
    for repeat in repeats {
        let per_s = repeat["images_per_s"].as_f64().expect("a number");
        // Two slots of 20 ms; and what waited at the beginning.
        assert!(per_s > 0.0 && per_s <= 100.0 + 4.0 / 0.6, "{repeat}");
        assert!(repeat["latency"]["p50_ms"].as_f64().expect("a number") >= 20.0, "{repeat}");
        assert_eq!(repeat["wrong"], Value::Object(serde_json::Map::new()));
    }
    let right: u64 = repeats.iter().map(|repeat| repeat["right"].as_u64().expect("a count")).sum();
    let metrics = server.get("/metrics");
    let recognised =
        metrics.as_str().expect("text").lines().find_map(|line| line.strip_prefix("manyeyes_images_recognised_total "));
    assert!(recognised.and_then(|count| count.parse::<f64>().ok()).expect("it is counted") >= right as f64, "{right}");
}

#[test]
fn what_the_manager_refuses_is_counted_and_told_by_the_exit_status() {
    let data = folder();
    let path = data.path().to_str().expect("a readable path");
    let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", path, "--open"];
    let server = Server::of(Process::start(&[&listen[..], &["--max-waiting", "2"]].concat()));
    let _worker = server.worker(&["--slots", "1", "--fixed-service-ms", "100"]);
    server.wait_until_ready();
    let (output, report) = bench(&server, &["--rate", "200", "--even"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(report["repeats"][0]["wrong"]["429"].as_u64().expect("a count") > 0, "{report}");
}

/// A wrong token was told as a minute of answers that were none.
#[test]
fn what_cannot_be_asked_or_sent_is_told_at_once() {
    let elsewhere = folder();
    let photo = elsewhere.path().join("dot.png");
    std::fs::write(&photo, picture()).expect("it can be written");
    let bench = |path: &std::path::Path, server: &str| {
        let mut command = manyeyes();
        let output = command.arg("bench").arg(path).args(["--concurrency", "1", "--server", server]).output();
        let output = output.expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = bench(&elsewhere.path().join("no-such.png"), "http://127.0.0.1:9");
    assert!(code == Some(1) && said.contains("no-such.png"), "{said}");
    let (code, said) = bench(&photo, "http://127.0.0.1:9");
    assert!(code == Some(1) && said.to_lowercase().contains("refused"), "{said}");
    let data = folder();
    let server = Server::manager(data.path(), "0.0.0.0:0", "127.0.0.1:0");
    let (address, _token) = server.url.split_once("/#token=").expect("the address has the token");
    let (code, said) = bench(&photo, &format!("{}/#token=another", address.replace("0.0.0.0", "127.0.0.1")));
    assert!(code == Some(1) && said.contains("not recognised") && said.contains("401"), "{said}");
}
