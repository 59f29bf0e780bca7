//! Small pictures with something to see in every corner, and files made of them.

use std::io::Cursor;
use std::path::PathBuf;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

/// Smooth colours, a different one in each corner, and no symmetry.
pub(crate) fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (right, down) = (x * 255 / width.max(2), y * 255 / height.max(2));
        Rgb([right as u8, down as u8, ((right + 2 * down) / 4) as u8])
    })
}

/// Noise, which no format makes small.
pub(crate) fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        Rgb([0; 3].map(|_: u8| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }))
    })
}

/// The smooth picture with an alpha channel that goes from transparent to opaque.
pub(crate) fn translucent(width: u32, height: u32) -> RgbaImage {
    let opaque = picture(width, height);
    RgbaImage::from_fn(width, height, |x, y| {
        let Rgb([red, green, blue]) = *opaque.get_pixel(x, y);
        Rgba([red, green, blue, (y * 255 / height.max(2)) as u8])
    })
}

pub(crate) fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The photos of one folder, or `None` after saying that `test` was not run without them.
pub(crate) fn photos(variable: &str, test: &str) -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os(variable) else {
        eprintln!("NOT RUN without {variable}: {test}");
        return None;
    };
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let is_photo = |path: &PathBuf| path.extension().is_some_and(|e| e == "jpg" || e == "png" || e == "webp");
    let mut photos = entries.filter(is_photo).collect::<Vec<_>>();
    photos.sort();
    assert!(!photos.is_empty(), "{} holds no photo", folder.display());
    Some(photos)
}
