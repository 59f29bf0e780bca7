//! What is uploaded: small pictures, each unlike all others, made on the fly.

use std::fmt::Write;

use rand::Rng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

use crate::history::DIGEST_DIGITS;

/// The sides of the pictures in pixels, and how many of a thousand are of each size: most are of a kilobyte, some of tens, and a
/// few are larger than what the store keeps in a pack (512 KiB), so that they have a file of their own.
const SIDES: [(std::ops::Range<u32>, u32); 4] = [(6..20, 850), (40..80, 138), (150..250, 10), (440..600, 2)];

/// The head of a BMP: of the file (14 bytes), and of the picture (40).
const HEAD: usize = 54;

/// A file, and what its answer will show it by.
pub(crate) struct Picture {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
}

/// Makes pictures of which no two are alike, nor like those of another `client`.
pub(crate) struct Pictures {
    client: u32,
    made: u32,
}

impl Pictures {
    pub(crate) fn new(client: u32) -> Self {
        Self { client, made: 0 }
    }

    /// Pictures like none of any client's.
    pub(crate) fn of_nobody() -> Self {
        Self::new(u32::MAX)
    }

    pub(crate) fn next(&mut self, chance: &mut StdRng) -> Picture {
        self.made += 1;
        let mut draw = chance.random_range(0..SIDES.iter().map(|(_, share)| share).sum());
        let side = SIDES.iter().find(|(_, share)| {
            let is_it = draw < *share;
            draw = draw.saturating_sub(*share);
            is_it
        });
        let side = chance.random_range(side.expect("the draw is below the sum").0.clone());
        let mut bytes = bmp(side, chance);
        bytes[HEAD..HEAD + 4].copy_from_slice(&self.client.to_le_bytes());
        bytes[HEAD + 4..HEAD + 8].copy_from_slice(&self.made.to_le_bytes());
        let digest = Sha256::digest(&bytes).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes everything");
            hex
        });
        let digest = digest[..DIGEST_DIGITS].to_owned();
        Picture { name: format!("{}-{}.bmp", self.client, self.made), bytes, digest }
    }
}

/// A square BMP of 24 bits a pixel, with a pattern.
fn bmp(side: u32, chance: &mut StdRng) -> Vec<u8> {
    let row = (side as usize * 3).next_multiple_of(4);
    let pixels = row * side as usize;
    let mut bytes = Vec::with_capacity(HEAD + pixels);
    bytes.extend(b"BM");
    let size = u32::try_from(HEAD + pixels).expect("a picture of some hundred pixels a side is small");
    for word in [size, 0, HEAD as u32, 40, side, side, 1 | 24 << 16, 0, 0, 2835, 2835, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    let step: u8 = chance.random();
    bytes.extend((0..pixels).map(|position| (position as u8).wrapping_mul(step)));
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn no_two_pictures_are_alike_and_each_is_as_long_as_it_says() {
        let mut chance = StdRng::seed_from_u64(1);
        let (mut one, mut other) = (Pictures::new(1), Pictures::new(2));
        let pictures: Vec<Picture> = (0..2000).flat_map(|_| [one.next(&mut chance), other.next(&mut chance)]).collect();
        let digests: BTreeSet<&str> = pictures.iter().map(|picture| picture.digest.as_str()).collect();
        assert_eq!(digests.len(), pictures.len());
        for picture in &pictures {
            let said = u32::from_le_bytes(picture.bytes[2..6].try_into().unwrap());
            assert_eq!(said as usize, picture.bytes.len());
        }
        assert!(pictures.iter().any(|picture| picture.bytes.len() > 512 << 10), "a few are large");
    }
}
