//! Turning a picture upright, as its EXIF orientation says.
//!
//! Every one of the eight orientations is an optional exchange of rows and columns, then optional mirrorings.

use image::metadata::Orientation;

use crate::Rgb;

/// What makes a stored picture upright: first `transpose`, then the mirrorings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    transpose: bool,
    mirror_left_right: bool,
    mirror_top_bottom: bool,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rectangle {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Turn {
    pub(crate) fn of(orientation: Orientation) -> Self {
        let (transpose, mirror_left_right, mirror_top_bottom) = match orientation {
            Orientation::NoTransforms => (false, false, false),
            Orientation::FlipHorizontal => (false, true, false),
            Orientation::Rotate180 => (false, true, true),
            Orientation::FlipVertical => (false, false, true),
            Orientation::Rotate90FlipH => (true, false, false),
            Orientation::Rotate90 => (true, true, false),
            Orientation::Rotate270FlipH => (true, true, true),
            Orientation::Rotate270 => (true, false, true),
        };
        Self { transpose, mirror_left_right, mirror_top_bottom }
    }

    /// Sides of the upright picture from the stored ones, and the other way round.
    pub(crate) fn sides(self, width: u32, height: u32) -> (u32, u32) {
        if self.transpose { (height, width) } else { (width, height) }
    }

    /// Where a rectangle of the upright picture, of the given sides, lies in the stored one.
    pub(crate) fn stored(self, upright: Rectangle, width: u32, height: u32) -> Rectangle {
        let Rectangle { mut left, mut top, width: across, height: down } = upright;
        if self.mirror_left_right {
            left = width - across - left;
        }
        if self.mirror_top_bottom {
            top = height - down - top;
        }
        if self.transpose {
            Rectangle { left: top, top: left, width: down, height: across }
        } else {
            Rectangle { left, top, width: across, height: down }
        }
    }

    /// Turns the pixels.
    pub(crate) fn upright(self, stored: Rgb) -> Rgb {
        let mut picture = if self.transpose { transposed(&stored) } else { stored };
        let row_bytes = picture.width as usize * 3;
        if self.mirror_left_right {
            for row in picture.pixels.chunks_exact_mut(row_bytes) {
                row.as_chunks_mut::<3>().0.reverse();
            }
        }
        if self.mirror_top_bottom {
            let (upper, lower) = picture.pixels.split_at_mut(picture.height as usize / 2 * row_bytes);
            for (above, below) in upper.chunks_exact_mut(row_bytes).zip(lower.chunks_exact_mut(row_bytes).rev()) {
                above.swap_with_slice(below);
            }
        }
        picture
    }
}

fn transposed(picture: &Rgb) -> Rgb {
    /// Pixels of a square that is copied at a time, so that neither its rows nor its columns leave the cache.
    const TILE: usize = 32;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut pixels = vec![0; picture.pixels.len()];
    let (source, target) = (picture.pixels.as_chunks::<3>().0, pixels.as_chunks_mut::<3>().0);
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for y in top..(top + TILE).min(height) {
                for x in left..(left + TILE).min(width) {
                    target[x * height + y] = source[y * width + x];
                }
            }
        }
    }
    Rgb { width: picture.height, height: picture.width, pixels }
}
