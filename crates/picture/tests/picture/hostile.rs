//! Any bytes give a picture or an error: no panic, and no more memory than the limits allow.

use image::ImageFormat;
use manyeyes_picture::{Fit, Limits, decode, decode_fitted, read_header, thumbnail};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::jpeg_writer::{self, Layout};
use crate::samples;

const LIMITS: Limits = Limits { max_pixels: 250_000 };

/// One small file of every kind.
fn files() -> Vec<Vec<u8>> {
    let formats = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp];
    let mut files = formats.map(|format| samples::file(samples::noise(24, 17), format)).to_vec();
    files.push(samples::file(samples::translucent(24, 17), ImageFormat::WebP));
    for (components, progressive, restart_interval) in [(1, true, 0), (3, true, 3), (3, false, 3), (4, true, 0)] {
        let sampling = if components == 3 { 2 } else { 1 };
        let layout =
            Layout { width: 40, height: 33, components, sampling, progressive, scan_each: false, restart_interval };
        files.push(jpeg_writer::write(layout, 3).bytes);
    }
    files
}

#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (any::<Index>(), prop_oneof![any::<u8>(), select(vec![0, 0xff, 0x7f, 0xda, 0xd0])])
            .prop_map(|(at, value)| Change::Set(at, value)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let range = |at: &Index, count: usize| at.index(bytes.len())..(at.index(bytes.len()) + count).min(bytes.len());
    match change {
        Change::Set(at, value) => *at.get_mut(bytes) = *value,
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Change::Remove(at, count) => drop(bytes.drain(range(at, *count))),
        Change::Repeat(at, count) => {
            let part = bytes[range(at, *count)].to_vec();
            let at = at.index(bytes.len());
            bytes.splice(at..at, part);
        }
    }
}

/// Everything that takes a file; what comes out must be what was promised.
fn take(bytes: &[u8]) {
    let header = read_header(bytes);
    if let Ok(picture) = decode(bytes, &LIMITS) {
        let header = header.expect("what can be decoded has a header");
        assert_eq!(u64::from(header.width) * u64::from(header.height), picture.pixels.len() as u64 / 3);
        assert!(picture.pixels.len() as u64 <= LIMITS.max_pixels * 3);
        let square =
            decode_fitted(bytes, Fit::ShorterSide(32), 28, &LIMITS).expect("what can be decoded can be fitted");
        assert_eq!(square.pixels.len(), 28 * 28 * 3);
        assert!(thumbnail(bytes, 20, &LIMITS).is_ok());
        for side in [1, 3, 7] {
            let fitted = decode_fitted(bytes, Fit::Squash { width: side, height: side }, side, &LIMITS);
            assert!(fitted.is_ok(), "fewer pixels are to be had of every file that has all");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_never_panic(which in any::<Index>(), changes in vec(change(), 1..6)) {
        let mut bytes = which.get(&files()).clone();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        take(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(start in any::<Index>(), bytes in vec(any::<u8>(), 0..400)) {
        take(&bytes);
        let starts = [&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP"];
        take(&[start.get(&starts), &bytes[..]].concat());
    }
}
