//! What a worker recognises with.

use std::error::Error;
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use manyeyes_link::{InputSize, ModelDescription};
use manyeyes_protocol::id::ModelDigest;
use manyeyes_vision::{Decoders, EngineChoice, Input, Label, Model, RecogniseError, Recogniser, Recognition, Resize};
use sha2::{Digest, Sha256};

/// What turns an image file into labels. One for each slot, used by its thread alone.
pub trait Recognise: Send {
    /// The `top` most probable classes of an image file.
    ///
    /// # Errors
    /// The file is no whole image, or the runtime fails.
    fn recognise(&mut self, file: &[u8], top: usize) -> Result<Recognition, RecogniseError>;
}

impl Recognise for Recogniser {
    fn recognise(&mut self, file: &[u8], top: usize) -> Result<Recognition, RecogniseError> {
        Self::recognise(self, file, top)
    }
}

/// Why no recogniser could be made.
pub(crate) type MakeError = Box<dyn Error + Send + Sync>;

type Make = dyn Fn() -> Result<Box<dyn Recognise>, MakeError> + Send + Sync;

/// What the worker tells the manager that it holds, and how it makes a recogniser of it: at the start one for each slot,
/// and another for a slot whose recogniser panicked.
#[derive(Clone)]
pub struct Work {
    pub(crate) model: ModelDescription,
    make: Arc<Make>,
}

impl Work {
    /// A model, run by an engine with so many threads for one image, which is decoded by one of `decoders`.
    #[must_use]
    pub fn vision(model: Model, engine: EngineChoice, threads: usize, decoders: Decoders) -> Self {
        let description = ModelDescription {
            digest: ModelDigest(model.digest),
            name: model.name.clone(),
            verified: model.verified,
            notice: model.notice.clone(),
            input: Some(input_size(model.input())),
        };
        // Said by the first slot for all: a slower engine than was hoped for is otherwise a riddle.
        let said = Once::new();
        Self::new(description, move || {
            // It starts while the model is loaded, which takes ten times as long.
            let mut decoder = decoders.decoder();
            let recogniser = Recogniser::load(&model, engine, threads)?;
            let missing = decoder.ready()?;
            said.call_once(|| {
                for missing in missing {
                    tracing::warn!("pictures are decoded less confined than they should be: {missing}");
                }
                if let Some(notice) = recogniser.notice() {
                    tracing::warn!("{notice}");
                }
                tracing::info!(model = model.name, engine = recogniser.engine(), "loaded");
            });
            Ok(Box::new(recogniser.decoding_by(decoder)))
        })
    }

    /// No model: after this time each image is answered with the beginning of its file's own digest. For measuring everything
    /// but recognition, and for seeing that each answer belongs to its image; its description says so.
    #[must_use]
    pub fn fixed(service: Duration) -> Self {
        let name = format!("none ({} ms an image)", service.as_millis());
        let notice =
            "no model: every image is answered with its file's digest after a fixed time, for measurements only";
        // No file has this digest: 24 bytes of one value, then the time.
        let mut digest = [0xfe; 32];
        digest[24..].copy_from_slice(&u64::try_from(service.as_micros()).unwrap_or(u64::MAX).to_be_bytes());
        let digest = ModelDigest(digest);
        // It looks at the file itself: of any other form the answer would be another.
        let model = ModelDescription { digest, name, verified: false, notice: Some(notice.to_owned()), input: None };
        Self::new(model, move || Ok(Box::new(Fixed(service))))
    }

    /// Whatever recognises.
    pub fn new(
        model: ModelDescription,
        make: impl Fn() -> Result<Box<dyn Recognise>, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self { model, make: Arc::new(make) }
    }

    pub(crate) fn make(&self) -> Result<Box<dyn Recognise>, MakeError> {
        (self.make)()
    }
}

/// What a manager is told of how a model's input is made.
fn input_size(input: &Input) -> InputSize {
    let side = u16::try_from(input.size).expect("a manifest has no side over 1,024 pixels");
    match input.resize {
        Resize::Squash => InputSize::Squashed(side),
        Resize::ShorterSide => InputSize::ShorterSide(side),
    }
}

struct Fixed(Duration);

impl Recognise for Fixed {
    fn recognise(&mut self, file: &[u8], top: usize) -> Result<Recognition, RecogniseError> {
        let began = Instant::now();
        let digest = Sha256::digest(file);
        let name = digest[..8].iter().fold("sha256:".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        let label = Label { index: u32::from(digest[0]), name, probability: 1.0 };
        let left = self.0.saturating_sub(began.elapsed());
        if !left.is_zero() {
            thread::sleep(left);
        }
        let labels = std::iter::repeat_n(label, 1.min(top)).collect();
        Ok(Recognition { labels, decode: Duration::ZERO, inference: began.elapsed() })
    }
}
