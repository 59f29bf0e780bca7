//! The manager and its workers in a made-up world, decided by one seed; and who proves that nothing was lost in it.
//!
//! [`run`] makes a world of a seed (a clock, a network, a disk, machines, people, and what goes wrong), runs the product's
//! own deciding code in it, and checks the history. The same seed gives the same run. What is simulated and what is not:
//! `docs/simulation.md`.

mod agenda;
mod books;
mod chance;
mod content;
mod coverage;
mod history;
mod pipe;
mod plan;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::coverage::{Coverage, Fault, Stage};

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What must not have happened and has; empty when all is well.
    pub violations: Vec<String>,
    /// What happened, a line each, where that was asked for.
    pub trace: Vec<String>,
    /// Files that people had.
    pub images: u64,
    /// Machines with a worker, without those that come when all is calm.
    pub workers: u64,
    /// Faults that met something.
    pub faults: u64,
    /// Images that were answered 202; and of all in the books: recognised, failed, cancelled and deleted.
    pub totals: [u64; 5],
    /// Images handed to workers.
    pub deliveries: u64,
    /// Events of the simulation.
    pub events: u64,
    /// How many deliveries of others a batch had to see in a row at most while something new of it waited.
    pub unfairness: u32,
    /// How long after the last fault everything was at rest, in seconds of the simulated clock.
    pub rest_after_s: f64,
    /// Which fault met images in which state.
    pub coverage: Coverage,
}

/// Runs the world of a seed to its end, or to its first violation. A panic of the product's code is one.
#[must_use]
pub fn run(seed: u64, trace: bool) -> Report {
    let finished = catch_unwind(AssertUnwindSafe(|| world::World::new(seed, trace).run()));
    match finished {
        Ok(finished) => Report {
            violations: finished.violations,
            trace: finished.trace,
            images: finished.images,
            workers: finished.workers,
            faults: finished.tally.faults,
            totals: finished.totals,
            deliveries: finished.tally.deliveries,
            events: finished.tally.events,
            unfairness: finished.tally.unfairness,
            rest_after_s: finished.tally.rest_after.as_secs_f64(),
            coverage: finished.tally.coverage,
        },
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let violation = format!("panicked: {}", text.unwrap_or_else(|| "without a word".to_owned()));
            Report { violations: vec![violation], ..Report::default() }
        }
    }
}
