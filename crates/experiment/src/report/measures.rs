//! Figures of one run, and of a cell's runs.

use crate::record::{Link, Run, Service};
use manyeyes_statistics::{Floor, Summary, summarise};

use super::figures::PARTS;
use super::studies::Cell;

/// The link from the client, as the runs call it.
pub(crate) const CLIENT: &str = "client";

/// A figure of a run.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    /// For people, with its unit.
    pub(crate) title: &'static str,
    /// The same in a table's head, where there is little room.
    pub(crate) column: &'static str,
    /// What it is exactly.
    pub(crate) meaning: &'static str,
    of: fn(&Run) -> Option<f64>,
}

/// The figure that every study is judged by.
pub(crate) const SPEED: Measure = Measure {
    title: "images/s",
    column: "images/s",
    meaning: "recognised images for each second from the first upload byte to the last result",
    of: Run::images_per_s,
};

/// How long everything took.
pub(crate) const LAST_IMAGE: Measure = Measure {
    title: "time to the last image (s)",
    column: "last image (s)",
    meaning: "from the first upload byte to the last result",
    of: |run| run.elapsed_s,
};

/// Of the image files, not of what is on the wire.
pub(crate) const GOODPUT: Measure = Measure {
    title: "goodput (Mbit/s)",
    column: "goodput (Mbit/s)",
    meaning: "bits of recognised image files for each second from the first upload byte to the last result",
    of: |run| Some(run.goodput_bits_per_s()? / 1e6),
};

/// Of what was on the wire.
pub(crate) const THROUGHPUT: Measure = Measure {
    title: "throughput (Mbit/s)",
    column: "throughput (Mbit/s)",
    meaning: "bits of whole frames, lost ones too, that went to the workers for each second from the first upload byte to the last result",
    of: |run| {
        let bytes: u64 = of_workers(run).map(|link| link.down.bytes).sum();
        Some(bytes as f64 * 8.0 / 1e6 / run.elapsed_s.filter(|elapsed_s| *elapsed_s > 0.0)?)
    },
};

/// What frames, headers, acknowledgements and repeated sending add.
pub(crate) const OVERHEAD: Measure = Measure {
    title: "wire overhead",
    column: "wire overhead",
    meaning: "bytes of whole frames, lost ones too, that the workers' links carried, both ways, for each byte of recognised image file",
    of: overhead,
};

/// Of the transport.
pub(crate) const RETRANSMISSIONS: Measure = Measure {
    title: "packets sent again",
    column: "sent again",
    meaning: "TCP segments that the manager sent again to workers, in a run; over QUIC packets that it held for lost",
    of: |run| Some(run.workers.iter().map(|worker| worker.retransmissions as f64).sum()),
};

/// Against whole rounds.
pub(crate) const EFFICIENCY: Measure = Measure {
    title: "efficiency",
    column: "efficiency",
    meaning: "the time of ceil(images / slots) service times, as a share of the time to the last image",
    of: |run| Some(floor(run, Links::Ignored)?.floor_s()? / run.elapsed_s.filter(|elapsed_s| *elapsed_s > 0.0)?),
};

/// Against what no scheduler beats.
pub(crate) const DISTANCE: Measure = Measure {
    title: "times the floor",
    column: "times the floor",
    meaning: "the time to the last image in floors; a floor is one round trip, one image's bytes over the rate, and \
              ceil(images / slots) service times",
    of: |run| floor(run, Links::Counted)?.distance(run.elapsed_s?),
};

/// Whether a floor has the links in it.
#[derive(Clone, Copy, PartialEq)]
enum Links {
    Counted,
    Ignored,
}

impl Measure {
    /// Of each run that has it.
    pub(crate) fn values(&self, runs: &[&Run]) -> Vec<f64> {
        runs.iter().filter_map(|run| (self.of)(run)).collect()
    }

    /// Of a cell's runs that count, together.
    pub(crate) fn summary(&self, cell: &Cell<'_>) -> Option<Summary> {
        summarise(&self.values(&cell.counted))
    }
}

/// Each part of the mean image's time, over all answered images of some runs, milliseconds, in the order of [`PARTS`]. `None` where no
/// image has any.
pub(crate) fn mean_parts_ms(runs: &[&Run]) -> Option<[f64; PARTS.len()]> {
    let images = || runs.iter().flat_map(|run| &run.images).filter(|image| !image.timing_ms.is_empty());
    let count = images().count();
    let of = |part: &str| images().filter_map(|image| image.timing_ms.get(part)).sum::<f64>() / count as f64;
    (count > 0).then(|| PARTS.map(|(part, _, _)| of(part)))
}

/// At the link and not at the sockets, which know of a file when it is handed to them and of none of their headers.
fn overhead(run: &Run) -> Option<f64> {
    let recognised = run.images.iter().filter(|image| image.state == "recognised");
    let files: u64 = recognised.map(|image| image.bytes).sum();
    let carried: u64 = of_workers(run).map(|link| link.down.bytes + link.up.bytes).sum();
    (files > 0 && carried > 0).then(|| carried as f64 / files as f64)
}

fn of_workers(run: &Run) -> impl Iterator<Item = &Link> {
    run.links.iter().filter(|link| link.end != CLIENT)
}

fn floor(run: &Run, links: Links) -> Option<Floor> {
    let cell = &run.cell;
    let are_counted = links == Links::Counted;
    Some(Floor {
        images: cell.images,
        workers: cell.workers,
        slots: cell.slots,
        service_s: service_s(run)?,
        round_trip_s: if are_counted { (cell.down.delay_ms + cell.up.delay_ms) / 1000.0 } else { 0.0 },
        image_bytes: image_bytes(run)?,
        rate_bits_per_s: cell.down.rate_bits_per_s.filter(|_| are_counted),
    })
}

/// What an image weighs on average.
pub(crate) fn image_bytes(run: &Run) -> Option<f64> {
    let bytes: u64 = run.images.iter().map(|image| image.bytes).sum();
    (!run.images.is_empty()).then(|| bytes as f64 / run.images.len() as f64)
}

/// What was asked of a stand-in; what the model's runs took on average, decoding included.
pub(crate) fn service_s(run: &Run) -> Option<f64> {
    match run.cell.service {
        Service::Fixed { service_ms } => Some(service_ms / 1000.0),
        Service::Model { .. } => {
            let worked = |part: &str| {
                let parts: Vec<f64> =
                    run.images.iter().filter_map(|image| image.timing_ms.get(part).copied()).collect();
                summarise(&parts).map(|summary| summary.moments.mean)
            };
            Some((worked("decoding").unwrap_or_default() + worked("inference")?) / 1000.0)
        }
    }
}
