//! How far a cluster is from what it could do at best.

/// The share of w times one worker's throughput that w workers reach: 1 is perfect.
///
/// Both throughputs are in one unit, whichever. Zero or fewer workers, or a single worker that does nothing, have no efficiency: the
/// answer is not a number then.
pub fn efficiency(throughput: f64, throughput_of_one: f64, workers: u32) -> f64 {
    throughput / throughput_of_one / f64::from(workers)
}

/// The most that w workers can be faster than one with n images, all there from the beginning: `n / ceil(n / w)`, a staircase in w.
/// Five images on three workers take two rounds, as on four, so at most 2.5 times as fast.
///
/// 0 where there are no images or no workers.
pub fn staircase(images: u32, workers: u32) -> f64 {
    if images == 0 || workers == 0 {
        return 0.0;
    }
    f64::from(images) / f64::from(images.div_ceil(workers))
}

/// The share of [`staircase`] that w workers reach: what is left of the inefficiency when that of the whole rounds is taken out.
pub fn staircase_efficiency(throughput: f64, throughput_of_one: f64, images: u32, workers: u32) -> f64 {
    throughput / throughput_of_one / staircase(images, workers)
}

/// A run with nothing in the way: the time below which no scheduler gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Images, all there from the beginning.
    pub images: u32,
    /// Workers that work.
    pub workers: u32,
    /// Images that a worker works on at the same time.
    pub slots: u32,
    /// What one image takes on a slot, seconds.
    pub service_s: f64,
    /// There and back, from where images come to a worker, seconds.
    pub round_trip_s: f64,
    /// What an image weighs on the wire, bytes.
    pub image_bytes: f64,
    /// What the slowest link on its way carries, bits a second; `None`: without limit.
    pub rate_bits_per_s: Option<f64>,
}

impl Floor {
    /// How often each slot works: `ceil(images / (workers slots))`; `None` where nobody works.
    pub fn rounds(&self) -> Option<u32> {
        let slots = self.workers.checked_mul(self.slots).filter(|slots| *slots > 0)?;
        Some(self.images.div_ceil(slots))
    }

    /// The shortest time from the first byte of the first image to the last answer, seconds: one round trip, one image's bytes over
    /// the rate, and `ceil(images / (workers slots))` service times. `None` where nobody works.
    ///
    /// The images after the first may travel while workers work, so they add nothing.
    pub fn floor_s(&self) -> Option<f64> {
        let transfer_s = self.rate_bits_per_s.map_or(0.0, |rate| self.image_bytes * 8.0 / rate);
        Some(self.round_trip_s + transfer_s + f64::from(self.rounds()?) * self.service_s)
    }

    /// How many floors a run took: 1 is the best that can be.
    pub fn distance(&self, elapsed_s: f64) -> Option<f64> {
        self.floor_s().filter(|floor_s| *floor_s > 0.0).map(|floor_s| elapsed_s / floor_s)
    }
}
