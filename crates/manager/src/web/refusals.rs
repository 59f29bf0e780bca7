//! What the log is told of those who were not let in: each kind of refusal, but no kind more than once a second.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How often the log is told of a kind.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// When each kind was told of last. There are as many as there are codes.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    kinds: BTreeMap<&'static str, Kind>,
}

#[derive(Debug, Default)]
struct Kind {
    told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// One more of that kind. When the log is to be told, gives how many it was not told of since the last time.
    pub(super) fn count(&mut self, code: &'static str, now: Instant) -> Option<u64> {
        let kind = self.kinds.entry(code).or_default();
        if kind.told.is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY) {
            kind.untold += 1;
            return None;
        }
        kind.told = Some(now);
        Some(std::mem::take(&mut kind.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once_a_second_with_how_many_were_not() {
        let (mut refusals, begin) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.count("foreign_host", begin), Some(0));
        let told: Vec<_> = (1..=5).map(|n| refusals.count("foreign_host", begin + n * TOLD_EVERY / 4)).collect();
        assert_eq!(told, [None, None, None, Some(3), None]);
        assert_eq!(refusals.count("token_unknown", begin), Some(0), "another kind is told of by itself");
    }
}
