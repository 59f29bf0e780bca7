//! How many uploads a second are made durable, beside a plain loop that makes the same bytes durable in groups.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use crate::Figure;
use crate::cluster::{Cluster, processor_s};
use crate::statistics::median;

const UPLOADS: usize = 6000;
const UPLOAD_BYTES: usize = 100_000;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 3;
/// Images that the plain loop makes durable with one `fdatasync`: as many as there are connections.
const GROUP: usize = CONNECTIONS;

pub(crate) fn measure(_: &[Vec<u8>]) -> Vec<Figure> {
    let files: Vec<Vec<u8>> = (0..64).map(picture).collect();
    let (mut rates, mut ratios, mut costs_ms) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let plain = plain_rate(&files);
        let (ours, cost_ms) = cluster_rate(&files);
        rates.push(ours);
        ratios.push(ours / plain);
        costs_ms.push(cost_ms);
    }
    let (rate, ratio, cost_ms) = (median(&rates), median(&ratios), median(&costs_ms));
    vec![
        Figure {
            name: "durable uploads/s of 100 kB, null workers",
            measured: format!("{rate:.0}/s"),
            aim: ">= 3000/s",
            met: rate >= 3000.0,
        },
        Figure {
            name: "the same / a plain loop that makes the same bytes durable in groups",
            measured: format!("{ratio:.3}"),
            aim: ">= 0.7",
            met: ratio >= 0.7,
        },
        Figure {
            name: "the manager's processor time for one of these, until it is recognised",
            measured: format!("{cost_ms:.3} ms"),
            aim: "<= 0.25 ms",
            met: cost_ms <= 0.25,
        },
    ]
}

/// Uploads a second, and the manager's processor time an image in ms.
fn cluster_rate(files: &[Vec<u8>]) -> (f64, f64) {
    let cluster = Cluster::null(2);
    let batch = cluster.new_batch();
    let spent_s = processor_s(cluster.manager.id());
    let start = Instant::now();
    cluster.upload(&batch, CONNECTIONS, UPLOADS, files);
    let rate = UPLOADS as f64 / start.elapsed().as_secs_f64();
    cluster.wait_until_recognised(&batch, UPLOADS);
    (rate, (processor_s(cluster.manager.id()) - spent_s) * 1e3 / UPLOADS as f64)
}

fn plain_rate(files: &[Vec<u8>]) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut file = File::create(folder.path().join("bytes")).expect("a file");
    let start = Instant::now();
    for number in 0..UPLOADS {
        file.write_all(&files[number % files.len()]).expect("room on the disk");
        if number % GROUP == GROUP - 1 {
            file.sync_data().expect("the disk answers");
        }
    }
    file.sync_data().expect("the disk answers");
    UPLOADS as f64 / start.elapsed().as_secs_f64()
}

/// A BMP of about 100 kB whose pixels are noise of this seed: its header is whole, and no two are alike.
fn picture(seed: u64) -> Vec<u8> {
    let (width, height) = (200_u32, 166_u32);
    let mut bytes = Vec::with_capacity(UPLOAD_BYTES);
    bytes.extend(b"BM");
    bytes.extend((54 + width * height * 3).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(54_u32.to_le_bytes());
    bytes.extend(40_u32.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while bytes.len() < (54 + width * height * 3) as usize {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state as u8);
    }
    bytes
}
