//! Whether a body comes fast enough. Counts only the time for which the client was waited for: that the disk is slow is not
//! its fault.

use std::time::Duration;

/// A number of bytes has to come within a time, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// So many bytes are to come in each time ...
    least: u64,
    /// ... that was waited for so long.
    within: Duration,
    bytes: u64,
    waited: Duration,
}

/// The bytes did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

impl Pace {
    /// `rate` bytes a second, over any `within`.
    pub(super) fn new(rate: u64, within: Duration) -> Self {
        let least = ((rate as f64 * within.as_secs_f64()) as u64).max(1);
        Self { least, within, bytes: 0, waited: Duration::ZERO }
    }

    /// How much longer may be waited for the next bytes.
    pub(super) fn left(&self) -> Duration {
        self.within.saturating_sub(self.waited)
    }

    /// After a wait came so many bytes.
    pub(super) fn came(&mut self, bytes: u64, waited: Duration) -> Result<(), TooSlow> {
        self.bytes += bytes;
        self.waited += waited;
        if self.bytes >= self.least {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
        if self.left().is_zero() { Err(TooSlow) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn pace() -> Pace {
        Pace::new(1024, MINUTE)
    }

    /// One byte every 29 s kept to the longest pause, and had its place for an hour.
    #[test]
    fn a_byte_now_and_then_is_too_slow_after_the_first_minute() {
        let mut pace = pace();
        let outcomes: Vec<_> = (0..3).map(|_| pace.came(1, Duration::from_secs(29))).collect();
        assert_eq!(outcomes, [Ok(()), Ok(()), Err(TooSlow)]);
    }

    #[test]
    fn a_slow_body_that_keeps_the_rate_is_let_be_for_ever() {
        let mut pace = pace();
        assert!((0..100_000).all(|_| pace.came(2048, Duration::from_secs(1)).is_ok()));
    }

    #[test]
    fn a_quick_beginning_buys_no_time_for_a_slow_end() {
        let mut pace = pace();
        assert!((0..1000).all(|_| pace.came(1 << 20, Duration::from_millis(10)).is_ok()));
        assert_eq!((0..59).find(|_| pace.came(1, Duration::from_secs(1)).is_err()), None);
        assert_eq!(pace.came(1, Duration::from_secs(1)), Err(TooSlow));
    }

    #[test]
    fn a_pause_is_forgiven_when_enough_comes_after_it() {
        let mut pace = pace();
        assert_eq!(pace.came(10, Duration::from_secs(50)), Ok(()));
        assert_eq!(pace.left(), Duration::from_secs(10));
        assert_eq!(pace.came(1024 * 60, Duration::from_secs(9)), Ok(()));
        assert_eq!(pace.left(), MINUTE);
    }
}
