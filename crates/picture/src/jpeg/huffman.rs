//! Huffman tables (T.81 annex C), laid out so that one look at the bits ahead tells a code with the number behind it, or
//! several of them where nothing is wanted but their end.

use std::sync::OnceLock;

use crate::PictureError;

/// Codes up to this length are found with one look; the rest, about one in a hundred, by their range.
const LOOK_BITS: u32 = 10;

/// Bits that one look at [`Skips`] takes in: two codes with their numbers, in most photos.
const SKIP_BITS: u32 = 12;

/// One code and the number behind it, in one word: bits of both, bits of the number (the symbol's low half), the symbol, and
/// whether it ends a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded(u32);

impl Coded {
    /// In the place of a code that is longer than a look.
    const LONGER: Self = Self(0);

    fn new(code_bits: u32, symbol: u8) -> Self {
        const SIXTEEN_ZEROS: u8 = 0xf0;
        let number_bits = u32::from(symbol & 15);
        let ends_block = number_bits == 0 && symbol != SIXTEEN_ZEROS;
        Self((code_bits + number_bits) | number_bits << 8 | u32::from(symbol) << 16 | u32::from(ends_block) << 24)
    }

    /// Bits of code and number.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        self.0 & 0xff
    }

    #[inline(always)]
    pub(super) fn number_bits(self) -> u32 {
        self.0 >> 8 & 0xff
    }

    #[inline(always)]
    pub(super) fn code_bits(self) -> u32 {
        self.bits() - self.number_bits()
    }

    #[inline(always)]
    pub(super) fn symbol(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Zeros before the AC coefficient.
    #[inline(always)]
    pub(super) fn run(self) -> usize {
        (self.0 >> 20 & 15) as usize
    }

    /// Whether it says, among a sequential block's AC coefficients, that the rest of them is 0 (T.81 F.1.2.2).
    #[inline(always)]
    pub(super) fn ends_block(self) -> bool {
        self.0 >> 24 != 0
    }
}

/// As many AC codes of a sequential block, with their numbers, as one look takes in: bits of all, and how many coefficients they
/// stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skip(u16);

impl Skip {
    /// Added to the coefficients where the last code ends the block. As [`Skip::NONE`], more than a block has, so that whoever counts
    /// asks once for both.
    const ENDS_BLOCK: usize = 128;

    /// Where the first code is longer than a look.
    const NONE: Self = Self::new(0, 64);

    const fn new(bits: u32, coefficients: usize) -> Self {
        Self((bits | (coefficients as u32) << 8) as u16)
    }

    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        u32::from(self.0 & 0xff)
    }

    /// Number of the coefficient behind those that are skipped, or [`Skip::ENDS_BLOCK`] more.
    #[inline(always)]
    pub(super) fn from(self, coefficient: usize) -> usize {
        coefficient + usize::from(self.0 >> 8)
    }

    /// Whether what [`Skip::from`] gave is a block's end.
    #[inline(always)]
    pub(super) fn is_end(after: usize) -> bool {
        (Self::ENDS_BLOCK..Self::ENDS_BLOCK + 64).contains(&after)
    }
}

/// A Huffman table.
pub(super) struct Huffman {
    short: Box<[Coded; 1 << LOOK_BITS]>,
    /// By code length: first 16-bit prefix beyond the codes of that length.
    limit: [u32; 17],
    /// By code length: index of its first symbol less its first code.
    offset: [i32; 17],
    symbols: Vec<u8>,
    skips: OnceLock<Skips>,
}

/// What is skipped, by the next [`SKIP_BITS`] bits.
pub(super) struct Skips(Box<[Skip; 1 << SKIP_BITS]>);

impl Skips {
    #[inline(always)]
    pub(super) fn look(&self, ahead: u64) -> Skip {
        self.0[(ahead >> (64 - SKIP_BITS)) as usize]
    }
}

impl Huffman {
    /// Reads one table of a DHT payload, and says how many bytes of the payload it took.
    pub(super) fn parse(payload: &[u8]) -> Result<(Self, usize), PictureError> {
        let damaged = || PictureError::damaged("a JPEG Huffman table is impossible");
        let counts = payload.get(..16).ok_or_else(damaged)?;
        let total = counts.iter().map(|count| usize::from(*count)).sum::<usize>();
        let symbols = payload.get(16..16 + total).ok_or_else(damaged)?.to_vec();

        let mut short = Box::new([Coded::LONGER; 1 << LOOK_BITS]);
        let (mut limit, mut offset) = ([0; 17], [0; 17]);
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = usize::from(counts[length as usize - 1]);
            offset[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                if code >= 1 << length {
                    return Err(damaged());
                }
                if length <= LOOK_BITS {
                    let spare = LOOK_BITS - length;
                    let coded = Coded::new(length, symbols[index]);
                    short[(code << spare) as usize..((code + 1) << spare) as usize].fill(coded);
                }
                code += 1;
                index += 1;
            }
            limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok((Self { short, limit, offset, symbols, skips: OnceLock::new() }, 16 + total))
    }

    /// The code on top of `ahead`, `None` where no code begins so.
    #[inline(always)]
    pub(super) fn look(&self, ahead: u64) -> Option<Coded> {
        let coded = self.short[(ahead >> (64 - LOOK_BITS)) as usize];
        if coded.bits() == 0 { self.look_further(ahead) } else { Some(coded) }
    }

    #[cold]
    fn look_further(&self, ahead: u64) -> Option<Coded> {
        let prefix = (ahead >> 48) as u32;
        let length = (LOOK_BITS as usize + 1..=16).find(|length| prefix < self.limit[*length])?;
        let index = (prefix >> (16 - length)) as i32 + self.offset[length];
        let symbol = *self.symbols.get(usize::try_from(index).ok()?)?;
        Some(Coded::new(length as u32, symbol))
    }

    /// The same table for who wants nothing but the end of a block. Made when first asked for.
    pub(super) fn skips(&self) -> &Skips {
        self.skips.get_or_init(|| {
            let skips: Vec<Skip> = (0..1_u64 << SKIP_BITS).map(|bits| self.skip(bits << (64 - SKIP_BITS))).collect();
            Skips(skips.try_into().unwrap_or_else(|_| unreachable!("there is one for each pattern of bits")))
        })
    }

    /// Takes codes from the top of `ahead` while its first [`SKIP_BITS`] bits hold them; of the last one's number only the
    /// length has to be known.
    fn skip(&self, ahead: u64) -> Skip {
        let (mut bits, mut coefficients) = (0, 0);
        while bits < SKIP_BITS {
            let coded = self.short[(ahead << bits >> (64 - LOOK_BITS)) as usize];
            let is_known = coded.bits() > 0 && bits + coded.code_bits() <= SKIP_BITS;
            if !is_known || coefficients + coded.run() + 1 >= 64 {
                break;
            }
            bits += coded.bits();
            if coded.ends_block() {
                return Skip::new(bits, coefficients + Skip::ENDS_BLOCK);
            }
            coefficients += coded.run() + 1;
        }
        if bits == 0 { Skip::NONE } else { Skip::new(bits, coefficients) }
    }
}
