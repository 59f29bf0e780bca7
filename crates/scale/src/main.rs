//! `scale`: dispatch before a made-up cluster of up to ten thousand workers; what its decisions cost in real time, and how near the
//! clairvoyant's bound the whole comes.
#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

mod bound;
mod case;
mod cluster;
mod cost;
mod row;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use self::case::{Case, Speeds};
use self::cluster::Cluster;
use self::row::Row;

/// Runs the real dispatch before a made-up cluster: one case, or, with --all, those of docs/performance.md.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    case: Case,
    /// All the cases of the documentation instead of one.
    #[arg(long, conflicts_with_all = ["workers", "images", "batches", "speeds", "up_s", "load_percent", "round_trip_ms"])]
    all: bool,
    /// Where to write the rows, one as JSON on each line.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut out = match &arguments.out {
        Some(path) => Some(File::create(path).with_context(|| format!("failed to create {}", path.display()))?),
        None => None,
    };
    let cases = if arguments.all { all(arguments.case.seed) } else { vec![("one", arguments.case)] };
    println!("{}", Row::HEAD);
    for (name, case) in cases {
        let row = Row::of(name, case.clone(), &Cluster::new(case).run());
        println!("{row}");
        if let Some(file) = &mut out {
            let line = serde_json::to_string(&row).context("failed to write a row as JSON")?;
            writeln!(file, "{line}").context("failed to write a row")?;
        }
    }
    Ok(())
}

/// What the documentation tells of: each kind of cluster in four sizes.
fn all(seed: u64) -> Vec<(&'static str, Case)> {
    let equal = Case {
        workers: 0,
        images: 0,
        batches: 1,
        speeds: Speeds::Equal,
        service_ms: 100,
        varied_percent: 0,
        round_trip_ms: 0,
        up_s: 0,
        down_s: 5,
        load_percent: 0,
        seed,
    };
    let kinds = [
        ("equal", equal.clone()),
        ("varied images", Case { varied_percent: 30, ..equal.clone() }),
        ("1,000 batches", Case { batches: 1000, ..equal.clone() }),
        ("four classes", Case { speeds: Speeds::Classes, ..equal.clone() }),
        ("lognormal", Case { speeds: Speeds::Lognormal, varied_percent: 30, ..equal.clone() }),
        ("far away", Case { round_trip_ms: 50, ..equal.clone() }),
        ("failures", Case { speeds: Speeds::Classes, up_s: 60, ..equal.clone() }),
        ("half loaded", Case { speeds: Speeds::Lognormal, varied_percent: 30, load_percent: 50, ..equal.clone() }),
        ("nearly full", Case { speeds: Speeds::Lognormal, varied_percent: 30, load_percent: 95, ..equal }),
    ];
    let sizes = [10, 100, 1000, 10_000];
    let sized = |(name, case): (&'static str, Case), workers| {
        // A hundred rounds, and enough for the mean of a cost.
        let images = (100 * u64::from(workers)).max(100_000);
        (name, Case { workers, images, ..case })
    };
    kinds.into_iter().flat_map(|kind| sizes.map(|workers| sized(kind.clone(), workers))).collect()
}
