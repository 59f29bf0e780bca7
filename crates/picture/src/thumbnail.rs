//! A small JPEG of a picture, for the page.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use crate::decode::decode_stored;
use crate::{Limits, PictureError, Rgb};

/// JPEG quality of thumbnails: artefacts stay invisible at this size, and 320 pixels take about 15 kB.
const QUALITY: u8 = 80;

/// A JPEG has at most this many pixels a side.
const MAX_SIDE: u32 = 65_535;

/// Decodes a file and makes a JPEG of it whose longer side has at most `longest_side` pixels. Never enlarges.
pub fn thumbnail(bytes: &[u8], longest_side: u32, limits: &Limits) -> Result<Vec<u8>, PictureError> {
    let within = |width, height| size_within(width, height, longest_side.clamp(1, MAX_SIDE));
    let (picture, turn) = decode_stored(bytes, limits, within)?;
    let (width, height) = within(picture.width, picture.height);
    Ok(encode_jpeg(&turn.upright(picture.sized(width, height))))
}

/// Keeps the proportions, to the nearest pixel and never to nothing.
fn size_within(width: u32, height: u32, longest_side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= longest_side {
        return (width, height);
    }
    let scaled = |side: u32| {
        let doubled = u64::from(side) * u64::from(longest_side) * 2 + u64::from(longer);
        ((doubled / (u64::from(longer) * 2)) as u32).max(1)
    };
    (scaled(width), scaled(height))
}

fn encode_jpeg(picture: &Rgb) -> Vec<u8> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, QUALITY)
        .encode(&picture.pixels, picture.width, picture.height, ExtendedColorType::Rgb8)
        .expect("writing to memory does not fail, and a thumbnail is within JPEG's 65,535 pixels a side");
    file
}
