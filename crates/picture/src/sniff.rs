//! Which kind of file the first bytes say it is. A name or a declared type is never believed.

use crate::PictureError;

/// A kind of image file that we decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG: baseline or progressive; grey, YCbCr, RGB, CMYK or YCCK.
    Jpeg,
    /// PNG: 1 to 16 bits, palette, alpha, interlaced.
    Png,
    /// WebP: lossy or lossless, with or without alpha; the first frame of an animation.
    Webp,
    /// GIF: the first frame.
    Gif,
    /// BMP.
    Bmp,
}

impl Format {
    /// The media type to serve a file of this kind as.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
        }
    }

    /// The usual file name extension, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
        }
    }
}

/// Says the format of a file from its first bytes; 32 are enough for every supported format.
///
/// `Truncated`: what is there begins like a supported format but is too short to be sure.
pub fn sniff(bytes: &[u8]) -> Result<Format, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if let Some(format) = supported(bytes) {
        return Ok(format);
    }
    if let Some(name) = known_but_unsupported(bytes) {
        return Err(PictureError::UnsupportedFormat(name));
    }
    if begins_a_signature(bytes) { Err(PictureError::Truncated) } else { Err(PictureError::NotAnImage) }
}

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG_SIGNATURE: &[u8] = b"\xff\xd8\xff";

fn supported(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(JPEG_SIGNATURE) {
        Some(Format::Jpeg)
    } else if bytes.starts_with(PNG_SIGNATURE) {
        Some(Format::Png)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some(Format::Webp)
    } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        Some(Format::Gif)
    } else if is_bmp(bytes) {
        Some(Format::Bmp)
    } else {
        None
    }
}

/// "BM" alone begins many a text, so the size of the second header must also be one that exists.
fn is_bmp(bytes: &[u8]) -> bool {
    const HEADER_SIZES: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];
    bytes.starts_with(b"BM") && crate::bytes::u32_le(bytes, 14).is_some_and(|size| HEADER_SIZES.contains(&size))
}

/// A file cut inside its own signature: not nothing, and not yet a format.
fn begins_a_signature(bytes: &[u8]) -> bool {
    let whole: [&[u8]; 4] = [JPEG_SIGNATURE, PNG_SIGNATURE, b"GIF87a", b"GIF89a"];
    let cut_signature = bytes.len() >= 2 && whole.iter().any(|signature| signature.starts_with(bytes));
    let cut_riff = bytes.starts_with(b"RIFF") && bytes.len() < 12;
    let cut_bmp =
        bytes.starts_with(b"BM") && (6..18).contains(&bytes.len()) && bytes[6..].iter().take(4).all(|b| *b == 0);
    cut_signature || cut_riff || cut_bmp
}

/// Kinds that people do send, so that the answer can name what they sent.
fn known_but_unsupported(bytes: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 17] = [
        (b"%PDF-", "PDF"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "BigTIFF"),
        (b"MM\0+", "BigTIFF"),
        (b"8BPS", "PSD (Photoshop)"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"\0\0\x01\0", "ICO (icon)"),
        (b"qoif", "QOI"),
        (b"DDS ", "DDS"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"gimp xcf", "XCF (GIMP)"),
        (b"farbfeld", "farbfeld"),
    ];
    let by_signature = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)).map(|(_, name)| *name);
    by_signature.or_else(|| iso_media(bytes)).or_else(|| netpbm(bytes)).or_else(|| svg(bytes))
}

/// HEIC, AVIF and videos share one container, whose first box names the brand.
fn iso_media(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    Some(match bytes.get(8..12) {
        Some(b"avif" | b"avis") => "AVIF",
        Some(b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1") => "HEIC",
        Some(b"crx ") => "CR3 (camera raw)",
        _ => "a video",
    })
}

fn netpbm(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace() => Some("PNM"),
        _ => None,
    }
}

/// SVG is text: a root element `<svg` near the beginning, after at most a declaration, a doctype and comments.
fn svg(bytes: &[u8]) -> Option<&'static str> {
    const LOOK_AT_BYTES: usize = 1024;
    let beginning = &bytes[..bytes.len().min(LOOK_AT_BYTES)];
    let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
    let is_markup =
        [&b"<svg"[..], b"<?xml", b"<!DOCTYPE svg", b"<!--"].iter().any(|start| beginning.starts_with(start));
    (is_markup && beginning.windows(4).any(|window| window == b"<svg")).then_some("SVG")
}
