//! Who sees: pixels to top-k labels. Owns the model runtimes.
//!
//! Three nouns: a [`Model`] is found (or [pulled](pull())) and says how its input is made and what its output means; a
//! [`Recogniser`] is one loaded session of it, used by one thread; a [`Recognition`] is what it saw in one file.
//! Nothing here knows of sockets between manager and worker, queues or pages.

mod builtin;
mod engine;
#[doc(hidden)]
pub mod fuzzing;
mod labels;
mod manifest;
mod model;
mod onnx;
mod operator;
mod precision;
mod pull;
mod recogniser;
mod tensor;

pub use engine::{EngineChoice, EngineError};
pub use labels::Labels;
pub use manifest::{ChannelOrder, Download, Entry, Input, OutputKind, Resize, manifest};
pub use manyeyes_picture::PictureError;
pub use manyeyes_picture::confined::{DecoderError, DecoderSettings, Decoders, Refusal};
pub use model::{CatalogueRow, Lookup, Model, ModelError, Place, Source, catalogue};
pub use precision::{Int8, Precision, Timing};
pub use pull::{PullError, PullEvent, PullFailure, PullSettings, pull};
pub use recogniser::{Label, RecogniseError, Recogniser, Recognition};
