//! From a photo to the square that a model looks at: resize and centre crop in one convolution.
//!
//! Matches Pillow's `resize(size, BILINEAR)` followed by a centre crop, within one level of 255: the filter is a triangle
//! as wide as the reduction (antialiased), the sizes and the crop's corner are rounded as torchvision's transforms do.

use crate::decode::decode_stored;
use crate::orient::Rectangle;
use crate::raster::Part;
use crate::{Limits, PictureError, Rgb};

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

/// Decodes a file, turns it upright, resizes it as `fit` says and cuts `crop` x `crop` pixels out of the centre.
///
/// # Panics
/// If the crop is empty or larger than what `fit` makes: a model's manifest is checked where it is read.
pub fn decode_fitted(bytes: &[u8], fit: Fit, crop: u32, limits: &Limits) -> Result<Rgb, PictureError> {
    let (picture, turn) = decode_stored(bytes, limits, |width, height| fit.needed(width, height))?;
    let (upright_width, upright_height) = turn.sides(picture.width, picture.height);
    let (width, height) = fit.sides(upright_width, upright_height);
    assert!(crop > 0 && crop <= width && crop <= height, "the crop of {crop} lies within {width} x {height}");

    // The picture is turned last, when it is small; until then the crop is where it lies in the stored picture.
    let centre =
        Rectangle { left: centre_offset(width, crop), top: centre_offset(height, crop), width: crop, height: crop };
    let centre = turn.stored(centre, width, height);
    let (width, height) = turn.sides(width, height);
    let (scale_x, scale_y) =
        (f64::from(picture.width) / f64::from(width), f64::from(picture.height) / f64::from(height));
    let part = Part {
        left: f64::from(centre.left) * scale_x,
        top: f64::from(centre.top) * scale_y,
        width: f64::from(centre.width) * scale_x,
        height: f64::from(centre.height) * scale_y,
    };
    Ok(turn.upright(picture.part_sized(part, crop, crop)))
}

impl Fit {
    /// Sides after the resize, but no longer than before: pixels that a file does not have are not sent.
    pub(crate) fn sides_at_most(self, width: u32, height: u32) -> (u32, u32) {
        let (fitted_width, fitted_height) = self.sides(width, height);
        match self {
            Self::Squash { .. } => (width.min(fitted_width), height.min(fitted_height)),
            Self::ShorterSide(_) if fitted_width > width => (width, height),
            Self::ShorterSide(_) => (fitted_width, fitted_height),
        }
    }

    /// Sides after the resize of a picture whose sides are these, turned or not.
    pub(crate) fn needed(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Squash { width, height } => (width.max(height), width.max(height)),
            Self::ShorterSide(_) => self.sides(width, height),
        }
    }

    /// Sides after the resize. Of the longer one the fraction of a pixel is dropped, as torchvision does.
    fn sides(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Squash { width, height } => (width, height),
            Self::ShorterSide(side) => {
                let longer = |long: u32, short: u32| (u64::from(side) * u64::from(long) / u64::from(short)) as u32;
                if width <= height { (side, longer(height, width)) } else { (longer(width, height), side) }
            }
        }
    }
}

/// Pixels left of a centred crop: half the rest, a half rounded to even as Python's `round` does in torchvision.
fn centre_offset(side: u32, crop: u32) -> u32 {
    let rest = side - crop;
    let half = rest / 2;
    if rest % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}
