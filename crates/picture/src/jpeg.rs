//! JPEG's own structure, as far as it is needed around a decoder: dimensions, and whether the file holds its whole picture.
//!
//! Lenient decoders (ours, as a browser's) fill what a cut file lacks with grey and say nothing. A grey picture must not
//! be recognised, so the entropy-coded data is walked first: every code is read, no pixel is computed. ITU-T T.81 is the
//! source of all tables and rules here; its section numbers are given where they matter.

mod entropy;
mod scans;
mod segments;

use std::borrow::Cow;

use crate::PictureError;

use self::scans::Ending;
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

/// The file in a form that a decoder reads to its last row, or why there is none.
///
/// A complete file without an end marker gets one: a decoder that looks ahead would stop early without it.
pub(crate) fn complete(bytes: &[u8]) -> Result<Cow<'_, [u8]>, PictureError> {
    Ok(match scans::walk(bytes)? {
        Ending::Marked => Cow::Borrowed(bytes),
        Ending::Unmarked { data_end } => {
            let mut marked = bytes[..data_end].to_vec();
            marked.extend([0xff, segments::EOI]);
            Cow::Owned(marked)
        }
    })
}
