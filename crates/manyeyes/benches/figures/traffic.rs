//! What the sockets between manager and workers carry for a byte of image file.

use crate::Figure;
use crate::cluster::Cluster;

const ROUNDS: usize = 4;

pub(crate) fn measure(files: &[Vec<u8>]) -> Vec<Figure> {
    let cluster = if std::env::var_os("MANYEYES_MODELS").is_some() { Cluster::up(3) } else { Cluster::null(3) };
    let batch = cluster.new_batch();
    let images = ROUNDS * files.len();
    cluster.upload(&batch, 4, images, files);
    cluster.wait_until_recognised(&batch, images);
    let file_bytes: usize = ROUNDS * files.iter().map(Vec::len).sum::<usize>();
    let workers = cluster.get("/api/v1/workers");
    let socket_bytes: u64 = workers["workers"]
        .as_array()
        .expect("workers")
        .iter()
        .flat_map(|worker| [&worker["socket_bytes_sent"], &worker["socket_bytes_received"]])
        .map(|bytes| bytes.as_u64().expect("bytes"))
        .sum();
    let ratio = socket_bytes as f64 / file_bytes as f64;
    vec![Figure {
        name: "socket bytes both ways, manager and workers / file bytes",
        measured: format!("{ratio:.4}"),
        aim: "<= 1.02",
        met: ratio <= 1.02,
    }]
}
