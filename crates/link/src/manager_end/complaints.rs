//! How often strangers are complained of: whoever can reach the workers' port must not be able to fill the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Over what time complaints are counted.
const PERIOD: Duration = Duration::from_secs(60);

/// How many are logged in that time.
const MOST: u32 = 20;

/// Counts complaints.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    said: u32,
    passed_over: u64,
}

impl Complaints {
    /// Whether this one is to be logged; if so, how many before it were not.
    pub(super) fn one_more(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            state.since = Some(now);
            state.said = 0;
        }
        if state.said == MOST {
            state.passed_over += 1;
            return None;
        }
        state.said += 1;
        Some(std::mem::take(&mut state.passed_over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_said_twenty_times_a_minute_and_then_counted() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        let said = (0..1_000).filter_map(|_| complaints.one_more(start)).collect::<Vec<_>>();
        assert_eq!(said, [0; 20]);
        assert_eq!(complaints.one_more(start + PERIOD), Some(980));
        assert_eq!(complaints.one_more(start + PERIOD), Some(0));
    }
}
