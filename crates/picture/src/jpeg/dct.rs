//! From a block's coefficients to its samples, at an eighth, a quarter, half or all of its size.
//!
//! The inverse transform of T.81 A.3.3, in one dimension, is a sum of cosines: `s(x) = sum of c(k) / 2 * S(k) *
//! cos((2x + 1) k pi / 16)` with `c(0) = 1 / sqrt(2)`, else 1. With a side of N = 1, 2 or 4 samples in the place of 8 it is the
//! first N of these cosines taken at the N middles, `cos((2x + 1) k pi / 2N)`: what the block holds at frequencies that N samples
//! can show, and nothing of the others, which would only come out as wrong lower ones (A. N. Skodras and others, and libjpeg's
//! `scale_num`, do the same). Half of the sums are those of half as many points: that is all the speed there is in it.

use std::array;
use std::f32::consts::FRAC_1_SQRT_2;

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

    fn zero() -> Self;

    /// By place.
    fn values(&mut self) -> &mut [f32];

    /// The samples, row by row.
    fn samples(self) -> Self;
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
    fn samples(self) -> Self {
        self
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
    fn samples(self) -> Self {
        two(transposed(two(self)))
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
    fn samples(self) -> Self {
        four(transposed(four(self)))
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
    fn samples(self) -> Self {
        eight(transposed(eight(self)))
    }
}

#[inline(always)]
fn transposed<const N: usize>(rows: [[f32; N]; N]) -> [[f32; N]; N] {
    array::from_fn(|column| array::from_fn(|row| rows[row][column]))
}

#[inline(always)]
fn sum<const L: usize>(a: [f32; L], b: [f32; L]) -> [f32; L] {
    array::from_fn(|lane| a[lane] + b[lane])
}

#[inline(always)]
fn difference<const L: usize>(a: [f32; L], b: [f32; L]) -> [f32; L] {
    array::from_fn(|lane| a[lane] - b[lane])
}

#[inline(always)]
fn times<const L: usize>(a: [f32; L], factor: f32) -> [f32; L] {
    array::from_fn(|lane| a[lane] * factor)
}

/// cos(k pi / 16) for k of 1 to 7.
const COS: [f32; 8] =
    [1.0, 0.980_785_25, 0.923_879_5, 0.831_469_6, FRAC_1_SQRT_2, 0.555_570_24, 0.382_683_43, 0.195_090_32];

/// Two points of each lane.
#[inline(always)]
fn two<const L: usize>([s0, s1]: [[f32; L]; 2]) -> [[f32; L]; 2] {
    let odd = times(s1, COS[4]);
    [sum(s0, odd), difference(s0, odd)]
}

/// Four points of each lane.
#[inline(always)]
fn four<const L: usize>([s0, s1, s2, s3]: [[f32; L]; 4]) -> [[f32; L]; 4] {
    let [even0, even1] = two([s0, s2]);
    let odd0 = sum(times(s1, COS[2]), times(s3, COS[6]));
    let odd1 = difference(times(s1, COS[6]), times(s3, COS[2]));
    [sum(even0, odd0), sum(even1, odd1), difference(even1, odd1), difference(even0, odd0)]
}

/// Eight points of each lane.
#[inline(always)]
fn eight<const L: usize>([s0, s1, s2, s3, s4, s5, s6, s7]: [[f32; L]; 8]) -> [[f32; L]; 8] {
    let even = four([s0, s2, s4, s6]);
    let odd =
        |c1: f32, c3: f32, c5: f32, c7: f32| sum(sum(times(s1, c1), times(s3, c3)), sum(times(s5, c5), times(s7, c7)));
    let odd = [
        odd(COS[1], COS[3], COS[5], COS[7]),
        odd(COS[3], -COS[7], -COS[1], -COS[5]),
        odd(COS[5], -COS[1], COS[7], COS[3]),
        odd(COS[7], -COS[5], COS[3], -COS[1]),
    ];
    let upper = array::from_fn::<_, 4, _>(|x| sum(even[x], odd[x]));
    let lower = array::from_fn::<_, 4, _>(|x| difference(even[x], odd[x]));
    [upper[0], upper[1], upper[2], upper[3], lower[3], lower[2], lower[1], lower[0]]
}
