//! Many files in this process: a recogniser on each core, and each takes the next file when it is through with one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Context;
use manyeyes_manager::api::Problem;
use manyeyes_vision::{EngineChoice, Model, RecogniseError, Recogniser, Recognition};

use crate::files;

/// The largest file that is read, as a manager's default has it.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// A recogniser for each core, as many as there is work for, and at least one.
pub(crate) struct Recognisers(Vec<Recogniser>);

impl Recognisers {
    /// Loads them, and says what is to be known of the engine.
    pub(crate) fn load(model: &Model, engine: EngineChoice, files: usize) -> anyhow::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let recognisers = (0..cores.min(files).max(1))
            .map(|_| Recogniser::load(model, engine, 1))
            .collect::<Result<Vec<_>, _>>()
            .context("failed to load the model")?;
        if let Some(notice) = recognisers[0].notice() {
            tracing::warn!("{notice}");
        }
        Ok(Self(recognisers))
    }

    /// The engine's name, version and place.
    pub(crate) fn engine(&self) -> &str {
        self.0[0].engine()
    }

    /// Does `each` with every file and its position, until one says that it is enough.
    pub(crate) fn share_out(
        self,
        files: &[PathBuf],
        each: impl Fn(&mut Recogniser, usize, &Path) -> ControlFlow<()> + Sync,
    ) {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for mut recogniser in self.0 {
                let (next, each) = (&next, &each);
                scope.spawn(move || {
                    loop {
                        let position = next.fetch_add(1, Ordering::Relaxed);
                        let Some(file) = files.get(position) else { break };
                        if each(&mut recogniser, position, file).is_break() {
                            break;
                        }
                    }
                });
            }
        });
    }
}

/// What is in a file, or what is wrong with it.
pub(crate) fn recognise(recogniser: &mut Recogniser, file: &Path, top: usize) -> Result<Recognition, Problem> {
    let bytes = files::read(file, MAX_FILE_BYTES)?;
    recogniser.recognise(&bytes, top).map_err(|error| {
        let code = match &error {
            RecogniseError::Picture(refusal) => &refusal.code,
            RecogniseError::Inference(_) | RecogniseError::Decoder(_) => "inference_failed",
        };
        Problem { code: code.to_owned(), message: error.to_string() }
    })
}
