//! What is uploaded: photos of a folder, or pictures of noise where only the size matters.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// The side of a made-up picture, pixels: with three bytes each it has 100 kB, as a photo of 640 by 480 has.
const SIDE: u32 = 182;

/// The head of a BMP: of the file (14 bytes), and of the picture (40).
const HEAD: usize = 54;

/// The most bytes of photos that are read: all are in memory while a run is made.
const MAX_BYTES: u64 = 1 << 30;

/// What the names of photos end with; other files of a folder are passed over.
const ENDINGS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "bmp"];

/// A supply of pictures that never ends.
pub(crate) enum Pictures {
    /// Noise, so that nothing on the way makes it smaller. Each picture has its number in its first pixel, and so no two are alike.
    MadeUp(Vec<u8>),
    /// These, by name, again and again.
    Photos(Vec<Vec<u8>>),
}

impl Pictures {
    /// Pictures of noise that follows from `seed`.
    pub(crate) fn made_up(seed: u64) -> Self {
        let row = (SIDE as usize * 3).next_multiple_of(4);
        let pixels = row * SIDE as usize;
        let mut bytes = Vec::with_capacity(HEAD + pixels);
        bytes.extend(b"BM");
        let size = u32::try_from(HEAD + pixels).expect("a picture of some hundred pixels a side is small");
        // The sizes, the offset of the pixels, one plane of 24 bits a pixel, no compression, 72 dots an inch, no palette.
        for word in [size, 0, HEAD as u32, 40, SIDE, SIDE, 1 | 24 << 16, 0, 0, 2835, 2835, 0, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.resize(HEAD + pixels, 0);
        StdRng::seed_from_u64(seed).fill_bytes(&mut bytes[HEAD..]);
        Self::MadeUp(bytes)
    }

    /// The photos of a folder, in the order of their names.
    ///
    /// # Errors
    /// There is no such folder, it has no photo, or they are too many for the memory.
    pub(crate) fn of_folder(folder: &Path) -> anyhow::Result<Self> {
        let shown = folder.display();
        let entries = fs::read_dir(folder).with_context(|| format!("failed to read the pictures of {shown}"))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        paths.retain(|path| {
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
            ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
        });
        paths.sort();
        let (mut photos, mut total) = (Vec::new(), 0);
        for path in paths {
            let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            total += bytes.len() as u64;
            if total > MAX_BYTES {
                bail!("the pictures of {shown} have more than {} MiB together: take fewer", MAX_BYTES >> 20);
            }
            photos.push(bytes);
        }
        if photos.is_empty() {
            bail!("there is no picture in {shown}: none of its files ends with .{}", ENDINGS.join(", ."));
        }
        Ok(Self::Photos(photos))
    }

    /// The picture of this number.
    pub(crate) fn get(&self, number: u32) -> Vec<u8> {
        match self {
            Self::MadeUp(base) => {
                let mut bytes = base.clone();
                bytes[HEAD..HEAD + 4].copy_from_slice(&number.to_le_bytes());
                bytes
            }
            Self::Photos(photos) => photos[number as usize % photos.len()].clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_pictures_are_of_a_photos_size_and_no_two_alike() {
        let pictures = Pictures::made_up(1);
        let (one, other) = (pictures.get(0), pictures.get(1));
        assert_ne!(one, other);
        assert!((95_000..105_000).contains(&one.len()), "{}", one.len());
        let said = u32::from_le_bytes(one[2..6].try_into().unwrap());
        assert_eq!(said as usize, one.len());
        assert_eq!(one, Pictures::made_up(1).get(0), "the same seed makes the same");
        assert_ne!(one, Pictures::made_up(2).get(0));
    }

    #[test]
    fn photos_come_again_and_other_files_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("b.JPG", "two"), ("a.png", "one"), ("README.md", "not a picture")] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let pictures = Pictures::of_folder(folder.path()).unwrap();
        let got: Vec<Vec<u8>> = (0..3).map(|number| pictures.get(number)).collect();
        assert_eq!(got, [b"one", b"two", b"one"].map(|bytes| bytes.to_vec()));
    }

    #[test]
    fn a_folder_that_is_missing_or_empty_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| format!("{:#}", Pictures::of_folder(path).err().unwrap());
        assert!(error(folder.path()).contains("there is no picture in"), "{}", error(folder.path()));
        assert!(error(&folder.path().join("missing")).contains("failed to read the pictures of"));
    }
}
