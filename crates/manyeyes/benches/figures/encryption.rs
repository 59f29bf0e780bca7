//! Images a second with TLS between manager and worker, against the same without: both clusters run, and are measured by turns.

use std::time::Instant;

use crate::Figure;
use crate::cluster::{Cluster, Program, processor_s};
use crate::statistics::median;

/// Images in one measurement with GoogLeNet: two seconds or so of work on two cores. Shared machines swing by a third from one minute to the
/// next, so what is compared has to be near in time, and often.
const IMAGES: usize = 90;
/// With workers that answer at once.
const NULL_IMAGES: usize = 2_000;
/// How often the two sides are measured in turn.
const ROUNDS: usize = 21;
/// Uploads at a time.
const CONNECTIONS: usize = 8;

pub(crate) fn measure(files: &[Vec<u8>]) -> Vec<Figure> {
    let null = Sides::up(&["--fixed-service-ms", "0", "--slots", "8"], NULL_IMAGES, files).compare(NULL_IMAGES, files);
    eprintln!("  a worker that answers at once: {null}");
    let with_model = Sides::up(&["--slots", "2"], IMAGES, files).compare(IMAGES, files);
    eprintln!("  GoogLeNet: {with_model}");
    let Compared { ratio, per_s: [with, without], .. } = with_model;
    vec![Figure {
        name: "images/s with TLS to the worker / without",
        measured: format!("{ratio:.3} ({with:.1} / {without:.1})"),
        aim: ">= 0.95",
        met: ratio >= 0.95,
    }]
}

/// Two clusters that wait for their turn: with TLS, and without.
struct Sides([Cluster; 2]);

/// Of both sides, the one with TLS first: medians over the rounds.
struct Compared {
    /// Of the ratios of the rounds.
    ratio: f64,
    per_s: [f64; 2],
    /// Processor time of manager and worker an image, in all rounds. That of the worker's decoders, which see no network, is not in it.
    processor_ms: [f64; 2],
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ratio, per_s: [with, without], processor_ms: [ms_with, ms_without] } = self;
        write!(
            f,
            "{ratio:.3} ({with:.1} / {without:.1} images/s; {ms_with:.2} and {ms_without:.2} ms of processor an image)"
        )
    }
}

impl Sides {
    fn up(worker: &[&str], warm_up: usize, files: &[Vec<u8>]) -> Self {
        let sides = Self(["always", "never"].map(|encryption| cluster(encryption, worker)));
        for cluster in &sides.0 {
            rate(cluster, warm_up, files);
        }
        sides
    }

    fn compare(&self, images: usize, files: &[Vec<u8>]) -> Compared {
        let before = self.0.each_ref().map(processor);
        let (mut per_s, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
        for round in 0..ROUNDS {
            // Whichever is first in a round has the machine as the other left it.
            for side in [round % 2, (round + 1) % 2] {
                per_s[side].push(rate(&self.0[side], images, files));
            }
            ratios.push(per_s[0][round] / per_s[1][round]);
        }
        let spent = [0, 1].map(|side| (processor(&self.0[side]) - before[side]) * 1e3 / (images * ROUNDS) as f64);
        Compared { ratio: median(&ratios), per_s: per_s.map(|rates| median(&rates)), processor_ms: spent }
    }
}

/// A manager and one worker.
fn cluster(encryption: &str, worker: &[&str]) -> Cluster {
    let mut cluster = Cluster::start("manager", &["--worker-listen", "127.0.0.1:0", "--encryption", encryption]);
    let to = ["worker", "--manager", &cluster.worker_port, "--encryption", encryption];
    cluster.workers.push(Program::start(&[&to[..], worker].concat()));
    cluster.wait_until_ready();
    cluster
}

fn rate(cluster: &Cluster, images: usize, files: &[Vec<u8>]) -> f64 {
    let batch = cluster.new_batch();
    let start = Instant::now();
    cluster.upload(&batch, CONNECTIONS, images, files);
    cluster.wait_until_recognised(&batch, images);
    images as f64 / start.elapsed().as_secs_f64()
}

fn processor(cluster: &Cluster) -> f64 {
    let workers: f64 = cluster.workers.iter().map(|worker| processor_s(worker.id())).sum();
    processor_s(cluster.manager.id()) + workers
}
