//! Why a file could not become a picture.

use std::fmt;

/// What is wrong with an image file. Each variant is one answer that a person gets for that file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The bytes are no image of any kind that we know by name.
    #[error("the file is not an image")]
    NotAnImage,
    /// It is an image, or a document, of a kind (or a variant of a kind) that we do not read.
    #[error("{0} is not supported; supported are JPEG, PNG, WebP, GIF and BMP")]
    UnsupportedFormat(&'static str),
    /// The file ends before its picture does.
    #[error("the file ends before its picture does")]
    Truncated,
    /// The header claims more pixels than the limit, so nothing was decoded.
    #[error("the picture has {width} x {height} pixels; the limit is {limit} pixels in all")]
    TooManyPixels {
        /// Width that the header claims, in pixels.
        width: u32,
        /// Height that the header claims, in pixels.
        height: u32,
        /// The limit of width times height.
        limit: u64,
    },
    /// The bytes contradict the file's own format.
    #[error("the file is damaged: {0}")]
    Damaged(String),
}

impl PictureError {
    /// The stable code of the API for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotAnImage => "not_an_image",
            Self::UnsupportedFormat(_) => "unsupported_format",
            Self::Truncated => "truncated",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::Damaged(_) => "damaged",
        }
    }

    /// `Damaged`, with what the format's decoder said about it.
    pub(crate) fn damaged(what: impl fmt::Display) -> Self {
        Self::Damaged(what.to_string())
    }
}
