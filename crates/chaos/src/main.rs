//! `chaos`: one run, with its progress on the terminal. Exit status: 0 every promise was kept, 1 one was broken (or the run was ended
//! early), 2 it could not be carried out.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to the person who runs it")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use manyeyes_chaos::{RunSettings, missing, run, schedule};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Break a manyeyes cluster on purpose, with real processes, and check that nothing that was accepted is lost.
#[derive(Debug, Parser)]
#[command(name = "chaos", max_term_width = 100)]
struct Arguments {
    /// For how long faults happen.
    #[arg(long, default_value_t = 10.0, value_parser = parse_minutes)]
    minutes: f64,
    /// What the schedule of faults follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The program to break. [default: the `manyeyes` beside this program]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where the evidence goes, in a folder of the seed's name.
    #[arg(long, value_name = "DIR", default_value = "target/chaos")]
    folder: PathBuf,
    /// How many workers there are.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=50))]
    workers: u8,
    /// How many clients there are.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=50))]
    clients: u8,
    /// How long a worker takes for an image.
    #[arg(long, value_name = "MS", default_value_t = 50)]
    service_ms: u64,
    /// How many images a worker works on at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    slots: u32,
    /// The size of the disk of the data folder, which is memory.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(64..=16384))]
    disk_mib: u64,
    /// Print the schedule, and what cannot happen here, and end.
    #[arg(long)]
    plan: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn carry_out(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let plan_only = arguments.plan;
    let settings = settings(arguments)?;
    for (kind, what) in missing(&settings.binary)? {
        println!("NOT RUN without {what}: {}", kind.name());
    }
    if plan_only {
        schedule(&settings)?.iter().for_each(|fault| println!("{fault}"));
        return Ok(ExitCode::SUCCESS);
    }
    let abort = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&abort)).context("failed to watch for signals")?;
    }
    let report = run(&settings, abort, &|line| println!("{line}"))?;
    print!("{report}");
    if report.is_good() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("again: chaos --minutes {} --seed {}", settings.length.as_secs_f64() / 60.0, settings.seed);
    Ok(ExitCode::from(1))
}

fn settings(arguments: Arguments) -> anyhow::Result<RunSettings> {
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => std::env::current_exe().context("failed to find this program's own file")?.with_file_name("manyeyes"),
    };
    Ok(RunSettings {
        binary,
        folder: arguments.folder,
        seed: arguments.seed,
        length: Duration::from_secs_f64(arguments.minutes * 60.0),
        workers: arguments.workers.into(),
        clients: arguments.clients.into(),
        service_ms: arguments.service_ms,
        slots: arguments.slots,
        disk_mib: arguments.disk_mib,
    })
}

/// From the shortest that has room for every kind to a day.
fn parse_minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if (0.5..=1440.0).contains(&minutes) { Ok(minutes) } else { Err(format!("{minutes} is not in 0.5..=1440")) }
}
