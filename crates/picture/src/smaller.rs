//! A smaller form of an image: what a model sees of it in fewer bytes, for a link that is slower than the work.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::decode::decode_stored;
use crate::{Fit, Limits, PictureError, Rgb};

/// JPEG quality of a smaller form, with colours as fine as brightness: less of either changes more than one answer in a hundred
/// (`docs/decisions/0016-send-less.md`).
const QUALITY: u8 = 95;

/// Decodes a file and makes a JPEG of it that is as large as `fit` makes it, and upright. Never enlarges. `None` where that has no
/// fewer bytes than the file, or more pixels a side than a JPEG can have.
///
/// Whoever fits that picture in the same way has nothing left to resize, and so sees the same pixels but for what JPEG loses.
///
/// # Errors
/// As [`decode`](crate::decode()).
pub fn smaller(bytes: &[u8], fit: Fit, limits: &Limits) -> Result<Option<Vec<u8>>, PictureError> {
    let jpeg = encode(&fitted(bytes, fit, limits)?);
    Ok(jpeg.filter(|jpeg| jpeg.len() < bytes.len()))
}

/// The pixels of [`smaller`], before JPEG.
///
/// # Errors
/// As [`decode`](crate::decode()).
pub fn fitted(bytes: &[u8], fit: Fit, limits: &Limits) -> Result<Rgb, PictureError> {
    let (picture, turn) = decode_stored(bytes, limits, |width, height| fit.needed(width, height))?;
    let (width, height) = turn.sides(picture.width, picture.height);
    let (width, height) = fit.sides_at_most(width, height);
    let (width, height) = turn.sides(width, height);
    Ok(turn.upright(picture.sized(width, height)))
}

fn encode(picture: &Rgb) -> Option<Vec<u8>> {
    let (width, height) = (u16::try_from(picture.width).ok()?, u16::try_from(picture.height).ok()?);
    let mut file = Vec::new();
    // Its tables are the standard's: with tables of its own this encoder writes a scan for each colour, which few decoders read.
    let mut encoder = Encoder::new(&mut file, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    encoder.encode(&picture.pixels, width, height, ColorType::Rgb).expect("writing to memory does not fail");
    Some(file)
}
