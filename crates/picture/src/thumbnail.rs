//! A small JPEG of a picture, for the page.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use crate::{Limits, PictureError, Rgb, decode, fit};

/// JPEG quality of thumbnails: artefacts stay invisible at this size, and 320 pixels take about 15 kB.
const QUALITY: u8 = 80;

/// Decodes a file and makes a JPEG of it whose longer side has at most `longest_side` pixels. Never enlarges.
pub fn thumbnail(
    bytes: &[u8],
    longest_side: u32,
    limits: &Limits,
) -> Result<Vec<u8>, PictureError> {
    let picture = decode(bytes, limits)?;
    let (width, height) = size_within(picture.width, picture.height, longest_side.max(1));
    let small = if (width, height) == (picture.width, picture.height) {
        picture
    } else {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        fit::resize(&picture, width, height, &options)
    };
    Ok(encode_jpeg(&small))
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
