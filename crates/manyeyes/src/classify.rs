//! `manyeyes classify`: files in, labels out, by a manager or in this process.

mod local;
mod output;
mod patience;
mod remote;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use manyeyes_manager::api::{ImageState, Label, Problem};

use crate::{cli, files};
use output::Printer;

/// Some file was not recognised. (1 is failure to run, 2 is wrong usage, as clap has it.)
const SOME_NOT_RECOGNISED: u8 = 3;

/// Finished files that wait to be printed in order. Full, recognition waits for the printer.
const OUTCOMES_WAITING: usize = 64;

/// What became of one file.
struct Outcome {
    state: ImageState,
    labels: Vec<Label>,
    error: Option<Problem>,
}

impl Outcome {
    fn failed(problem: Problem) -> Self {
        Self { state: ImageState::Failed, labels: Vec::new(), error: Some(problem) }
    }
}

/// The outcome of the file at a position in the list.
type Numbered = (usize, Outcome);

pub(crate) fn run(args: cli::Classify) -> anyhow::Result<ExitCode> {
    let listing = files::list(&args.paths);
    if listing.left_out > 0 {
        eprintln!("{} files that are not images were left out", listing.left_out);
    }
    let mut printer = Printer::new(&args, &listing.files);
    let (outcomes, finished) = mpsc::sync_channel(OUTCOMES_WAITING);
    let all_recognised = std::thread::scope(|scope| {
        let files: &[PathBuf] = &listing.files;
        let work = match &args.server {
            Some(server) => {
                let server = remote::Server::parse(server, args.token_file.as_deref())?;
                scope.spawn(move || remote::classify(&server, files, &outcomes))
            }
            None => {
                let model = crate::model::find_or_builtin(&args.model)?;
                let engine = args.model.engine;
                let top = args.top as usize;
                scope.spawn(move || local::classify(&model, engine, top, files, &outcomes))
            }
        };
        let printed = printer.print_all(finished);
        work.join().expect("the threads of classify do not panic")?;
        printed
    })?;
    Ok(if all_recognised { ExitCode::SUCCESS } else { ExitCode::from(SOME_NOT_RECOGNISED) })
}
