//! The largest of a window, of 8-bit integers.
//!
//! ONNX Runtime pools bytes one by one: GoogLeNet's twelve poolings took a quarter of its time in 8-bit integers, on a processor with VNNI more than
//! all its convolutions. A largest of a window is the largest over its columns of the largest over their rows, so that a plane need
//! only be compared with itself, shifted.

/// The operator's name in a graph, and those of its attributes. One input and one output, `[N, C, H, W]` u8 each.
pub(crate) const OPERATOR: &str = "MaxPoolOfBytes";
pub(crate) const SIDE: &str = "side";
pub(crate) const STRIDE: &str = "stride";
pub(crate) const BEFORE: &str = "before";
pub(crate) const AFTER: &str = "after";

/// The operator's attributes: windows and strides are square, and borders the same above as on the left, and below as on the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pooling {
    side: usize,
    stride: usize,
    before: usize,
    after: usize,
    /// The plane with its borders, and room for the next one.
    plane: Vec<u8>,
    larger: Vec<u8>,
}

impl Pooling {
    /// `None` for what is no pooling: windows of nothing, or that lie in a border as a whole.
    pub(crate) fn new(side: usize, stride: usize, before: usize, after: usize) -> Option<Self> {
        let is_fit = side > 0 && stride > 0 && before < side && after < side;
        is_fit.then(|| Self { side, stride, before, after, plane: Vec::new(), larger: Vec::new() })
    }

    /// How many windows a height or width has; `None` where not one fits.
    pub(crate) fn windows(&self, length: usize) -> Option<usize> {
        let all = length.checked_add(self.before)?.checked_add(self.after)?;
        Some(all.checked_sub(self.side)? / self.stride + 1)
    }

    /// Pools one plane: `input` is `[height, width]`, `output` as many as there are windows.
    ///
    /// # Panics
    /// A length is another, or the plane is empty.
    pub(crate) fn apply(&mut self, input: &[u8], width: usize, output: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            #[target_feature(enable = "avx2")]
            fn apply_with_avx2(pooling: &mut Pooling, input: &[u8], width: usize, output: &mut [u8]) {
                pooling.apply_anywhere(input, width, output);
            }
            // SAFETY: the processor was asked.
            #[expect(unsafe_code, reason = "what a processor has is known when it is asked")]
            return unsafe { apply_with_avx2(self, input, width, output) };
        }
        self.apply_anywhere(input, width, output);
    }

    #[inline(always)]
    fn apply_anywhere(&mut self, input: &[u8], width: usize, output: &mut [u8]) {
        assert!(width > 0 && input.len().is_multiple_of(width), "rows of one width");
        let height = input.len() / width;
        let (rows, wide) = (self.windows(height).expect("a window"), self.windows(width).expect("a window"));
        assert_eq!(output.len(), rows * wide, "a byte for each window");
        let (padded_width, padded_height) = (self.before + width + self.after, self.before + height + self.after);
        // No byte is smaller than those of a border, so that they decide nothing.
        self.plane.clear();
        self.plane.resize(padded_height * padded_width, 0);
        let inner = self.plane[self.before * padded_width..].chunks_exact_mut(padded_width);
        for (to, line) in inner.zip(input.chunks_exact(width)) {
            to[self.before..self.before + width].copy_from_slice(line);
        }
        // The plane is compared with itself, shifted: windows grow by one to the right with each pass, and then downwards. Rows are not told apart:
        // what would be a window over the end of one is left out below.
        self.larger.resize(self.plane.len(), 0);
        let passes = self.side - 1;
        for shift in std::iter::repeat_n(1, passes).chain(std::iter::repeat_n(padded_width, passes)) {
            for ((larger, first), second) in self.larger.iter_mut().zip(&self.plane).zip(&self.plane[shift..]) {
                *larger = (*first).max(*second);
            }
            std::mem::swap(&mut self.larger, &mut self.plane);
        }
        let lines = self.plane.chunks(padded_width).step_by(self.stride);
        for (output, line) in output.chunks_exact_mut(wide).zip(lines) {
            if self.stride == 1 {
                output.copy_from_slice(&line[..wide]);
            } else {
                output.iter_mut().zip(line.iter().step_by(self.stride)).for_each(|(largest, byte)| *largest = *byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ONNX's definition, one window at a time.
    fn by_definition(pooling: &Pooling, input: &[u8], [height, width]: [usize; 2]) -> Vec<u8> {
        let (rows, columns) = (pooling.windows(height).unwrap(), pooling.windows(width).unwrap());
        let within = |window: usize, offset: usize, length: usize| {
            (window * pooling.stride + offset).checked_sub(pooling.before).filter(|place| *place < length)
        };
        let mut output = Vec::new();
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let places = (0..pooling.side).flat_map(|y| (0..pooling.side).map(move |x| (y, x)));
            let bytes =
                places.filter_map(|(y, x)| Some(input[within(row, y, height)? * width + within(column, x, width)?]));
            output.push(bytes.max().unwrap());
        }
        output
    }

    #[test]
    fn the_values_are_those_of_the_definition_for_any_window_stride_border_and_size() {
        let poolings = [(3, 1, 1, 1), (3, 2, 0, 1), (3, 2, 1, 1), (2, 2, 0, 0), (5, 3, 2, 1), (1, 1, 0, 0)];
        for (side, stride, before, after) in poolings {
            for size in [[5, 5], [7, 7], [14, 28], [28, 14], [9, 65]] {
                let mut pooling = Pooling::new(side, stride, before, after).unwrap();
                let input: Vec<u8> = (0..size[0] * size[1]).map(|i| (i * 97 % 251) as u8).collect();
                let wanted = by_definition(&pooling, &input, size);
                let mut output = vec![0; wanted.len()];
                pooling.apply(&input, size[1], &mut output);
                assert_eq!(output, wanted, "{pooling:?} of {size:?}");
            }
        }
    }

    #[test]
    fn what_is_no_pooling_is_none() {
        for (side, stride, before, after) in [(0, 1, 0, 0), (3, 0, 1, 1), (3, 1, 3, 0), (3, 1, 0, 3)] {
            assert_eq!(Pooling::new(side, stride, before, after), None);
        }
        let pooling = Pooling::new(5, 1, 1, 1).unwrap();
        assert_eq!((pooling.windows(2), pooling.windows(3), pooling.windows(usize::MAX)), (None, Some(1), None));
    }
}
