//! The one place where what went wrong in recognising becomes what the manager is told.

use manyeyes_protocol::result::{Failure, FailureCode};
use manyeyes_vision::{PictureError, RecogniseError};

/// What the manager is told of an image that has no labels.
pub(crate) fn failure(error: &RecogniseError) -> Failure {
    let code = match error {
        RecogniseError::Picture(picture) => picture_code(picture),
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

fn picture_code(error: &PictureError) -> FailureCode {
    match error {
        PictureError::Empty => FailureCode::Empty,
        PictureError::NotAnImage => FailureCode::NotAnImage,
        PictureError::UnsupportedFormat(_) => FailureCode::UnsupportedFormat,
        PictureError::Truncated => FailureCode::Truncated,
        PictureError::TooManyPixels { .. } => FailureCode::TooManyPixels,
        // The variants to come are about the file too, or they would not be a picture's error.
        PictureError::Damaged(_) | _ => FailureCode::Damaged,
    }
}
