//! Huffman-coded data, read code by code without computing what the codes mean for a pixel.

use crate::PictureError;

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A marker or the end of the file comes before what is still needed.
    OutOfData,
    /// No code of the table begins with these bits.
    BadCode,
}

/// Codes up to this length are found with one look; the rest, about one in a hundred, by their range.
const LOOK_BITS: u32 = 9;

/// A Huffman table (T.81 annex C).
pub(super) struct Huffman {
    /// By the next [`LOOK_BITS`] bits: code length << 8 | symbol; 0 where the code is longer.
    short: Box<[u16; 1 << LOOK_BITS]>,
    /// By code length: first 16-bit prefix beyond the codes of that length.
    limit: [u32; 17],
    /// By code length: index of its first symbol less its first code.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// Reads one table of a DHT payload, and says how many bytes of the payload it took.
    pub(super) fn parse(payload: &[u8]) -> Result<(Self, usize), PictureError> {
        let damaged = || PictureError::damaged("a JPEG Huffman table is impossible");
        let counts = payload.get(..16).ok_or_else(damaged)?;
        let total = counts.iter().map(|count| usize::from(*count)).sum::<usize>();
        let symbols = payload.get(16..16 + total).ok_or_else(damaged)?.to_vec();

        let mut short = Box::new([0; 1 << LOOK_BITS]);
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
                    let entry = (length as u16) << 8 | u16::from(symbols[index]);
                    short[(code << spare) as usize..((code + 1) << spare) as usize].fill(entry);
                }
                code += 1;
                index += 1;
            }
            limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok((Self { short, limit, offset, symbols }, 16 + total))
    }
}

/// Reads bits of one entropy-coded segment, up to its marker and never past it.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits read ahead, the next one on top; zeros behind them.
    ahead: u64,
    ahead_count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, ahead: 0, ahead_count: 0 }
    }

    /// Reads one code.
    #[inline(always)]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, Stop> {
        self.read(table, 0)
    }

    /// Reads one code and steps over the number behind it, whose bits the code's low half counts.
    #[inline(always)]
    pub(super) fn coded_number(&mut self, table: &Huffman) -> Result<u8, Stop> {
        self.read(table, 15)
    }

    /// Reads one code and steps over as many bits as `count_mask` leaves of it.
    #[inline(always)]
    fn read(&mut self, table: &Huffman, count_mask: u16) -> Result<u8, Stop> {
        if self.ahead_count < 32 {
            self.fill();
        }
        let entry = table.short[(self.ahead >> (64 - LOOK_BITS)) as usize];
        if entry == 0 {
            let symbol = self.long_symbol(table)?;
            self.skip(u32::from(u16::from(symbol) & count_mask))?;
            return Ok(symbol);
        }
        self.drop(u32::from((entry >> 8) + (entry & count_mask)))?;
        Ok(entry as u8)
    }

    #[cold]
    fn long_symbol(&mut self, table: &Huffman) -> Result<u8, Stop> {
        let prefix = (self.ahead >> 48) as u32;
        let Some(length) = (LOOK_BITS as usize + 1..=16).find(|length| prefix < table.limit[*length]) else {
            return Err(if self.ahead_count < 16 { Stop::OutOfData } else { Stop::BadCode });
        };
        self.drop(length as u32)?;
        let index = (prefix >> (16 - length)) as i32 + table.offset[length];
        usize::try_from(index).ok().and_then(|index| table.symbols.get(index)).copied().ok_or(Stop::BadCode)
    }

    /// Reads up to 16 bits as a number.
    #[inline]
    pub(super) fn number(&mut self, count: u32) -> Result<u32, Stop> {
        if count == 0 {
            return Ok(0);
        }
        if self.ahead_count < count {
            self.fill();
        }
        let number = (self.ahead >> (64 - count)) as u32;
        self.drop(count)?;
        Ok(number)
    }

    /// Steps over up to 63 bits.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) -> Result<(), Stop> {
        if self.ahead_count < count {
            if count > 32 {
                self.number(16)?;
                return self.skip(count - 16);
            }
            self.fill();
        }
        self.drop(count)
    }

    /// Leaves the rest of this segment and steps over its restart marker.
    pub(super) fn restart(&mut self) -> Result<(), Stop> {
        self.at = self.next_marker();
        match self.bytes.get(self.at + 1) {
            Some(0xd0..=0xd7) => {
                self.at += 2;
                (self.ahead, self.ahead_count) = (0, 0);
                Ok(())
            }
            _ => Err(Stop::OutOfData),
        }
    }

    /// Where the marker behind this segment begins, or the end of the bytes.
    pub(super) fn next_marker(&self) -> usize {
        let mut at = self.at;
        while let Some(byte) = self.bytes.get(at) {
            if *byte == 0xff && self.bytes.get(at + 1).is_some_and(|next| !matches!(next, 0x00 | 0xff)) {
                return at;
            }
            at += 1;
        }
        at
    }

    #[inline(always)]
    fn drop(&mut self, count: u32) -> Result<(), Stop> {
        if count > self.ahead_count {
            return Err(Stop::OutOfData);
        }
        self.ahead <<= count;
        self.ahead_count -= count;
        Ok(())
    }

    /// Reads ahead at least 32 bits where that many are left. A zero byte behind 0xff is stuffing (T.81 F.1.2.3).
    #[inline(always)]
    fn fill(&mut self) {
        if self.ahead_count <= 32
            && let Some(four) = crate::bytes::u32_be(self.bytes, self.at)
            && !has_ff(four)
        {
            self.ahead |= u64::from(four) << (32 - self.ahead_count);
            self.ahead_count += 32;
            self.at += 4;
        } else {
            self.fill_slowly();
        }
    }

    fn fill_slowly(&mut self) {
        while self.ahead_count <= 56 {
            let Some(byte) = self.bytes.get(self.at) else {
                return;
            };
            let stuffed = *byte == 0xff;
            if stuffed && self.bytes.get(self.at + 1) != Some(&0) {
                return;
            }
            self.ahead |= u64::from(*byte) << (56 - self.ahead_count);
            self.ahead_count += 8;
            self.at += 1 + usize::from(stuffed);
        }
    }
}

/// Whether one of four bytes is 0xff: its complement has a zero byte.
fn has_ff(four: u32) -> bool {
    let complement = !four;
    complement.wrapping_sub(0x0101_0101) & four & 0x8080_8080 != 0
}
