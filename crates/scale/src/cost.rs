//! What a decision costs: the real time that passes inside dispatch, by the kind of what happened.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// The longest that is told apart from what is longer.
const LONGEST: Duration = Duration::from_secs(10);

/// Times, by kind.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    kinds: BTreeMap<&'static str, Histogram<u64>>,
}

/// What events of a kind cost, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cost {
    /// How many there were.
    pub(crate) events: u64,
    /// Of all of them.
    pub(crate) mean_us: f64,
    /// Half of them took no longer.
    pub(crate) median_us: f64,
    /// All but one in a hundred took no longer.
    pub(crate) p99_us: f64,
    /// All but one in a thousand took no longer.
    pub(crate) p999_us: f64,
    /// None took longer.
    pub(crate) most_us: f64,
}

/// The processor's time that this thread has taken so far. Unlike real time it does not count what other programs take meanwhile; but asking for
/// it costs as much as a decision, so it is asked for once a run.
pub(crate) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self { kinds: BTreeMap::new() }
    }

    /// Takes the time of what is done. That of looking at the clock twice is in it.
    #[expect(clippy::disallowed_methods, reason = "the real time of a decision is what is measured here")]
    pub(crate) fn time<R>(&mut self, kind: &'static str, done: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let outcome = done();
        let took = began.elapsed().min(LONGEST);
        let times = self.kinds.entry(kind).or_insert_with(empty);
        times.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        outcome
    }

    /// Of each kind, and of all together.
    pub(crate) fn costs(&self) -> (BTreeMap<&'static str, Cost>, Cost) {
        let mut all = empty();
        for times in self.kinds.values() {
            all.add(times).expect("histograms of one shape");
        }
        (self.kinds.iter().map(|(kind, times)| (*kind, Cost::of(times))).collect(), Cost::of(&all))
    }
}

impl Cost {
    fn of(times: &Histogram<u64>) -> Self {
        let us = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            events: times.len(),
            mean_us: times.mean() / 1000.0,
            median_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            most_us: times.max() as f64 / 1000.0,
        }
    }
}

/// Nanoseconds, told apart to one in a hundred.
fn empty() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST.as_nanos() as u64, 2).expect("bounds that a histogram can have")
}
