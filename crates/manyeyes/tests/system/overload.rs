//! More is asked of real processes than they can do: they stay small, and who asks gets done in the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::{Value, json};

use crate::cluster::{Process, Server, folder, manyeyes};
use crate::failures::picture;

fn turned_away(server: &Server) -> f64 {
    let metrics = server.get("/metrics");
    let metrics = metrics.as_str().expect("text");
    let line = metrics.lines().find_map(|line| line.strip_prefix("manyeyes_requests_turned_away_total "));
    line.and_then(|value| value.parse().ok()).expect("it is counted")
}

#[test]
fn classify_finishes_by_itself_with_many_more_files_than_may_wait() {
    const FILES: u32 = 24;
    let (data, photos) = (folder(), folder());
    for number in 0..FILES {
        let file = [picture(), number.to_be_bytes().to_vec()].concat();
        std::fs::write(photos.path().join(format!("{number:02}.png")), file).expect("it can be written");
    }
    let folder = data.path().to_str().expect("a readable path");
    let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", folder];
    let server = Server::of(Process::start(&[&listen[..], &["--max-waiting", "4"]].concat()));
    let _worker = server.worker(&["--slots", "1", "--fixed-service-ms", "50"]);
    server.wait_until_ready();
    let mut classify: Command = manyeyes();
    classify.args(["classify", "--json", "--server", &server.url]).arg(photos.path());
    let output = classify.output().expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{error}");
    let lines = String::from_utf8(output.stdout).expect("it is text");
    let states: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(states.len(), FILES as usize);
    assert!(states.iter().all(|line| line["state"] == "recognised"), "{lines}");
    assert!(turned_away(&server) > 0.0, "it was asked to wait");
    assert_eq!(error.matches("the manager asks to wait").count(), 1, "and says so once: {error}");
}

/// The manager keeps no backlog for a page that reads nothing: it is told the whole when it reads again, which the tests of
/// the manager show.
#[test]
fn pages_that_read_nothing_cost_the_manager_no_memory_however_much_changes() {
    const READERS: usize = 30;
    const IMAGES: u32 = 1000;
    /// Each is two changes of every image: together some ten megabytes for each reader, three times what its socket takes.
    const ROUNDS: usize = 8;
    const BOUND_MB: f64 = 100.0;
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let batch = server.new_batch();
    let ids: Vec<Value> =
        (0..IMAGES).map(|number| server.upload(&batch, &format!("{number}.png"), &picture())["id"].clone()).collect();
    let all = serde_json::to_vec(&json!({ "images": ids })).expect("JSON");
    let readers: Vec<TcpStream> = (0..READERS).map(|_| asleep(&server, &batch)).collect();
    let before = rss_mb(server.process.id());
    for _ in 0..ROUNDS {
        for what in ["cancel", "retry"] {
            let (status, body) = post_json(&server, &format!("/api/v1/batches/{batch}/{what}"), &all);
            assert_eq!((status, &body["done"]), (200, &json!(IMAGES)), "{body}");
        }
    }
    let after = rss_mb(server.process.id());
    assert!(after - before < BOUND_MB, "{before} MB before, {after} MB after {} changes", 2 * ROUNDS * ids.len());
    drop(readers);
}

/// A page that has asked for the events of a batch and reads none.
fn asleep(server: &Server, batch: &str) -> TcpStream {
    let address = server.url.replace("http://", "");
    let mut stream = TcpStream::connect(&address).expect("the manager listens");
    set_socket_recv_buffer_size(&stream, 4096).expect("a socket option");
    let request = format!(
        "GET /api/v1/batches/{batch}/events HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the manager reads");
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("the manager answers");
    assert_eq!(&head, b"HTTP/1.1 101");
    stream
}

fn post_json(server: &Server, path: &str, body: &[u8]) -> (u16, Value) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let sent = agent.post(format!("{}{path}", server.url)).content_type("application/json").send(body);
    let mut response = sent.expect("the manager answers");
    (response.status().as_u16(), response.body_mut().read_json().expect("JSON"))
}

fn rss_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024.0 / 1e6
}
