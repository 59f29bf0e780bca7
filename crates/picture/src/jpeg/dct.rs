//! From a block's coefficients to its samples, at an eighth, a quarter, half or all of its size.
//!
//! The inverse transform of T.81 A.3.3, in one dimension, is a sum of cosines: `s(x) = sum of c(k) / 2 * S(k) *
//! cos((2x + 1) k pi / 16)` with `c(0) = 1 / sqrt(2)`, else 1. With a side of N = 1, 2 or 4 samples in the place of 8 it is the
//! first N of these cosines taken at the N middles, `cos((2x + 1) k pi / 2N)`: what the block holds at frequencies that N samples
//! can show, and nothing of the others, which would only come out as wrong lower ones (A. N. Skodras and others, and libjpeg's
//! `scale_num`, do the same). Half of the sums are those of half as many points: that is all the speed there is in it.

use std::array;
use std::f32::consts::FRAC_1_SQRT_2;
use std::ops::{Add, Mul, Sub};

use wide::{f32x4, i16x8, i32x8, u8x16};

/// What is added to a block's first coefficient, after its factor, so that its samples are of 0 to 255 (T.81 A.3.1).
pub(super) const MIDDLE: f32 = 128.0;

/// Order in which a block's coefficients are written (T.81 figure A.6): row and column of each, in one number.
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// The place in a corner of what is not kept: behind its end.
const NOT_KEPT: u8 = 64;

/// The low frequencies of one block, as many as it will have samples: by column, in each by row.
pub(super) trait Corner: Copy {
    /// Samples, and kept coefficients, in a row and in a column.
    const SIDE: usize;
    /// By zigzag order: where in [`Corner::values`] a coefficient is kept, [`NOT_KEPT`] or beyond where it is not. A run of zeros
    /// may lead beyond the 64th.
    const PLACES: [u8; 80] = places(Self::SIDE);
    /// How many coefficients, in zigzag order, have to be read for all that are kept.
    const READ: usize = read(Self::SIDE);

    /// Of a block whose coefficients are all 0.
    fn zero() -> Self;

    /// The kept coefficients, by place.
    fn values(&mut self) -> &mut [f32];

    /// The samples, of 0 to 255, row by row.
    fn samples(&self) -> [u8; 64];
}

/// [`Corner::PLACES`] of a corner.
pub(super) const fn places(side: usize) -> [u8; 80] {
    let mut places = [NOT_KEPT; 80];
    let mut k = 0;
    while k < 64 {
        let (row, column) = (ZIGZAG[k] as usize / 8, ZIGZAG[k] as usize % 8);
        if row < side && column < side {
            places[k] = (column * side + row) as u8;
        }
        k += 1;
    }
    places
}

const fn read(side: usize) -> usize {
    let places = places(side);
    let mut read = 64;
    while places[read - 1] == NOT_KEPT {
        read -= 1;
    }
    read
}

/// What each coefficient, in zigzag order, is multiplied by: its step and the transform's own factors in both directions.
pub(super) fn factors(steps: &[u16; 64]) -> [f32; 64] {
    let factor = |frequency: u8| if frequency == 0 { 0.5 * FRAC_1_SQRT_2 } else { 0.5 };
    array::from_fn(|k| f32::from(steps[k]) * factor(ZIGZAG[k] / 8) * factor(ZIGZAG[k] % 8))
}

impl Corner for [[f32; 1]; 1] {
    const SIDE: usize = 1;

    #[inline(always)]
    fn zero() -> Self {
        [[0.0]]
    }

    #[inline(always)]
    fn values(&mut self) -> &mut [f32] {
        self.as_flattened_mut()
    }

    #[inline(always)]
    fn samples(&self) -> [u8; 64] {
        let mut samples = [0; 64];
        samples[0] = round(self[0][0]);
        samples
    }
}

impl Corner for [[f32; 2]; 2] {
    const SIDE: usize = 2;

    #[inline(always)]
    fn zero() -> Self {
        [[0.0; 2]; 2]
    }

    #[inline(always)]
    fn values(&mut self) -> &mut [f32] {
        self.as_flattened_mut()
    }

    #[inline(always)]
    fn samples(&self) -> [u8; 64] {
        let [[left0, right0], [left1, right1]] = array::from_fn(|row| two([self[0][row], self[1][row]]));
        let ([above_left, below_left], [above_right, below_right]) = (two([left0, left1]), two([right0, right1]));
        let mut samples = [0; 64];
        samples[..4].copy_from_slice(&[round(above_left), round(above_right), round(below_left), round(below_right)]);
        samples
    }
}

impl Corner for [[f32; 4]; 4] {
    const SIDE: usize = 4;

    #[inline(always)]
    fn zero() -> Self {
        [[0.0; 4]; 4]
    }

    #[inline(always)]
    fn values(&mut self) -> &mut [f32] {
        self.as_flattened_mut()
    }

    #[inline(always)]
    fn samples(&self) -> [u8; 64] {
        let columns = array::from_fn(|column| f32x4::new(self[column]));
        let rows = four(f32x4::transpose(four(columns)));
        let mut samples = [0; 64];
        samples[..16].copy_from_slice(&rounded(rows));
        samples
    }
}

impl Corner for [[f32; 8]; 8] {
    const SIDE: usize = 8;

    #[inline(always)]
    fn zero() -> Self {
        [[0.0; 8]; 8]
    }

    #[inline(always)]
    fn values(&mut self) -> &mut [f32] {
        self.as_flattened_mut()
    }

    #[inline(always)]
    fn samples(&self) -> [u8; 64] {
        // Four lanes at a time: first the upper rows and the lower rows of all columns, then the left columns and the right ones.
        let (upper, lower) = (eight(lanes(self, 0)), eight(lanes(self, 4)));
        let left = eight(turned(&upper, &lower, 0));
        let right = eight(turned(&upper, &lower, 4));
        let mut samples = [0; 64];
        for (pair, rows) in samples.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let (above, below) = (2 * pair, 2 * pair + 1);
            *rows = rounded([left[above], right[above], left[below], right[below]]);
        }
        samples
    }
}

/// Four rows of all columns.
#[inline(always)]
fn lanes(columns: &[[f32; 8]; 8], row: usize) -> [f32x4; 8] {
    array::from_fn(|column| f32x4::new(array::from_fn(|lane| columns[column][row + lane])))
}

/// Four columns of all rows, of which upper and lower ones are given column by column.
#[inline(always)]
fn turned(upper: &[f32x4; 8], lower: &[f32x4; 8], column: usize) -> [f32x4; 8] {
    let upper = f32x4::transpose(array::from_fn(|lane| upper[column + lane]));
    let lower = f32x4::transpose(array::from_fn(|lane| lower[column + lane]));
    [upper[0], upper[1], upper[2], upper[3], lower[0], lower[1], lower[2], lower[3]]
}

/// To the nearest of 0 to 255. Added to 2^23, a float's last bit counts ones.
#[inline(always)]
fn round(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + 8_388_608.0).to_bits() as u8
}

/// The same of sixteen values.
#[inline(always)]
fn rounded(values: [f32x4; 4]) -> [u8; 16] {
    let [a, b, c, d] = values;
    let low = bytemuck::cast::<_, i32x8>([a.fast_round_int(), b.fast_round_int()]);
    let high = bytemuck::cast::<_, i32x8>([c.fast_round_int(), d.fast_round_int()]);
    let (low, high) = (i16x8::from_i32x8_saturate(low), i16x8::from_i32x8_saturate(high));
    u8x16::narrow_i16x8(low, high).to_array()
}

/// Values that are transformed together.
trait Lanes: Copy + From<f32> + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {}

impl Lanes for f32 {}
impl Lanes for f32x4 {}

/// cos(k pi / 16).
const COS: [f32; 8] =
    [1.0, 0.980_785_25, 0.923_879_5, 0.831_469_6, FRAC_1_SQRT_2, 0.555_570_24, 0.382_683_43, 0.195_090_32];

/// Two points.
#[inline(always)]
fn two<L: Lanes>([s0, s1]: [L; 2]) -> [L; 2] {
    let odd = s1 * L::from(COS[4]);
    [s0 + odd, s0 - odd]
}

/// Four points.
#[inline(always)]
fn four<L: Lanes>([s0, s1, s2, s3]: [L; 4]) -> [L; 4] {
    let (c2, c6) = (L::from(COS[2]), L::from(COS[6]));
    let [even0, even1] = two([s0, s2]);
    let [odd0, odd1] = [s1 * c2 + s3 * c6, s1 * c6 - s3 * c2];
    [even0 + odd0, even1 + odd1, even1 - odd1, even0 - odd0]
}

/// Eight points.
#[inline(always)]
fn eight<L: Lanes>([s0, s1, s2, s3, s4, s5, s6, s7]: [L; 8]) -> [L; 8] {
    let (c1, c3, c5, c7) = (L::from(COS[1]), L::from(COS[3]), L::from(COS[5]), L::from(COS[7]));
    let even = four([s0, s2, s4, s6]);
    let odd = [
        s1 * c1 + s3 * c3 + (s5 * c5 + s7 * c7),
        s1 * c3 - s3 * c7 - (s5 * c1 + s7 * c5),
        s1 * c5 - s3 * c1 + (s5 * c7 + s7 * c3),
        s1 * c7 - s3 * c5 + (s5 * c3 - s7 * c1),
    ];
    [
        even[0] + odd[0],
        even[1] + odd[1],
        even[2] + odd[2],
        even[3] + odd[3],
        even[3] - odd[3],
        even[2] - odd[2],
        even[1] - odd[1],
        even[0] - odd[0],
    ]
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    /// Coefficients of a block in zigzag order, from small steps to large ones.
    fn block(seed: u64) -> [i32; 64] {
        let mut state = seed;
        array::from_fn(|k| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % 41) as i32 - 20 + if k == 0 { 100 } else { 0 }
        })
    }

    /// The sum of cosines of T.81 A.3.3 at the middles of so many samples, of as many frequencies, to the nearest of 0 to 255.
    fn formula(block: &[i32; 64], side: usize) -> Vec<u8> {
        let cosine = |x: usize, k: usize| {
            let factor = if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
            factor / 2.0 * ((2 * x + 1) as f64 * k as f64 * PI / (2 * side) as f64).cos()
        };
        let sample = |x: usize, y: usize| {
            let kept = (0..64).map(|k| (usize::from(ZIGZAG[k]) % 8, usize::from(ZIGZAG[k]) / 8, block[k]));
            let kept = kept.filter(|(u, v, _)| *u < side && *v < side);
            let sum: f64 = kept.map(|(u, v, value)| f64::from(value) * cosine(x, u) * cosine(y, v)).sum();
            (sum + 128.0).round().clamp(0.0, 255.0) as u8
        };
        (0..side * side).map(|at| sample(at % side, at / side)).collect()
    }

    fn samples<C: Corner>(block: &[i32; 64]) -> Vec<u8> {
        let (mut corner, factors) = (C::zero(), factors(&[1; 64]));
        for k in 0..C::READ {
            if let Some(value) = corner.values().get_mut(usize::from(C::PLACES[k])) {
                *value = block[k] as f32 * factors[k];
            }
        }
        corner.values()[0] += MIDDLE;
        corner.samples()[..C::SIDE * C::SIDE].to_vec()
    }

    fn assert_close(ours: Vec<u8>, exact: Vec<u8>) {
        assert_eq!(ours.len(), exact.len());
        // Halves may be rounded either way.
        assert!(ours.iter().zip(&exact).all(|(a, b)| a.abs_diff(*b) <= 1), "{ours:?} in the place of {exact:?}");
    }

    #[test]
    fn samples_are_the_sum_of_cosines_at_every_size() {
        for seed in 0..200 {
            let block = block(seed);
            assert_close(samples::<[[f32; 1]; 1]>(&block), formula(&block, 1));
            assert_close(samples::<[[f32; 2]; 2]>(&block), formula(&block, 2));
            assert_close(samples::<[[f32; 4]; 4]>(&block), formula(&block, 4));
            assert_close(samples::<[[f32; 8]; 8]>(&block), formula(&block, 8));
        }
    }

    #[test]
    fn a_single_sample_is_the_mean_of_all() {
        let mut block = block(3);
        block[0] = -77;
        let all = formula(&block, 8);
        let mean = all.iter().map(|sample| u32::from(*sample)).sum::<u32>() as f64 / 64.0;
        assert!((f64::from(samples::<[[f32; 1]; 1]>(&block)[0]) - mean).abs() <= 1.0);
    }
}
