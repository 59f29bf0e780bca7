//! A worker that may be gone after any image.

use super::{Batch, Cluster, LossModel, batch};

/// How the first worker fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failing {
    /// The chance of it with each image that it is given, 0..=1.
    pub probability: f64,
    /// What of its capacity is there afterwards: 0 when it is gone, 0.1 when it has become ten times slower, 1 when another takes its
    /// place.
    pub remaining: f64,
    /// How long it takes until the image that it had is given to another, seconds.
    pub noticed_after_s: f64,
}

/// The batch to be expected of a cluster whose first worker fails. `None` where there is no image, nobody to work, or nobody left.
///
/// The chance is drawn with each image before it is worked on, so the images that it is given before are geometric: g with `(1 - p)^g p`. It
/// has answered those of its whole rounds, `floor(g / slots)`; what its other slots had is lost with it. What all have not done by then is
/// left to the rest, who need `ceil` of that over what they do in a round, or until the image that it had is noticed and done again,
/// whichever is later. The makespan is the mean over g; images each second are the mean of theirs, not images over the mean makespan.
pub fn with_failing(cluster: &Cluster, failing: &Failing, model: LossModel) -> Option<Batch> {
    let whole = batch(cluster, model)?;
    let rounds_s = |rounds: f64| rounds * cluster.service_s;
    let (workers, slots) = (f64::from(cluster.workers), f64::from(cluster.slots));
    let left = (workers - 1.0 + failing.remaining) * slots;
    let share = cluster.busiest()?;
    let whole_rounds = f64::from(share.div_ceil(cluster.slots));
    let (mut makespan_s, mut images_per_s, mut still_works) = (0.0, 0.0, 1.0);
    for given in 0..share {
        let chance = still_works * failing.probability;
        still_works -= chance;
        if chance == 0.0 {
            continue;
        }
        if left <= 0.0 {
            return None;
        }
        let before = f64::from(given / cluster.slots);
        let rest = (f64::from(cluster.images) - before * workers * slots).max(0.0);
        let again_s = rounds_s(before) + failing.noticed_after_s + cluster.service_s;
        let later_s = rounds_s(before + (rest / left).ceil()).max(again_s) - rounds_s(whole_rounds);
        let failed_s = whole.makespan_s + later_s.max(0.0);
        makespan_s += chance * failed_s;
        images_per_s += chance * f64::from(cluster.images) / failed_s;
    }
    Some(Batch {
        makespan_s: makespan_s + still_works * whole.makespan_s,
        images_per_s: images_per_s + still_works * whole.images_per_s,
        limit: whole.limit,
    })
}
