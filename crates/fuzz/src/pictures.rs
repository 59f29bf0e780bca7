//! Files that should be pictures.

use manyeyes_picture::{Fit, Limits, decode, decode_fitted, read_header, smaller, sniff, thumbnail};

/// Enough for a small picture of any kind, and little enough that one is decoded in a moment.
const LIMITS: Limits = Limits { max_pixels: 1 << 16 };

pub(crate) fn run(bytes: &[u8]) {
    // What it is said to be is looked at by everyone first.
    let _ = sniff(bytes);
    let header = read_header(bytes);
    if let Ok(picture) = decode(bytes, &LIMITS) {
        let pixels = u64::from(picture.width) * u64::from(picture.height);
        assert!(pixels <= LIMITS.max_pixels, "more pixels than allowed");
        assert_eq!(picture.pixels.len() as u64, pixels * 3);
        assert!(header.is_ok(), "a picture without a header");
    }
    if let Ok(picture) = decode_fitted(bytes, Fit::Squash { width: 16, height: 16 }, 14, &LIMITS) {
        assert_eq!((picture.width, picture.height, picture.pixels.len()), (14, 14, 14 * 14 * 3));
    }
    if let Ok(picture) = decode_fitted(bytes, Fit::ShorterSide(9), 8, &LIMITS) {
        assert_eq!((picture.width, picture.height), (8, 8));
    }
    for made in
        [thumbnail(bytes, 12, &LIMITS), smaller(bytes, Fit::ShorterSide(8), &LIMITS).map(Option::unwrap_or_default)]
    {
        if let Ok(jpeg) = made
            && !jpeg.is_empty()
        {
            decode(&jpeg, &LIMITS).expect("what we make is a picture");
        }
    }
}
