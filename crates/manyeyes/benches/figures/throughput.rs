//! Images a second from upload to answer, against the same work without any of us: decode and two one-thread sessions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use manyeyes_vision::{EngineChoice, Lookup, Model, Recogniser};

use crate::Figure;
use crate::cluster::Cluster;
use crate::statistics::median;

/// Images in one measurement: some seconds of work on two cores.
const IMAGES: usize = 270;
/// How often the two sides are measured in turn.
const ROUNDS: usize = 5;
/// Uploads at a time, as the page does.
const CONNECTIONS: usize = 4;
/// One-thread sessions of the bare side.
const SESSIONS: usize = 2;

pub(crate) fn measure(files: &[Vec<u8>]) -> Vec<Figure> {
    let cluster = Cluster::up(1);
    let model = Model::find(&Lookup::from_environment(None)).expect("the model is there");
    let load = || Recogniser::load(&model, EngineChoice::Auto, 1).expect("the model loads");
    let mut recognisers: Vec<_> = (0..SESSIONS).map(|_| load()).collect();
    let engine = recognisers[0].engine().to_owned();
    let mut ratios = Vec::new();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    bare_rate(&mut recognisers, files);
    cluster_rate(&cluster, files);
    for _ in 0..ROUNDS {
        let without = bare_rate(&mut recognisers, files);
        let with = cluster_rate(&cluster, files);
        ratios.push(with / without);
        bare.push(without);
        ours.push(with);
    }
    eprintln!("  {engine}: {:.1} images/s end to end, {:.1} bare", median(&ours), median(&bare));
    let ratio = median(&ratios);
    vec![Figure {
        name: "images/s end to end / decode + two one-thread sessions",
        measured: format!("{ratio:.3} ({:.1} / {:.1})", median(&ours), median(&bare)),
        aim: ">= 0.93",
        met: ratio >= 0.93,
    }]
}

fn cluster_rate(cluster: &Cluster, files: &[Vec<u8>]) -> f64 {
    let batch = cluster.new_batch();
    let start = Instant::now();
    cluster.upload(&batch, CONNECTIONS, IMAGES, files);
    cluster.wait_until_recognised(&batch, IMAGES);
    IMAGES as f64 / start.elapsed().as_secs_f64()
}

fn bare_rate(recognisers: &mut [Recogniser], files: &[Vec<u8>]) -> f64 {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for recogniser in recognisers {
            scope.spawn(|| {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    if position >= IMAGES {
                        break;
                    }
                    recogniser.recognise(&files[position % files.len()], 5).expect("a photo is recognised");
                }
            });
        }
    });
    IMAGES as f64 / start.elapsed().as_secs_f64()
}
