//! Arithmetic on bytes in which every sum can be taken apart again: the finite field of 256 elements, with the polynomial
//! x^8 + x^4 + x^3 + x^2 + 1 (RFC 5510 section 8.1). Addition is exclusive or.

/// The polynomial, less its highest power.
const POLYNOMIAL: u8 = 0x1d;

/// So many bytes are worked on together, so that the compiler finds the processor's wide registers for them.
const LANES: usize = 32;

/// The product.
pub(super) fn product(a: u8, b: u8) -> u8 {
    let (mut sum, mut shifted) = (0, a);
    for bit in 0..u8::BITS {
        sum ^= shifted & mask(b, bit);
        shifted = times_x(shifted);
    }
    sum
}

/// What gives 1 when multiplied by `a`, which is not 0: `a` to the power of 254.
pub(super) fn inverse(a: u8) -> u8 {
    let (mut result, mut square) = (1, a);
    for _ in 1..u8::BITS {
        square = product(square, square);
        result = product(result, square);
    }
    result
}

/// Adds `factor` times `bytes` to `sum`, which is at least as long.
pub(super) fn add_times(sum: &mut [u8], factor: u8, bytes: &[u8]) {
    let masks: [u8; 8] = std::array::from_fn(|bit| mask(factor, bit as u32));
    let (sums, sums_rest) = sum[..bytes.len()].as_chunks_mut::<LANES>();
    let (chunks, rest) = bytes.as_chunks::<LANES>();
    for (sum, chunk) in sums.iter_mut().zip(chunks) {
        let mut shifted = *chunk;
        for mask in masks {
            for (sum, shifted) in sum.iter_mut().zip(&mut shifted) {
                *sum ^= *shifted & mask;
                *shifted = times_x(*shifted);
            }
        }
    }
    for (sum, byte) in sums_rest.iter_mut().zip(rest) {
        *sum ^= product(*byte, factor);
    }
}

/// Multiplies all by `factor`.
pub(super) fn scale(bytes: &mut [u8], factor: u8) {
    let mut scaled = vec![0; bytes.len()];
    add_times(&mut scaled, factor, bytes);
    bytes.copy_from_slice(&scaled);
}

fn times_x(a: u8) -> u8 {
    (a << 1) ^ (POLYNOMIAL & mask(a, 7))
}

/// All ones where this bit is set, else 0.
fn mask(a: u8, bit: u32) -> u8 {
    0_u8.wrapping_sub((a >> bit) & 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_standard() {
        // x^7 times x is the polynomial's rest; (x + 1)^2 is x^2 + 1.
        assert_eq!([product(0x80, 2), product(3, 3), product(1, 0xab), product(0, 7)], [0x1d, 5, 0xab, 0]);
    }

    #[test]
    fn each_element_but_zero_has_an_inverse() {
        assert!((1..=255).all(|a| product(a, inverse(a)) == 1));
    }

    #[test]
    fn a_sum_of_any_length_is_the_sum_of_its_bytes() {
        for length in [0, 1, 31, 32, 33, 100] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 37 + 11) as u8).collect();
            let mut sum: Vec<u8> = (0..length + 3).map(|at| (at * 5) as u8).collect();
            let wanted: Vec<u8> = sum
                .iter()
                .enumerate()
                .map(|(at, sum)| bytes.get(at).map_or(*sum, |byte| sum ^ product(*byte, 0x57)))
                .collect();
            add_times(&mut sum, 0x57, &bytes);
            assert_eq!(sum, wanted);
        }
    }

    #[test]
    fn what_was_scaled_is_scaled_back_by_the_inverse() {
        let mut bytes: Vec<u8> = (0..=255).collect();
        scale(&mut bytes, 0xc3);
        scale(&mut bytes, inverse(0xc3));
        assert!(bytes.iter().enumerate().all(|(at, byte)| at == usize::from(*byte)));
    }
}
