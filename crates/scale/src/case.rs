//! What is run: how many workers of which speed, how many images, and what comes between.

use std::time::Duration;

use clap::{Args, ValueEnum};
use rand::Rng;
use rand::rngs::StdRng;
use serde::Serialize;

/// How fast the workers are, as times of the middle one's service time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speeds {
    /// All alike.
    Equal,
    /// A quarter each of half, once, twice and four times the service time.
    Classes,
    /// Lognormal, with a deviation of a half of the logarithm: one in twenty is 2.7 times slower than the middle one or more.
    Lognormal,
}

/// A run.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Case {
    /// Workers, each with one slot.
    #[arg(long, default_value_t = 1000)]
    pub(crate) workers: u32,
    /// Images.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) images: u64,
    /// Batches between which the images are dealt out.
    #[arg(long, default_value_t = 1)]
    pub(crate) batches: u64,
    /// How fast the workers are.
    #[arg(long, value_enum, default_value_t = Speeds::Equal)]
    pub(crate) speeds: Speeds,
    /// The middle worker's service time of the middle image, in milliseconds.
    #[arg(long, default_value_t = 100)]
    pub(crate) service_ms: u64,
    /// By how much images differ: an image's service time is that of its worker, plus or minus up to so many per cent, each as likely.
    #[arg(long, default_value_t = 0)]
    pub(crate) varied_percent: u32,
    /// The round trip to each worker, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) round_trip_ms: u64,
    /// For how long a worker is there in the mean before its process dies, in seconds; it is another process when it is back. 0: for ever.
    #[arg(long, default_value_t = 0)]
    pub(crate) up_s: u64,
    /// For how long it is gone then in the mean, in seconds.
    #[arg(long, default_value_t = 5)]
    pub(crate) down_s: u64,
    /// Images come one by one at so many per cent of what the workers can do, at random moments. 0: all are there at once.
    #[arg(long, default_value_t = 0)]
    pub(crate) load_percent: u32,
    /// What decides everything that is left to chance.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Case {
    /// A worker's service time of the middle image.
    pub(crate) fn service(&self, worker: u32, chance: &mut StdRng) -> Duration {
        let times = match self.speeds {
            Speeds::Equal => 1.0,
            Speeds::Classes => [0.5, 1.0, 2.0, 4.0][worker as usize % 4],
            Speeds::Lognormal => (0.5 * normal(chance)).exp(),
        };
        Duration::from_millis(self.service_ms).mul_f64(times)
    }

    /// How many times the middle image's service time an image needs.
    pub(crate) fn size(&self, chance: &mut StdRng) -> f64 {
        let most = f64::from(self.varied_percent) / 100.0;
        if most > 0.0 { 1.0 + chance.random_range(-most..most) } else { 1.0 }
    }

    /// For how long a worker is there, and gone after that. `None`: it stays.
    pub(crate) fn spell(&self, chance: &mut StdRng) -> Option<(Duration, Duration)> {
        let up = exponential(Duration::from_secs(self.up_s), chance);
        let down = exponential(Duration::from_secs(self.down_s), chance);
        (self.up_s > 0).then_some((up, down))
    }
}

/// Of this mean.
pub(crate) fn exponential(mean: Duration, chance: &mut StdRng) -> Duration {
    mean.mul_f64(-(1.0 - chance.random::<f64>()).ln())
}

/// By Box and Muller, A Note on the Generation of Random Normal Deviates, Annals of Mathematical Statistics 29 (1958).
fn normal(chance: &mut StdRng) -> f64 {
    let (one, other): (f64, f64) = (chance.random(), chance.random());
    (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}
