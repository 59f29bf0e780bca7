//! Local response normalisation with the exponent 3/4, computed here: in one pass, where a graph of ONNX's operations
//! takes eight.
//!
//! `y[c] = x[c] / s[c]^(3/4)` with `s[c] = bias + alpha / size * (sum of x^2 over the size channels around c)`
//! (Krizhevsky, Sutskever and Hinton 2012, section 3.3; ONNX, `LRN`). The power is `sqrt(s) * sqrt(sqrt(s))`.

/// The operator's name in a graph, and those of its attributes. One input and one output, `[N, C, ...]` f32 each.
pub(crate) const OPERATOR: &str = "LocalResponseNormalisation";
pub(crate) const ALPHA: &str = "alpha";
pub(crate) const BIAS: &str = "bias";
pub(crate) const SIZE: &str = "size";

/// How many positions are done together: the squares of a window of channels stay in the first-level cache, and the
/// compiler makes vectors of the loops.
const BLOCK: usize = 64;

/// The operator's attributes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Normalisation {
    pub(crate) alpha: f32,
    pub(crate) bias: f32,
    /// How many channels count; of an even number one more above than below.
    pub(crate) size: usize,
}

impl Normalisation {
    /// Normalises one image: `input` and `output` are `[channels, positions]`.
    ///
    /// # Panics
    /// The two have different lengths, or no whole number of channels.
    pub(crate) fn apply(&self, channels: usize, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), output.len());
        assert_eq!(input.len() % channels.max(1), 0);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            #[target_feature(enable = "avx2")]
            fn apply_with_avx2(normalisation: Normalisation, channels: usize, input: &[f32], output: &mut [f32]) {
                normalisation.apply_anywhere(channels, input, output);
            }
            // SAFETY: the processor was asked.
            #[expect(unsafe_code, reason = "what a processor has is known when it is asked")]
            return unsafe { apply_with_avx2(*self, channels, input, output) };
        }
        self.apply_anywhere(channels, input, output);
    }

    #[inline(always)]
    fn apply_anywhere(&self, channels: usize, input: &[f32], output: &mut [f32]) {
        let positions = input.len() / channels.max(1);
        for from in (0..positions).step_by(BLOCK) {
            let block = from..positions.min(from + BLOCK);
            for channel in 0..channels {
                let plane = |channel: usize| channel * positions + block.start..channel * positions + block.end;
                let first = channel.saturating_sub((self.size - 1) / 2);
                let last = (channels - 1).min(channel + self.size / 2);
                let mut sums = [0.0; BLOCK];
                let sums = &mut sums[..block.len()];
                for neighbour in first..=last {
                    for (sum, x) in sums.iter_mut().zip(&input[plane(neighbour)]) {
                        *sum += x * x;
                    }
                }
                let weight = self.alpha / self.size as f32;
                for ((y, x), sum) in output[plane(channel)].iter_mut().zip(&input[plane(channel)]).zip(sums) {
                    let root = (self.bias + weight * *sum).sqrt();
                    *y = x / (root * root.sqrt());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::tests::lrn_by_formula;

    #[test]
    fn the_values_are_those_of_the_formula_for_any_number_of_channels_and_positions() {
        let networks = [(64, 200, 1e-4, 1.0, 5), (192, 64, 1e-4, 1.0, 5), (7, 65, 0.5, 2.0, 3), (3, 1, 1e-3, 0.5, 9)];
        for (channels, positions, alpha, bias, size) in networks.into_iter().chain([(8, 130, 0.1, 1.0, 4)]) {
            let x: Vec<f32> = (0..channels * positions).map(|i| ((i * 37 % 101) as f32 - 50.0) * 9.0).collect();
            let mut y = vec![f32::NAN; x.len()];
            Normalisation { alpha, bias, size }.apply(channels, &x, &mut y);
            let wanted = lrn_by_formula(&x, channels, alpha.into(), 0.75, bias.into(), size);
            for (got, wanted) in y.into_iter().zip(wanted) {
                let error = (f64::from(got) - wanted).abs() / wanted.abs().max(1.0);
                assert!(error <= 1e-6, "{got} for {wanted}, {channels} channels of {positions}");
            }
        }
    }
}
