//! When to say that there is no connection: a worker whose manager is away for a night shall not fill its log.

use std::time::{Duration, Instant};

/// The first pause before it is said again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The time without a connection, if there is none.
#[derive(Debug, Default)]
pub(crate) struct Outage(Option<Lasting>);

#[derive(Debug)]
struct Lasting {
    since: Instant,
    pause: Duration,
    say_at: Instant,
}

impl Outage {
    /// The connection was lost, or could not be made. For how long there has been none, if it is time to say so.
    pub(crate) fn failed(&mut self, now: Instant) -> Option<Duration> {
        let Some(lasting) = &mut self.0 else {
            self.0 = Some(Lasting { since: now, pause: FIRST_PAUSE, say_at: now + FIRST_PAUSE });
            return Some(Duration::ZERO);
        };
        if now < lasting.say_at {
            return None;
        }
        lasting.pause = (lasting.pause * 2).min(LONGEST_PAUSE);
        lasting.say_at = now + lasting.pause;
        Some(now.saturating_duration_since(lasting.since))
    }

    /// There is a connection.
    pub(crate) fn over(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_at_once_and_then_ever_more_rarely() {
        let start = Instant::now();
        let mut outage = Outage::default();
        let mut said_at = |seconds: std::ops::Range<u64>| {
            seconds.filter(|second| outage.failed(start + Duration::from_secs(*second)).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(said_at(0..3_600), [0, 60, 180, 420, 900, 1_860]);
        assert_eq!(said_at(3_600..86_400).len(), 23, "once an hour from then on");
    }

    #[test]
    fn the_next_outage_is_said_at_once_too() {
        let start = Instant::now();
        let mut outage = Outage::default();
        assert_eq!(outage.failed(start), Some(Duration::ZERO));
        assert_eq!(outage.failed(start), None);
        outage.over();
        assert_eq!(outage.failed(start), Some(Duration::ZERO));
    }
}
