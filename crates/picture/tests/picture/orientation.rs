//! All eight EXIF orientations, in every format that carries them.

use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageEncoder, ImageFormat};
use manyeyes_picture::{Fit, Limits, decode, decode_fitted, thumbnail};

use crate::samples;

/// An EXIF block with nothing but the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [&b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[orientation], &[0; 6]].concat()
}

/// `picture` stored so that its EXIF orientation shows it upright.
fn stored(picture: &DynamicImage, orientation: u8) -> DynamicImage {
    let undo = match orientation {
        6 => 8,
        8 => 6,
        its_own_inverse => its_own_inverse,
    };
    let mut stored = picture.clone();
    stored.apply_orientation(Orientation::from_exif(undo).unwrap());
    stored
}

fn encoded(mut encoder: impl ImageEncoder, picture: &DynamicImage, orientation: u8) {
    encoder.set_exif_metadata(exif(orientation)).unwrap();
    let kind = picture.color().into();
    encoder.write_image(picture.as_bytes(), picture.width(), picture.height(), kind).unwrap();
}

/// The picture as it is, with that orientation.
pub(crate) fn jpeg(picture: &DynamicImage, orientation: u8) -> Vec<u8> {
    let bytes = samples::file(picture.clone(), ImageFormat::Jpeg);
    let payload = [b"Exif\0\0", &exif(orientation)[..]].concat();
    let length = (payload.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xff, 0xe1], &length, &payload, &bytes[2..]].concat()
}

fn png(picture: &DynamicImage, orientation: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded(PngEncoder::new(&mut bytes), picture, orientation);
    bytes
}

fn webp(picture: &DynamicImage, orientation: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded(WebPEncoder::new_lossless(&mut bytes), picture, orientation);
    bytes
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn every_orientation_is_shown_upright() {
    let upright = DynamicImage::from(samples::picture(67, 41));
    for orientation in 1..=8 {
        let stored = stored(&upright, orientation);
        for (name, bytes, tolerance) in [
            ("PNG", png(&stored, orientation), 0),
            ("WebP", webp(&stored, orientation), 0),
            ("JPEG", jpeg(&stored, orientation), 16),
        ] {
            let shown = decode(&bytes, &Limits::default()).unwrap();
            assert_eq!((shown.width, shown.height), (67, 41), "{name}, orientation {orientation}");
            let difference = largest_difference(&shown.pixels, upright.as_bytes());
            assert!(difference <= tolerance, "{name}, orientation {orientation} differs by {difference}");
        }
    }
}

/// The picture is turned after the resize; odd rests of the crop must not shift it by a pixel then.
#[test]
fn the_fitted_square_does_not_depend_on_how_the_photo_lies_in_its_file() {
    let upright = DynamicImage::from(samples::noise(131, 90));
    for (fit, crop) in [(Fit::Squash { width: 51, height: 40 }, 32), (Fit::ShorterSide(39), 30)] {
        let expected = decode_fitted(&png(&upright, 1), fit, crop, &Limits::default()).unwrap();
        for orientation in 2..=8 {
            let bytes = png(&stored(&upright, orientation), orientation);
            let actual = decode_fitted(&bytes, fit, crop, &Limits::default()).unwrap();
            let difference = largest_difference(&actual.pixels, &expected.pixels);
            assert!(difference <= 1, "{fit:?}, orientation {orientation} differs by {difference}");
        }
    }
}

#[test]
fn a_thumbnail_is_upright_and_never_larger_than_the_photo() {
    let upright = DynamicImage::from(samples::picture(300, 200));
    for orientation in 1..=8 {
        let bytes = png(&stored(&upright, orientation), orientation);
        let sides = |longest_side| {
            let jpeg = thumbnail(&bytes, longest_side, &Limits::default()).unwrap();
            let shown = image::load_from_memory_with_format(&jpeg, ImageFormat::Jpeg).unwrap();
            (shown.width(), shown.height())
        };
        assert_eq!(sides(150), (150, 100), "orientation {orientation}");
        assert_eq!(sides(1000), (300, 200), "orientation {orientation}");
    }
}

#[test]
fn an_orientation_that_makes_no_sense_is_none() {
    let picture = DynamicImage::from(samples::picture(67, 41));
    for orientation in [0, 9, 255] {
        assert_eq!(decode(&png(&picture, orientation), &Limits::default()).unwrap().width, 67);
    }
    let cut_exif = {
        let mut bytes = jpeg(&picture, 6);
        bytes[12..20].fill(0xff);
        bytes
    };
    assert_eq!(decode(&cut_exif, &Limits::default()).unwrap().width, 67);
}
