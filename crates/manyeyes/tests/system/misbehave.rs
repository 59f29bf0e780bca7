//! Workers that misbehave, as real processes: slow ones keep nothing for themselves, wrong ones are found out, flapping ones
//! are set aside. Only what must hold on any machine is held here; the figures are `make bench ARGS=misbehave`.

use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::cluster::{Process, Server, folder, wait_until};
use crate::failures::picture;

/// A picture like no other.
fn picture_of(number: u64) -> Vec<u8> {
    let mut file = picture();
    file.extend(number.to_be_bytes());
    file
}

/// What a worker without a model rightly calls it.
fn class_of(file: &[u8]) -> String {
    let digest = Sha256::digest(file);
    digest[..8].iter().fold("sha256:".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

fn keep_canaries(folder: &Path) {
    for number in 0..5 {
        let file = picture_of(1 << 32 | number);
        let class = folder.join(class_of(&file));
        std::fs::create_dir_all(&class).expect("a folder");
        std::fs::write(class.join("canary.png"), &file).expect("room on the disk");
    }
}

fn manager(data: &Path, more: &[&str]) -> Server {
    let data = data.to_str().expect("a readable path");
    let arguments = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", data];
    Server::of(Process::start(&[&arguments[..], more].concat()))
}

fn worker(server: &Server, name: &str, service_ms: &str, faults: &[&str]) -> Process {
    server.worker(&[&["--name", name, "--slots", "1", "--fixed-service-ms", service_ms], faults].concat())
}

fn metric(server: &Server, name: &str) -> f64 {
    let text = server.get("/metrics");
    let lines = text.as_str().expect("metrics are text").lines();
    let value = lines.filter_map(|line| line.strip_prefix(&format!("manyeyes_{name} "))).next();
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

/// Uploads the pictures of these numbers; gives what each is rightly called.
fn upload(server: &Server, batch: &str, numbers: Range<u64>) -> Vec<String> {
    let files = numbers.map(picture_of);
    files
        .map(|file| {
            server.upload(batch, "a.png", &file);
            class_of(&file)
        })
        .collect()
}

fn are_right(server: &Server, batch: &str, classes: &[String]) -> bool {
    let images = server.images(batch);
    let said = images.iter().map(|image| image["labels"][0]["name"].as_str().unwrap_or_default());
    images.len() == classes.len() && said.eq(classes.iter().map(String::as_str))
}

#[test]
fn a_worker_that_turns_slow_half_way_gets_less_than_its_share_and_no_image_is_lost() {
    let data = folder();
    let server = manager(data.path(), &[]);
    let slow = ["--fail-mode", "slow", "--fail-probability", "1", "--fail-after", "10"];
    let _workers =
        [worker(&server, "slow", "30", &slow), worker(&server, "one", "30", &[]), worker(&server, "two", "30", &[])];
    wait_until("three workers have joined", || server.workers().len() == 3);
    let batch = server.new_batch();
    let classes = upload(&server, &batch, 0..120);
    wait_until("all are answered", || server.count(&batch, "recognised") == 120);
    assert!(are_right(&server, &batch, &classes));
    let by_slow = server.images(&batch).iter().filter(|image| image["worker"] == "slow").count();
    assert!((1..40).contains(&by_slow), "{by_slow} of 120, of which 40 are a third");
    let (hedges, deliveries) = (metric(&server, "hedges_total"), metric(&server, "deliveries_total"));
    assert!(hedges <= 1.0 + deliveries / 20.0, "{hedges} second deliveries of {deliveries}");
}

#[test]
fn a_worker_that_answers_wrongly_is_found_out_and_every_answer_is_right_in_the_end() {
    let (data, canaries) = (folder(), folder());
    keep_canaries(canaries.path());
    let server = manager(data.path(), &["--canaries", canaries.path().to_str().expect("a readable path")]);
    // It does the canary of its beginning and some images well: what it was wrong about later has to be taken back.
    let wrong = ["--fail-mode", "wrong", "--fail-probability", "1", "--fail-after", "5"];
    // Slower than images come, so that all three are needed: a machine that was busy with something else at first gave the wrong one less
    // than the fifty that lie between two canaries, and there was nothing to find out.
    let _workers =
        [worker(&server, "wrong", "20", &wrong), worker(&server, "one", "20", &[]), worker(&server, "two", "20", &[])];
    wait_until("three workers have joined", || server.workers().len() == 3);
    let batch = server.new_batch();
    let is_aside = || server.workers().iter().any(|worker| worker["name"] == "wrong" && worker["state"] == "setaside");
    let mut classes = Vec::new();
    wait_until("the wrong worker is set aside", || {
        classes.extend(upload(&server, &batch, classes.len() as u64..classes.len() as u64 + 60));
        is_aside()
    });
    wait_until("every answer is right", || are_right(&server, &batch, &classes));
    assert!(metric(&server, "answers_taken_back_total") >= 1.0);
    assert!(metric(&server, "canaries_asked_total{worker=\"wrong\"}") <= 20.0);
}

#[test]
fn a_worker_that_flaps_is_set_aside_and_its_images_are_answered() {
    let data = folder();
    let server = manager(data.path(), &[]);
    let flaps = ["--fail-mode", "disconnect", "--fail-probability", "1"];
    let _workers = [worker(&server, "flapping", "5", &flaps), worker(&server, "sound", "5", &[])];
    wait_until("two workers have joined", || server.workers().len() == 2);
    let batch = server.new_batch();
    let mut uploaded = 0;
    wait_until("the flapping worker is set aside", || {
        uploaded += 1;
        server.upload(&batch, "a.png", &picture_of(uploaded));
        server.workers().iter().any(|worker| worker["name"] == "flapping" && worker["state"] == "setaside")
    });
    wait_until("all are answered", || server.count(&batch, "recognised") == uploaded);
}

#[test]
fn a_folder_without_canaries_is_refused_with_the_reason() {
    let (data, empty) = (folder(), folder());
    let (data, empty) = (data.path().to_str().expect("a path"), empty.path().to_str().expect("a path"));
    let arguments = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", data];
    let output = crate::cluster::manyeyes()
        .args([&arguments[..], &["--canaries", empty]].concat())
        .output()
        .expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("a folder for each class is needed"), "{error}");
}
