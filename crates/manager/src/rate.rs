//! How often something happens a second, as of late.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Over what time images a second are counted.
const RATE_OVER: Duration = Duration::from_secs(10);
/// Into how many parts that time is divided to forget the old.
const RATE_PARTS: u32 = 10;

/// Counts events over the last [`RATE_OVER`], in parts.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// When each part began, and its count; oldest first.
    parts: VecDeque<(Instant, u32)>,
}

impl Rate {
    /// One more.
    pub(crate) fn count(&mut self, now: Instant) {
        self.parts.retain(|&(began, _)| now.saturating_duration_since(began) < RATE_OVER);
        match self.parts.back_mut() {
            Some((began, count)) if now.saturating_duration_since(*began) < RATE_OVER / RATE_PARTS => *count += 1,
            _ => self.parts.push_back((now, 1)),
        }
    }

    /// How many a second.
    pub(crate) fn per_s(&self, now: Instant) -> f64 {
        let recent = self.parts.iter().filter(|&&(began, _)| now.saturating_duration_since(began) < RATE_OVER);
        let (oldest, count) = recent.fold((now, 0), |(oldest, sum), &(began, count)| (oldest.min(began), sum + count));
        // A worker that has just begun is not as slow as ten seconds of silence before would make it.
        let over = now.saturating_duration_since(oldest).clamp(RATE_OVER / RATE_PARTS, RATE_OVER);
        f64::from(count) / over.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_last_ten_seconds() {
        let begin = Instant::now();
        let mut rate = Rate::default();
        for n in 0..200 {
            rate.count(begin + Duration::from_millis(n * 100));
        }
        let now = begin + Duration::from_secs(20);
        assert!((rate.per_s(now) - 10.0).abs() < 1.5, "{}", rate.per_s(now));
        assert!(rate.per_s(now + RATE_OVER) < f64::EPSILON);
    }
}
