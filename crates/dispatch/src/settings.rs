//! The numbers that dispatch decides by, each with its reason.

use std::time::Duration;

/// What dispatch decides by.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The most images held at once, waiting or with a worker; one more is answered with [`crate::Action::Full`].
    /// Default 200,000: the limit that the manager states for unfinished images.
    pub max_waiting: usize,
    /// How many *different* workers an image may crash or stall before it is given up. Default 2: one may be the
    /// worker's fault, two are hardly both.
    pub blame_limit: u32,
    /// The time a recognition is taken to need while no worker has been measured. Default 50 ms, about one GoogLeNet on
    /// one core; it decides nothing once an answer has come.
    pub service_prior: Duration,
    /// No deadline is shorter. Default 30 s: a machine that swaps or sleeps for a moment is not yet stuck.
    pub deadline_floor: Duration,
    /// A deadline is at least this many times the worker's smoothed service time. Default 10.
    pub deadline_multiple: u32,
    /// The pause after an image's first announced failure; doubles with each further one. Default 100 ms.
    pub retry_pause: Duration,
    /// The longest such pause. Default 10 s.
    pub retry_pause_limit: Duration,
    /// How long a blamed image waits for a worker that it is not blamed for, before it goes to one that it is when
    /// there is no other. Doubles with each blame of a worker that was blamed before. Default 30 s.
    pub patience: Duration,
    /// The longest patience. Default 10 min.
    pub patience_limit: Duration,
    /// When what is with one worker goes to another.
    pub rescue: RescueSettings,
    /// When a worker is set aside.
    pub breaker: BreakerSettings,
}

/// When a delivery that takes too long is taken back (a steal) or made a second time elsewhere (a hedge).
#[derive(Clone, Debug, PartialEq)]
pub struct RescueSettings {
    /// A delivery is expected to take at least this many times as long as one to the idle worker would. Default 2: what is
    /// expected is a smoothed mean, and photos differ from it by about as much.
    pub advantage: f64,
    /// How often one image is stolen, at most. Default 3: each is a worker that turned slow after it was given the image,
    /// and what has been carried to four workers is better left where it is.
    pub steals_per_image: u32,
    /// Hedges for each hundred ordinary deliveries, at most. Default 5, the share of extra work that is promised.
    pub hedge_percent: u32,
    /// The most hedges that ordinary deliveries save up. Default 16, the slots of a large machine: if it turns slow, each may
    /// hold a straggler, while a long quiet time buys no storm.
    pub hedges_saved: u32,
    /// Hedges that are saved up at the start. Default 1: the first batch may be a short one.
    pub hedges_at_first: u32,
}

/// When a worker is given nothing for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    /// So many announced failures in a row, without an answer between. Default 5: an image that no worker can do fails once
    /// or twice at one before another's turn, a worker that can do nothing fails at everything.
    pub failures_in_a_row: u32,
    /// So many stalls, crashes and departures without a goodbye within [`Self::period`]. Default 3: two may be two bad
    /// images, which are given up after as many.
    pub strikes: u32,
    /// For how long a strike counts, and how long a worker must have been well for its next setting aside to be a short one
    /// again. Default 60 s: a process that is started again and dies does so several times in it.
    pub period: Duration,
    /// How long the first setting aside lasts; each further one lasts twice as long. Default 1 s.
    pub open_floor: Duration,
    /// The longest. Default 60 s: when every worker is bad, each is still tried once a minute.
    pub open_ceiling: Duration,
}

impl Default for RescueSettings {
    fn default() -> Self {
        Self { advantage: 2.0, steals_per_image: 3, hedge_percent: 5, hedges_saved: 16, hedges_at_first: 1 }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures_in_a_row: 5,
            strikes: 3,
            period: Duration::from_secs(60),
            open_floor: Duration::from_secs(1),
            open_ceiling: Duration::from_secs(60),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_waiting: 200_000,
            blame_limit: 2,
            service_prior: Duration::from_millis(50),
            deadline_floor: Duration::from_secs(30),
            deadline_multiple: 10,
            retry_pause: Duration::from_millis(100),
            retry_pause_limit: Duration::from_secs(10),
            patience: Duration::from_secs(30),
            patience_limit: Duration::from_secs(600),
            rescue: RescueSettings::default(),
            breaker: BreakerSettings::default(),
        }
    }
}

impl Settings {
    /// The deadline of a delivery to a worker of this smoothed service time.
    pub(crate) fn deadline(&self, service_s: f64) -> Duration {
        let service = Duration::try_from_secs_f64(service_s).unwrap_or(Duration::ZERO);
        service.saturating_mul(self.deadline_multiple).max(self.deadline_floor)
    }
}
