//! A whole file to pixels. The formats' own decoders do the work; what they leave open is decided here: no file that ends
//! early, transparency on white, 8 bits a channel.

use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::orient::Turn;
use crate::raster::Raster;
use crate::{Format, Limits, PictureError, Rgb, cut, jpeg, read_header};

/// Bytes a pixel of the widest form that a decoder makes (16-bit RGBA).
const MAX_BYTES_A_PIXEL: u64 = 8;

/// What a decoder may take besides pixels: tables, windows, rows.
const WORKING_BYTES: u64 = 64 << 20;

/// Decodes a whole file to RGB, 8 bits a channel.
///
/// The EXIF orientation is applied, transparency is laid over white, grey, palette, CMYK and 16-bit pictures are
/// converted, and of an animation it is the first frame. Never a part of a picture: a file that ends before its last row
/// is `Truncated`. A missing end marker and bytes behind the picture do no harm.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Rgb, PictureError> {
    let (stored, turn) = decode_stored(bytes, limits, |width, height| (width, height))?;
    let (width, height) = (stored.width, stored.height);
    Ok(turn.upright(stored.sized(width, height)))
}

/// A picture as it lies in the file, and the turn that makes it upright: that is cheaper after it has been made smaller.
///
/// `needed` says, of the stored picture's sides, at what sides it will be shown. What is decoded of it may have fewer pixels than the
/// file, but enough for that.
pub(crate) fn decode_stored(
    bytes: &[u8],
    limits: &Limits,
    needed: impl Fn(u32, u32) -> (u32, u32),
) -> Result<(Raster, Turn), PictureError> {
    let header = read_header(bytes)?;
    limits.check(&header)?;
    // The decoders are others' code on a stranger's bytes. A panic there is that file's problem and nobody else's.
    let (raster, orientation) = catch_unwind(AssertUnwindSafe(|| match header.format {
        Format::Jpeg => jpeg::decode(bytes, needed(header.width, header.height)),
        format => others(bytes, format, limits),
    }))
    .unwrap_or_else(|_| Err(PictureError::damaged("its decoder gave up")))?;
    if (raster.width, raster.height) != (header.width, header.height) {
        return Err(PictureError::damaged("its parts disagree about its size"));
    }
    Ok((raster, Turn::of(orientation)))
}

fn others(bytes: &[u8], format: Format, limits: &Limits) -> Result<(Raster, Orientation), PictureError> {
    let explain = |error| explain(error, bytes, format);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), image_format(format));
    let mut decoder_limits = image::Limits::no_limits();
    decoder_limits.max_alloc = Some(limits.max_pixels.saturating_mul(MAX_BYTES_A_PIXEL).saturating_add(WORKING_BYTES));
    reader.limits(decoder_limits);
    let mut decoder = reader.into_decoder().map_err(explain)?;
    // An orientation that cannot be read is none.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(explain)?;
    Ok((Raster::of_rgb(over_white(image)), orientation))
}

fn image_format(format: Format) -> ImageFormat {
    match format {
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
        Format::Webp => ImageFormat::WebP,
        Format::Gif => ImageFormat::Gif,
        Format::Bmp => ImageFormat::Bmp,
    }
}

/// Says which of our answers a decoder's complaint is.
fn explain(error: ImageError, bytes: &[u8], format: Format) -> PictureError {
    if cut::ends_early(bytes, format) {
        return PictureError::Truncated;
    }
    match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => PictureError::Truncated,
        ImageError::Unsupported(_) => PictureError::UnsupportedFormat(match format {
            Format::Jpeg => "this kind of JPEG",
            Format::Png => "this kind of PNG",
            Format::Webp => "this kind of WebP",
            Format::Gif => "this kind of GIF",
            Format::Bmp => "this kind of BMP",
        }),
        ImageError::Decoding(_)
        | ImageError::Encoding(_)
        | ImageError::Parameter(_)
        | ImageError::Limits(_)
        | ImageError::IoError(_) => PictureError::damaged(error),
    }
}

fn over_white(image: DynamicImage) -> Rgb {
    let (width, height) = (image.width(), image.height());
    if !image.color().has_alpha() {
        return Rgb { width, height, pixels: image.into_rgb8().into_raw() };
    }
    let pixels = image.into_rgba8().into_raw();
    let blend = |[red, green, blue, alpha]: [u8; 4]| {
        let alpha = u32::from(alpha);
        [red, green, blue].map(|colour| ((u32::from(colour) * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
    };
    Rgb { width, height, pixels: pixels.as_chunks::<4>().0.iter().flat_map(|pixel| blend(*pixel)).collect() }
}
