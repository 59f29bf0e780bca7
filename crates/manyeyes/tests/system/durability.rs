//! Accepted means kept: through kill -9 amid uploads, on a disk without space, and honestly where the data folder is not
//! what was written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::{Process, Server, folder, manyeyes, wait_until};

/// How often the manager is killed; `MANYEYES_KILLS` says otherwise.
const KILLS: usize = 6;
/// Uploads accepted before each of them, at least, and clients that upload.
const BEFORE_A_KILL: usize = 25;
const CLIENTS: usize = 4;
/// The small disk. More than what the manager sets aside of it, and soon full.
const DISK_MIB: u32 = 40;

#[test]
fn a_manager_killed_amid_uploads_has_what_it_accepted_and_answers_it_once() {
    let data = folder();
    let mut server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let (listen, worker_listen) = (server.url.replace("http://", ""), server.workers.clone());
    let _workers = [0, 1].map(|_| server.worker(&["--fixed-service-ms", "2"]));
    let batch = server.new_batch();
    let next = AtomicU32::new(0);
    let accepted: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let mut highest = 0;
    let kills = std::env::var("MANYEYES_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    for _ in 0..kills {
        let before = accepted.lock().unwrap().len();
        let seqs: Mutex<Vec<u64>> = Mutex::default();
        let url = format!("{}/api/v1/batches/{batch}/images?name=a.bmp", server.url);
        let mut answered = Vec::new();
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(image) = accepted_upload(&url, &file(number)) else { return };
                        seqs.lock().unwrap().push(image["seq"].as_u64().expect("a number"));
                        accepted.lock().unwrap().insert(image["id"].as_str().expect("an id").to_owned(), number);
                    }
                });
            }
            wait_until("uploads are accepted", || accepted.lock().unwrap().len() >= before + BEFORE_A_KILL);
            answered = server.images(&batch);
            server.process.kill();
        });
        server = Server::manager(data.path(), &listen, &worker_listen);
        let mut seqs = seqs.into_inner().unwrap();
        let count = seqs.len();
        seqs.sort_unstable();
        seqs.dedup();
        assert_eq!(seqs.len(), count, "no number is given twice");
        assert!(seqs[0] > highest, "nor one of an earlier run: {} after {highest}", seqs[0]);
        let shown = answered.iter().filter_map(|image| image["seq"].as_u64()).max();
        highest = shown.into_iter().chain(seqs.last().copied()).max().expect("some were accepted");
        answered.retain(|image| image["state"] == "recognised");
        let now = server.images(&batch);
        for before in answered {
            assert!(now.contains(&before), "an answer that was seen does not change: {before}");
        }
    }
    wait_until("all are answered", || {
        let counts = &server.get(&format!("/api/v1/batches/{batch}?limit=1"))["counts"];
        counts["recognised"] == counts["total"]
    });
    let images: BTreeMap<_, _> = server
        .images(&batch)
        .into_iter()
        .map(|image| (image["id"].as_str().expect("an id").to_owned(), image))
        .collect();
    let accepted = accepted.into_inner().unwrap();
    eprintln!("{kills} kills, {} uploads accepted, {} images answered", accepted.len(), images.len());
    for (id, number) in accepted {
        assert_eq!(images.get(&id).map(|image| &image["state"]), Some(&Value::from("recognised")), "image {id}");
        assert!(original(&server, &batch, &id) == Ok(file(number)), "image {id} has its bytes");
    }
}

#[test]
fn a_full_disk_refuses_uploads_answers_what_it_has_and_takes_more_once_there_is_space() {
    let mount = folder();
    let Some(mut server) = on_a_small_disk(mount.path()) else {
        eprintln!(
            "NOT RUN without a small file system: \
             a_full_disk_refuses_uploads_answers_what_it_has_and_takes_more_once_there_is_space"
        );
        return;
    };
    let (kept, filler) = (server.new_batch(), server.new_batch());
    let neighbours: Vec<_> = (0..5).map(|number| uploaded(&server, &kept, &file(number))).collect();
    // Large ones, which have files of their own, and then small ones, which share one.
    for rows in [4000, 50] {
        let refused = (100..2000).find_map(|number| {
            let (status, body) =
                server.post(&format!("/api/v1/batches/{filler}/images?name=a.bmp"), &bitmap(number, rows));
            (status != 202).then_some((status, body))
        });
        let (status, body) = refused.expect("the disk is full some time");
        assert_eq!((status, &body["error"]["code"]), (507, &Value::from("no_space")), "{body}");
        let message = body["error"]["message"].as_str().expect("a sentence");
        assert!(message.contains("no space left on the disk"), "{message}");
    }
    assert_eq!(server.request("GET", "/healthz", None).0, 200);
    for (number, id) in (0..).zip(&neighbours) {
        assert!(original(&server, &kept, id) == Ok(file(number)), "image {id} has its bytes");
    }
    let accepted = server.count(&filler, "waiting");
    assert!(accepted > 10, "{accepted} were accepted before");

    let _worker = server.worker(&["--fixed-service-ms", "0"]);
    wait_until("the neighbours are answered", || server.count(&kept, "recognised") == 5);
    wait_until("all are answered", || server.count(&filler, "recognised") == accepted);
    assert_eq!(server.request("DELETE", &format!("/api/v1/batches/{filler}"), None).0, 204);
    wait_until("uploads are taken again", || {
        server.post(&format!("/api/v1/batches/{kept}/images?name=a.bmp"), &file(5)).0 == 202
    });
    wait_until("they are answered", || server.count(&kept, "recognised") == 6);
    assert!(!server.process.has_ended());
}

#[test]
fn books_of_a_newer_program_are_refused_with_a_sentence() {
    let data = folder();
    end(Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0"));
    // Where SQLite has the number of the schema, the highest byte first.
    overwrite(&data.path().join("books.sqlite"), 60, &[0, 0, 0, 99]);
    let error = refused(data.path());
    assert!(error.contains("schema 99") && error.contains("use the program that wrote them"), "{error}");
}

#[test]
fn damaged_books_are_refused_with_a_sentence() {
    for (from, bytes) in [(0, 100), (4096, 40_000)] {
        let data = folder();
        let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
        let batch = server.new_batch();
        uploaded(&server, &batch, &file(1));
        end(server);
        overwrite(&data.path().join("books.sqlite"), from, &vec![0xa5; bytes]);
        let error = refused(data.path());
        assert!(error.contains("damaged"), "{bytes} bytes from {from}: {error}");
    }
}

#[test]
fn an_image_that_changed_on_the_disk_is_not_served_and_one_that_waits_fails_with_that_reason() {
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let batch = server.new_batch();
    let [damaged, whole] = [1, 2].map(|number| uploaded(&server, &batch, &file(number)));
    // Another run, which has none of them in memory.
    end(server);
    overwrite(&data.path().join("packs/1"), 1000, &[0xa5; 8]);
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let (status, body) = server.request("GET", &format!("/api/v1/batches/{batch}/images/{damaged}/file"), None);
    assert_eq!((status, &body["error"]["code"]), (500, &Value::from("damaged")), "{body}");
    assert!(body["error"]["message"].as_str().expect("a sentence").contains("disk has changed"), "{body}");
    assert!(original(&server, &batch, &whole) == Ok(file(2)), "its neighbour is");

    let _worker = server.worker(&["--fixed-service-ms", "0"]);
    wait_until("nothing waits", || server.count(&batch, "waiting") + server.count(&batch, "assigned") == 0);
    let images = server.images(&batch);
    assert_eq!((&images[0]["state"], &images[0]["error"]["code"]), (&Value::from("failed"), &Value::from("lost")));
    assert_eq!(images[1]["state"], "recognised");
}

/// A manager whose data folder is on a file system of [`DISK_MIB`] that only it sees. None where that cannot be had.
fn on_a_small_disk(mount: &Path) -> Option<Server> {
    const RUN: &str = "mount -t tmpfs -o size=$1 none \"$2\" && shift 2 && exec \"$@\"";
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", RUN, "sh", &format!("{DISK_MIB}m")]).arg(mount);
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        return None;
    }
    let mut command = unshare();
    command.arg(manyeyes().get_program());
    command.args(["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data"]);
    Some(Server::of(Process::spawn(command.arg(mount.join("data")))))
}

/// Ends it as a person would, so that all is in the books' own file.
pub(crate) fn end(server: Server) {
    let mut process = server.process;
    process.signal(Signal::TERM);
    wait_until("the manager has ended", || process.has_ended());
}

/// What a manager that does not start on this folder says.
fn refused(data: &Path) -> String {
    let mut command = manyeyes();
    command.args(["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data"]).arg(data);
    let output = command.output().expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    error
}

pub(crate) fn overwrite(file: &Path, from: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(file).expect("it is there");
    file.seek(SeekFrom::Start(from)).expect("files can be sought in");
    file.write_all(bytes).expect("it can be written");
}

/// The image, if the upload is answered 202. A manager that is killed meanwhile answers nothing.
fn accepted_upload(url: &str, bytes: &[u8]) -> Option<Value> {
    let mut response = ureq::post(url).content_type("application/octet-stream").send(bytes).ok()?;
    assert_eq!(response.status(), 202);
    let body: Value = serde_json::from_str(&response.body_mut().read_to_string().ok()?).expect("an answer in JSON");
    assert_eq!(body["images"][0]["error"], Value::Null, "{body}");
    Some(body["images"][0].clone())
}

pub(crate) fn uploaded(server: &Server, batch: &str, bytes: &[u8]) -> String {
    let image = server.upload(batch, "a.bmp", bytes);
    assert_eq!(image["error"], Value::Null, "{image}");
    image["id"].as_str().expect("an id").to_owned()
}

/// The bytes of an image's file, or the status of the refusal.
pub(crate) fn original(server: &Server, batch: &str, image: &str) -> Result<Vec<u8>, u16> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let response = agent.get(format!("{}/api/v1/batches/{batch}/images/{image}/file", server.url)).call();
    let mut response = response.expect("the manager answers");
    match response.status().as_u16() {
        200 => Ok(response.body_mut().read_to_vec().expect("a whole body")),
        refused => Err(refused),
    }
}

/// Files of many sizes: most go into a pack, every seventh has a file of its own.
pub(crate) fn file(number: u32) -> Vec<u8> {
    bitmap(number, if number % 7 == 6 { 6000 } else { 20 + number % 100 })
}

/// A bitmap of 64 columns whose pixels are drawn from `seed`.
pub(crate) fn bitmap(seed: u32, rows: u32) -> Vec<u8> {
    const COLUMNS: u32 = 64;
    let pixels = COLUMNS * 3 * rows;
    let mut bytes = b"BM".to_vec();
    for field in [54 + pixels, 0, 54, 40, COLUMNS, rows, 1 | (24 << 16), 0, pixels, 2835, 2835, 0, 0] {
        bytes.extend(field.to_le_bytes());
    }
    let mut state = u64::from(seed) + 1;
    bytes.extend((0..pixels).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    }));
    bytes
}
