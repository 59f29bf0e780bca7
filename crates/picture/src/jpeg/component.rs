//! One colour component of a frame: what the scans so far have told of it, and the samples that come of it.

use crate::raster::Plane;

use super::dct::{self, Corner};
use super::segments::{Component, Frame};

/// Bit position of a coefficient that no scan has told yet.
const NOT_AT_ALL: u8 = u8::MAX;

/// What has been seen of one component.
pub(super) struct Seen {
    /// Blocks in a row, and rows of blocks, as a scan of this component alone has them (T.81 A.2.2).
    pub(super) across: u32,
    pub(super) down: u32,
    /// Samples that are made of a block in each direction: 1, 2, 4 or 8.
    pub(super) side: usize,
    /// What coefficients are multiplied by, in zigzag order: the table in force at the component's first scan.
    pub(super) factors: Option<Box<[f32; 64]>>,
    /// By coefficient: the bit position down to which it is known.
    known_down_to: [u8; 64],
    /// Blocks in a row of whole MCUs.
    stride: usize,
    pub(super) plane: Plane,
    /// Of a progressive frame, for each block: a bit for each coefficient that is not zero, which refining scans depend on.
    pub(super) non_zero: Vec<u64>,
    /// Of a progressive frame: the coefficients of each block's corner.
    coefficients: Vec<i16>,
}

impl Seen {
    /// `needed` are the columns and rows that the picture should have at least, after what the file does not need to give up.
    pub(super) fn new(frame: &Frame, component: &Component, needed: (f64, f64)) -> Self {
        let (most_horizontal, most_vertical) = (frame.most_horizontal(), frame.most_vertical());
        let samples = |side: u16, sampling: u32, most: u32| (u32::from(side) * sampling).div_ceil(most);
        let columns = samples(frame.width, component.horizontal, most_horizontal);
        let rows = samples(frame.height, component.vertical, most_vertical);
        let across = |side: usize| {
            f64::from(u32::from(frame.width) * component.horizontal) / f64::from(most_horizontal) * side as f64 / 8.0
        };
        let down = |side: usize| {
            f64::from(u32::from(frame.height) * component.vertical) / f64::from(most_vertical) * side as f64 / 8.0
        };
        let is_enough = |side: &usize| across(*side) >= needed.0 && down(*side) >= needed.1;
        let side = [1, 2, 4].into_iter().find(is_enough).unwrap_or(8);

        let (units_across, units_down) = frame.units();
        let stride = (units_across * component.horizontal) as usize;
        let blocks = stride * (units_down * component.vertical) as usize;
        let scaled = |samples: u32| (samples as usize * side).div_ceil(8);
        let plane = Plane {
            samples: vec![0; blocks * side * side],
            channels: 1,
            stride: stride * side,
            columns: scaled(columns),
            rows: scaled(rows),
            extent: (across(side), down(side)),
        };
        let (non_zero, coefficients) =
            if frame.progressive { (vec![0; blocks], vec![0; blocks * side * side]) } else { (Vec::new(), Vec::new()) };
        Self {
            across: columns.div_ceil(8),
            down: rows.div_ceil(8),
            side,
            factors: None,
            known_down_to: [NOT_AT_ALL; 64],
            stride,
            plane,
            non_zero,
            coefficients,
        }
    }

    /// Coefficients of a range, in zigzag order, are known down to one bit.
    pub(super) fn know(&mut self, coefficients: std::ops::RangeInclusive<u8>, bit: u8) {
        for coefficient in coefficients {
            self.known_down_to[usize::from(coefficient)] = bit;
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.known_down_to.iter().all(|bit| *bit == 0)
    }

    pub(super) fn is_begun(&self) -> bool {
        self.known_down_to[0] != NOT_AT_ALL
    }

    /// Number of a block among the component's.
    #[inline(always)]
    pub(super) fn block(&self, column: u32, row: u32) -> usize {
        row as usize * self.stride + column as usize
    }

    /// The kept coefficients of one block, by [`Corner::PLACES`].
    #[inline(always)]
    pub(super) fn corner(&mut self, block: usize) -> (&mut [i16], &mut u64) {
        let kept = self.side * self.side;
        (&mut self.coefficients[block * kept..][..kept], &mut self.non_zero[block])
    }

    /// Puts a block's samples where they belong.
    #[inline(always)]
    pub(super) fn show<C: Corner>(&mut self, column: u32, row: u32, corner: &C) {
        let samples = corner.samples();
        let stride = self.plane.stride;
        let left = row as usize * C::SIDE * stride + column as usize * C::SIDE;
        for (row, samples) in samples.chunks_exact(C::SIDE).take(C::SIDE).enumerate() {
            self.plane.samples[left + row * stride..][..C::SIDE].copy_from_slice(samples);
        }
    }

    /// Makes the samples of a progressive frame, once all is known.
    pub(super) fn show_all(&mut self) {
        match self.side {
            1 => self.show_corners::<[[f32; 1]; 1]>(),
            2 => self.show_corners::<[[f32; 2]; 2]>(),
            4 => self.show_corners::<[[f32; 4]; 4]>(),
            _ => self.show_corners::<[[f32; 8]; 8]>(),
        }
    }

    fn show_corners<C: Corner>(&mut self) {
        let Some(factors) = self.factors.take() else {
            return;
        };
        let coefficients = std::mem::take(&mut self.coefficients);
        let mut blocks = coefficients.chunks_exact(C::SIDE * C::SIDE);
        for row in 0..(coefficients.len() / (C::SIDE * C::SIDE * self.stride)) as u32 {
            for (column, block) in (0..).zip(blocks.by_ref().take(self.stride)) {
                let mut corner = C::zero();
                for (place, factor) in C::PLACES.iter().zip(&*factors).take(C::READ) {
                    if let Some(value) = block.get(usize::from(*place)) {
                        corner.values()[usize::from(*place)] = f32::from(*value) * factor;
                    }
                }
                corner.values()[0] += dct::MIDDLE;
                self.show(column, row, &corner);
            }
        }
    }
}
