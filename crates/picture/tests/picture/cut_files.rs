//! A file that ends before its picture does is never a picture.

use image::ImageFormat;
use manyeyes_picture::{Limits, PictureError, Rgb, decode};

use crate::jpeg_writer::{self, Layout, Written};
use crate::samples;

const LAYOUT: Layout = Layout {
    width: 75,
    height: 52,
    components: 3,
    sampling: 2,
    progressive: false,
    scan_each: false,
    restart_interval: 0,
};

/// Every way to lay out the data of one picture.
pub(crate) fn layouts() -> Vec<Layout> {
    let mut layouts = Vec::new();
    for (components, sampling) in [(1, 1), (3, 1), (3, 2), (4, 1)] {
        for restart_interval in [0, 1, 4] {
            for (progressive, scan_each) in [(false, false), (false, true), (true, false)] {
                let layout = Layout { components, sampling, restart_interval, progressive, scan_each, ..LAYOUT };
                layouts.push(layout);
            }
        }
    }
    layouts
}

fn try_decode(bytes: &[u8]) -> Result<Rgb, PictureError> {
    decode(bytes, &Limits::default())
}

#[test]
fn one_picture_is_the_same_in_every_layout() {
    for layout in layouts() {
        let plain = Layout { progressive: false, scan_each: false, restart_interval: 0, ..layout };
        let expected = try_decode(&jpeg_writer::write(plain, 7).bytes).unwrap();
        let actual = try_decode(&jpeg_writer::write(layout, 7).bytes).unwrap_or_else(|e| panic!("{layout:?}: {e}"));
        assert!(actual == expected, "{layout:?} shows another picture");
    }
}

#[test]
fn a_jpeg_cut_at_any_byte_is_truncated() {
    for layout in layouts() {
        let Written { bytes, data_end } = jpeg_writer::write(layout, 8);
        for end in 2..data_end {
            assert_eq!(try_decode(&bytes[..end]).unwrap_err(), PictureError::Truncated, "{layout:?} cut at {end}");
        }
    }
}

#[test]
fn an_end_marker_behind_a_cut_does_not_make_a_jpeg_whole() {
    for layout in layouts().into_iter().filter(|layout| !layout.progressive) {
        let Written { bytes, data_end } = jpeg_writer::write(layout, 9);
        for end in data_end / 2..data_end {
            let marked = [&bytes[..end], &[0xff, 0xd9]].concat();
            assert_eq!(try_decode(&marked).unwrap_err(), PictureError::Truncated, "{layout:?} cut at {end}");
        }
    }
}

#[test]
fn a_progressive_jpeg_cut_inside_a_scan_stays_cut_with_an_end_marker() {
    for layout in layouts().into_iter().filter(|layout| layout.progressive) {
        let Written { bytes, data_end } = jpeg_writer::write(layout, 10);
        let last_scan = bytes.windows(2).rposition(|window| window == [0xff, 0xda]).unwrap();
        for end in last_scan + 10..data_end {
            let marked = [&bytes[..end], &[0xff, 0xd9]].concat();
            assert_eq!(try_decode(&marked).unwrap_err(), PictureError::Truncated, "{layout:?} cut at {end}");
        }
    }
}

#[test]
fn a_jpeg_without_its_end_marker_is_whole() {
    for layout in layouts() {
        let Written { bytes, data_end } = jpeg_writer::write(layout, 11);
        let expected = try_decode(&bytes).unwrap();
        assert!(try_decode(&bytes[..data_end]).unwrap() == expected, "{layout:?} without an end marker");
        assert!(try_decode(&bytes[..data_end + 1]).unwrap() == expected, "{layout:?} with half an end marker");
    }
}

#[test]
fn bytes_behind_a_jpeg_do_no_harm() {
    for layout in layouts() {
        let Written { bytes, .. } = jpeg_writer::write(layout, 12);
        let expected = try_decode(&bytes).unwrap();
        for tail in [&b"maker's notes"[..], &[0; 999], &bytes] {
            assert!(try_decode(&[&bytes, tail].concat()).unwrap() == expected, "{layout:?} with a tail");
        }
    }
}

#[test]
fn a_missing_part_in_the_middle_of_a_jpeg_is_damage() {
    let Written { bytes, .. } = jpeg_writer::write(Layout { restart_interval: 4, ..LAYOUT }, 13);
    let restart = bytes.windows(2).position(|window| window == [0xff, 0xd2]).unwrap();
    let damaged = [&bytes[..restart - 20], &bytes[restart..]].concat();
    assert_eq!(try_decode(&damaged).unwrap_err().code(), "damaged");
}

/// The end of the other formats' data is where their decoders say; what must not happen is another picture.
#[test]
fn files_of_other_formats_cut_at_any_byte_are_truncated_or_the_same_picture() {
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
        for picture in [samples::picture(40, 30), samples::noise(40, 30)] {
            let bytes = samples::file(picture, format);
            let expected = try_decode(&bytes).unwrap();
            for end in 8..bytes.len() {
                match try_decode(&bytes[..end]) {
                    Ok(picture) => {
                        assert!(picture == expected, "{format:?} of {} cut at {end} is another picture", bytes.len());
                        assert!(end + 16 >= bytes.len(), "{format:?} of {} cut at {end} is a picture", bytes.len());
                    }
                    Err(error) => {
                        assert_eq!(error, PictureError::Truncated, "{format:?} cut at {end}")
                    }
                }
            }
        }
    }
}

#[test]
fn real_photos_cut_anywhere_are_truncated() {
    let Some(photos) = samples::photos("MANYEYES_IMAGES", "real_photos_cut_anywhere_are_truncated") else {
        return;
    };
    for path in photos {
        let bytes = std::fs::read(&path).unwrap();
        for part in 1..24 {
            let end = bytes.len() * part / 24;
            assert_eq!(
                try_decode(&bytes[..end]).unwrap_err(),
                PictureError::Truncated,
                "{} cut at {end} of {}",
                path.display(),
                bytes.len()
            );
        }
    }
}
