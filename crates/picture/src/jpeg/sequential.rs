//! Scans of a sequential frame (T.81 F): whole blocks, which become samples as they are read.

use crate::processor;

use super::component::Seen;
use super::dct::{self, Corner};
use super::entropy::{Bits, Block, Stop};
use super::huffman::{Huffman, Skips};
use super::scans::{Fault, Tables, each_unit};
use super::segments::{Frame, Scan};

/// One component of a scan.
struct Part<'t> {
    index: usize,
    dc: &'t Huffman,
    ac: &'t Huffman,
    /// Of the AC table, where some coefficients are not needed.
    skips: Option<&'t Skips>,
    factors: Box<[f32; 64]>,
    /// Blocks in an MCU.
    across: u32,
    down: u32,
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "nobody asks elsewhere"))]
    has_avx2: bool,
    /// The last DC coefficient, to which the next is a difference.
    prediction: i32,
}

/// Reads every code of a scan, and makes the samples.
pub(super) fn read(
    frame: &Frame,
    seen: &mut [Seen],
    scan: &Scan,
    tables: &Tables,
    bits: &mut Bits,
) -> Result<(), Fault> {
    let (has_avx2, mut parts) = (processor::has_avx2(), Vec::new());
    for component in &scan.components {
        let (across, down) = scan.blocks_in_a_unit(frame, component.index);
        let factors = seen[component.index].factors.clone().ok_or(Fault::NoSteps)?;
        let (dc, ac) = (tables.dc(component.dc_table)?, tables.ac(component.ac_table)?);
        let skips = (seen[component.index].side < 8).then(|| ac.skips());
        parts.push(Part { index: component.index, dc, ac, skips, factors, across, down, has_avx2, prediction: 0 });
    }
    each_unit(scan.units(frame, seen), tables.restart_interval, bits, |bits, unit| {
        for part in &mut parts {
            if unit.is_after_restart {
                part.prediction = 0;
            }
            let seen = &mut seen[part.index];
            for row in unit.row * part.down..(unit.row + 1) * part.down {
                for column in unit.column * part.across..(unit.column + 1) * part.across {
                    match seen.side {
                        1 => part.show_block::<[[f32; 1]; 1]>(seen, column, row, bits)?,
                        2 => part.show_block::<[[f32; 2]; 2]>(seen, column, row, bits)?,
                        4 => part.show_block::<[[f32; 4]; 4]>(seen, column, row, bits)?,
                        _ => part.show_block::<[[f32; 8]; 8]>(seen, column, row, bits)?,
                    }
                }
            }
        }
        Ok(())
    })
}

impl Part<'_> {
    /// From codes to samples. A function of its own for each size: together in one they are compiled to something slower.
    #[inline(always)]
    fn show_block<C: Corner>(&mut self, seen: &mut Seen, column: u32, row: u32, bits: &mut Bits) -> Result<(), Stop> {
        #[cfg(target_arch = "x86_64")]
        if self.has_avx2 {
            // SAFETY: the processor was asked.
            #[expect(unsafe_code, reason = "what a processor has is known when it is asked")]
            return unsafe { self.show_block_with_avx2::<C>(seen, column, row, bits) };
        }
        self.show_block_anywhere::<C>(seen, column, row, bits)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn show_block_with_avx2<C: Corner>(
        &mut self,
        seen: &mut Seen,
        column: u32,
        row: u32,
        bits: &mut Bits,
    ) -> Result<(), Stop> {
        self.show::<C>(seen, column, row, bits)
    }

    #[inline(never)]
    fn show_block_anywhere<C: Corner>(
        &mut self,
        seen: &mut Seen,
        column: u32,
        row: u32,
        bits: &mut Bits,
    ) -> Result<(), Stop> {
        self.show::<C>(seen, column, row, bits)
    }

    #[inline(always)]
    fn show<C: Corner>(&mut self, seen: &mut Seen, column: u32, row: u32, bits: &mut Bits) -> Result<(), Stop> {
        let corner = self.block::<C>(bits)?;
        seen.show(column, row, &corner);
        Ok(())
    }

    /// One block: a DC difference, then runs of zeros each with a coefficient behind it (T.81 F.1.2).
    #[inline(always)]
    fn block<C: Corner>(&mut self, bits: &mut Bits) -> Result<C, Stop> {
        let mut block = bits.next_block();
        let corner = self.corner(&mut block);
        let place = block.place;
        bits.go_on(place, corner)
    }

    #[inline(always)]
    fn corner<C: Corner>(&mut self, block: &mut Block) -> Result<C, Stop> {
        let (_, difference) = block.coded(self.dc)?;
        self.prediction = self.prediction.wrapping_add(difference);
        let mut corner = C::zero();
        corner.values()[0] = self.prediction as f32 * self.factors[0] + dct::MIDDLE;
        self.coefficients(block, &mut corner)?;
        Ok(corner)
    }

    #[inline(always)]
    fn coefficients<C: Corner>(&self, block: &mut Block, corner: &mut C) -> Result<(), Stop> {
        let mut k = 1;
        while k < C::READ {
            let (coded, number) = block.coded(self.ac)?;
            if coded.ends_block() {
                return Ok(());
            }
            k += coded.run();
            if let Some(value) = corner.values().get_mut(usize::from(C::PLACES[k])) {
                *value = number as f32 * self.factors[k & 63];
            }
            k += 1;
        }
        match self.skips {
            Some(skips) => block.skip_coefficients(self.ac, skips, k),
            None => Ok(()),
        }
    }
}
