//! Recognises files in this process, on every core, without a manager.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use manyeyes_manager::api::{ImageState, Label};
use manyeyes_vision::{EngineChoice, Model, Recogniser};

use super::{Numbered, Outcome};
use crate::every_core::{self, Recognisers};

pub(super) fn classify(
    model: &Model,
    engine: EngineChoice,
    top: usize,
    files: &[PathBuf],
    outcomes: &SyncSender<Numbered>,
) -> anyhow::Result<()> {
    Recognisers::load(model, engine, files.len())?.share_out(files, |recogniser, position, file| {
        match outcomes.send((position, recognise(recogniser, file, top))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    Ok(())
}

fn recognise(recogniser: &mut Recogniser, file: &Path, top: usize) -> Outcome {
    match every_core::recognise(recogniser, file, top) {
        Ok(recognition) => Outcome {
            state: ImageState::Recognised,
            labels: recognition
                .labels
                .into_iter()
                .map(|label| Label { index: label.index, name: label.name, probability: label.probability })
                .collect(),
            error: None,
        },
        Err(problem) => Outcome::failed(problem),
    }
}
