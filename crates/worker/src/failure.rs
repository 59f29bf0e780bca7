//! The one place where what went wrong in recognising becomes what the manager is told.

use manyeyes_protocol::result::{Failure, FailureCode};
use manyeyes_vision::{DecoderError, RecogniseError};

/// What the manager is told of an image that has no labels.
pub(crate) fn failure(error: &RecogniseError) -> Failure {
    let code = match error {
        RecogniseError::Picture(refusal) => picture_code(&refusal.code),
        RecogniseError::Decoder(DecoderError::Died(_)) => FailureCode::Crashed,
        RecogniseError::Decoder(DecoderError::Unavailable(_)) => FailureCode::InferenceFailed,
        RecogniseError::Inference(_) => FailureCode::InferenceFailed,
    };
    Failure { code, message: error.to_string() }
}

/// What the manager is told when recognising panicked.
pub(crate) fn crash(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    Failure { code: FailureCode::Crashed, message: format!("recognising it made the worker's code panic: {text}") }
}

/// A refusal comes from a process that is believed nothing: what it says of the file, if it is none of these, is that it is damaged.
fn picture_code(code: &str) -> FailureCode {
    match code {
        "empty" => FailureCode::Empty,
        "not_an_image" => FailureCode::NotAnImage,
        "unsupported_format" => FailureCode::UnsupportedFormat,
        "truncated" => FailureCode::Truncated,
        "too_many_pixels" => FailureCode::TooManyPixels,
        _ => FailureCode::Damaged,
    }
}
