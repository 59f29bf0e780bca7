//! Images a second with TLS between manager and worker, against the same without: both clusters run, and are measured by turns.

use std::time::Instant;

use crate::Figure;
use crate::cluster::{Cluster, Program};
use crate::statistics::median;

/// Images in one measurement with GoogLeNet: some seconds of work on two cores.
const IMAGES: usize = 270;
/// With workers that answer at once.
const NULL_IMAGES: usize = 4_000;
/// How often the two sides are measured in turn.
const ROUNDS: usize = 7;
/// Uploads at a time.
const CONNECTIONS: usize = 8;

pub(crate) fn measure(files: &[Vec<u8>]) -> Vec<Figure> {
    let ratio_of = |worker: &[&str], images| {
        let [encrypted, plain] = ["always", "never"].map(|encryption| cluster(encryption, worker));
        let sides = [&encrypted, &plain];
        for cluster in sides {
            rate(cluster, images / 2, files);
        }
        let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // Whichever is first in a round has the machine as the other left it.
            let first = rate(sides[round % 2], images, files);
            let second = rate(sides[(round + 1) % 2], images, files);
            let (encrypted, plain) = if round % 2 == 0 { (first, second) } else { (second, first) };
            with.push(encrypted);
            without.push(plain);
            ratios.push(encrypted / plain);
        }
        (median(&ratios), median(&with), median(&without))
    };
    let (at_once, with, without) = ratio_of(&["--fixed-service-ms", "0", "--slots", "8"], NULL_IMAGES);
    eprintln!("  a worker that answers at once: {at_once:.3} ({with:.0} / {without:.0})");
    let (ratio, with, without) = ratio_of(&["--slots", "2"], IMAGES);
    vec![Figure {
        name: "images/s with TLS to the worker / without",
        measured: format!("{ratio:.3} ({with:.1} / {without:.1})"),
        aim: ">= 0.95",
        met: ratio >= 0.95,
    }]
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
