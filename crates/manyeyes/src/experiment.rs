//! `manyeyes experiment`: the lab, as a person runs it.

mod audit;
mod check;
mod plan;
mod progress;
mod report;
mod rspec;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use manyeyes_experiment::run::{self, Interrupted, LinkEmulator, Settings};
use manyeyes_experiment::scenario::Scenario;
use signal_hook::consts::{SIGINT, SIGTERM};

use self::progress::Progress;
use crate::cli;

/// What a shell gives a program that Ctrl-C has ended: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

pub(crate) fn run(command: cli::Experiment) -> anyhow::Result<ExitCode> {
    match command {
        cli::Experiment::Run(arguments) => make_runs(arguments),
        cli::Experiment::Report(arguments) => report::run(&arguments).map(|()| ExitCode::SUCCESS),
        cli::Experiment::Audit(arguments) => audit::run(&arguments),
        cli::Experiment::Check(arguments) => check::run(&arguments),
        cli::Experiment::Rspec(arguments) => rspec::run(&arguments),
        cli::Experiment::OnHost(arguments) => be_on_host(&arguments).map(|()| ExitCode::SUCCESS),
    }
}

fn make_runs(arguments: cli::ExperimentRun) -> anyhow::Result<ExitCode> {
    let read = |path| Scenario::read(path, arguments.quick).map_err(|error| anyhow::anyhow!("failed to {error}"));
    let scenarios = arguments.scenarios.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let hosts = arguments.hosts.as_deref().map(run::read_hosts).transpose()?;
    if let Some(hosts) = &hosts {
        run::check_hosts(&scenarios, hosts)?;
    }
    if arguments.dry_run {
        plan::print(&scenarios)?;
        return Ok(ExitCode::SUCCESS);
    }
    let _alone = match &hosts {
        // Given machines need no world of our own, and their links lead out of it.
        Some(_) => Some(run::alone()?),
        None => match run::alone_in_a_world(std::env::args_os().skip(1))? {
            Some(ended) => return Ok(ended),
            None => None,
        },
    };
    let rows = arguments.out.clone();
    let settings = Settings {
        program: std::env::current_exe().context("failed to find this program's own file")?,
        // Where it was built by `make`, which says it.
        commit: option_env!("MANYEYES_COMMIT").filter(|commit| !commit.is_empty()).map(str::to_owned),
        folder: arguments.out,
        emulator: match arguments.emulator {
            cli::LinkEmulator::Manyeyes if hosts.is_none() => LinkEmulator::Manyeyes,
            cli::LinkEmulator::Manyeyes | cli::LinkEmulator::Netem => LinkEmulator::Netem,
        },
        hosts,
        photos: arguments.images,
        fresh: arguments.fresh,
    };
    let abort = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&abort)).context("failed to watch for signals")?;
    }
    let progress = Progress::new();
    let ran = run::run(&scenarios, &settings, &abort, &|said| progress.show(said));
    progress.end();
    match ran {
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("manyeyes: interrupted; what was measured is kept, and the same command goes on from there");
            Ok(ExitCode::from(INTERRUPTED))
        }
        ran => ran.and_then(|()| report::write(std::slice::from_ref(&rows), &rows)).map(|()| ExitCode::SUCCESS),
    }
}

fn be_on_host(arguments: &cli::ExperimentOnHost) -> anyhow::Result<()> {
    match (arguments.uncut, &arguments.device) {
        (Some(bits), Some(device)) => run::set_uncut(device, bits),
        _ => run::serve_on_host(),
    }
}
