//! The manifest: what is known of each model, as data. The built-in one is `models/manifest.toml`; a file of the user's
//! own may carry a *sidecar*, a `NAME.toml` beside `NAME.onnx` with the same `[input]`, `output` and a label file.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use manyeyes_picture::Fit;
use serde::Deserialize;

use crate::labels::Labels;
use crate::precision::Int8;

/// The largest input side that is accepted: beyond it, a typing error is likelier than a network.
const INPUT_SIDE_MAX: u32 = 1024;

/// The built-in manifest, the default model first.
///
/// # Panics
/// Never: a test reads the embedded file.
#[must_use]
pub fn manifest() -> &'static [Entry] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Manifest {
        model: Vec<Entry>,
    }
    static MANIFEST: OnceLock<Vec<Entry>> = OnceLock::new();
    MANIFEST.get_or_init(|| {
        let text = include_str!("../../../models/manifest.toml");
        let manifest: Manifest = toml::from_str(text).expect("the embedded manifest is well formed");
        manifest.model
    })
}

/// One known model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What `--model` takes, and the stem of a file that a user's own folder may hold (`NAME.onnx`).
    pub name: String,
    /// One line for a person.
    pub title: String,
    /// The licence of the weights, as their publisher states it.
    pub licence: String,
    /// Where the file comes from; `None`: it is only ever the user's own, or part of the program.
    pub download: Option<Download>,
    /// How its input is made.
    pub input: Input,
    /// What its output means.
    pub output: OutputKind,
    /// Its classes, in the order of the output; `None`: ImageNet's 1000.
    pub classes: Option<Vec<String>>,
    /// The same network in 8-bit integers, another entry; `None`: there is none.
    pub int8: Option<Int8>,
}

impl Entry {
    /// Its classes, in the order of its output.
    #[must_use]
    pub fn labels(&self) -> Arc<Labels> {
        self.classes.as_ref().map_or_else(Labels::imagenet, |names| Labels::of(names.clone()))
    }

    /// The file names under which a folder may hold it: the plain one, then the publisher's.
    pub(crate) fn file_names(&self) -> Vec<String> {
        let mut names = vec![format!("{}.onnx", self.name)];
        names.extend(self.download.iter().map(|download| download.file.clone()));
        names.dedup();
        names
    }
}

/// A published file: its digest decides, not where it came from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// The file's name, at every source and in the cache.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    #[serde(deserialize_with = "digest_from_hex")]
    pub sha256: [u8; 32],
    /// Addresses, tried in this order.
    pub sources: Vec<String>,
}

/// How a picture becomes the input tensor: resize, crop the centre, then `(value - mean) / std` for each channel.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[serde(try_from = "InputAsWritten")]
pub struct Input {
    /// How the whole picture is resized before the crop.
    pub resize: Resize,
    /// The side of that size, in pixels.
    pub size: u32,
    /// The side of the square that is cropped from its centre, which is the network's input.
    pub crop: u32,
    /// The order of the network's three input channels.
    pub order: ChannelOrder,
    /// Subtracted from values of 0..=255; always written red, green, blue.
    pub mean: [f32; 3],
    /// What is left is divided by it; always written red, green, blue.
    pub std: [f32; 3],
}

impl Input {
    /// How the whole picture is resized.
    #[must_use]
    pub fn fit(&self) -> Fit {
        match self.resize {
            Resize::Squash => Fit::Squash { width: self.size, height: self.size },
            Resize::ShorterSide => Fit::ShorterSide(self.size),
        }
    }
}

/// How a picture of any proportions is brought to size before the crop.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Both sides to `size`, whatever that does to the proportions.
    Squash,
    /// The shorter side to `size`, the proportions kept.
    ShorterSide,
}

/// The order of a network's three input channels.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red: what Caffe's networks were trained on.
    Bgr,
}

/// What the numbers of the output are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// They sum to 1 already.
    Probabilities,
    /// A softmax makes them probabilities.
    Logits,
}

/// What a user writes beside a model of their own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sidecar {
    /// One class a line, in the order of the output; relative to the sidecar. `None`: ImageNet's 1000.
    pub(crate) labels: Option<PathBuf>,
    /// The same network in 8-bit integers, a file beside the sidecar; `None`: there is none.
    pub(crate) int8: Option<Int8>,
    pub(crate) output: OutputKind,
    pub(crate) input: Input,
}

/// [`Input`] before its numbers have been looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputAsWritten {
    resize: Resize,
    size: u32,
    crop: u32,
    order: ChannelOrder,
    mean: [f32; 3],
    #[serde(default = "no_scaling")]
    std: [f32; 3],
}

impl TryFrom<InputAsWritten> for Input {
    type Error = String;

    fn try_from(written: InputAsWritten) -> Result<Self, String> {
        let InputAsWritten { resize, size, crop, order, mean, std } = written;
        if crop == 0 || size > INPUT_SIDE_MAX {
            return Err(format!("size and crop must be in 1..={INPUT_SIDE_MAX}"));
        }
        if crop > size {
            return Err(format!("crop {crop} is larger than size {size}, from which it is cut"));
        }
        if std.iter().any(|value| !value.is_finite() || *value <= 0.0) || mean.iter().any(|value| !value.is_finite()) {
            return Err("mean must be finite, std must be above zero".to_owned());
        }
        Ok(Self { resize, size, crop, order, mean, std })
    }
}

fn no_scaling() -> [f32; 3] {
    [1.0; 3]
}

fn digest_from_hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_hex(&text).ok_or_else(|| serde::de::Error::custom("a SHA-256 is 64 hexadecimal digits"))
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_manifest_reads_and_googlenet_is_the_default() {
        let entries = manifest();
        assert_eq!(entries[0].name, "googlenet");
        assert_eq!(entries[0].input.order, ChannelOrder::Bgr);
        let mut names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), entries.len(), "names are distinct");
        for int8 in entries.iter().filter_map(|entry| entry.int8.as_ref()) {
            let partner = entries.iter().find(|entry| entry.name == int8.model).expect("it is another entry");
            assert!(partner.int8.is_none() && partner.download.is_some(), "{}", partner.name);
        }
        for download in entries.iter().filter_map(|entry| entry.download.as_ref()) {
            assert!(download.sources.iter().all(|source| source.starts_with("https://")), "{}", download.file);
            assert!(download.sources.iter().all(|source| source.ends_with(&download.file)), "{}", download.file);
        }
    }

    #[test]
    fn a_crop_larger_than_the_resized_picture_is_refused() {
        let text = r#"
            resize = "squash"
            size = 200
            crop = 224
            order = "rgb"
            mean = [0.0, 0.0, 0.0]"#;
        let error = toml::from_str::<Input>(text).expect_err("the crop does not fit");
        assert!(error.to_string().contains("crop 224 is larger than size 200"), "{error}");
    }

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        assert_eq!(parse_hex(&"0f".repeat(32)), Some([15; 32]));
        assert_eq!(parse_hex("0f"), None);
        assert_eq!(parse_hex(&"zz".repeat(32)), None);
    }
}
