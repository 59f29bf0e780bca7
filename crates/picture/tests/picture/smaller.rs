//! A smaller form shows a model what the file would have shown it.

use image::{ImageFormat, RgbImage};
use manyeyes_picture::{Fit, Limits, decode, decode_fitted, fitted, read_header, smaller};

use crate::{orientation, samples};

const SQUASH: Fit = Fit::Squash { width: 64, height: 64 };
const SHORTER: Fit = Fit::ShorterSide(64);

fn png(picture: RgbImage) -> Vec<u8> {
    samples::file(picture, ImageFormat::Png)
}

/// The size of the smaller form.
fn size(file: &[u8], fit: Fit) -> (u32, u32) {
    let form = smaller(file, fit, &Limits::default()).unwrap().expect("it is smaller");
    let header = read_header(&form).unwrap();
    (header.width, header.height)
}

#[test]
fn what_a_model_sees_of_the_fitted_picture_is_what_it_sees_of_the_file() {
    for (width, height) in [(200, 150), (150, 200), (131, 97), (640, 65)] {
        let file = png(samples::noise(width, height));
        for fit in [SQUASH, SHORTER] {
            let first = fitted(&file, fit, &Limits::default()).unwrap();
            let again = png(RgbImage::from_raw(first.width, first.height, first.pixels).unwrap());
            let seen = |file: &[u8]| decode_fitted(file, fit, 56, &Limits::default()).unwrap();
            let (of_file, of_fitted) = (seen(&file), seen(&again));
            let differences = of_file.pixels.iter().zip(&of_fitted.pixels).map(|(a, b)| a.abs_diff(*b));
            assert!(differences.max() <= Some(1), "{width} x {height}, {fit:?}");
        }
    }
}

#[test]
fn a_smaller_form_has_the_size_that_the_model_makes_of_it_and_is_upright() {
    let file = samples::file(samples::noise(400, 300), ImageFormat::Jpeg);
    assert_eq!(size(&file, SQUASH), (64, 64));
    assert_eq!(size(&file, SHORTER), (85, 64));
    let turned = orientation::jpeg(&samples::noise(400, 300).into(), 6);
    assert_eq!(size(&turned, SHORTER), (64, 85));
}

#[test]
fn a_picture_is_never_enlarged() {
    let flat = png(samples::noise(200, 40));
    assert_eq!(size(&flat, SQUASH), (64, 40));
    assert_eq!(size(&flat, SHORTER), (200, 40));
}

#[test]
fn a_file_that_is_small_already_has_no_smaller_form_nor_has_one_that_no_jpeg_could_hold() {
    let none = |file: &[u8], fit| smaller(file, fit, &Limits::default()).unwrap().is_none();
    assert!(none(&png(samples::picture(8, 8)), SQUASH));
    assert!(none(&png(RgbImage::new(70_000, 2)), SHORTER), "a JPEG has at most 65,535 pixels a side");
}

#[test]
fn what_jpeg_loses_is_little() {
    let file = png(samples::picture(300, 200));
    let form = smaller(&file, SHORTER, &Limits::default()).unwrap().expect("it is smaller");
    let (whole, small) =
        (fitted(&file, SHORTER, &Limits::default()).unwrap(), decode(&form, &Limits::default()).unwrap());
    let lost: u64 = whole.pixels.iter().zip(&small.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(lost < 4 * whole.pixels.len() as u64, "{lost} in {} values", whole.pixels.len());
}

#[test]
fn a_file_that_cannot_be_decoded_is_refused_as_ever() {
    let file = png(samples::noise(200, 150));
    let error = |file: &[u8]| smaller(file, SQUASH, &Limits::default()).unwrap_err().code();
    assert_eq!(error(&file[..file.len() / 2]), "truncated");
    assert_eq!(error(b"some text"), "not_an_image");
    let small = Limits { max_pixels: 100 };
    assert_eq!(smaller(&file, SQUASH, &small).unwrap_err().code(), "too_many_pixels");
}
