//! A manager at work under strace, and what its clients were told when.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::trace::{self, Event, LEFT_ALONE};
use crate::cluster::{Process, Server, children_of, manyeyes, signal_process, wait_until};
use crate::durability::bitmap;

/// What became known outside, and before which event of the recording.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// A batch was made.
    Batch(String),
    /// An image of a batch was accepted or refused, and its sender was told.
    Image { batch: String, image: Value },
    /// An image was shown as it is after its ending.
    Ended { batch: String, image: Value },
    /// From here on an image, or without one the whole batch, may be gone.
    MayGo { batch: String, image: Option<String> },
    /// It is gone, and its owner was told.
    Gone { batch: String, image: Option<String> },
}

/// A recording.
pub(crate) struct Recording {
    /// The folder above the data folder, whose entry is to survive too.
    pub(crate) root: String,
    pub(crate) events: Vec<Event>,
    /// By the place of the event that was on its way to the client.
    pub(crate) told: BTreeMap<usize, Vec<Told>>,
    /// The digests of all files that were sent, and of nothing else.
    pub(crate) sent: Vec<String>,
}

/// Whether processes can be traced here.
pub(crate) fn is_possible() -> bool {
    Command::new("strace")
        .args(["-f", "-e", "trace=fsync", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A manager under strace. It is ended when this is dropped, which ending strace alone would not do.
struct Traced {
    server: Server,
    manager: u32,
}

impl Traced {
    fn start(data: &Path, trace: &Path) -> Self {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-yy", "-xx", "-s", "100000000", "--seccomp-bpf", "-e"])
            .arg(format!("trace=!{LEFT_ALONE}"));
        command.arg("-o").arg(trace).arg(manyeyes().get_program());
        command.args(["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data"]).arg(data);
        command.args(["--image-memory", "1"]);
        let process = Process::spawn(&mut command);
        let strace = process.id();
        let server = Server::of(process);
        let manager = *children_of(strace).first().expect("strace runs the manager");
        Self { server, manager }
    }

    fn end(mut self, signal: Signal) {
        signal_process(self.manager, signal);
        let process = &mut self.server.process;
        wait_until("the manager has ended", || process.has_ended());
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !self.server.process.has_ended() {
            signal_process(self.manager, Signal::KILL);
        }
    }
}

/// Files to be sent, no two the same.
struct Files {
    next: u32,
    sent: Vec<String>,
}

impl Files {
    /// A small one goes into a pack, a large one, for which there is no memory, has a file of its own.
    fn file(&mut self, rows: u32) -> Vec<u8> {
        self.next += 1;
        let bytes = bitmap(self.next, rows);
        self.note(&bytes);
        bytes
    }

    fn small(&mut self) -> Vec<u8> {
        let rows = 1 + self.next % 60;
        self.file(rows)
    }

    fn large(&mut self) -> Vec<u8> {
        self.file(5600)
    }

    fn note(&mut self, bytes: &[u8]) {
        self.sent.push(hex(&Sha256::digest(bytes)));
    }
}

/// Has a manager work, end, work, be killed, and work again, on one data folder. With `long`, until SQLite writes its log
/// back by itself.
pub(crate) fn record(long: bool) -> Recording {
    let folder: TempDir = crate::cluster::folder();
    let root = folder.path().canonicalize().expect("the folder is there");
    let data = root.join("data");
    let mut files = Files { next: 0, sent: Vec::new() };
    let mut text = String::new();
    for (run, signal) in [Signal::TERM, Signal::KILL, Signal::TERM].into_iter().enumerate() {
        let trace = root.with_extension(format!("trace-{run}"));
        let traced = Traced::start(&data, &trace);
        work(&traced.server, &mut files, run);
        if long && run == 2 {
            fill_the_log(&traced.server, &mut files);
            work(&traced.server, &mut files, run);
        }
        traced.end(signal);
        fs::File::open(&trace).and_then(|mut file| file.read_to_string(&mut text)).expect("strace has written");
        fs::remove_file(&trace).expect("it is ours");
    }
    let root = root.to_str().expect("a readable path").to_owned();
    let events = trace::read(&text, &root).expect("the recording is understood");
    let told = conversations(&events);
    Recording { root, events, told, sent: files.sent }
}

fn work(server: &Server, files: &mut Files, run: usize) {
    let worker = server.worker(&["--fixed-service-ms", "1", "--name", "the-worker"]);
    let (stays, goes) = (server.new_batch(), server.new_batch());
    let path = |batch: &str| format!("/api/v1/batches/{batch}/images?name=a.bmp");
    let rounds = if run == 0 { 6 } else { 2 };
    for round in 0..rounds {
        server.upload(&stays, "small.bmp", &files.small());
        server.upload(&goes, "small.bmp", &files.small());
        let third = if round % 2 == 0 { files.large() } else { files.small() };
        let (one, two) = (files.small(), files.small());
        // At the same time, so that they share groups.
        let url = format!("{}{}", server.url, path(&stays));
        thread::scope(|scope| {
            for file in [&one, &two, &third] {
                let url = &url;
                scope.spawn(move || {
                    let sent = ureq::post(url).content_type("application/octet-stream").send(&file[..]);
                    assert_eq!(sent.expect("the manager answers").status(), 202);
                });
            }
        });
    }
    let refused = b"no image at all".to_vec();
    files.note(&refused);
    assert_eq!(server.post(&path(&goes), &refused).0, 202);
    let keyed = files.small();
    for _ in 0..2 {
        let sent = ureq::post(format!("{}{}", server.url, path(&stays)))
            .header("idempotency-key", format!("key-{run}"))
            .content_type("application/octet-stream")
            .send(&keyed[..]);
        assert_eq!(sent.expect("the manager answers").status(), 202);
    }
    let doomed = [files.small(), files.large()].map(|file| server.upload(&stays, "doomed.bmp", &file));
    wait_until("all are answered", || server.count(&stays, "waiting") + server.count(&stays, "assigned") == 0);
    server.images(&stays);
    for image in doomed {
        let id = image["id"].as_str().expect("an id");
        assert_eq!(server.request("DELETE", &format!("/api/v1/batches/{stays}/images/{id}"), None).0, 204);
    }
    assert_eq!(server.request("DELETE", &format!("/api/v1/batches/{goes}"), None).0, 204);
    drop(worker);
    // Accepted, and not answered in this run.
    server.upload(&stays, "waits.bmp", &files.small());
}

/// Uploads of many refused files with long names: rows without bytes, until the log has 16 MiB.
fn fill_the_log(server: &Server, files: &mut Files) {
    let filler = server.new_batch();
    let refused = b"nothing".to_vec();
    files.note(&refused);
    let name = "n".repeat(200);
    let part = format!("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nnothing\r\n");
    let body = format!("{}--b--\r\n", part.repeat(5000));
    for _ in 0..12 {
        let sent = ureq::post(format!("{}/api/v1/batches/{filler}/images", server.url))
            .content_type("multipart/form-data; boundary=b")
            .send(body.as_bytes());
        assert_eq!(sent.expect("the manager answers").status(), 202);
    }
}

/// One client's connection: what it has asked, and the answer as far as it was sent.
#[derive(Default)]
struct Conversation {
    asked: Vec<String>,
    answer: Vec<u8>,
    /// The event with the first byte of the answer.
    since: usize,
}

/// What was told, from the bytes that went to and fro.
fn conversations(events: &[Event]) -> BTreeMap<usize, Vec<Told>> {
    let mut open: HashMap<&str, Conversation> = HashMap::new();
    let mut told: BTreeMap<usize, Vec<Told>> = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        match event {
            Event::Received { socket, bytes } => {
                let Some((method, path)) = request(bytes) else { continue };
                if method == "DELETE" {
                    let (batch, image) = names(&path);
                    told.entry(place).or_default().push(Told::MayGo { batch, image });
                }
                open.entry(socket).or_default().asked.push(format!("{method} {path}"));
            }
            Event::Sent { socket, bytes } => {
                let conversation = open.entry(socket).or_default();
                if conversation.answer.is_empty() {
                    conversation.since = place;
                }
                conversation.answer.extend(bytes);
                let Some((status, body)) = answer(&conversation.answer) else { continue };
                let asked = conversation.asked.pop().unwrap_or_default();
                let heard = heard(&asked, status, &body);
                told.entry(conversation.since).or_default().extend(heard);
                conversation.answer.clear();
            }
            _ => {}
        }
    }
    told
}

fn heard(asked: &str, status: u16, body: &Value) -> Vec<Told> {
    let Some((method, path)) = asked.split_once(' ') else { return Vec::new() };
    let (batch, image) = names(path);
    let images = || body["images"].as_array().into_iter().flatten().cloned();
    match (method, status) {
        ("POST", 201) => vec![Told::Batch(body["id"].as_str().expect("a batch has an id").to_owned())],
        ("POST", 202) => images().map(|image| Told::Image { batch: batch.clone(), image }).collect(),
        ("GET", 200) => images()
            .filter(|image| ["recognised", "failed", "cancelled"].iter().any(|state| image["state"] == **state))
            .map(|image| Told::Ended { batch: batch.clone(), image })
            .collect(),
        ("DELETE", 204) => vec![Told::Gone { batch, image }],
        _ => Vec::new(),
    }
}

/// Method and path, where these bytes begin a request.
fn request(bytes: &[u8]) -> Option<(String, String)> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?.strip_suffix(" HTTP/1.1")?;
    let (method, path) = line.split_once(' ')?;
    Some((method.to_owned(), path.to_owned()))
}

/// Status and body, once the answer is whole.
fn answer(bytes: &[u8]) -> Option<(u16, Value)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(Some(0), |length| length.parse().ok())?;
    let body = bytes.get(end + 4..end + 4 + length)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_slice(body).unwrap_or(Value::Null)))
}

/// Batch and image of a path.
fn names(path: &str) -> (String, Option<String>) {
    let path = path.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip(4);
    let batch = parts.next().unwrap_or_default().to_owned();
    (batch, parts.nth(1).map(str::to_owned))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
