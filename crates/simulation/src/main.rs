//! `simulate`: many seeds on all cores, or one with a trace.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use clap::Parser;
use manyeyes_simulation::{Coverage, Report, run};

/// Cells of the table that must not be empty are held against a run of at least so many seeds: the rarest is met about once
/// in a thousand.
const SEEDS_FOR_THE_TABLE: u64 = 10_000;

/// Runs the manager and its workers in a made-up world, once for each seed, and checks that nothing is lost.
#[derive(Parser)]
struct Arguments {
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Only this one.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: tell what happens.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Say nothing but what is wrong.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => one(seed, arguments.trace),
        None => many(&arguments),
    }
}

fn one(seed: u64, trace: bool) -> ExitCode {
    let report = run(seed, trace);
    report.trace.iter().for_each(|line| println!("{line}"));
    println!(
        "seed {seed}: {} images, {} workers, {} faults, {} deliveries, {} events",
        report.images, report.workers, report.faults, report.deliveries, report.events
    );
    complain(seed, &report)
}

fn complain(seed: u64, report: &Report) -> ExitCode {
    if report.violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("seed {seed} violates what was promised:");
    report.violations.iter().for_each(|violation| eprintln!("  {violation}"));
    eprintln!("to see how: make simulate SEED={seed}");
    ExitCode::FAILURE
}

/// What many runs were like.
#[derive(Default)]
struct Sum {
    images: Vec<u64>,
    workers: Vec<u64>,
    faults: Vec<u64>,
    totals: [u64; 5],
    deliveries: u64,
    events: u64,
    unfairness: u32,
    rest_after_s: f64,
    coverage: Coverage,
    bad: Option<(u64, Report)>,
}

#[expect(clippy::disallowed_methods, reason = "how long it took is said to a person")]
fn many(arguments: &Arguments) -> ExitCode {
    // A panic of the code under test is a violation that is told of with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(arguments.first), AtomicBool::new(false));
    let end = arguments.first + arguments.seeds;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut sum = Sum::default();
        while !stop.load(Relaxed) {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= end {
                break;
            }
            let report = run(seed, false);
            if !report.violations.is_empty() {
                stop.store(true, Relaxed);
                sum.bad = Some((seed, report));
                break;
            }
            sum.add(&report);
        }
        sum
    };
    let sum = thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let sums = running.into_iter().map(|one| one.join().expect("a run's panics are caught"));
        sums.reduce(Sum::and).unwrap_or_default()
    });
    if let Some((seed, report)) = &sum.bad {
        return complain(*seed, report);
    }
    if !arguments.quiet {
        sum.tell(began.elapsed().as_secs_f64(), workers);
    }
    let missing = sum.coverage.missing();
    if arguments.seeds >= SEEDS_FOR_THE_TABLE && !missing.is_empty() {
        for (fault, stage) in missing {
            eprintln!("no image was {} when \"{}\" happened, in none of the runs", stage.name(), fault.name());
        }
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.images.push(report.images);
        self.workers.push(report.workers);
        self.faults.push(report.faults);
        self.count(&report.totals, report.deliveries, report.events);
        self.unfairness = self.unfairness.max(report.unfairness);
        self.rest_after_s = self.rest_after_s.max(report.rest_after_s);
        self.coverage.add(&report.coverage);
    }

    fn and(mut self, other: Self) -> Self {
        self.images.extend(other.images);
        self.workers.extend(other.workers);
        self.faults.extend(other.faults);
        self.count(&other.totals, other.deliveries, other.events);
        self.unfairness = self.unfairness.max(other.unfairness);
        self.rest_after_s = self.rest_after_s.max(other.rest_after_s);
        self.coverage.add(&other.coverage);
        let first = |one: &(u64, Report)| one.0;
        self.bad = self.bad.into_iter().chain(other.bad).min_by_key(first);
        self
    }

    fn count(&mut self, totals: &[u64; 5], deliveries: u64, events: u64) {
        self.totals.iter_mut().zip(totals).for_each(|(sum, one)| *sum += one);
        self.deliveries += deliveries;
        self.events += events;
    }

    fn tell(&self, took_s: f64, threads: usize) {
        let runs = self.images.len();
        println!(
            "{runs} seeds in {took_s:.1} s on {threads} threads: {:.0} seeds/s, no violation",
            runs as f64 / took_s
        );
        println!(
            "a run (median): {} images, {} workers, {} faults",
            median(&self.images),
            median(&self.workers),
            median(&self.faults)
        );
        let [accepted, recognised, failed, cancelled, deleted] = self.totals;
        println!(
            "all runs: {} images, {} faults, {} deliveries, {} events",
            self.images.iter().sum::<u64>(),
            self.faults.iter().sum::<u64>(),
            self.deliveries,
            self.events
        );
        println!(
            "accepted {accepted}; recognised {recognised}, failed {failed}, cancelled {cancelled}, deleted {deleted}"
        );
        println!(
            "longest until rest: {:.0} s; a batch was passed over {} times in a row at most",
            self.rest_after_s, self.unfairness
        );
        println!("\nWhich fault met images in which state:\n\n{}", self.coverage.table());
    }
}

fn median(numbers: &[u64]) -> u64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}
