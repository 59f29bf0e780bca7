//! A JPEG that is decoded to no more pixels than are needed shows what all its pixels show. The other decoder here is the
//! `image` crate's, which decodes all of them.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use manyeyes_picture::{Fit, Limits, Rgb, decode, decode_fitted, thumbnail};
use proptest::prelude::*;
use proptest::sample::select;

use crate::jpeg_writer;
use crate::samples;

/// A picture, and how it is written.
#[derive(Debug, Clone)]
struct Made {
    width: u16,
    height: u16,
    sampling: SamplingFactor,
    progressive: bool,
    restart_interval: u16,
    is_grey: bool,
    /// Where its waves begin.
    phase: u16,
}

impl Made {
    /// Waves of each colour, none shorter than fifty pixels, so that it matters little how halved colours are enlarged.
    fn picture(&self) -> RgbImage {
        let wave = |at: f64| (127.5 + 100.0 * at.sin()) as u8;
        RgbImage::from_fn(self.width.into(), self.height.into(), |x, y| {
            let (x, y, phase) = (f64::from(x), f64::from(y), f64::from(self.phase));
            image::Rgb([wave(x / 8.0 + phase), wave(y / 9.0 - phase), wave((x + y) / 12.0 + 2.0 * phase)])
        })
    }

    fn jpeg(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 95);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_progressive(self.progressive);
        if self.restart_interval > 0 {
            encoder.set_restart_interval(self.restart_interval);
        }
        let picture = self.picture();
        let (pixels, colours) = if self.is_grey {
            (image::DynamicImage::from(picture).into_luma8().into_raw(), ColorType::Luma)
        } else {
            (picture.into_raw(), ColorType::Rgb)
        };
        encoder.encode(&pixels, self.width, self.height, colours).unwrap();
        file
    }
}

/// What the mean difference may be: of a few pixels, each of which may lie at an edge, it says less.
fn allowed(mean: f64, picture: &Rgb) -> f64 {
    mean + 9.0 / f64::from(picture.width * picture.height)
}

fn made() -> impl Strategy<Value = Made> {
    let samplings = [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2];
    let side = || prop_oneof![3 => 1..=40_u16, 1 => 41..=200_u16];
    let layout = (select(samplings.to_vec()), any::<bool>(), select(vec![0, 1, 3]), prop::bool::weighted(0.2));
    (side(), side(), layout, any::<u16>()).prop_map(|(width, height, layout, phase)| {
        let (sampling, progressive, restart_interval, is_grey) = layout;
        Made { width, height, sampling, progressive, restart_interval, is_grey, phase }
    })
}

/// All pixels of a file as another decoder has them.
fn by_another(file: &[u8]) -> RgbImage {
    image::load_from_memory(file).unwrap().into_rgb8()
}

/// Mean and greatest difference of two pictures' colours.
fn difference(one: &Rgb, other: &Rgb) -> (f64, u8) {
    assert_eq!((one.width, one.height), (other.width, other.height));
    let differences = one.pixels.iter().zip(&other.pixels).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (sum as f64 / one.pixels.len() as f64, differences.max().unwrap_or(0))
}

fn squashed(file: &[u8], side: u32) -> Rgb {
    decode_fitted(file, Fit::Squash { width: side, height: side }, side, &Limits::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_pixels_are_those_of_another_decoder(made in made()) {
        let file = made.jpeg();
        let ours = decode(&file, &Limits::default()).unwrap();
        let theirs = by_another(&file);
        let theirs = Rgb { width: theirs.width(), height: theirs.height(), pixels: theirs.into_raw() };
        let (mean, most) = difference(&ours, &theirs);
        prop_assert!(mean < allowed(1.5, &ours) && most <= 32, "differs by {mean} on average and {most} at most");
    }

    /// The shortest waves are three pixels long where the fewest are asked for, and lose a twentieth of their height.
    #[test]
    fn fewer_pixels_show_the_same_at_every_scale(made in made(), parts in 1..=8_u32) {
        let file = made.jpeg();
        let side = (u32::from(made.width.min(made.height)) / (2 * parts)).max(1);
        let mut whole = Cursor::new(Vec::new());
        by_another(&file).write_to(&mut whole, ImageFormat::Bmp).unwrap();
        let ours = squashed(&file, side);
        let (mean, most) = difference(&ours, &squashed(whole.get_ref(), side));
        prop_assert!(mean < allowed(6.0, &ours) && most <= 32, "at {side} differs by {mean} on average and {most} at most");
    }
}

/// Held against what was written: the other decoder shows other colours where these are quartered and restart markers are used.
#[test]
fn quartered_colours_are_those_that_were_written() {
    for (progressive, restart_interval) in [(false, 0), (false, 3), (true, 0), (true, 3)] {
        let sampling = SamplingFactor::F_4_1;
        let made = Made { width: 131, height: 57, sampling, progressive, restart_interval, is_grey: false, phase: 3 };
        let ours = decode(&made.jpeg(), &Limits::default()).unwrap();
        let written = Rgb { width: 131, height: 57, pixels: made.picture().into_raw() };
        let (mean, most) = difference(&ours, &written);
        assert!(mean < 8.0 && most < 40, "differs by {mean} on average and {most} at most");
    }
}

#[test]
fn one_picture_is_the_same_in_every_layout_at_every_scale() {
    for layout in crate::cut_files::layouts() {
        let plain = jpeg_writer::Layout { progressive: false, scan_each: false, restart_interval: 0, ..layout };
        let (plain, file) = (jpeg_writer::write(plain, 7).bytes, jpeg_writer::write(layout, 7).bytes);
        for side in [1, 3, 6, 12, 26] {
            assert!(squashed(&file, side) == squashed(&plain, side), "{layout:?} shows another picture at {side}");
        }
    }
}

/// Whatever the square needs of a file, all of the file must be there.
#[test]
fn a_cut_jpeg_has_no_square_and_no_thumbnail_at_any_scale() {
    for layout in crate::cut_files::layouts() {
        let written = jpeg_writer::write(layout, 8);
        for end in (2..written.data_end).step_by(5) {
            let cut = &written.bytes[..end];
            let fitted = decode_fitted(cut, Fit::Squash { width: 2, height: 2 }, 2, &Limits::default());
            assert_eq!(fitted.unwrap_err().code(), "truncated", "{layout:?} cut at {end}");
            let thumbnail = thumbnail(cut, 12, &Limits::default());
            assert_eq!(thumbnail.unwrap_err().code(), "truncated", "{layout:?} cut at {end}");
        }
    }
}

#[test]
fn a_photo_of_many_pixels_is_what_all_of_them_make_of_it() {
    let mut file = Vec::new();
    let picture = samples::picture(1600, 1200);
    Encoder::new(&mut file, 90).encode(picture.as_raw(), 1600, 1200, ColorType::Rgb).unwrap();
    let whole = samples::file(by_another(&file), ImageFormat::Bmp);
    for side in [50, 100, 200, 400, 800] {
        let (mean, most) = difference(&squashed(&file, side), &squashed(&whole, side));
        assert!(mean < 0.7 && most <= 3, "at {side} differs by {mean} on average and {most} at most");
    }
}
