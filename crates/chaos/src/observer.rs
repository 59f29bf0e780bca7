//! Looks at the manager twice a second, as a monitoring system would: `/metrics`, and the memory of its process. What the curve
//! says (throughput, recovery, memory) is computed by plain functions.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::Method;

use crate::http::{Http, Outcome, Wanted};
use crate::signals::Signals;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(500);

/// Throughput is taken over so long.
const RATE_OVER_MS: u64 = 2_000;

/// Back is who has reached this part of the usual throughput.
const BACK: f64 = 0.9;

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at_ms: u64,
    /// Images recognised since the beginning of the run, over all processes of the manager.
    pub(crate) recognised: u64,
    /// Images accepted and not ended; `None`: the manager did not answer.
    pub(crate) unfinished: Option<u64>,
    /// Late and repeated results that were dropped, over all processes of the manager.
    pub(crate) repeated: u64,
    /// The resident memory of the manager's process.
    pub(crate) rss_kib: Option<u64>,
}

/// The samples so far, shared with who counts what is unfinished.
#[derive(Clone, Default)]
pub(crate) struct Curve(Arc<Mutex<Vec<Sample>>>);

impl Curve {
    /// Images that were not ended when the manager last answered.
    pub(crate) fn unfinished(&self) -> u64 {
        self.lock().iter().rev().find_map(|sample| sample.unfinished).unwrap_or(0)
    }

    pub(crate) fn last(&self) -> Option<Sample> {
        self.lock().last().copied()
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks until the run is over. `is_over` is set when nobody has to look any more.
pub(crate) fn observe(
    url: String,
    manager: &AtomicU32,
    began: Instant,
    curve: &Curve,
    signals: &Signals,
    is_over: &Signals,
) {
    let http = Http::new(url);
    let (mut recognised, mut repeated) = (Total::default(), Total::default());
    while !is_over.is_to_finish() && !signals.is_aborted() {
        let process = manager.load(Ordering::Relaxed);
        let text = match http.send(&Wanted::new(Method::GET, "/metrics")) {
            Outcome::Answered(text) => text.as_str().map(str::to_owned),
            Outcome::Refused { .. } | Outcome::NoAnswer => None,
        };
        let read = |name| text.as_deref().and_then(|text| metric(text, name));
        read("manyeyes_images_recognised_total").into_iter().for_each(|now| recognised.is_now(now));
        read("manyeyes_repeated_results_total").into_iter().for_each(|now| repeated.is_now(now));
        let unfinished = read("manyeyes_images_unfinished");
        let rss_kib = unfinished.and_then(|_| fs::read_to_string(format!("/proc/{process}/status")).ok());
        let at_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rss_kib = rss_kib.as_deref().and_then(resident);
        let (recognised, repeated) = (recognised.sum(), repeated.sum());
        curve.lock().push(Sample { at_ms, recognised, unfinished, repeated, rss_kib });
        signals.wait(EVERY);
    }
}

/// A counter over several processes, each of which counts from nothing.
#[derive(Default)]
struct Total {
    before: u64,
    current: u64,
}

impl Total {
    fn is_now(&mut self, now: u64) {
        if now < self.current {
            self.before += self.current;
        }
        self.current = now;
    }

    fn sum(&self) -> u64 {
        self.before + self.current
    }
}

fn metric(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse::<f64>().ok().map(|value| value as u64)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Images a second at each sample, over the last [`RATE_OVER_MS`].
fn rates(samples: &[Sample]) -> Vec<(u64, f64)> {
    let rate = |(position, sample): (usize, &Sample)| {
        let from = samples[..position].iter().rev().find(|earlier| earlier.at_ms + RATE_OVER_MS <= sample.at_ms)?;
        let images = sample.recognised.saturating_sub(from.recognised) as f64;
        Some((sample.at_ms, images * 1000.0 / (sample.at_ms - from.at_ms) as f64))
    };
    samples.iter().enumerate().filter_map(rate).collect()
}

/// The usual throughput: the median over all times from `from_ms` to `to_ms`.
pub(crate) fn usual_rate(samples: &[Sample], from_ms: u64, to_ms: u64) -> f64 {
    let among = rates(samples).into_iter().filter(|(at_ms, _)| (from_ms..=to_ms).contains(at_ms));
    median(among.map(|(_, rate)| rate).collect()).unwrap_or(0.0)
}

/// How long after `healed_ms` the throughput was back at nine tenths of the usual one. `None`: not before the end.
pub(crate) fn recovery_ms(samples: &[Sample], healed_ms: u64, usual: f64) -> Option<u64> {
    let back = rates(samples).into_iter().find(|&(at_ms, rate)| at_ms >= healed_ms && rate >= BACK * usual);
    back.map(|(at_ms, _)| at_ms - healed_ms)
}

/// The median of the manager's memory from one time to another.
pub(crate) fn resident_kib(samples: &[Sample], from_ms: u64, to_ms: u64) -> Option<f64> {
    let within = samples.iter().filter(|sample| (from_ms..to_ms).contains(&sample.at_ms));
    median(within.filter_map(|sample| sample.rss_kib).map(|kib| kib as f64).collect())
}

/// The middle one of some numbers.
pub(crate) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 images a second, with a pause from second 10 to second 14.
    fn with_a_pause() -> Vec<Sample> {
        let worked = |half: u64| if half < 20 { half } else { 20.max(half.saturating_sub(8)) };
        let sample = |half: u64| Sample {
            at_ms: half * 500,
            recognised: worked(half) * 50,
            unfinished: Some(0),
            repeated: 0,
            rss_kib: Some(1000 + half),
        };
        (0..80).map(sample).collect()
    }

    #[test]
    fn throughput_is_back_when_two_seconds_are_as_good_as_usual() {
        let samples = with_a_pause();
        let usual = usual_rate(&samples, 0, 40_000);
        assert!((usual - 100.0).abs() < 1.0, "{usual}");
        assert_eq!(recovery_ms(&samples, 14_000, usual), Some(2_000));
        assert_eq!(recovery_ms(&samples, 39_900, usual), None, "nobody has looked since");
    }

    #[test]
    fn a_counter_goes_on_where_another_process_begins_at_nothing() {
        let mut total = Total::default();
        [3, 7, 2, 4].into_iter().for_each(|now| total.is_now(now));
        assert_eq!(total.sum(), 11);
    }

    #[test]
    fn a_metric_is_read_whatever_its_neighbours_are_called() {
        let text =
            "# HELP manyeyes_images_unfinished x\nmanyeyes_images_unfinished_ever 9\nmanyeyes_images_unfinished 12\n";
        assert_eq!(metric(text, "manyeyes_images_unfinished"), Some(12));
        assert_eq!(resident("VmHWM:\t 900 kB\nVmRSS:\t  512 kB\n"), Some(512));
    }
}
