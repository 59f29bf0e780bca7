//! Recognises files in this process: a recogniser on each core, no manager.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;

use anyhow::Context;
use manyeyes_manager::api::{ImageState, Label};
use manyeyes_vision::{EngineChoice, Model, RecogniseError, Recogniser};

use super::{Numbered, Outcome};

/// The largest file that is read, as a manager's default has it.
const MAX_FILE_BYTES: u64 = 32 << 20;

pub(super) fn classify(
    model: &Model,
    engine: EngineChoice,
    top: usize,
    files: &[PathBuf],
    outcomes: &SyncSender<Numbered>,
) -> anyhow::Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let recognisers = (0..cores.min(files.len()))
        .map(|_| Recogniser::load(model, engine, 1))
        .collect::<Result<Vec<_>, _>>()
        .context("failed to load the model")?;
    if let Some(notice) = recognisers.first().and_then(Recogniser::notice) {
        tracing::warn!("{notice}");
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for mut recogniser in recognisers {
            let next = &next;
            scope.spawn(move || {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(position) else { break };
                    let outcome = recognise(&mut recogniser, file, top);
                    if outcomes.send((position, outcome)).is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok(())
}

fn recognise(recogniser: &mut Recogniser, file: &Path, top: usize) -> Outcome {
    let bytes = match super::files::read(file, MAX_FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(outcome) => return outcome,
    };
    match recogniser.recognise(&bytes, top) {
        Ok(recognition) => Outcome {
            state: ImageState::Recognised,
            labels: recognition
                .labels
                .into_iter()
                .map(|label| Label { index: label.index, name: label.name, probability: label.probability })
                .collect(),
            error: None,
        },
        Err(RecogniseError::Picture(error)) => Outcome::failed(error.code(), error.to_string()),
        Err(error) => Outcome::failed("inference_failed", error.to_string()),
    }
}
