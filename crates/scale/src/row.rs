//! What is kept of a run.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::case::Case;
use crate::cluster::Outcome;
use crate::cost::Cost;

/// A run, as it is written down.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What kind of cluster it is.
    name: &'static str,
    case: Case,
    makespan_s: f64,
    /// The clairvoyant's.
    bound_s: Option<f64>,
    /// The bound in parts of the makespan.
    efficiency: Option<f64>,
    /// What the processor took for an event in the mean, in microseconds, the made-up cluster's own part too: the mean cost is less than this,
    /// whatever else runs on the machine.
    processor_us: f64,
    /// Of all events, in real time.
    cost: Cost,
    /// By what happened.
    cost_by_kind: BTreeMap<&'static str, Cost>,
    /// Deliveries of images that waited.
    ordinary: u64,
    /// What was taken to another worker before it was begun.
    steals: u64,
    /// Second deliveries.
    hedges: u64,
    /// How often a worker's process died.
    deaths: u64,
    /// Images that two workers had died with.
    given_up: u64,
}

impl Row {
    /// Over the lines that a row is as text.
    pub(crate) const HEAD: &str = "cluster          workers   images   events  processor     mean   median      p99 µs  efficiency  steals  hedges";

    pub(crate) fn of(name: &'static str, case: Case, outcome: &Outcome) -> Self {
        let (cost_by_kind, cost) = outcome.stopwatch.costs();
        let makespan_s = outcome.makespan.as_secs_f64();
        let bound_s = outcome.bound.map(|bound| bound.as_secs_f64());
        Self {
            name,
            case,
            makespan_s,
            bound_s,
            efficiency: bound_s.map(|bound_s| bound_s / makespan_s),
            processor_us: outcome.processor.as_secs_f64() * 1e6 / cost.events as f64,
            cost,
            cost_by_kind,
            ordinary: outcome.tally.ordinary,
            steals: outcome.tally.steals,
            hedges: outcome.tally.hedges,
            deaths: outcome.deaths,
            given_up: outcome.given_up,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, case, cost, .. } = self;
        let efficiency = self.efficiency.map_or("-".to_owned(), |efficiency| format!("{efficiency:.3}"));
        write!(
            out,
            "{name:<16} {:>7} {:>8} {:>8} {:>10.2} {:>8.2} {:>8.2} {:>8.2} {efficiency:>14} {:>7} {:>7}",
            case.workers,
            case.images,
            cost.events,
            self.processor_us,
            cost.mean_us,
            cost.median_us,
            cost.p99_us,
            self.steals,
            self.hedges
        )
    }
}
