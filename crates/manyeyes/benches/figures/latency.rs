//! One image on an idle cluster: what is added to decoding and inference; and how soon a fresh start can answer.

use std::time::Instant;

use crate::Figure;
use crate::cluster::Cluster;
use crate::statistics::{median, quantile};

const REQUESTS: usize = 200;
const STARTS: usize = 7;

pub(crate) fn measure(files: &[Vec<u8>]) -> Vec<Figure> {
    vec![added(files), start_to_ready()]
}

fn added(files: &[Vec<u8>]) -> Figure {
    let cluster = Cluster::up(1);
    let mut client = cluster.client();
    let mut added = Vec::new();
    for number in 0..REQUESTS {
        let start = Instant::now();
        let (status, image) = client.send("POST", "/api/v1/classify", &files[number % files.len()]);
        let whole = start.elapsed().as_secs_f64() * 1e3;
        assert_eq!(status, 200, "{image}");
        let part = |name: &str| image["timing_ms"][name].as_f64().expect("a part of the time");
        added.push(whole - part("decoding") - part("inference"));
    }
    let p50 = median(&added);
    Figure {
        name: "added latency of /api/v1/classify on an idle cluster, p50 (p99)",
        measured: format!("{p50:.2} ms ({:.2} ms)", quantile(&added, 0.99)),
        aim: "<= 1.5 ms",
        met: p50 <= 1.5,
    }
}

fn start_to_ready() -> Figure {
    let times: Vec<f64> = (0..STARTS)
        .map(|_| {
            let start = Instant::now();
            let cluster = Cluster::start("up", &[]);
            cluster.wait_until_ready();
            start.elapsed().as_secs_f64()
        })
        .collect();
    let p50 = median(&times);
    Figure {
        name: "from exec of `up` to /readyz 200, three workers, p50 (max)",
        measured: format!("{p50:.2} s ({:.2} s)", quantile(&times, 1.0)),
        aim: "<= 1 s",
        met: p50 <= 1.0,
    }
}
