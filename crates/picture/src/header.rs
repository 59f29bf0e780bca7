//! How large a picture is, read from its header without decoding a pixel.

use crate::bytes::{u16_le, u32_be, u32_le};
use crate::{Format, PictureError, jpeg, sniff};

/// Bytes of a file's beginning in which [`read_header`] usually finds what it needs.
///
/// A JPEG may carry more than this before its dimensions (an embedded preview in EXIF and a colour profile); then
/// `Truncated` on a prefix only says that more is needed.
pub const HEADER_BYTES: usize = 128 * 1024;

/// What a file's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The kind of file.
    pub format: Format,
    /// Width as stored, in pixels: before an EXIF orientation turns the picture.
    pub width: u32,
    /// Height as stored, in pixels.
    pub height: u32,
}

/// Reads format and dimensions from a file or from its beginning, and decodes no pixel.
///
/// `Truncated` means that the given bytes end before the dimensions. A caller that passed only the beginning of a file
/// asks again with more of it.
pub fn read_header(bytes: &[u8]) -> Result<Header, PictureError> {
    let format = sniff(bytes)?;
    let (width, height) = match format {
        Format::Jpeg => jpeg::dimensions(bytes)?,
        Format::Png => png(bytes)?,
        Format::Webp => webp(bytes)?,
        Format::Gif => gif(bytes)?,
        Format::Bmp => bmp(bytes)?,
    };
    if width == 0 || height == 0 {
        return Err(PictureError::Damaged(format!("its header says {width} x {height} pixels")));
    }
    Ok(Header { format, width, height })
}

/// IHDR is required to be the first chunk.
fn png(bytes: &[u8]) -> Result<(u32, u32), PictureError> {
    match bytes.get(12..16) {
        None => Err(PictureError::Truncated),
        Some(b"IHDR") => read_pair(u32_be(bytes, 16), u32_be(bytes, 20)),
        Some(_) => Err(PictureError::damaged("the PNG does not begin with its header")),
    }
}

/// One of three first chunks: lossy (a VP8 key frame), lossless, or extended (the canvas).
fn webp(bytes: &[u8]) -> Result<(u32, u32), PictureError> {
    const PAYLOAD: usize = 20;
    match bytes.get(12..16) {
        None => Err(PictureError::Truncated),
        Some(b"VP8 ") => {
            let start_code = bytes.get(PAYLOAD + 3..PAYLOAD + 6).ok_or(PictureError::Truncated)?;
            if start_code != b"\x9d\x01\x2a" {
                return Err(PictureError::damaged("the WebP does not begin with a key frame"));
            }
            let side = |at| u16_le(bytes, at).map(|side| u32::from(side & 0x3fff));
            read_pair(side(PAYLOAD + 6), side(PAYLOAD + 8))
        }
        Some(b"VP8L") => {
            let bits = u32_le(bytes, PAYLOAD + 1).ok_or(PictureError::Truncated)?;
            Ok(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        Some(b"VP8X") => {
            let side = |at| u32_le(bytes, at).map(|side| (side & 0x00ff_ffff) + 1);
            // The height is the payload's last three bytes: read it with the byte before it.
            let height = u32_le(bytes, PAYLOAD + 6).map(|side| (side >> 8) + 1);
            read_pair(side(PAYLOAD + 4), height)
        }
        Some(_) => Err(PictureError::damaged("the WebP begins with an unknown chunk")),
    }
}

/// The canvas; the first frame may be smaller.
fn gif(bytes: &[u8]) -> Result<(u32, u32), PictureError> {
    read_pair(u16_le(bytes, 6).map(u32::from), u16_le(bytes, 8).map(u32::from))
}

/// A negative height means rows from top to bottom. The oldest header (12 bytes) has 16-bit sides.
fn bmp(bytes: &[u8]) -> Result<(u32, u32), PictureError> {
    const SIDES: usize = 18;
    if u32_le(bytes, 14) == Some(12) {
        return read_pair(u16_le(bytes, SIDES).map(u32::from), u16_le(bytes, SIDES + 2).map(u32::from));
    }
    let width = u32_le(bytes, SIDES).map(u32::cast_signed);
    if width.is_some_and(|width| width < 0) {
        return Err(PictureError::damaged("the BMP has a negative width"));
    }
    let height = u32_le(bytes, SIDES + 4).map(|height| height.cast_signed().unsigned_abs());
    read_pair(width.map(i32::cast_unsigned), height)
}

fn read_pair(width: Option<u32>, height: Option<u32>) -> Result<(u32, u32), PictureError> {
    width.zip(height).ok_or(PictureError::Truncated)
}
