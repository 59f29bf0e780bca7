//! The bits of a scan. Stuffing is taken out on the way into a window of clean bytes, so that what reads codes needs no look
//! at single bytes; and whether a scan's data ends too early is asked once a block.

use super::huffman::{Coded, Huffman, Skip, Skips};

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A marker or the end of the file comes before what is still needed.
    OutOfData,
    /// No code of the table begins with these bits.
    BadCode,
}

/// More bytes than any block has: 64 codes of 16 bits with 15 bits behind each, and what is read ahead.
const BLOCK_BYTES: usize = 320;

/// Clean bytes that are made at a time: they stay in the first level of cache.
const WINDOW_BYTES: usize = 8 << 10;

/// Reads bits of one entropy-coded segment, up to its marker and never past it.
pub(super) struct Bits<'a> {
    file: &'a [u8],
    /// How far the file is in the window: at the segment's marker, once all of it is.
    taken: usize,
    /// Clean bytes, and zeros behind a segment's last.
    window: Vec<u8>,
    /// Of the window's bytes those that are the segment's, once its end is among them.
    segment_bytes: Option<usize>,
    place: Place,
}

/// Reads one block's bits.
pub(super) struct Block<'w> {
    window: &'w [u8],
    pub(super) place: Place,
}

/// How far bits have been read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The window's next byte that is not wholly read ahead.
    at: usize,
    /// Bits read ahead, the next one on top; behind so many of them lie further ones or zeros.
    ahead: u64,
    ahead_count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(file: &'a [u8], at: usize) -> Self {
        let window = Vec::with_capacity(WINDOW_BYTES + 3 * BLOCK_BYTES);
        Self { file, taken: at, window, segment_bytes: None, place: Place::default() }
    }

    /// Reads what belongs to one block.
    #[inline(always)]
    pub(super) fn block<T>(&mut self, read: impl FnOnce(&mut Block) -> Result<T, Stop>) -> Result<T, Stop> {
        let mut block = self.next_block();
        let result = read(&mut block);
        let place = block.place;
        self.go_on(place, result)
    }

    /// What one block is read from; [`Bits::go_on`] is told where its reader stopped.
    #[inline(always)]
    pub(super) fn next_block(&mut self) -> Block<'_> {
        if self.place.at + BLOCK_BYTES > self.window.len() {
            self.move_window();
        }
        Block { window: &self.window, place: self.place }
    }

    /// The result, unless what was read was not there.
    #[inline(always)]
    pub(super) fn go_on<T>(&mut self, place: Place, result: Result<T, Stop>) -> Result<T, Stop> {
        self.place = place;
        if self.segment_bytes.is_some() { self.if_data_was_there(result) } else { result }
    }

    /// Zeros behind a segment's end have been read as if they were data: were they needed?
    fn if_data_was_there<T>(&self, result: Result<T, Stop>) -> Result<T, Stop> {
        const LONGEST_CODE: usize = 16;
        let there = self.segment_bytes.map_or(usize::MAX, |bytes| 8 * bytes + self.place.ahead_count as usize);
        let needed = 8 * self.place.at + if result.is_err() { LONGEST_CODE } else { 0 };
        if needed > there { Err(Stop::OutOfData) } else { result }
    }

    /// Leaves the rest of this segment and steps over its restart marker.
    pub(super) fn restart(&mut self) -> Result<(), Stop> {
        let marker = self.next_marker();
        let Some(0xd0..=0xd7) = self.file.get(marker + 1) else {
            return Err(Stop::OutOfData);
        };
        self.window.clear();
        (self.taken, self.segment_bytes) = (marker + 2, None);
        self.place = Place::default();
        Ok(())
    }

    /// Where the marker behind this segment begins, or the end of the bytes.
    pub(super) fn next_marker(&self) -> usize {
        let mut from = self.taken;
        while let Some(found) = self.file.get(from..).and_then(|rest| memchr::memchr(0xff, rest)) {
            let at = from + found;
            if self.file.get(at + 1).is_some_and(|next| !matches!(next, 0x00 | 0xff)) {
                return at;
            }
            from = at + 1;
        }
        self.file.len()
    }

    #[cold]
    #[inline(never)]
    fn move_window(&mut self) {
        self.window.drain(..self.place.at);
        if let Some(bytes) = &mut self.segment_bytes {
            *bytes = bytes.saturating_sub(self.place.at);
        }
        self.place.at = 0;
        while self.segment_bytes.is_none() && self.window.len() < WINDOW_BYTES {
            self.take_clean_bytes();
        }
        if self.segment_bytes.is_some() {
            self.window.resize(self.window.len() + 2 * BLOCK_BYTES, 0);
        }
    }

    /// Up to the next 0xff, and that too where it is data: then a zero byte is stuffed behind it (T.81 F.1.2.3).
    fn take_clean_bytes(&mut self) {
        let rest = self.file.get(self.taken..).unwrap_or_default();
        let part = &rest[..rest.len().min(WINDOW_BYTES)];
        let clean = memchr::memchr(0xff, part).unwrap_or(part.len());
        self.window.extend_from_slice(&part[..clean]);
        self.taken += clean;
        match rest.get(clean..) {
            Some([0xff, 0x00, ..]) => {
                self.window.push(0xff);
                self.taken += 2;
            }
            None | Some([] | [0xff, ..]) => self.segment_bytes = Some(self.window.len()),
            Some(_) => {}
        }
    }
}

impl Block<'_> {
    /// Reads one code with the number behind it.
    #[inline(always)]
    pub(super) fn coded(&mut self, table: &Huffman) -> Result<(Coded, i32), Stop> {
        self.fill();
        let coded = table.look(self.place.ahead).ok_or(Stop::BadCode)?;
        let number = extended(self.place.ahead << coded.code_bits(), coded.number_bits());
        self.drop(coded.bits());
        Ok((coded, number))
    }

    /// Reads one code whose low half counts no bits.
    #[inline(always)]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, Stop> {
        self.fill();
        let coded = table.look(self.place.ahead).ok_or(Stop::BadCode)?;
        self.drop(coded.code_bits());
        Ok(coded.symbol())
    }

    /// Steps over the codes of a sequential block's coefficients from `coefficient` on.
    #[inline(always)]
    pub(super) fn skip_coefficients(
        &mut self,
        table: &Huffman,
        skips: &Skips,
        mut coefficient: usize,
    ) -> Result<(), Stop> {
        while coefficient < 64 {
            self.fill();
            // Two looks take at most twice 12 + 15 bits.
            let mut skip = skips.look(self.place.ahead);
            let mut after = skip.from(coefficient);
            if after < 64 {
                self.drop(skip.bits());
                coefficient = after;
                skip = skips.look(self.place.ahead);
                after = skip.from(coefficient);
            }
            if after < 64 {
                self.drop(skip.bits());
                coefficient = after;
                continue;
            }
            if Skip::is_end(after) {
                self.drop(skip.bits());
                return Ok(());
            }
            // One by one, since the block may end before the last of several.
            self.fill();
            let coded = table.look(self.place.ahead).ok_or(Stop::BadCode)?;
            self.drop(coded.bits());
            if coded.ends_block() {
                return Ok(());
            }
            coefficient += coded.run() + 1;
        }
        Ok(())
    }

    /// Reads up to 16 bits as a number.
    #[inline(always)]
    pub(super) fn number(&mut self, count: u32) -> u32 {
        self.fill();
        let number = (self.place.ahead >> 1 >> (63 - count)) as u32;
        self.drop(count);
        number
    }

    /// Steps over up to 64 bits.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.fill();
        self.drop(count / 2);
        self.fill();
        self.drop(count - count / 2);
    }

    #[inline(always)]
    fn drop(&mut self, count: u32) {
        self.place.ahead <<= count;
        self.place.ahead_count -= count;
    }

    /// Reads ahead to at least 56 bits: eight bytes at once, of which those count that fit wholly.
    #[inline(always)]
    fn fill(&mut self) {
        let next = self.window.get(self.place.at..).and_then(|rest| rest.first_chunk::<8>());
        let next = next.map_or(0, |bytes| u64::from_be_bytes(*bytes));
        self.place.ahead |= next >> self.place.ahead_count;
        self.place.at += ((63 - self.place.ahead_count) >> 3) as usize;
        self.place.ahead_count |= 56;
    }
}

/// The number in the top `count` bits of `bits`; one that begins with 0 is negative (T.81 F.2.2.1, EXTEND).
#[inline(always)]
fn extended(bits: u64, count: u32) -> i32 {
    let magnitude = (bits >> 1 >> (63 - count)) as i32;
    let is_negative = !((bits.cast_signed() >> 63) as i32);
    magnitude - (is_negative & ((1 << count) - 1))
}
