//! From samples of any size to the pixels that are wanted, in one convolution.
//!
//! The filter is a triangle, as wide as the reduction (antialiased); weights as in Pillow's `resize(size, BILINEAR, box)`,
//! whose result it meets within one level of 255. Nothing is rounded on the way. Eight rows of the target are made at a time:
//! first sums of the source's rows, then, of eight columns each with the eight rows beside each other, sums of its columns.

use std::ops::Range;

use crate::Rgb;
use crate::colours::{Colours, Eight};
use crate::raster::Plane;

/// A plane, and the part of it that is wanted.
pub(crate) struct Wanted<'a> {
    pub(crate) plane: &'a Plane,
    pub(crate) columns: Span,
    pub(crate) rows: Span,
}

/// A range of a plane's columns or rows, fractions of them included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: f64,
    pub(crate) length: f64,
}

/// Rows of the target that are made together.
const ROWS: usize = 8;

/// Brings the parts of all planes to one size, and makes pixels of them.
pub(crate) fn resized(planes: &[Wanted], colours: Colours, width: u32, height: u32) -> Rgb {
    #[cfg(target_arch = "x86_64")]
    if crate::processor::has_avx2() {
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        fn resized_with_avx2(planes: &[Wanted], colours: Colours, width: u32, height: u32) -> Rgb {
            resized_anywhere(planes, colours, width, height)
        }
        // SAFETY: the processor was asked.
        #[expect(unsafe_code, reason = "what a processor has is known when it is asked")]
        return unsafe { resized_with_avx2(planes, colours, width, height) };
    }
    resized_anywhere(planes, colours, width, height)
}

#[inline(always)]
fn resized_anywhere(planes: &[Wanted], colours: Colours, width: u32, height: u32) -> Rgb {
    let (columns, rows) = (width as usize, height as usize);
    let mut planes = planes.iter().map(|plane| Resized::new(plane, columns, rows)).collect::<Vec<_>>();
    let mut pixels = vec![0; columns * rows * 3];
    for (group, pixels) in pixels.chunks_mut(ROWS * columns * 3).enumerate() {
        for plane in &mut planes {
            plane.sum_rows(group * ROWS);
        }
        for column in 0..columns {
            let (mut channels, mut count) = ([[0.0; ROWS]; 4], 0);
            for plane in &planes {
                for nth in 0..plane.plane.channels {
                    channels[count] = plane.sum_columns(column, nth);
                    count += 1;
                }
            }
            let mut left = column * 3;
            for pixel in colours.rgb(&channels[..count]) {
                if let Some(target) = pixels.get_mut(left..left + 3) {
                    target.copy_from_slice(&pixel);
                }
                left += columns * 3;
            }
        }
    }
    Rgb { width, height, pixels }
}

/// One plane on its way to the target's size.
struct Resized<'a> {
    plane: &'a Plane,
    rows: Weights,
    columns: Weights,
    /// Of a row's samples those that any weight asks for.
    used: Range<usize>,
    /// Sums of rows, for one row of the target.
    sums: Vec<f32>,
    /// The same for eight rows, which lie beside each other.
    beside: Vec<Eight>,
}

impl<'a> Resized<'a> {
    fn new(wanted: &Wanted<'a>, columns: usize, rows: usize) -> Self {
        let plane = wanted.plane;
        let rows = Weights::new(wanted.rows, plane.rows, plane.extent.1, rows);
        let columns = Weights::new(wanted.columns, plane.columns, plane.extent.0, columns);
        let used = columns.used();
        let used = used.start * plane.channels..used.end * plane.channels;
        let (sums, beside) = (vec![0.0; used.len()], vec![[0.0; ROWS]; used.len()]);
        Self { plane, rows, columns, used, sums, beside }
    }

    #[inline(always)]
    fn sum_rows(&mut self, first_target: usize) {
        for (lane, target) in (first_target..self.rows.count()).take(ROWS).enumerate() {
            let (first, weights) = self.rows.of(target);
            self.sums.fill(0.0);
            for (row, weight) in (first..).zip(weights) {
                let row = &self.plane.samples[row * self.plane.stride..][self.used.clone()];
                for (sum, sample) in self.sums.iter_mut().zip(row) {
                    *sum += weight * f32::from(*sample);
                }
            }
            for (beside, sum) in self.beside.iter_mut().zip(&self.sums) {
                beside[lane] = *sum;
            }
        }
    }

    #[inline(always)]
    fn sum_columns(&self, target: usize, nth_channel: usize) -> Eight {
        let (first, weights) = self.columns.of(target);
        let channels = self.plane.channels;
        let values = &self.beside[first * channels + nth_channel - self.used.start..];
        match channels {
            1 => weighted(values.iter(), weights),
            _ => weighted(values.iter().step_by(channels), weights),
        }
    }
}

#[inline(always)]
fn weighted<'a>(values: impl Iterator<Item = &'a Eight>, weights: &[f32]) -> Eight {
    let mut sums = [0.0; ROWS];
    for (values, weight) in values.zip(weights) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += weight * value;
        }
    }
    sums
}

/// For each column (or row) of the target, which ones of the source make it, and with what weights.
struct Weights {
    /// First one, and where its weights begin and end.
    ranges: Vec<(usize, usize, usize)>,
    weights: Vec<f32>,
}

impl Weights {
    /// Of `count` targets from a span of `there` sources, of which the picture has `extent`: the last source counts by how much of
    /// it is the picture's, in the middle of that.
    fn new(span: Span, there: usize, extent: f64, count: usize) -> Self {
        let step = span.length / count as f64;
        let reach = step.max(1.0);
        let (mut ranges, mut weights) = (Vec::with_capacity(count), Vec::new());
        let mut own = Vec::new();
        for target in 0..count {
            let middle = span.start + (target as f64 + 0.5) * step;
            let first = ((middle - reach).floor().max(0.0) as usize).min(there - 1);
            let end = ((middle + reach).ceil() as usize).clamp(first + 1, there);
            own.clear();
            own.extend((first..end).map(|source| {
                let part = (extent - source as f64).clamp(0.0, 1.0);
                let distance = (source as f64 + 0.5 * part - middle).abs();
                part * (1.0 - distance / reach).max(0.0)
            }));
            let all: f64 = own.iter().sum();
            let zeros = own.iter().take_while(|weight| **weight == 0.0).count().min(own.len() - 1);
            let begin = weights.len();
            // Beyond the last column only its own colour can be shown.
            if all > 0.0 {
                weights.extend(own[zeros..].iter().map(|weight| (weight / all) as f32));
            } else {
                weights.push(1.0);
            }
            while weights.len() > begin + 1 && weights.last() == Some(&0.0) {
                weights.pop();
            }
            ranges.push((first + zeros, begin, weights.len()));
        }
        Self { ranges, weights }
    }

    #[inline(always)]
    fn of(&self, target: usize) -> (usize, &[f32]) {
        let (first, begin, end) = self.ranges[target];
        (first, &self.weights[begin..end])
    }

    fn count(&self) -> usize {
        self.ranges.len()
    }

    fn used(&self) -> Range<usize> {
        let first = self.ranges.iter().map(|(first, ..)| *first).min().unwrap_or(0);
        let end = self.ranges.iter().map(|(first, begin, end)| first + end - begin).max().unwrap_or(0);
        first..end
    }
}
