//! A whole file to upright RGB pixels.

use image::DynamicImage;

use crate::{Limits, PictureError, Rgb, read_header};

/// Decodes a whole file to RGB, 8 bits a channel, with its EXIF orientation applied.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Rgb, PictureError> {
    limits.check(&read_header(bytes)?)?;
    let picture: DynamicImage = image::load_from_memory(bytes).map_err(PictureError::damaged)?;
    let rgb = picture.into_rgb8();
    Ok(Rgb {
        width: rgb.width(),
        height: rgb.height(),
        pixels: rgb.into_raw(),
    })
}
