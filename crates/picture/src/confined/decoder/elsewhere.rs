//! Decoders where there is no Linux: files are decoded within the process that asks, which is said.

use std::io;
use std::time::Duration;

use super::Refusal;
use crate::{Fit, Limits, Rgb, decode_fitted};

/// What decoders may take.
#[derive(Clone, Debug)]
pub struct DecoderSettings {
    /// Unused here: nothing is killed.
    pub time: Duration,
    /// What decoding one file may cost.
    pub limits: Limits,
}

impl DecoderSettings {
    /// The defaults.
    #[must_use]
    pub fn this_program() -> Self {
        Self { time: Duration::from_secs(10), limits: Limits::default() }
    }
}

/// Where decoders come from.
#[derive(Clone, Debug)]
pub struct Decoders(DecoderSettings);

/// Why a file was not decoded that may be fine: never, here.
#[derive(Debug, thiserror::Error)]
pub enum DecoderError {
    /// A child ended while it was at this file.
    #[error("its decoder {0}")]
    Died(String),
    /// There is no child to decode it.
    #[error("there is no decoder: {0}")]
    Unavailable(#[from] io::Error),
}

impl Decoders {
    /// # Errors
    /// None.
    pub fn new(settings: DecoderSettings) -> io::Result<Self> {
        Ok(Self(settings))
    }

    /// One for whoever asks.
    #[must_use]
    pub fn decoder(&self) -> Decoder {
        let missing = ["this system can confine no process: pictures are decoded within this one".to_owned()];
        Decoder { limits: self.0.limits, missing }
    }
}

/// Decodes.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    missing: [String; 1],
}

impl Decoder {
    /// What could not be taken from whoever decodes, a sentence each for the log.
    ///
    /// # Errors
    /// None.
    pub fn ready(&mut self) -> io::Result<&[String]> {
        Ok(&self.missing)
    }

    /// As [`decode_fitted`](crate::decode_fitted()); its refusal is the inner error.
    ///
    /// # Errors
    /// None.
    pub fn decode_fitted(&mut self, file: &[u8], fit: Fit, crop: u32) -> Result<Result<Rgb, Refusal>, DecoderError> {
        Ok(decode_fitted(file, fit, crop, &self.limits).map_err(Refusal::from))
    }
}
