//! What the manager and a worker hold in memory.

use crate::Figure;
use crate::cluster::{Cluster, memory_mb, wait_until};

const IMAGES: usize = 5000;
const CONNECTIONS: usize = 8;

pub(crate) fn measure(files: &[Vec<u8>]) -> Vec<Figure> {
    let cluster = Cluster::null(3);
    let batch = cluster.new_batch();
    cluster.upload(&batch, CONNECTIONS, IMAGES, files);
    cluster.wait_until_recognised(&batch, IMAGES);
    let manager = memory_mb(cluster.manager.id(), "VmHWM:");
    drop(cluster);
    let mut figures = vec![Figure {
        name: "manager's peak RSS while 5,000 images pass",
        measured: format!("{manager:.0} MB"),
        aim: "<= 120 MB",
        met: manager <= 120.0,
    }];
    if std::env::var_os("MANYEYES_MODELS").is_some() {
        figures.push(worker(files));
    }
    figures
}

fn worker(files: &[Vec<u8>]) -> Figure {
    let mut cluster = Cluster::start("manager", &["--worker-listen", "127.0.0.1:0"]);
    let arguments = ["worker", "--manager", &cluster.worker_port, "--slots", "1"];
    cluster.workers.push(crate::cluster::Program::start(&arguments));
    wait_until(|| cluster.get("/api/v1/workers")["workers"].as_array().is_some_and(|all| all.len() == 1));
    let batch = cluster.new_batch();
    cluster.upload(&batch, 1, 2 * files.len(), files);
    cluster.wait_until_recognised(&batch, 2 * files.len());
    let process = cluster.workers[0].id();
    let (now, peak) = (memory_mb(process, "VmRSS:"), memory_mb(process, "VmHWM:"));
    Figure {
        name: "one-slot worker's RSS with GoogLeNet (peak)",
        measured: format!("{now:.0} MB ({peak:.0} MB)"),
        aim: "(reported)",
        met: true,
    }
}
