//! How long to wait before a request is sent again. Chance is a parameter.

use std::time::Duration;

/// The wait after the first failure, doubled with each further one, and the longest.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// The wait before try number `failures + 1`; `asked` is what the manager asked to wait, `chance` is 0 to 1.
///
/// What was asked is kept, however often: the manager knows how fast its queue drains. As much as half of it is added by
/// chance, so that those who were refused together do not all come back in the same moment. Where nothing was asked the
/// wait grows, and half of it is left to chance.
pub(super) fn pause(failures: u32, asked: Option<Duration>, chance: f64) -> Duration {
    match asked {
        Some(asked) if !asked.is_zero() => asked.mul_f64(1.0 + chance / 2.0),
        _ => {
            let growing = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST);
            growing.mul_f64(0.5 + chance / 2.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_seconds_and_are_spread_over_half_of_that() {
        let waits: Vec<_> = (1..=8).map(|failures| pause(failures, None, 1.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(pause(1, None, 0.0), Duration::from_millis(100));
        assert_eq!(pause(u32::MAX, None, 0.0), Duration::from_secs(5));
    }

    /// It was cut to ten seconds, so a manager that asked for more was asked too early again and again.
    #[test]
    fn nobody_comes_earlier_than_was_asked_and_not_all_come_then() {
        let asked = Some(Duration::from_secs(30));
        assert_eq!(pause(1, asked, 0.0), Duration::from_secs(30));
        assert_eq!(pause(100, asked, 1.0), Duration::from_secs(45));
        assert_eq!(pause(8, Some(Duration::ZERO), 1.0), Duration::from_secs(10), "nothing is no wait");
    }
}
