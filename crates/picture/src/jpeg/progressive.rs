//! Scans of a progressive frame (T.81 G): each tells some bits of some coefficients, which are kept until all are told.

use super::component::Seen;
use super::dct;
use super::entropy::{Bits, Block, Stop};
use super::huffman::Huffman;
use super::scans::{Fault, Tables, each_unit};
use super::segments::{Frame, Scan};

/// Reads every code of a scan, and keeps what the corners need.
pub(super) fn read(
    frame: &Frame,
    seen: &mut [Seen],
    scan: &Scan,
    tables: &Tables,
    bits: &mut Bits,
) -> Result<(), Fault> {
    match (scan.first, scan.high) {
        (0, 0) => dc_first(frame, seen, scan, tables, bits),
        (0, _) => dc_refine(frame, seen, scan, tables, bits),
        _ => ac(frame, seen, scan, tables, bits),
    }
}

fn dc_first(frame: &Frame, seen: &mut [Seen], scan: &Scan, tables: &Tables, bits: &mut Bits) -> Result<(), Fault> {
    let mut parts = Vec::new();
    for component in &scan.components {
        let blocks = scan.blocks_in_a_unit(frame, component.index);
        parts.push((component.index, tables.dc(component.dc_table)?, blocks, 0_i32));
    }
    each_unit(scan.units(frame, seen), tables.restart_interval, bits, |bits, unit| {
        for (index, dc, (across, down), prediction) in &mut parts {
            if unit.is_after_restart {
                *prediction = 0;
            }
            for (column, row) in unit.blocks(*across, *down) {
                let (_, difference) = bits.block(|block| block.coded(dc))?;
                *prediction = prediction.wrapping_add(difference);
                let seen = &mut seen[*index];
                let number = seen.block(column, row);
                seen.corner(number).0[0] = (*prediction << scan.low) as i16;
            }
        }
        Ok(())
    })
}

fn dc_refine(frame: &Frame, seen: &mut [Seen], scan: &Scan, tables: &Tables, bits: &mut Bits) -> Result<(), Fault> {
    let parts =
        scan.components.iter().map(|component| (component.index, scan.blocks_in_a_unit(frame, component.index)));
    let parts = parts.collect::<Vec<_>>();
    each_unit(scan.units(frame, seen), tables.restart_interval, bits, |bits, unit| {
        for (index, (across, down)) in &parts {
            for (column, row) in unit.blocks(*across, *down) {
                let bit = bits.block(|block| Ok(block.number(1)))?;
                let seen = &mut seen[*index];
                let number = seen.block(column, row);
                seen.corner(number).0[0] |= (bit << scan.low) as i16;
            }
        }
        Ok(())
    })
}

fn ac(frame: &Frame, seen: &mut [Seen], scan: &Scan, tables: &Tables, bits: &mut Bits) -> Result<(), Fault> {
    let component = &scan.components[0];
    let ac = tables.ac(component.ac_table)?;
    let units = scan.units(frame, seen);
    let seen = &mut seen[component.index];
    let mut band = Band::new(scan, seen.side);
    each_unit(units, tables.restart_interval, bits, |bits, unit| {
        if unit.is_after_restart {
            band.ended_blocks = 0;
        }
        let number = seen.block(unit.column, unit.row);
        let (kept, non_zero) = seen.corner(number);
        if scan.high > 0 {
            return band.refine(ac, bits, kept, non_zero);
        }
        if band.ended_blocks > 0 {
            band.ended_blocks -= 1;
            return Ok(());
        }
        bits.block(|block| band.first_pass(ac, block, kept, non_zero))
    })
}

/// A scan over a band of AC coefficients (T.81 G.1.2.2 and G.1.2.3).
struct Band {
    first: u32,
    last: u32,
    low: u8,
    /// Where coefficients are kept.
    places: [u8; 80],
    /// A bit for each coefficient that is.
    kept: u64,
    /// Blocks to come that have no more codes in this band.
    ended_blocks: u32,
}

impl Band {
    fn new(scan: &Scan, side: usize) -> Self {
        let places = dct::places(side);
        let kept = (0..64).filter(|k| usize::from(places[*k]) < side * side).fold(0, |kept, k| kept | 1 << k);
        Self { first: scan.first.into(), last: scan.last.into(), low: scan.low, places, kept, ended_blocks: 0 }
    }

    #[inline(always)]
    fn first_pass(
        &mut self,
        ac: &Huffman,
        block: &mut Block,
        kept: &mut [i16],
        non_zero: &mut u64,
    ) -> Result<(), Stop> {
        let mut k = self.first;
        while k <= self.last {
            let (coded, number) = block.coded(ac)?;
            let run = coded.run() as u32;
            if coded.number_bits() == 0 && run < 15 {
                self.ended_blocks = (1 << run) - 1 + block.number(run);
                break;
            }
            k += run;
            if coded.number_bits() > 0 && k < 64 {
                *non_zero |= 1 << k;
                if let Some(value) = kept.get_mut(usize::from(self.places[k as usize])) {
                    *value = (number << self.low) as i16;
                }
            }
            k += 1;
        }
        Ok(())
    }

    /// Every coefficient known as not zero has one more bit, between the codes that tell the new ones.
    #[inline(always)]
    fn refine(&mut self, ac: &Huffman, bits: &mut Bits, kept: &mut [i16], non_zero: &mut u64) -> Result<(), Stop> {
        let band = (u64::MAX >> (63 - self.last)) & (u64::MAX << self.first);
        if self.ended_blocks > 0 {
            self.ended_blocks -= 1;
            let known = *non_zero & band;
            if known == 0 {
                return Ok(());
            }
            return bits.block(|block| {
                self.correct(known, block, kept);
                Ok(())
            });
        }
        bits.block(|block| {
            let mut rest = band;
            while rest != 0 {
                let symbol = block.symbol(ac)?;
                let (zeros, size) = (u32::from(symbol >> 4), symbol & 15);
                if size == 0 && zeros < 15 {
                    self.ended_blocks = (1 << zeros) - 1 + block.number(zeros);
                    break;
                }
                let is_positive = size > 0 && block.number(1) == 1;
                // The code is about the first zero behind so many others.
                let mut place = rest & !*non_zero;
                for _ in 0..zeros {
                    place &= place.wrapping_sub(1);
                }
                place &= place.wrapping_neg();
                // All below it; everything, if there is none.
                let before = place.wrapping_sub(1);
                self.correct(rest & *non_zero & before, block, kept);
                if size > 0 && place != 0 {
                    *non_zero |= place;
                    let value = if is_positive { 1 } else { -1 };
                    if let Some(kept) = kept.get_mut(usize::from(self.places[place.trailing_zeros() as usize])) {
                        *kept = value << self.low;
                    }
                }
                rest &= !(place | before);
            }
            self.correct(rest & *non_zero, block, kept);
            Ok(())
        })
    }

    /// One bit for each of the known coefficients: 1 moves it away from zero.
    #[inline(always)]
    fn correct(&self, known: u64, block: &mut Block, kept: &mut [i16]) {
        if known & self.kept == 0 {
            return block.skip(known.count_ones());
        }
        let mut known = known;
        while known != 0 {
            let is_more = block.number(1) == 1;
            if is_more && let Some(value) = kept.get_mut(usize::from(self.places[known.trailing_zeros() as usize])) {
                *value = value.wrapping_add((1_i16 << self.low) * value.signum());
            }
            known &= known - 1;
        }
    }
}
