//! The predicted line: what a cluster should do by a simple queueing model, fed with service and link times that were measured. It stands
//! beside the measurements so that a difference asks a question; it replaces none of them.
//!
//! The model: all images are there at the beginning, every image takes the same time, nothing is ever idle that could work, and what is
//! slowest decides (a deterministic tandem queue: L. Kleinrock, "Queueing Systems", volume 1, 1975). What a path carries is its rate, its
//! window, or what its losses leave (`path`).

mod failing;
mod path;

#[cfg(test)]
mod tests;

pub use failing::{Failing, with_failing};
pub use path::{LossModel, Path};

use serde::Serialize;

/// A cluster as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cluster {
    /// Images in the batch.
    pub images: u32,
    /// Workers that work.
    pub workers: u32,
    /// Images that a worker works on at the same time.
    pub slots: u32,
    /// What one image takes on a slot, seconds.
    pub service_s: f64,
    /// Images that a worker may have at most, those that it works on and those on their way included. `None`: as many as cover the
    /// round trip, which is what the manager aims at.
    pub credit: Option<u32>,
    /// What an image weighs on the wire, bytes.
    pub image_bytes: f64,
    /// From the client to the manager. All images pass it, one after another.
    pub upload: Path,
    /// From the manager to each worker.
    pub link: Path,
}

/// What holds a cluster up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// The workers' work: where one wants it.
    Service,
    /// The paths from the manager to the workers.
    Link,
    /// The path from the client to the manager.
    Upload,
    /// Workers wait for the round trip, because they may not have enough images.
    Credit,
}

/// What the model says of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Batch {
    /// From the first byte of the first upload to the last answer, seconds.
    pub makespan_s: f64,
    /// Images over that time. Infinite where nothing takes any time; JSON has `null` for it.
    pub images_per_s: f64,
    /// What decides.
    pub limit: Limit,
}

/// What the model says of an endless stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sustained {
    /// Images each second, once everything flows. Infinite where nothing takes any time; JSON has `null` for it.
    pub images_per_s: f64,
    /// What decides.
    pub limit: Limit,
}

/// The batch of a cluster. `None` where there is no image, or nobody to work.
///
/// With `k = ceil(images / workers)` images for the worker that gets most, and the time `t = image_bytes / rate` of a transfer, the
/// makespan is the two round trips, the slow starts of the first image, and the longest of
/// - service: upload and transfer of the first image, then `ceil(k / slots)` service times;
/// - link: upload of the first, `k` transfers, one service time;
/// - upload: `images` uploads, a transfer, one service time;
/// - credit: upload of the first, `ceil(k / credit)` times transfer, service and round trip, less that round trip that was counted.
pub fn batch(cluster: &Cluster, model: LossModel) -> Option<Batch> {
    let busiest = cluster.busiest()?;
    let (upload_s, transfer_s) = cluster.transfers_s(model);
    let service_s = cluster.service_s;
    let credit_s = cluster.credit.map_or(0.0, |credit| {
        let cycles = f64::from(busiest.div_ceil(credit.max(1)));
        upload_s + cycles * (transfer_s + service_s + cluster.link.round_trip_s) - cluster.link.round_trip_s
    });
    let (work_s, limit) = longest([
        (upload_s + transfer_s + f64::from(busiest.div_ceil(cluster.slots)) * service_s, Limit::Service),
        (upload_s + f64::from(busiest) * transfer_s + service_s, Limit::Link),
        (f64::from(cluster.images) * upload_s + transfer_s + service_s, Limit::Upload),
        (credit_s, Limit::Credit),
    ]);
    let makespan_s = cluster.latency_s() + work_s;
    Some(Batch { makespan_s, images_per_s: f64::from(cluster.images) / makespan_s, limit })
}

/// A cluster that never runs out of images: the smallest of `workers slots / service_s`, of what the links and the upload carry, and, by
/// Little's law (J. D. C. Little, "A Proof for the Queuing Formula: L = λW", Operations Research 9(3), 1961), of the credit over the time
/// that an image is out. `None` where nobody works.
pub fn sustained(cluster: &Cluster, model: LossModel) -> Option<Sustained> {
    if cluster.workers == 0 || cluster.slots == 0 {
        return None;
    }
    let workers = f64::from(cluster.workers);
    let (upload_s, transfer_s) = cluster.transfers_s(model);
    let credit_s = cluster.credit.map_or(0.0, |credit| {
        let out_s = transfer_s + cluster.service_s + cluster.link.round_trip_s;
        out_s / (workers * f64::from(credit.max(1)))
    });
    let (image_s, limit) = longest([
        (cluster.service_s / (workers * f64::from(cluster.slots)), Limit::Service),
        (transfer_s / workers, Limit::Link),
        (upload_s, Limit::Upload),
        (credit_s, Limit::Credit),
    ]);
    Some(Sustained { images_per_s: 1.0 / image_s, limit })
}

impl Cluster {
    /// Images of the worker that gets most; `None` where there is no image or nobody to work.
    fn busiest(&self) -> Option<u32> {
        let works = self.images > 0 && self.workers > 0 && self.slots > 0;
        works.then(|| self.images.div_ceil(self.workers))
    }

    /// What an image takes on the upload's path and on a link, once they flow, seconds.
    fn transfers_s(&self, model: LossModel) -> (f64, f64) {
        let over = |path: &Path| self.image_bytes / path.bytes_per_s(model);
        (over(&self.upload), over(&self.link))
    }

    /// What passes before anything flows: a round trip on each path, and those that it takes until the first image fits the window.
    fn latency_s(&self) -> f64 {
        let of = |path: &Path| path.round_trip_s + path.slow_start_s(self.image_bytes);
        of(&self.upload) + of(&self.link)
    }
}

/// The first of the longest.
fn longest<const N: usize>(times: [(f64, Limit); N]) -> (f64, Limit) {
    times.into_iter().fold((0.0, Limit::Service), |longest, time| if time.0 > longest.0 { time } else { longest })
}
