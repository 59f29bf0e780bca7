//! `manyeyes worker`: one worker, until it is asked to end, or sent away for good.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use manyeyes_vision::{DecoderSettings, Decoders};
use manyeyes_worker::{FaultMode, FaultPlan, Reach, Transport, Work, WorkerError, WorkerSettings};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{cli, encryption, manager, model};

/// The workers of a manager hold one model, the first one's: one machine that makes do with ten classes would turn away
/// all those that have GoogLeNet.
const NO_FALLBACK: &str = "failed to find a model for this worker; with --model builtin it makes do with ten classes, \
                           as then must every worker of its manager";

/// The exit status of a worker that was to fail for good with an announcement, and has: whoever runs an experiment tells it
/// from one that could not go on.
const FAILED_FOR_GOOD: u8 = 3;

pub(crate) fn run(arguments: cli::Worker) -> anyhow::Result<ExitCode> {
    if arguments.end_with_stdin {
        manyeyes_worker::end_with_parent().context("failed to watch the parent process")?;
    }
    let work = match arguments.experiment.fixed_service_ms {
        Some(milliseconds) => Work::fixed(Duration::from_millis(milliseconds)),
        None => {
            let model = match &arguments.model_notice {
                Some(notice) => model::found_by_parent(arguments.model.model.as_deref(), notice)?,
                None if arguments.model.model.is_none() => model::find(&arguments.model).context(NO_FALLBACK)?,
                None => model::find(&arguments.model)?,
            };
            let decoders = Decoders::new(DecoderSettings::this_program()).context("failed to start a thread")?;
            Work::vision(model, arguments.model.engine, arguments.threads as usize, decoders)
        }
    };
    let settings = settings(arguments)?;
    manager::runtime()?.block_on(async {
        let mut asked_to_end = manager::Ending::watch()?;
        let ending = CancellationToken::new();
        let span = tracing::info_span!("worker", name = settings.name);
        let running = tokio::spawn(manyeyes_worker::run(settings, work, ending.clone()).instrument(span));
        tokio::pin!(running);
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = asked_to_end.asked() => {
                ending.cancel();
                running.await
            }
        };
        match ended.context("the worker panicked")? {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(error @ WorkerError::FailedForGood) => {
                tracing::warn!("{error}");
                Ok(ExitCode::from(FAILED_FOR_GOOD))
            }
            Err(error) => Err(error.into()),
        }
    })
}

fn settings(arguments: cli::Worker) -> anyhow::Result<WorkerSettings> {
    let name = arguments.name.unwrap_or_else(machine_name);
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
    let faults = &arguments.experiment;
    let fault = (faults.fail_probability > 0.0).then_some(FaultPlan {
        probability: faults.fail_probability,
        after: faults.fail_after,
        mode: match faults.fail_mode {
            cli::FailMode::Announce => FaultMode::Announce,
            cli::FailMode::Crash => FaultMode::Crash,
            cli::FailMode::Hang => FaultMode::Hang,
            cli::FailMode::Slow => FaultMode::Slow,
            cli::FailMode::Disconnect => FaultMode::Disconnect,
            cli::FailMode::Wrong => FaultMode::Wrong,
        },
        for_good: faults.fail_for_good,
        seed: faults.fail_seed,
    });
    let mut settings = WorkerSettings {
        slots: arguments.slots.unwrap_or(cores),
        reach: match arguments.transport {
            cli::Transport::Tcp => Reach::Only(Transport::Tcp),
            cli::Transport::Quic => Reach::Only(Transport::Quic),
            cli::Transport::Coded => Reach::Only(Transport::Coded),
            cli::Transport::Auto => Reach::Auto,
        },
        fault,
        ..WorkerSettings::new(arguments.manager, name)
    };
    encryption::of_worker(&arguments.encryption, &mut settings)?;
    Ok(settings)
}

/// This machine's name, for a worker that was given none.
fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "worker".to_owned() } else { name }
}
