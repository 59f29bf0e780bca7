//! How long the way to a worker is taken by one image: what its turnarounds are longer than round trip, queue and service explain.
//!
//! Images queue for the way and for a slot, and while they do the one the other is worked off: so the longer of the two queues counts, in
//! what is expected and in what is learned. What waited for the way behind others tells of all their transfers. To take it for one's own
//! made much of workers that had been given little: those got the whole of the next batch.

use crate::worker::{NEWEST_WEIGHT, OUTLIER_FACTOR};

/// What explains a turnaround but for the transfers, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Explained {
    /// Round trip, service and the queue for the slots.
    pub(crate) all_s: f64,
    /// The queue for the slots alone.
    pub(crate) queue_s: f64,
    /// How many images may still have been on the way before it.
    pub(crate) before: usize,
}

/// The transfers to one worker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transfer {
    /// Smoothed. May be negative, where the others explain too much.
    each_s: Option<f64>,
}

impl Transfer {
    /// For how long each image takes the way.
    pub(crate) fn each_s(&self) -> f64 {
        self.each_s.unwrap_or(0.0).max(0.0)
    }

    /// When it would be back of which this is known.
    pub(crate) fn finish_s(&self, explained: &Explained) -> f64 {
        let Explained { all_s, queue_s, before } = *explained;
        let longer_s = (before as f64 * self.each_s() - queue_s).max(0.0);
        all_s + self.each_s() + longer_s
    }

    /// For how long it becomes sooner as the queue for the slots is worked off: then the way is the longer one.
    pub(crate) fn falls_for_s(&self, explained: &Explained) -> f64 {
        (explained.queue_s - explained.before as f64 * self.each_s()).max(0.0)
    }

    /// It is back after so long. The first counts in full, as of the service time.
    pub(crate) fn measure(&mut self, explained: &Explained, turnaround_s: f64) {
        let Explained { all_s, queue_s, before } = *explained;
        let credible_s = self.each_s.map_or(f64::INFINITY, |_| OUTLIER_FACTOR * (all_s + self.each_s()));
        let beyond_s = turnaround_s.min(credible_s) - all_s;
        let way_was_longer = before as f64 * beyond_s > queue_s;
        let newest_s = if way_was_longer { (beyond_s + queue_s) / (before as f64 + 1.0) } else { beyond_s };
        let smoothed_s = self.each_s.unwrap_or(newest_s);
        self.each_s = Some(smoothed_s + NEWEST_WEIGHT * (newest_s - smoothed_s));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of images that are sent at once, each with the same transfer and service.
    fn learned(transfer_s: f64, service_s: f64, images: usize) -> f64 {
        let (round_trip_s, mut transfer, mut arrives_s, mut free_s) = (0.2, Transfer::default(), 0.0, 0.0_f64);
        let mut turnarounds = Vec::new();
        for before in 0..images {
            let queue_s = before as f64 * service_s;
            arrives_s += transfer_s;
            free_s = free_s.max(arrives_s) + service_s;
            turnarounds.push((Explained { all_s: round_trip_s + queue_s + service_s, queue_s, before }, free_s));
        }
        for (explained, done_s) in turnarounds {
            transfer.measure(&explained, round_trip_s + done_s);
        }
        transfer.each_s()
    }

    #[test]
    fn the_transfer_of_each_is_learned_however_many_are_sent_at_once_and_whatever_is_slower() {
        for (transfer_s, service_s) in [(0.15, 0.1), (0.1, 0.15), (0.4, 0.01), (0.01, 0.4)] {
            for images in 1..=6 {
                let each_s = learned(transfer_s, service_s, images);
                assert!((each_s - transfer_s).abs() < 1e-9, "{transfer_s} s, {images} at once: {each_s} s");
            }
        }
    }

    #[test]
    fn what_is_expected_is_what_would_be_measured() {
        let explained = Explained { all_s: 0.6, queue_s: 0.3, before: 3 };
        for turnaround_s in [0.65, 0.75, 2.0] {
            let mut transfer = Transfer::default();
            transfer.measure(&explained, turnaround_s);
            assert!((transfer.finish_s(&explained) - turnaround_s).abs() < 1e-9);
        }
    }

    #[test]
    fn one_that_took_longer_than_is_credible_counts_as_what_is() {
        let explained = Explained { all_s: 0.3, queue_s: 0.0, before: 0 };
        let mut transfer = Transfer::default();
        transfer.measure(&explained, 0.4);
        transfer.measure(&explained, 60.0);
        // Four times 0.4, less 0.3, a quarter of the way from 0.1.
        assert!((transfer.each_s() - 0.4).abs() < 1e-9, "{}", transfer.each_s());
    }
}
