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
