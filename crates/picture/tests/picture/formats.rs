//! Which file is what, how large it says it is, and what each format decodes to.

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, Frame, ImageFormat, Rgb as Pixel};
use manyeyes_picture::{DEFAULT_MAX_PIXELS, Format, Header, Limits, PictureError, Rgb, decode, read_header, sniff};

use crate::samples;

const LOSSLESS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp];

fn decoded(bytes: &[u8]) -> Rgb {
    decode(bytes, &Limits::default()).unwrap()
}

fn pixel(picture: &Rgb, x: u32, y: u32) -> [u8; 3] {
    let at = (y * picture.width + x) as usize * 3;
    picture.pixels[at..at + 3].try_into().unwrap()
}

#[test]
fn every_format_is_told_by_its_bytes_and_its_header_gives_the_size() {
    for (image_format, format) in [
        (ImageFormat::Jpeg, Format::Jpeg),
        (ImageFormat::Png, Format::Png),
        (ImageFormat::WebP, Format::Webp),
        (ImageFormat::Gif, Format::Gif),
        (ImageFormat::Bmp, Format::Bmp),
    ] {
        let bytes = samples::file(samples::picture(61, 37), image_format);
        let header = read_header(&bytes).unwrap();
        assert_eq!(header, Header { format, width: 61, height: 37 });
    }
}

#[test]
fn a_jpeg_header_is_found_behind_large_blocks() {
    let bytes = samples::file(samples::picture(61, 37), ImageFormat::Jpeg);
    let block = [&[0xff, 0xe1, 0xff, 0xff][..], &[0xff, 0xc0, 0, 17].repeat(65_533 / 4 + 1)[..65_533]].concat();
    let padded = [&bytes[..2], &block, &block, &block, &bytes[2..]].concat();
    let header = read_header(&padded).unwrap();
    assert_eq!((header.width, header.height), (61, 37));
    assert_eq!(decoded(&padded), decoded(&bytes));
    assert_eq!(read_header(&padded[..100_000]).unwrap_err(), PictureError::Truncated, "a beginning asks for more");
}

#[test]
fn what_is_not_supported_is_named() {
    for (bytes, name) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf", "AVIF"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "a video"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"8BPS\0\x01\0\0", "PSD (Photoshop)"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\x01\0\x01\0\x20\x20", "ICO (icon)"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"),
        (b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- made by hand -->\n<svg/>", "SVG"),
        (b"P6 4 4 255\n", "PNM"),
    ] {
        assert_eq!(sniff(bytes).unwrap_err(), PictureError::UnsupportedFormat(name));
    }
}

#[test]
fn what_is_no_image_is_not_taken_for_one() {
    assert_eq!(sniff(b"").unwrap_err(), PictureError::Empty);
    for bytes in [
        &b"hello, this is text\n"[..],
        b"BM is how this text begins, and it goes on for a while",
        b"<html><body>no picture</body></html>",
        b"<?xml version=\"1.0\"?><note/>",
        b"PK\x03\x04\x14\0\0\0",
        b"RIFF\x24\x08\0\0WAVEfmt ",
        &[0; 64],
    ] {
        assert_eq!(sniff(bytes).unwrap_err(), PictureError::NotAnImage, "{}", bytes.escape_ascii());
    }
}

#[test]
fn lossless_formats_give_back_every_pixel() {
    let picture = samples::noise(53, 29);
    for format in LOSSLESS {
        assert_eq!(decoded(&samples::file(picture.clone(), format)).pixels, picture.as_raw().clone(), "{format:?}");
    }
}

#[test]
fn transparency_is_laid_over_white() {
    let picture = samples::translucent(40, 51);
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let flat = decoded(&samples::file(picture.clone(), format));
        for (x, y, pixel_before) in picture.enumerate_pixels() {
            let [colour @ .., alpha] = pixel_before.0.map(f64::from);
            for (before, after) in colour.into_iter().zip(pixel(&flat, x, y)) {
                let expected = before * alpha / 255.0 + 255.0 - alpha;
                assert!((expected - f64::from(after)).abs() <= 0.5, "{format:?} at {x}, {y}");
            }
        }
        assert_eq!(pixel(&flat, 20, 0), [255; 3], "what is quite transparent is white");
    }
}

#[test]
fn grey_and_16_bit_pictures_become_rgb() {
    let picture = DynamicImage::from(samples::picture(45, 33));
    let grey = decoded(&samples::file(picture.to_luma8(), ImageFormat::Png));
    for jpeg_or_png in [ImageFormat::Jpeg, ImageFormat::Png] {
        let file = decoded(&samples::file(picture.to_luma8(), jpeg_or_png));
        let difference = file.pixels.iter().zip(&grey.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(difference <= Some(8), "{jpeg_or_png:?} differs by {difference:?}");
    }
    assert_eq!(decoded(&samples::file(picture.to_luma16(), ImageFormat::Png)), grey);
    let colour = decoded(&samples::file(picture.clone(), ImageFormat::Png));
    assert_eq!(decoded(&samples::file(picture.to_rgb16(), ImageFormat::Png)), colour);
    assert_eq!(decoded(&samples::file(picture.to_rgba16(), ImageFormat::Png)), colour);
}

#[test]
fn a_gif_shows_its_first_frame_on_its_canvas() {
    let red = DynamicImage::from(image::RgbImage::from_pixel(30, 20, Pixel([255, 0, 0]))).into_rgba8();
    let blue = DynamicImage::from(image::RgbImage::from_pixel(30, 20, Pixel([0, 0, 255]))).into_rgba8();
    let mut bytes = Vec::new();
    GifEncoder::new(&mut bytes).encode_frames([Frame::new(red), Frame::new(blue)]).unwrap();
    assert_eq!(pixel(&decoded(&bytes), 15, 10), [255, 0, 0]);

    // A canvas larger than the frame: what the frame does not cover is transparent, so white.
    bytes[6..10].copy_from_slice(&[40, 0, 25, 0]);
    let canvas = decoded(&bytes);
    assert_eq!((canvas.width, canvas.height), (40, 25));
    assert_eq!((pixel(&canvas, 29, 19), pixel(&canvas, 35, 22)), ([255, 0, 0], [255; 3]));
}

#[test]
fn cmyk_as_adobe_writes_it_has_the_right_colours() {
    // Four flat components: in Adobe's files 255 means no ink. A quantised DC of (value - 128) * 8 is a flat block.
    let picture = |ink: [u8; 4]| crate::jpeg_writer::flat_cmyk(ink);
    for (ink, expected) in [
        ([255, 255, 255, 255], [255, 255, 255]),
        ([255, 255, 255, 0], [0, 0, 0]),
        ([0, 255, 255, 255], [0, 255, 255]),
        ([255, 0, 255, 255], [255, 0, 255]),
        ([255, 255, 0, 255], [255, 255, 0]),
    ] {
        let shown = pixel(&decoded(&picture(ink)), 4, 4);
        assert!(shown.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2), "{ink:?} shows {shown:?}");
    }
}

#[test]
fn a_picture_of_one_pixel_is_a_picture() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
        let one = decoded(&samples::file(samples::picture(1, 1), format));
        assert_eq!((one.width, one.height, one.pixels.len()), (1, 1, 3), "{format:?}");
    }
}

#[test]
fn too_many_pixels_are_refused_from_the_header() {
    let limits = Limits { max_pixels: 99 };
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
        let bytes = samples::file(samples::picture(10, 10), format);
        let expected = PictureError::TooManyPixels { width: 10, height: 10, limit: 99 };
        assert_eq!(decode(&bytes, &limits).unwrap_err(), expected, "{format:?}");
        assert!(decode(&bytes, &Limits { max_pixels: 100 }).is_ok(), "{format:?} at the limit");
    }
}

#[test]
fn a_png_that_claims_50000_x_50000_costs_nothing() {
    let mut bytes = samples::file(samples::picture(10, 10), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&50_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&50_000_u32.to_be_bytes());
    assert_eq!(read_header(&bytes).unwrap(), Header { format: Format::Png, width: 50_000, height: 50_000 });
    let expected = PictureError::TooManyPixels { width: 50_000, height: 50_000, limit: DEFAULT_MAX_PIXELS };
    assert_eq!(decode(&bytes, &Limits::default()).unwrap_err(), expected);
}

#[test]
fn a_damaged_png_is_damaged_and_not_truncated() {
    let mut bytes = samples::file(samples::noise(40, 40), ImageFormat::Png);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    assert_eq!(decode(&bytes, &Limits::default()).unwrap_err().code(), "damaged");
}

#[test]
fn a_jpeg_whose_size_is_zero_is_damaged() {
    let mut bytes = Vec::new();
    JpegEncoder::new(&mut bytes).encode(&[0; 3 * 64], 8, 8, ExtendedColorType::Rgb8).unwrap();
    let frame = bytes.windows(2).position(|window| window == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 7].fill(0);
    assert_eq!(read_header(&bytes).unwrap_err().code(), "damaged");
}
