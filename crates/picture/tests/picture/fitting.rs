//! The square that a model looks at is the one that its training saw: Pillow's.

use image::ImageFormat;
use manyeyes_picture::{Fit, Limits, Rgb, decode_fitted};

use crate::samples;

fn fitted(width: u32, height: u32, fit: Fit, crop: u32) -> Rgb {
    let bytes = samples::file(samples::noise(width, height), ImageFormat::Png);
    decode_fitted(&bytes, fit, crop, &Limits::default()).unwrap()
}

fn row(picture: &Rgb, y: u32) -> &[[u8; 3]] {
    let width = picture.width as usize;
    &picture.pixels.as_chunks::<3>().0[y as usize * width..][..width]
}

fn assert_within_one(actual: &[[u8; 3]], expected: &[[u8; 3]]) {
    assert_eq!(actual.len(), expected.len());
    for (x, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let is_near = actual.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(is_near, "pixel {x} is {actual:?}, Pillow's {expected:?}");
    }
}

/// Pillow 13.0: `resize((20, 20), BILINEAR).crop((4, 4, 16, 16))` of 53 x 37 pixels of noise.
#[test]
fn squashing_matches_pillow_within_one_level() {
    let square = fitted(53, 37, Fit::Squash { width: 20, height: 20 }, 12);
    assert_within_one(
        row(&square, 0),
        &[
            [150, 116, 155],
            [133, 135, 146],
            [130, 131, 133],
            [115, 130, 166],
            [106, 103, 150],
            [103, 94, 77],
            [129, 146, 163],
            [118, 137, 161],
            [99, 111, 104],
            [100, 120, 137],
            [143, 151, 147],
            [131, 118, 152],
        ],
    );
    assert_within_one(
        row(&square, 11),
        &[
            [82, 127, 111],
            [115, 168, 163],
            [135, 167, 146],
            [89, 118, 130],
            [149, 126, 140],
            [154, 123, 133],
            [114, 126, 119],
            [78, 133, 121],
            [124, 171, 122],
            [123, 145, 143],
            [104, 137, 132],
            [125, 95, 117],
        ],
    );
}

/// Pillow 13.0: `resize((28, 20), BILINEAR)`, then 13 x 13 from (8, 4): torchvision's `Resize(20)` and `CenterCrop(13)`,
/// whose halves are rounded to even.
#[test]
fn fitting_the_shorter_side_matches_torchvision_on_pillow_within_one_level() {
    let square = fitted(53, 37, Fit::ShorterSide(20), 13);
    assert_within_one(
        row(&square, 0),
        &[
            [132, 133, 131],
            [134, 135, 144],
            [117, 137, 167],
            [80, 100, 169],
            [142, 97, 110],
            [85, 94, 61],
            [95, 143, 186],
            [195, 154, 142],
            [67, 130, 175],
            [112, 108, 98],
            [86, 95, 96],
            [123, 164, 180],
            [149, 140, 133],
        ],
    );
    assert_within_one(
        row(&square, 12),
        &[
            [65, 148, 132],
            [76, 171, 187],
            [117, 172, 128],
            [155, 152, 141],
            [151, 124, 163],
            [165, 99, 79],
            [160, 95, 119],
            [127, 113, 139],
            [134, 150, 141],
            [167, 180, 149],
            [122, 166, 99],
            [69, 118, 120],
            [84, 131, 116],
        ],
    );
}

/// Pillow 13.0: `resize((90, 80), BILINEAR).crop((29, 24, 61, 56))`.
#[test]
fn enlarging_matches_pillow_within_one_level() {
    let square = fitted(53, 37, Fit::Squash { width: 90, height: 80 }, 32);
    assert_within_one(
        &row(&square, 0)[..8],
        &[
            [111, 157, 234],
            [68, 174, 145],
            [26, 201, 35],
            [123, 223, 53],
            [164, 229, 63],
            [116, 212, 58],
            [113, 218, 50],
            [131, 235, 39],
        ],
    );
}

#[test]
fn a_single_pixel_and_a_thin_line_fill_the_square() {
    for (width, height) in [(1, 1), (1, 900), (900, 1)] {
        for fit in [Fit::Squash { width: 256, height: 256 }, Fit::ShorterSide(256)] {
            assert_eq!(fitted(width, height, fit, 224).pixels.len(), 224 * 224 * 3, "{width} x {height}, {fit:?}");
        }
    }
}
