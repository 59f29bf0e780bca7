//! The runtimes that run a network, behind one small face: numbers in, numbers out.
//!
//! Two are known. ONNX Runtime is the fastest on CPUs, but it is a C++ library that has to be found on the machine;
//! rten is pure Rust, part of this binary, and so always there.

mod onnx_runtime;
mod rten;

use std::borrow::Cow;
use std::str::FromStr;

use thiserror::Error;

use crate::model::{ModelError, Source};
use crate::onnx::Interface;

/// Which runtime to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// ONNX Runtime where its library is found and loads, otherwise rten.
    #[default]
    Auto,
    /// ONNX Runtime or nothing.
    OnnxRuntime,
    /// rten, even where ONNX Runtime is there.
    Rten,
}

impl FromStr for EngineChoice {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self, EngineError> {
        match name.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "onnxruntime" | "onnx-runtime" => Ok(Self::OnnxRuntime),
            "rten" => Ok(Self::Rten),
            _ => Err(EngineError::UnknownEngine { name: name.to_owned() }),
        }
    }
}

/// Why no session could be made.
#[derive(Debug, Error)]
pub enum EngineError {
    /// No such runtime.
    #[error("unknown engine {name:?}: one of auto, onnxruntime, rten")]
    UnknownEngine {
        /// What was asked for.
        name: String,
    },
    /// ONNX Runtime was asked for and its library is nowhere, or does not load.
    #[error("ONNX Runtime cannot be used: {reason}")]
    NoLibrary {
        /// Where it was looked for, or why it does not load.
        reason: String,
    },
    /// The model could not be read once more.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The runtime refuses the network.
    #[error("{engine} cannot load {model}: {reason}")]
    Refused {
        /// The runtime.
        engine: String,
        /// The model.
        model: Source,
        /// In the runtime's words.
        reason: String,
    },
    /// The network ran, but its answer is not one number a class.
    #[error("{model} gives {outputs} numbers for {labels} classes")]
    OutputWidth {
        /// The model.
        model: Source,
        /// How many numbers one image gives.
        outputs: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// A run of no picture, the first one or one to see how long it takes, failed.
    #[error("{engine} failed to run {model}: {reason}")]
    FirstRun {
        /// The runtime.
        engine: String,
        /// The model.
        model: Source,
        /// In the runtime's words.
        reason: String,
    },
}

/// One session of a network.
pub(crate) trait Engine: Send {
    /// The runtime's name and version, and where it is.
    fn name(&self) -> &str;
    /// Runs the network once on `[1, 3, crop, crop]` numbers; gives the first output, flat.
    fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, String>;
}

/// An engine that is ready, and what the user should know of the choice.
pub(crate) struct Opened {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) notice: Option<String>,
}

/// What a session is made of.
pub(crate) struct Network<'a> {
    /// Where it is from, for messages.
    pub(crate) source: &'a Source,
    /// The ONNX bytes as they are in the file.
    pub(crate) onnx: Cow<'static, [u8]>,
    /// Their SHA-256.
    pub(crate) digest: [u8; 32],
    pub(crate) interface: &'a Interface,
    /// The side of the input.
    pub(crate) crop: usize,
}

/// Opens a session with the runtime of the user's choice.
pub(crate) fn open(choice: EngineChoice, network: Network<'_>, threads: usize) -> Result<Opened, EngineError> {
    let source = network.source;
    let refused =
        |engine: &str, reason| EngineError::Refused { engine: engine.to_owned(), model: source.clone(), reason };
    let notice = match (choice, onnx_runtime::library) {
        (EngineChoice::Rten, _) => None,
        (EngineChoice::Auto | EngineChoice::OnnxRuntime, library) => match library() {
            Ok(library) => {
                let session = onnx_runtime::Session::open(library, network, threads);
                let engine = session.map_err(|reason| refused(&library.name, reason))?;
                return Ok(Opened { engine: Box::new(engine), notice: None });
            }
            Err(reason) if choice == EngineChoice::OnnxRuntime => {
                return Err(EngineError::NoLibrary { reason: reason.clone() });
            }
            Err(reason) => Some(format!("using rten, the slower engine: {reason}")),
        },
    };
    let engine = rten::Session::open(network, threads).map_err(|reason| refused(rten::NAME, reason))?;
    Ok(Opened { engine: Box::new(engine), notice })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_chosen_by_name_and_an_unknown_name_lists_them() {
        assert_eq!("rten".parse::<EngineChoice>().expect("known"), EngineChoice::Rten);
        assert_eq!("OnnxRuntime".parse::<EngineChoice>().expect("known"), EngineChoice::OnnxRuntime);
        let error = "tensorflow".parse::<EngineChoice>().expect_err("unknown");
        assert_eq!(error.to_string(), r#"unknown engine "tensorflow": one of auto, onnxruntime, rten"#);
    }
}
