//! What is shown: image bytes to pixels. No model runtime.
//!
//! Any bytes give a picture or a [`PictureError`], never a panic, at a cost bounded by [`Limits`].

mod bytes;
mod colours;
pub mod confined;
mod cut;
mod decode;
mod error;
mod fit;
mod header;
mod jpeg;
mod limits;
mod orient;
mod processor;
mod raster;
mod resize;
mod rgb;
mod smaller;
mod sniff;
mod thumbnail;

pub use crate::decode::decode;
pub use crate::error::PictureError;
pub use crate::fit::{Fit, decode_fitted};
pub use crate::header::{HEADER_BYTES, Header, read_header};
pub use crate::limits::{DEFAULT_MAX_PIXELS, Limits};
pub use crate::rgb::Rgb;
pub use crate::smaller::{fitted, smaller};
pub use crate::sniff::{Format, sniff};
pub use crate::thumbnail::thumbnail;
