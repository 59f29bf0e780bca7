//! A decoded picture before it is fitted: samples as the file has them, at the size in which they were decoded.

use crate::Rgb;
use crate::colours::Colours;
use crate::resize::{Span, Wanted, resized};

/// What a decoder made of a file. Its channels may have sizes of their own: halved colours are never enlarged to the
/// picture's size, but brought with everything else to the size that is wanted.
pub(crate) struct Raster {
    /// Sides of the picture as the file's header has them, in pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) planes: Vec<Plane>,
    pub(crate) colours: Colours,
}

/// Rows of samples of one channel, or of several by turns.
pub(crate) struct Plane {
    pub(crate) samples: Vec<u8>,
    /// Channels, whose samples lie beside each other.
    pub(crate) channels: usize,
    /// Samples from one row to the next.
    pub(crate) stride: usize,
    /// Columns and rows that show the picture.
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// How many columns and rows the picture is wide and high: the last ones may reach beyond its edge.
    pub(crate) extent: (f64, f64),
}

/// A part of a picture, in its pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Raster {
    /// Of pixels that are red, green and blue.
    pub(crate) fn of_rgb(Rgb { width, height, pixels }: Rgb) -> Self {
        let (columns, rows) = (width as usize, height as usize);
        let extent = (f64::from(width), f64::from(height));
        let plane = Plane { samples: pixels, channels: 3, stride: 3 * columns, columns, rows, extent };
        Self { width, height, planes: vec![plane], colours: Colours::Rgb }
    }

    /// The whole picture at the given size.
    pub(crate) fn sized(self, width: u32, height: u32) -> Rgb {
        match self.planes[..] {
            [Plane { channels: 3, .. }] if (width, height) == (self.width, self.height) => {
                let pixels = self.planes.into_iter().flat_map(|plane| plane.samples).collect();
                Rgb { width, height, pixels }
            }
            _ => {
                let whole = Part { left: 0.0, top: 0.0, width: self.width.into(), height: self.height.into() };
                self.part_sized(whole, width, height)
            }
        }
    }

    /// A part of the picture at the given size.
    pub(crate) fn part_sized(&self, part: Part, width: u32, height: u32) -> Rgb {
        let wanted = self.planes.iter().map(|plane| {
            let across = plane.extent.0 / f64::from(self.width);
            let down = plane.extent.1 / f64::from(self.height);
            Wanted {
                plane,
                columns: Span { start: part.left * across, length: part.width * across },
                rows: Span { start: part.top * down, length: part.height * down },
            }
        });
        resized(&wanted.collect::<Vec<_>>(), self.colours, width, height)
    }
}
