//! Pixels to the numbers a network eats.

use manyeyes_picture::Rgb;

use crate::manifest::{ChannelOrder, Input};

/// Lays a cropped picture out as `[3, crop, crop]`, normalised, channels in the network's order, into `tensor`.
pub(crate) fn fill(tensor: &mut [f32], picture: &Rgb, input: &Input) {
    let plane = tensor.len() / 3;
    debug_assert_eq!(picture.pixels.len(), tensor.len(), "a picture is cropped to the input's size");
    for (position, values) in tensor.chunks_exact_mut(plane).enumerate() {
        let channel = match input.order {
            ChannelOrder::Rgb => position,
            ChannelOrder::Bgr => 2 - position,
        };
        let (mean, scale) = (input.mean[channel], 1.0 / input.std[channel]);
        for (value, pixel) in values.iter_mut().zip(picture.pixels.chunks_exact(3)) {
            *value = (f32::from(pixel[channel]) - mean) * scale;
        }
    }
}

/// Makes probabilities of logits. The largest is subtracted first so that no exponential overflows.
pub(crate) fn softmax(values: &mut [f32]) {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in &mut *values {
        *value = (*value - largest).exp();
    }
    let sum: f32 = values.iter().sum();
    for value in values {
        *value /= sum;
    }
}

/// Positions of the `count` largest values, largest first; of equal ones the first comes first.
pub(crate) fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Resize;

    fn input(order: ChannelOrder) -> Input {
        Input { resize: Resize::Squash, size: 2, crop: 2, order, mean: [10.0, 20.0, 30.0], std: [1.0, 2.0, 4.0] }
    }

    fn filled(order: ChannelOrder) -> Vec<f32> {
        let mut pixels = vec![0; 12];
        pixels[..3].copy_from_slice(&[11, 24, 38]);
        let picture = Rgb { width: 2, height: 2, pixels };
        let mut tensor = vec![0.0; 12];
        fill(&mut tensor, &picture, &input(order));
        tensor
    }

    #[test]
    fn channels_lie_one_after_another_in_the_order_of_the_network_each_with_its_own_mean_and_std() {
        let (rgb, bgr) = (filled(ChannelOrder::Rgb), filled(ChannelOrder::Bgr));
        assert_eq!((rgb[0], rgb[4], rgb[8]), (1.0, 2.0, 2.0));
        assert_eq!((bgr[0], bgr[4], bgr[8]), (2.0, 2.0, 1.0));
        assert_eq!((rgb[1], rgb[5], rgb[9]), (-10.0, -10.0, -7.5));
    }

    #[test]
    fn softmax_sums_to_one_even_of_huge_logits() {
        let mut values = [1000.0, 1000.0, 0.0];
        softmax(&mut values);
        assert_eq!(values, [0.5, 0.5, 0.0]);
    }

    #[test]
    fn the_largest_come_first_and_equal_ones_in_their_order() {
        assert_eq!(largest(&[0.1, 0.4, 0.4, 0.05], 3), [1, 2, 0]);
        assert_eq!(largest(&[0.1], 5), [0]);
    }
}
