//! What workers that misbehave cost: one that turns ten times slower half way, against the same batch without it from that
//! moment on; and how many canaries it takes until one that answers wrongly is out.

use std::path::Path;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};

use crate::Figure;
use crate::cluster::{Cluster, Program, wait_until};
use crate::statistics::median;

/// Workers of one slot each.
const WORKERS: usize = 4;
/// Images of the batch, and the time that a worker needs for one: five seconds when all are well.
const IMAGES: usize = 400;
const SERVICE_MS: &str = "50";
/// After so many images of its own a worker turns slow: when half of the batch is done.
const SLOW_AFTER: usize = IMAGES / WORKERS / 2;
/// How often both sides are measured in turn.
const ROUNDS: usize = 3;
const CONNECTIONS: usize = 4;

/// Known pictures.
const CANARIES: u64 = 20;
/// How often a worker is wrong, and the seeds that say when.
const WRONG: [&str; 3] = ["1.0", "0.5", "0.2"];
const SEEDS: u64 = 5;
/// Given out until the wrong worker is out: enough for sixty canaries of its own.
const IMAGES_UNTIL_OUT: usize = 12_000;

pub(crate) fn measure(_: &[Vec<u8>]) -> Vec<Figure> {
    let mut figures = turned_slow();
    figures.extend(WRONG.map(answering_wrongly));
    figures
}

fn turned_slow() -> Vec<Figure> {
    let files: Vec<Vec<u8>> = (0..IMAGES as u64).map(picture).collect();
    let (mut ratios, mut ideals, mut hedges) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ideal = batch_time(&files, false).0;
        let (took, more) = batch_time(&files, true);
        eprintln!(
            "  {took:.2} s with a worker that turns slow, {ideal:.2} s without it, {more:.3} extra deliveries each"
        );
        ratios.push(took / ideal);
        ideals.push(ideal);
        hedges.push(more);
    }
    let (ratio, extra_pct) = (median(&ratios), 100.0 * hedges.into_iter().fold(0.0, f64::max));
    vec![
        Figure {
            name: "batch with a worker that turns 10 times slower / without it",
            measured: format!("{ratio:.3} (of {:.2} s)", median(&ideals)),
            aim: "<= 1.10",
            met: ratio <= 1.1,
        },
        Figure {
            name: "second deliveries in such a batch, the most",
            measured: format!("{extra_pct:.1} %"),
            aim: "<= 5 %",
            met: extra_pct <= 5.0,
        },
    ]
}

/// The seconds of a batch, and the share of its deliveries that were second ones. One worker turns slow half way, or says
/// goodbye then: that is the ideal.
fn batch_time(files: &[Vec<u8>], slow: bool) -> (f64, f64) {
    let mut cluster = Cluster::start("manager", &["--worker-listen", "127.0.0.1:0"]);
    let slow_after = SLOW_AFTER.to_string();
    for number in 0..WORKERS {
        let faults = ["--fail-mode", "slow", "--fail-probability", "1", "--fail-after", &slow_after];
        let is_slow = slow && number == 0;
        start_worker(&mut cluster, number, SERVICE_MS, if is_slow { &faults } else { &[] });
    }
    wait_for_workers(&cluster);
    let batch = cluster.new_batch();
    let start = Instant::now();
    cluster.upload(&batch, CONNECTIONS, IMAGES, files);
    if !slow {
        let mut client = cluster.client();
        let path = format!("/api/v1/batches/{batch}?limit=1");
        let half = (IMAGES / 2) as u64;
        wait_until(|| client.send("GET", &path, &[]).1["counts"]["recognised"].as_u64() >= Some(half));
        let id = i32::try_from(cluster.workers[0].id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(id, Signal::TERM).expect("it runs");
    }
    cluster.wait_until_recognised(&batch, IMAGES);
    let took = start.elapsed().as_secs_f64();
    (took, metric(&cluster, "hedges_total") / IMAGES as f64)
}

fn answering_wrongly(probability: &'static str) -> Figure {
    let folder = tempfile::tempdir().expect("a temporary folder");
    (0..CANARIES).for_each(|seed| keep_canary(folder.path(), &picture(1 << 32 | seed)));
    let mut took: Vec<u64> = (0..SEEDS).map(|seed| canaries_until_out(folder.path(), probability, seed)).collect();
    took.sort_unstable();
    let most = took.last().copied().expect("there are seeds");
    let name = match probability {
        "1.0" => "canaries until a worker is out that is always wrong",
        "0.5" => "canaries until a worker is out that is wrong every other time",
        _ => "canaries until a worker is out that is wrong every fifth time",
    };
    Figure { name, measured: format!("{took:?}"), aim: "<= 20", met: most <= 20 }
}

/// How many canaries a worker that is wrong so often was asked until it was set aside.
fn canaries_until_out(folder: &Path, probability: &str, seed: u64) -> u64 {
    let folder = folder.to_str().expect("a readable path");
    let mut cluster = Cluster::start("manager", &["--worker-listen", "127.0.0.1:0", "--canaries", folder]);
    let seed = seed.to_string();
    for number in 0..WORKERS {
        let faults = ["--fail-mode", "wrong", "--fail-probability", probability, "--fail-seed", &seed];
        start_worker(&mut cluster, number, "1", if number == 0 { &faults } else { &[] });
    }
    wait_for_workers(&cluster);
    let files: Vec<Vec<u8>> = (0..64).map(picture).collect();
    let batch = cluster.new_batch();
    let is_out = || metric(&cluster, "worker_set_aside{worker=\"worker-0\"}") > 0.0;
    let asked = || metric(&cluster, "canaries_asked_total{worker=\"worker-0\"}") as u64;
    for _ in 0..IMAGES_UNTIL_OUT / files.len() {
        // It is left alone for a second from then on, so what is counted now is what it took.
        if is_out() {
            return asked();
        }
        cluster.upload(&batch, CONNECTIONS, files.len(), &files);
    }
    wait_until(is_out);
    asked()
}

fn start_worker(cluster: &mut Cluster, number: usize, service_ms: &str, faults: &[&str]) {
    let name = format!("worker-{number}");
    let arguments = ["worker", "--manager", &cluster.worker_port, "--name", &name, "--slots", "1"];
    let all = [&arguments[..], &["--fixed-service-ms", service_ms], faults].concat();
    cluster.workers.push(Program::start(&all));
}

fn wait_for_workers(cluster: &Cluster) {
    wait_until(|| cluster.get("/api/v1/workers")["workers"].as_array().is_some_and(|all| all.len() == WORKERS));
}

/// The value of a line of `/metrics`; 0 where there is none.
fn metric(cluster: &Cluster, name: &str) -> f64 {
    let text = cluster.client().text("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("manyeyes_{name} ")));
    line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

/// A picture in the folder of its class: workers without a model call it by its digest.
fn keep_canary(folder: &Path, file: &[u8]) {
    let digest = Sha256::digest(file);
    let class = digest[..8].iter().fold("sha256:".to_owned(), |name, byte| format!("{name}{byte:02x}"));
    let class = folder.join(class);
    std::fs::create_dir_all(&class).expect("a folder");
    std::fs::write(class.join("canary.bmp"), file).expect("room on the disk");
}

/// A BMP of four pixels that are its number: no two are alike.
fn picture(number: u64) -> Vec<u8> {
    let (head, pixels) = (54_u32, 12_u32);
    let mut file = b"BM".to_vec();
    for word in [head + pixels, 0, head, 40, 4, 1, 24 << 16 | 1, 0, pixels, 0, 0, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(number.to_le_bytes());
    file.extend([0; 4]);
    file
}
