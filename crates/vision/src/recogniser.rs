//! One loaded session: an image file in, labels out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use manyeyes_picture::confined::{Decoder, DecoderError, Refusal};
use manyeyes_picture::{Limits, PictureError, Rgb, decode_fitted};
use thiserror::Error;

use crate::engine::{self, Engine, EngineChoice, EngineError, Network, Opened};
use crate::labels::Labels;
use crate::manifest::{Input, OutputKind};
use crate::model::Model;
use crate::tensor;

/// One inference session of a model, used by one thread at a time.
pub struct Recogniser {
    engine: Box<dyn Engine>,
    notice: Option<String>,
    input: Input,
    output: OutputKind,
    labels: Arc<Labels>,
    decoding: Decoding,
    /// The input's memory, `[3, crop, crop]`, used again for each image.
    tensor: Vec<f32>,
}

/// Where a file's bytes become pixels.
enum Decoding {
    /// In this process, for whoever's own files they are.
    Here(Limits),
    /// In a child that can do nothing else, for strangers' files.
    Confined(Box<Decoder>),
}

/// What was seen in one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognition {
    /// The most probable classes, the most probable first.
    pub labels: Vec<Label>,
    /// File bytes to input tensor.
    pub decode: Duration,
    /// The network's run.
    pub inference: Duration,
}

/// One class and how probable it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The class's position in the model's output.
    pub index: u32,
    /// The class's name.
    pub name: String,
    /// In 0..=1.
    pub probability: f32,
}

/// Why an image has no labels.
#[derive(Debug, Error)]
pub enum RecogniseError {
    /// The image is at fault: no other recogniser would do better.
    #[error(transparent)]
    Picture(#[from] Refusal),
    /// Who was to decode it did not: it died of it, or is not there at all.
    #[error(transparent)]
    Decoder(#[from] DecoderError),
    /// The runtime is at fault, in its own words.
    #[error("inference failed: {0}")]
    Inference(String),
}

impl Recogniser {
    /// Opens a session and runs it once on an empty picture, so that a network that cannot run, or whose output is not
    /// one number a label, is found here and not at the first image.
    ///
    /// `threads` is how many threads one run may use. For throughput on a CPU, several recognisers of one thread each
    /// are better than one of several.
    ///
    /// # Errors
    /// The runtime is missing, refuses the model, or gives what the labels do not fit.
    pub fn load(model: &Model, choice: EngineChoice, threads: usize) -> Result<Self, EngineError> {
        let crop = model.input().crop as usize;
        let (onnx, digest) = (model.onnx()?, model.digest);
        let network = Network { source: model.source(), onnx, digest, interface: model.interface(), crop };
        let Opened { engine, notice } = engine::open(choice, network, threads.max(1))?;
        let mut recogniser = Self {
            engine,
            notice,
            input: model.input().clone(),
            output: model.output(),
            labels: Arc::clone(model.labels()),
            decoding: Decoding::Here(Limits::default()),
            tensor: vec![0.0; 3 * crop * crop],
        };
        recogniser.run_on_nothing(model)?;
        give_back_freed_memory();
        Ok(recogniser)
    }

    /// The same, but files are decoded by a confined child and not in this process.
    #[must_use]
    pub fn decoding_by(self, decoder: Decoder) -> Self {
        Self { decoding: Decoding::Confined(Box::new(decoder)), ..self }
    }

    /// The runtime, its version, and where it is.
    #[must_use]
    pub fn engine(&self) -> &str {
        self.engine.name()
    }

    /// What the user should know of the choice of the runtime, such as that the faster one was not found.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Recognises one image file (JPEG, PNG, WebP, GIF's first frame, BMP): its `top` most probable classes.
    ///
    /// # Errors
    /// The file is no whole image, its decoder dies of it, or the runtime fails.
    pub fn recognise(&mut self, file: &[u8], top: usize) -> Result<Recognition, RecogniseError> {
        let began = Instant::now();
        let picture = self.decoding.square(file, &self.input)?;
        tensor::fill(&mut self.tensor, &picture, &self.input);
        let decoded = Instant::now();
        let probabilities = self.probabilities().map_err(RecogniseError::Inference)?;
        let inference = decoded.elapsed();
        let label = |index: usize| Label {
            index: u32::try_from(index).expect("a label file has fewer than 2^32 lines"),
            name: self.labels.name(index).unwrap_or_default().to_owned(),
            probability: probabilities[index],
        };
        let labels = tensor::largest(&probabilities, top).into_iter().map(label).collect();
        Ok(Recognition { labels, decode: decoded - began, inference })
    }

    fn probabilities(&mut self) -> Result<Vec<f32>, String> {
        let mut values = self.engine.run(&self.tensor)?;
        if values.len() != self.labels.len() {
            return Err(format!("{} numbers for {} classes", values.len(), self.labels.len()));
        }
        if self.output == OutputKind::Logits {
            tensor::softmax(&mut values);
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err("the network's output is not finite".to_owned());
        }
        Ok(values)
    }

    /// Runs it on what its input happens to hold, and looks at whether the answer fits.
    pub(crate) fn run_on_nothing(&mut self, model: &Model) -> Result<(), EngineError> {
        let values = self.engine.run(&self.tensor).map_err(|reason| EngineError::FirstRun {
            engine: self.engine.name().to_owned(),
            model: model.source().clone(),
            reason,
        })?;
        if values.len() != self.labels.len() {
            let (outputs, labels) = (values.len(), self.labels.len());
            return Err(EngineError::OutputWidth { model: model.source().clone(), outputs, labels });
        }
        Ok(())
    }
}

impl Decoding {
    fn square(&mut self, file: &[u8], input: &Input) -> Result<Rgb, RecogniseError> {
        match self {
            Self::Here(limits) => Ok(decode_fitted(file, input.fit(), input.crop, limits)?),
            Self::Confined(decoder) => Ok(decoder.decode_fitted(file, input.fit(), input.crop)??),
        }
    }
}

impl From<PictureError> for RecogniseError {
    fn from(error: PictureError) -> Self {
        Self::Picture(error.into())
    }
}

/// What loading needed and has freed goes back to the system: nearly half of what GoogLeNet's process holds (60 of 135 MB).
/// glibc keeps it, because its thresholds follow the largest block that it has seen freed (mallopt(3), `M_MMAP_THRESHOLD`).
fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "there is no safe face of it")]
    // SAFETY: it takes no pointer, and may be called at any time by any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests;
