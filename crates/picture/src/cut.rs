//! Whether a file that could not be decoded was cut short, told from its own account of its length.
//!
//! JPEG is not here: it has no such account, so its data is read (see `jpeg`).

use crate::Format;
use crate::bytes::{u32_be, u32_le};

/// Whether the file ends before the part of it that holds its (first) picture does.
pub(crate) fn ends_early(bytes: &[u8], format: Format) -> bool {
    match format {
        Format::Jpeg => false,
        Format::Png => png_ends(bytes).is_none(),
        Format::Webp => webp_ends(bytes).is_none(),
        Format::Gif => gif_ends(bytes).is_none(),
        Format::Bmp => bmp_ends(bytes).is_none(),
    }
}

/// Chunks of length, type, data and checksum, up to the one named IEND.
fn png_ends(bytes: &[u8]) -> Option<()> {
    let mut at = 8;
    loop {
        let kind = bytes.get(at + 4..at + 8)?;
        let end = at.checked_add(u32_be(bytes, at)? as usize)?.checked_add(12)?;
        bytes.get(..end)?;
        if kind == b"IEND" {
            return Some(());
        }
        at = end;
    }
}

/// One RIFF chunk around everything.
fn webp_ends(bytes: &[u8]) -> Option<()> {
    let end = (u32_le(bytes, 4)? as usize).checked_add(8)?;
    bytes.get(..end).map(|_| ())
}

/// Blocks up to the end of the first picture.
fn gif_ends(bytes: &[u8]) -> Option<()> {
    let mut at = 13 + color_table_bytes(*bytes.get(10)?);
    loop {
        match *bytes.get(at)? {
            0x21 => at = sub_blocks_end(bytes, at + 2)?,
            0x2c => {
                let data = at + 10 + color_table_bytes(*bytes.get(at + 9)?);
                return sub_blocks_end(bytes, data + 1).map(|_| ());
            }
            // The trailer, or nothing that a GIF has: damage rather than an early end.
            _ => return Some(()),
        }
    }
}

fn color_table_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Each sub-block begins with its length; the last has none.
fn sub_blocks_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length => at += 1 + usize::from(length),
        }
    }
}

/// The file's size is in its header, and is wrong or 0 in too many files; the place of the pixels is not.
fn bmp_ends(bytes: &[u8]) -> Option<()> {
    bytes.get(u32_le(bytes, 10)? as usize..).map(|_| ())
}
