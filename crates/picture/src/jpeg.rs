//! JPEG files, from their bytes to samples at the size that is needed.
//!
//! Lenient decoders (as a browser's) fill what a cut file lacks with grey and say nothing. A grey picture must not be recognised,
//! so every code of the entropy-coded data is read, once; and since most of the time goes into that, what the samples need is
//! taken on the way (`docs/decisions/0023-one-pass-over-a-jpeg.md`). ITU-T T.81 is the source of all tables and rules here; its
//! section numbers are given where they matter.

mod component;
mod dct;
mod entropy;
mod huffman;
mod progressive;
mod scans;
mod segments;
mod sequential;

use image::metadata::Orientation;

use crate::PictureError;
use crate::raster::Raster;

use self::segments::{Frame, Segments};

/// Width and height from the frame header, stepping over EXIF, colour profiles and tables of any length.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), PictureError> {
    let mut segments = Segments::after_start(bytes);
    loop {
        let segment = segments.next()?.ok_or(PictureError::Truncated)?;
        match segment.marker {
            segments::SOF_FIRST..=segments::SOF_LAST if segment.is_frame_header() => {
                let frame = Frame::parse(&segment)?;
                return Ok((frame.width.into(), frame.height.into()));
            }
            segments::EOI => {
                return Err(PictureError::damaged("the JPEG ends before its frame header"));
            }
            segments::SOS => {
                return Err(PictureError::damaged("the JPEG has image data before its frame header"));
            }
            _ => {}
        }
    }
}

/// How many times the pixels of each side that will be shown are decoded, where the file has them.
const DETAIL: f64 = 2.0;

/// A whole file, with enough samples to be shown at `needed` columns and rows, or all that it has.
pub(crate) fn decode(bytes: &[u8], needed: (u32, u32)) -> Result<(Raster, Orientation), PictureError> {
    let (columns, rows) = (f64::from(needed.0), f64::from(needed.1));
    scans::read(bytes, (columns * DETAIL, rows * DETAIL))
}
