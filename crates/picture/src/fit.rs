//! From a photo to the square that a model looks at: resize and centre crop in one convolution.
//!
//! Matches Pillow's `resize(size, BILINEAR)` followed by a centre crop, within one level of 255: the filter is a triangle
//! as wide as the reduction (antialiased), the sizes and the crop's corner are rounded as torchvision's transforms do.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::{Limits, PictureError, Rgb, decode};

/// How the whole photo is resized before the centre crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// To exactly these sides, whatever the photo's proportions.
    Squash {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// So that the shorter side has this many pixels; proportions stay.
    ShorterSide(u32),
}

/// Decodes a file, resizes it as `fit` says and cuts `crop` x `crop` pixels out of the centre.
///
/// Panics if the crop is larger than what `fit` makes: a model's manifest is checked where it is read.
pub fn decode_fitted(
    bytes: &[u8],
    fit: Fit,
    crop: u32,
    limits: &Limits,
) -> Result<Rgb, PictureError> {
    Ok(resize_and_crop(&decode(bytes, limits)?, fit, crop))
}

impl Fit {
    /// Width and height after the resize. The longer side is cut down to a whole pixel, as torchvision does.
    fn size_of(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Squash { width, height } => (width, height),
            Self::ShorterSide(side) => {
                let longer = |long: u32, short: u32| {
                    (u64::from(side) * u64::from(long) / u64::from(short)) as u32
                };
                if width <= height {
                    (side, longer(height, width))
                } else {
                    (longer(width, height), side)
                }
            }
        }
    }
}

/// One convolution straight from the source rectangle that ends up in the crop; what the crop would drop is never made.
fn resize_and_crop(picture: &Rgb, fit: Fit, crop: u32) -> Rgb {
    let (width, height) = fit.size_of(picture.width, picture.height);
    assert!(
        crop > 0 && crop <= width && crop <= height,
        "the crop {crop} fits into {width} x {height}"
    );
    let scale_x = f64::from(picture.width) / f64::from(width);
    let scale_y = f64::from(picture.height) / f64::from(height);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(
            f64::from(centre_offset(width, crop)) * scale_x,
            f64::from(centre_offset(height, crop)) * scale_y,
            f64::from(crop) * scale_x,
            f64::from(crop) * scale_y,
        );
    resize(picture, crop, crop, &options)
}

/// Pixels left of a centred crop: half the rest, a half rounded to even as Python's `round` does in torchvision.
fn centre_offset(side: u32, crop: u32) -> u32 {
    let rest = side - crop;
    let half = rest / 2;
    if rest % 2 == 1 && half % 2 == 1 {
        half + 1
    } else {
        half
    }
}

/// Resizes to exactly `width` x `height`.
pub(crate) fn resize(picture: &Rgb, width: u32, height: u32, options: &ResizeOptions) -> Rgb {
    let source = ImageRef::new(
        picture.width,
        picture.height,
        &picture.pixels,
        PixelType::U8x3,
    )
    .expect("an Rgb holds exactly width x height pixels");
    let mut target = Image::new(width, height, PixelType::U8x3);
    Resizer::new()
        .resize(&source, &mut target, options)
        .expect("source and target have one pixel type");
    Rgb {
        width,
        height,
        pixels: target.into_vec(),
    }
}
