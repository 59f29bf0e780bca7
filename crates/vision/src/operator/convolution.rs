//! Convolutions of 3 by 3 at a stride of one, with a border of one, by minimal filtering.
//!
//! An output tile of `M` by `M` needs `9 M^2` products for a pair of channels as the definition has it, and `(M + 2)^2`
//! where the window of inputs and the filter are first taken to `N^2 = (M + 2)^2` points, multiplied there and taken
//! back: `Y = A^T [(G g G^T) * (B^T d B)] A` (Winograd 1980; Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks", 2015, whose matrices these are). That is 2.25 times fewer with tiles of 2 by 2, 4 times with 4 by 4. At each
//! point it is a product of matrices over the channels, filters times windows, and these are where the time goes.
//!
//! Sums of larger numbers that nearly cancel lose something: in 32-bit floats with tiles of 4 by 4 about a digit.

use std::ops::Range;

/// The operator's name in a graph, and those of its attributes. Inputs: `[N, C, H, W]`, the weights `[O, C, 3, 3]` and
/// perhaps the biases `[O]`, both constants; output: `[N, O, H, W]`; all f32.
pub(crate) const OPERATOR: &str = "MinimalConvolution";
/// Whether negative outputs become zero.
pub(crate) const RELU: &str = "relu";

/// The side of a filter.
pub(crate) const SIDE: usize = 3;

/// Numbers that are computed together: one register of AVX2.
const LANES: usize = 8;
/// Windows, in registers, and filters that are multiplied together: their sums take 12 of AVX2's 16 registers, two more
/// hold the windows and one a filter's number.
const REGISTERS: usize = 2;
const ROWS: usize = 6;
/// So many times [`ROWS`] filters go from products to outputs before the next: their products stay in the cache.
const BUNCH: usize = 8;
/// Tiles of 4 by 4 from so many on. Their filters are 2.25 times as many bytes, and with fewer tiles each byte that comes from
/// memory is used too rarely to gain anything by it.
const LARGE_TILES_MIN: usize = 32;

type Lanes = [f32; LANES];

/// Whether this processor is better off with it than with a runtime's own convolution. Where registers of AVX-512 are twice as wide in truth, a
/// runtime's is as fast with all the products.
pub(crate) fn serves_this_processor() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let has_wide_registers = is_x86_feature_detected!("avx512f") && !takes_wide_registers_in_halves();
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && !has_wide_registers
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether it is one of AMD's family 19h, which has AVX-512 since Zen 4 and works at 512 bits in two halves (AMD, Software Optimization Guide for
/// the AMD Zen4 Microarchitecture, no. 57647). Where vendor and family stand: AMD, CPUID Specification, no. 25481, functions 0 and 1.
#[cfg(target_arch = "x86_64")]
fn takes_wide_registers_in_halves() -> bool {
    use std::arch::x86_64::__cpuid;
    let vendor = __cpuid(0);
    let is_amd = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD";
    let signature = __cpuid(1).eax;
    let (base, extended) = (signature >> 8 & 0xf, signature >> 20 & 0xff);
    is_amd && base + extended == 0x19
}

/// A convolution that is ready for inputs of one size.
pub(crate) struct Convolution {
    inputs: usize,
    outputs: usize,
    height: usize,
    width: usize,
    has_large_tiles: bool,
    /// The filters at each point: for each bunch, point and block of [`ROWS`] filters `[inputs, ROWS]`.
    filters: Vec<f32>,
    biases: Vec<f32>,
    relu: bool,
}

/// Memory that one convolution after another uses.
#[derive(Default)]
pub(crate) struct Workspace {
    phases: Vec<f32>,
    windows: Vec<f32>,
    products: Vec<f32>,
    line: Vec<f32>,
    lines: Vec<f32>,
}

impl Convolution {
    /// `weights` are `[outputs, inputs, 3, 3]`, `biases` one for each output, `size` height and width of the inputs.
    ///
    /// # Panics
    /// The numbers of weights or biases are others, or a size is zero.
    pub(crate) fn new(
        weights: &[f32],
        biases: &[f32],
        [outputs, inputs]: [usize; 2],
        [height, width]: [usize; 2],
        relu: bool,
    ) -> Self {
        assert_eq!(weights.len(), outputs * inputs * SIDE * SIDE);
        assert_eq!(biases.len(), outputs);
        assert!(inputs > 0 && height > 0 && width > 0);
        let has_large_tiles = height.div_ceil(4) * width.div_ceil(4) >= LARGE_TILES_MIN;
        let filters = if has_large_tiles {
            filters::<Four, 4, 6>(weights, outputs, inputs)
        } else {
            filters::<Two, 2, 4>(weights, outputs, inputs)
        };
        Self { inputs, outputs, height, width, has_large_tiles, filters, biases: biases.to_vec(), relu }
    }

    /// Height and width of the inputs it is ready for.
    pub(crate) fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Convolves one image: `x` is `[inputs, height, width]` and `y` `[outputs, height, width]`.
    ///
    /// # Panics
    /// They are of another size.
    pub(crate) fn apply(&self, x: &[f32], y: &mut [f32], workspace: &mut Workspace) {
        assert_eq!(x.len(), self.inputs * self.height * self.width);
        assert_eq!(y.len(), self.outputs * self.height * self.width);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            #[target_feature(enable = "avx2,fma")]
            fn apply_with_avx2(convolution: &Convolution, x: &[f32], y: &mut [f32], workspace: &mut Workspace) {
                convolution.apply_anywhere(x, y, workspace);
            }
            // SAFETY: the processor was asked.
            #[expect(unsafe_code, reason = "what a processor has is known when it is asked")]
            return unsafe { apply_with_avx2(self, x, y, workspace) };
        }
        self.apply_anywhere(x, y, workspace);
    }

    #[inline(always)]
    fn apply_anywhere(&self, x: &[f32], y: &mut [f32], workspace: &mut Workspace) {
        if self.has_large_tiles {
            self.apply_by::<Four, 4, 6>(x, y, workspace);
        } else {
            self.apply_by::<Two, 2, 4>(x, y, workspace);
        }
    }

    #[inline(always)]
    fn apply_by<T: Tile<M, N>, const M: usize, const N: usize>(&self, x: &[f32], y: &mut [f32], space: &mut Workspace) {
        let grid = Grid::over::<M>(self.height, self.width);
        let (blocks, block) = (self.outputs.div_ceil(ROWS), self.inputs * ROWS);
        let windows_at = self.windows_at(grid);
        space.windows.resize(N * N * windows_at, 0.0);
        space.products.resize(N * N * BUNCH * ROWS * grid.pitch, 0.0);
        self.transform_windows::<T, M, N>(grid, x, space);
        for first in (0..blocks).step_by(BUNCH) {
            let here = BUNCH.min(blocks - first);
            let filters = &self.filters[first * N * N * block..][..here * N * N * block];
            for (point, filters) in filters.chunks_exact(here * block).enumerate() {
                let windows = &space.windows[point * windows_at..][..self.inputs * grid.pitch];
                for column in (0..grid.tiles()).step_by(REGISTERS * LANES) {
                    for (nth, filters) in filters.chunks_exact(block).enumerate() {
                        let at = (nth * N * N + point) * ROWS * grid.pitch + column;
                        let (windows, products) = (&windows[column..], &mut space.products[at..]);
                        multiply(filters, windows, products, grid.pitch);
                    }
                }
            }
            let outputs = first * ROWS..self.outputs.min((first + here) * ROWS);
            self.transform_products::<T, M, N>(grid, outputs, y, space);
        }
    }

    /// From one point's windows to the next's: a little more than they take, because what is a multiple of 4096 bytes apart has the same
    /// place in the cache, and all points of a window are written at once.
    fn windows_at(&self, grid: Grid) -> usize {
        self.inputs * grid.pitch + REGISTERS * LANES
    }

    /// `B^T d B` of each window of each input channel: for each point `[inputs, pitch]`.
    #[inline(always)]
    fn transform_windows<T: Tile<M, N>, const M: usize, const N: usize>(
        &self,
        grid: Grid,
        x: &[f32],
        space: &mut Workspace,
    ) {
        // The bordered plane, dealt out by its row and column modulo M: what neighbouring tiles want at the same place of
        // their windows then lies side by side.
        let windows_at = self.windows_at(grid);
        let reach = (N - 1) / M;
        let across = grid.columns + reach;
        let plane = (grid.rows + reach) * across + LANES;
        space.phases.clear();
        space.phases.resize(M * M * plane, 0.0);
        space.line.clear();
        space.line.resize(across * M, 0.0);
        for (channel, x) in x.chunks_exact(self.height * self.width).enumerate() {
            for (row, x) in x.chunks_exact(self.width).enumerate() {
                space.line[1..=self.width].copy_from_slice(x);
                let (down, phase) = ((row + 1) / M, (row + 1) % M);
                for column in 0..M {
                    let phases = &mut space.phases[(phase * M + column) * plane + down * across..][..across];
                    for (phase, cells) in phases.iter_mut().zip(space.line.as_chunks::<M>().0) {
                        *phase = cells[column];
                    }
                }
            }
            for down in 0..grid.rows {
                for right in (0..grid.columns).step_by(LANES) {
                    let mut window = [[[0.0; LANES]; N]; N];
                    for (i, window) in window.iter_mut().enumerate() {
                        for (j, values) in window.iter_mut().enumerate() {
                            let phase = i % M * M + j % M;
                            let at = phase * plane + (down + i / M) * across + right + j / M;
                            values.copy_from_slice(&space.phases[at..at + LANES]);
                        }
                    }
                    let points = on_both_sides(T::input, &window);
                    for (point, values) in points.as_flattened().iter().enumerate() {
                        let at = point * windows_at + channel * grid.pitch + down * grid.columns + right;
                        // What reaches beyond a row of tiles is written over by the next row.
                        space.windows[at..at + LANES].copy_from_slice(values);
                    }
                }
            }
        }
    }

    /// `A^T m A` of each tile of a bunch's outputs, with the bias, into their place.
    #[inline(always)]
    fn transform_products<T: Tile<M, N>, const M: usize, const N: usize>(
        &self,
        grid: Grid,
        outputs: Range<usize>,
        y: &mut [f32],
        space: &mut Workspace,
    ) {
        let line = grid.columns.next_multiple_of(LANES) * M;
        space.lines.resize(M * line, 0.0);
        let size = self.height * self.width;
        for (row, output) in outputs.enumerate() {
            let y = &mut y[output * size..][..size];
            for (down, y) in y.chunks_mut(M * self.width).enumerate() {
                for right in (0..grid.columns).step_by(LANES) {
                    let tile = down * grid.columns + right;
                    let mut points = [[[0.0; LANES]; N]; N];
                    for (point, values) in points.as_flattened_mut().iter_mut().enumerate() {
                        let at = ((row / ROWS * N * N + point) * ROWS + row % ROWS) * grid.pitch + tile;
                        values.copy_from_slice(&space.products[at..at + LANES]);
                    }
                    let tiles: [[Lanes; M]; M] = on_both_sides(T::output, &points);
                    for (tiles, line) in tiles.iter().zip(space.lines.chunks_exact_mut(line)) {
                        let line = &mut line.as_chunks_mut::<M>().0[right..right + LANES];
                        for (lane, cells) in line.iter_mut().enumerate() {
                            for (cell, values) in cells.iter_mut().zip(tiles) {
                                let value = values[lane] + self.biases[output];
                                *cell = if self.relu { value.max(0.0) } else { value };
                            }
                        }
                    }
                }
                for (y, line) in y.chunks_exact_mut(self.width).zip(space.lines.chunks_exact(line)) {
                    y.copy_from_slice(&line[..self.width]);
                }
            }
        }
    }
}

/// The tiles that cover an output, row after row.
#[derive(Clone, Copy)]
struct Grid {
    rows: usize,
    columns: usize,
    /// From one channel's tiles to the next's: room for whole registers that begin at any row's first tile.
    pitch: usize,
}

impl Grid {
    fn over<const M: usize>(height: usize, width: usize) -> Self {
        let (rows, columns) = (height.div_ceil(M), width.div_ceil(M));
        let pitch = ((rows - 1) * columns + columns.next_multiple_of(LANES)).next_multiple_of(REGISTERS * LANES);
        Self { rows, columns, pitch }
    }

    fn tiles(self) -> usize {
        self.rows * self.columns
    }
}

/// What makes tiles of `M` by `M` of windows of `N` by `N`: the three matrices, two of them as what they do to a vector.
trait Tile<const M: usize, const N: usize> {
    /// `G`
    const FILTER: [[f64; SIDE]; N];
    /// `B^T d`
    fn input(d: [f32; N]) -> [f32; N];
    /// `A^T m`
    fn output(m: [f32; N]) -> [f32; M];
}

/// `F(2 x 2, 3 x 3)`
struct Two;

impl Tile<2, 4> for Two {
    const FILTER: [[f64; SIDE]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

    #[inline(always)]
    fn input(d: [f32; 4]) -> [f32; 4] {
        [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]
    }

    #[inline(always)]
    fn output(m: [f32; 4]) -> [f32; 2] {
        [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
    }
}

/// `F(4 x 4, 3 x 3)`
struct Four;

impl Tile<4, 6> for Four {
    const FILTER: [[f64; SIDE]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn input(d: [f32; 6]) -> [f32; 6] {
        let (even, odd) = (d[4] - 4.0 * d[2], d[3] - 4.0 * d[1]);
        let (even_2, odd_2) = (d[4] - d[2], 2.0 * (d[3] - d[1]));
        let (first, last) = (4.0 * d[0] - 5.0 * d[2] + d[4], 4.0 * d[1] - 5.0 * d[3] + d[5]);
        [first, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, last]
    }

    #[inline(always)]
    fn output(m: [f32; 6]) -> [f32; 4] {
        let (sum, difference) = (m[1] + m[2], m[1] - m[2]);
        let (sum_2, difference_2) = (m[3] + m[4], m[3] - m[4]);
        [m[0] + sum + sum_2, difference + 2.0 * difference_2, sum + 4.0 * sum_2, difference + 8.0 * difference_2 + m[5]]
    }
}

/// `G g G^T` of each filter, laid out as [`Convolution::filters`] says. The last block is filled up with zeros.
fn filters<T: Tile<M, N>, const M: usize, const N: usize>(weights: &[f32], outputs: usize, inputs: usize) -> Vec<f32> {
    let (blocks, block) = (outputs.div_ceil(ROWS), inputs * ROWS);
    let mut filters = vec![0.0; N * N * blocks * block];
    for (position, weights) in weights.as_chunks::<{ SIDE * SIDE }>().0.iter().enumerate() {
        let (output, input) = (position / inputs, position % inputs);
        let first = output / ROWS / BUNCH * BUNCH;
        let here = BUNCH.min(blocks - first);
        let mut half = [[0.0; SIDE]; N];
        for (half, factors) in half.iter_mut().zip(T::FILTER) {
            for (column, half) in half.iter_mut().enumerate() {
                *half = (0..SIDE).map(|row| factors[row] * f64::from(weights[row * SIDE + column])).sum();
            }
        }
        for point in 0..N * N {
            let factors = T::FILTER[point % N];
            let value: f64 = (0..SIDE).map(|column| half[point / N][column] * factors[column]).sum();
            let before = first * N * N + point * here + output / ROWS - first;
            filters[before * block + input * ROWS + output % ROWS] = value as f32;
        }
    }
    filters
}

/// A transform of the columns, then of the rows, for each lane.
#[inline(always)]
fn on_both_sides<const K: usize, const N: usize>(
    transform: impl Fn([f32; N]) -> [f32; K],
    values: &[[Lanes; N]; N],
) -> [[Lanes; K]; K] {
    let (mut half, mut whole) = ([[[0.0; LANES]; N]; K], [[[0.0; LANES]; K]; K]);
    for column in 0..N {
        for lane in 0..LANES {
            let mut before = [0.0; N];
            for row in 0..N {
                before[row] = values[row][column][lane];
            }
            let after = transform(before);
            for row in 0..K {
                half[row][column][lane] = after[row];
            }
        }
    }
    for row in 0..K {
        for lane in 0..LANES {
            let mut before = [0.0; N];
            for column in 0..N {
                before[column] = half[row][column][lane];
            }
            let after = transform(before);
            for column in 0..K {
                whole[row][column][lane] = after[column];
            }
        }
    }
    whole
}

/// A block of filters times [`REGISTERS`] of windows: `filters` are `[inputs, ROWS]`; `windows` `[inputs, pitch]` and
/// `products` `[ROWS, pitch]`, of which the first columns are meant.
#[inline(always)]
fn multiply(filters: &[f32], windows: &[f32], products: &mut [f32], pitch: usize) {
    let mut sums = [[[0.0; LANES]; REGISTERS]; ROWS];
    for (filters, windows) in filters.as_chunks::<ROWS>().0.iter().zip(windows.chunks(pitch)) {
        let windows =
            windows.as_chunks::<LANES>().0.first_chunk::<REGISTERS>().expect("there is room for whole registers");
        for row in 0..ROWS {
            for register in 0..REGISTERS {
                for lane in 0..LANES {
                    sums[row][register][lane] =
                        filters[row].mul_add(windows[register][lane], sums[row][register][lane]);
                }
            }
        }
    }
    for (sums, products) in sums.iter().zip(products.chunks_mut(pitch)) {
        products[..REGISTERS * LANES].copy_from_slice(sums.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    /// The definition, in 64-bit floats.
    fn by_definition(x: &[f32], weights: &[f32], biases: &[f32], size: [usize; 2]) -> Vec<f64> {
        let ([height, width], outputs) = (size, biases.len());
        let inputs = x.len() / height / width;
        let mut y = Vec::new();
        for output in 0..outputs {
            for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
                let mut sum = f64::from(biases[output]);
                for (input, place) in (0..inputs).flat_map(|input| (0..9).map(move |place| (input, place))) {
                    let (down, right) = (row + place / SIDE, column + place % SIDE);
                    if (1..=height).contains(&down) && (1..=width).contains(&right) {
                        let weight = weights[(output * inputs + input) * 9 + place];
                        sum += f64::from(weight) * f64::from(x[(input * height + down - 1) * width + right - 1]);
                    }
                }
                y.push(sum);
            }
        }
        y
    }

    fn assert_exact(inputs: usize, outputs: usize, size: [usize; 2], workspace: &mut Workspace) {
        let x = numbers(inputs * size[0] * size[1], 1);
        let (weights, biases) = (numbers(outputs * inputs * 9, 2), numbers(outputs, 3));
        let wanted = by_definition(&x, &weights, &biases, size);
        for relu in [false, true] {
            let convolution = Convolution::new(&weights, &biases, [outputs, inputs], size, relu);
            let mut y = vec![f32::NAN; outputs * size[0] * size[1]];
            convolution.apply(&x, &mut y, workspace);
            for (&got, &wanted) in y.iter().zip(&wanted) {
                let wanted = if relu { wanted.max(0.0) } else { wanted };
                // Beside what a sum of 9 * inputs products of numbers up to one is about.
                let error = (f64::from(got) - wanted).abs() / (9.0 * inputs as f64).sqrt();
                assert!(
                    error <= if convolution.has_large_tiles { 3e-5 } else { 1e-6 },
                    "{got} for {wanted}: {inputs} to {outputs} channels of {size:?}"
                );
            }
        }
    }

    #[test]
    fn the_values_are_those_of_the_definition_for_any_size_and_number_of_channels() {
        // One workspace for all, as the nodes of a network have: nothing of one is seen in the next.
        let mut workspace = Workspace::default();
        let large = [[56, 56], [23, 41], [29, 28], [1, 200]];
        let small = [[14, 14], [7, 7], [7, 9], [1, 1], [2, 3], [17, 4]];
        for size in large.into_iter().chain(small) {
            assert_exact(5, 7, size, &mut workspace);
        }
        for (inputs, outputs) in [(1, 1), (32, 48), (3, 55), (64, 49)] {
            assert_exact(inputs, outputs, [14, 14], &mut workspace);
            assert_exact(inputs, outputs, [28, 25], &mut workspace);
        }
    }

    #[test]
    fn large_outputs_are_covered_by_large_tiles_and_small_ones_by_small_tiles() {
        let has_large_tiles = |size| Convolution::new(&[0.0; 9], &[0.0], [1, 1], size, false).has_large_tiles;
        assert!(has_large_tiles([28, 28]));
        assert!(!has_large_tiles([14, 14]));
    }

    #[test]
    fn a_processor_without_the_wide_registers_computes_the_same() {
        let (x, weights) = (numbers(4 * 30 * 30, 4), numbers(6 * 4 * 9, 5));
        let convolution = Convolution::new(&weights, &[0.5; 6], [6, 4], [30, 30], true);
        let (mut here, mut anywhere) = (vec![0.0; 6 * 30 * 30], vec![0.0; 6 * 30 * 30]);
        convolution.apply(&x, &mut here, &mut Workspace::default());
        convolution.apply_anywhere(&x, &mut anywhere, &mut Workspace::default());
        assert_eq!(here, anywhere);
    }
}
