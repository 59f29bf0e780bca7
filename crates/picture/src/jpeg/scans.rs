//! Walks all scans of a JPEG: does the file hold every code that its picture needs?

use crate::PictureError;

use super::entropy::{Bits, Huffman, Stop};
use super::segments::{self, Frame, Scan, ScanComponent, Segment, Segments};

/// Scans of one file. The usual progressive file has ten; each may cost a pass over all blocks for few bytes.
const MAX_SCANS: usize = 100;

/// How a complete file ends.
pub(super) enum Ending {
    /// With its end marker.
    Marked,
    /// Without one.
    Unmarked {
        /// Where the last scan's data ends.
        data_end: usize,
    },
}

/// Reads every code of every scan. `Truncated` where the data of a scan, or whole scans, are not there.
///
/// What cannot be seen: a progressive file cut between two scans to which someone has added an end marker. It is a valid
/// file of lower quality, without a grey pixel.
pub(super) fn walk(bytes: &[u8]) -> Result<Ending, PictureError> {
    let mut segments = Segments::after_start(bytes);
    let mut walk: Option<Walk> = None;
    let mut tables = Tables::default();
    let mut scans = 0;
    let mut data_end = bytes.len();
    let end_marked = loop {
        let Some(Segment { marker, payload }) = segments.next()? else {
            break false;
        };
        match marker {
            segments::EOI => break true,
            segments::DHT => tables.define(payload)?,
            segments::DRI => {
                let interval = crate::bytes::u16_be(payload, 0);
                tables.restart_interval =
                    interval.ok_or_else(|| PictureError::damaged("a JPEG segment is too short"))?;
            }
            segments::SOS => {
                let walk = walk.as_mut().ok_or_else(|| PictureError::damaged("a JPEG scan comes before its frame"))?;
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(PictureError::Damaged(format!("the JPEG has more than {MAX_SCANS} scans")));
                }
                let scan = Scan::parse(payload, &walk.frame)?;
                walk.refuse_what_is_decoded_wrongly(&scan, &tables)?;
                let mut bits = Bits::new(bytes, segments.position());
                walk.scan(&scan, &tables, &mut bits).map_err(|stop| judge(stop, bytes, &bits))?;
                data_end = bits.next_marker();
                segments.continue_at(data_end);
                if walk.is_sequential_and_whole() {
                    // Whatever follows is not needed: other pictures, a maker's notes, nothing.
                    break bytes.get(data_end + 1) == Some(&segments::EOI);
                }
            }
            segments::SOF_FIRST..=segments::SOF_LAST => {
                let segment = Segment { marker, payload };
                if segment.is_frame_header() && walk.replace(Walk::new(Frame::parse(&segment)?)).is_some() {
                    return Err(PictureError::damaged("the JPEG has a second frame"));
                }
            }
            _ => {}
        }
    };
    let is_whole = walk.is_some_and(|walk| if end_marked { walk.has_every_component() } else { walk.is_whole() });
    match (is_whole, end_marked) {
        (false, _) => Err(PictureError::Truncated),
        (true, true) => Ok(Ending::Marked),
        (true, false) => Ok(Ending::Unmarked { data_end }),
    }
}

/// Data that ends is a cut file if nothing follows but the end; anything else there means damage in the middle.
fn judge(stop: Fault, bytes: &[u8], bits: &Bits) -> PictureError {
    match stop {
        Fault::NoTable => PictureError::damaged("a JPEG scan uses a Huffman table that the file does not define"),
        Fault::Stopped(Stop::BadCode) => PictureError::damaged("the JPEG's image data has an impossible code"),
        Fault::Stopped(Stop::OutOfData) => match bytes.get(bits.next_marker() + 1) {
            None | Some(&segments::EOI) => PictureError::Truncated,
            Some(_) => PictureError::damaged("a part of the JPEG's image data is missing"),
        },
    }
}

enum Fault {
    Stopped(Stop),
    NoTable,
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// What segments define for the scans behind them.
#[derive(Default)]
struct Tables {
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    /// MCUs between restart markers; 0 for none.
    restart_interval: u16,
}

impl Tables {
    /// One DHT segment, which may hold several tables.
    fn define(&mut self, mut payload: &[u8]) -> Result<(), PictureError> {
        while let Some((which, rest)) = payload.split_first() {
            let (table, length) = Huffman::parse(rest)?;
            let class = if which >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = class.get_mut(usize::from(which & 15));
            *slot.ok_or_else(|| PictureError::damaged("a JPEG Huffman table has an impossible number"))? = Some(table);
            payload = &rest[length..];
        }
        Ok(())
    }
}

/// What has been seen of one frame.
struct Walk {
    frame: Frame,
    /// By component.
    seen: Vec<Seen>,
}

/// What the scans so far have told of one component.
struct Seen {
    /// Blocks in a row and rows of blocks, as a scan of this component alone has them.
    across: u32,
    down: u32,
    /// By coefficient: the bit position down to which it is known.
    known_down_to: [u8; 64],
    /// A bit for each coefficient of each block that is not zero, which refining scans depend on. Empty until needed.
    non_zero: Vec<u64>,
}

const NOT_AT_ALL: u8 = u8::MAX;

impl Walk {
    fn new(frame: Frame) -> Self {
        let (most_horizontal, most_vertical) = (frame.most_horizontal(), frame.most_vertical());
        let blocks = |side: u16, sampling: u32, most: u32| (u32::from(side) * sampling).div_ceil(most).div_ceil(8);
        let seen = frame.components.iter().map(|component| Seen {
            across: blocks(frame.width, component.horizontal, most_horizontal),
            down: blocks(frame.height, component.vertical, most_vertical),
            known_down_to: [NOT_AT_ALL; 64],
            non_zero: Vec::new(),
        });
        Self { seen: seen.collect(), frame }
    }

    /// zune-jpeg 0.5 decodes sequential files with a scan for each component to wrong colours, and says nothing, where
    /// components are subsampled or restart markers are used. No camera writes such files; a wrong answer is worse than none.
    fn refuse_what_is_decoded_wrongly(&self, scan: &Scan, tables: &Tables) -> Result<(), PictureError> {
        let is_apart = !self.frame.progressive && scan.components.len() < self.frame.components.len();
        let is_subsampled = self.frame.most_horizontal() * self.frame.most_vertical() > 1;
        if is_apart && (is_subsampled || tables.restart_interval > 0) {
            return Err(PictureError::UnsupportedFormat("sequential JPEG with a scan for each colour"));
        }
        Ok(())
    }

    fn is_sequential_and_whole(&self) -> bool {
        !self.frame.progressive && self.is_whole()
    }

    fn is_whole(&self) -> bool {
        self.seen.iter().all(|seen| seen.known_down_to.iter().all(|bit| *bit == 0))
    }

    fn has_every_component(&self) -> bool {
        self.seen.iter().all(|seen| seen.known_down_to[0] != NOT_AT_ALL)
    }

    fn scan(&mut self, scan: &Scan, tables: &Tables, bits: &mut Bits) -> Result<(), Fault> {
        if !self.frame.progressive {
            self.sequential(scan, tables, bits)?;
        } else if scan.first == 0 {
            self.progressive_dc(scan, tables, bits)?;
        } else {
            self.progressive_ac(scan, tables, bits)?;
        }
        for component in &scan.components {
            let known = &mut self.seen[component.index].known_down_to;
            known[usize::from(scan.first)..=usize::from(scan.last)].fill(scan.low);
        }
        Ok(())
    }

    /// MCUs of a scan, and how many blocks of each of its components are in one (T.81 A.2).
    fn units(&self, scan: &Scan) -> (u32, Vec<u32>) {
        if let [component] = &scan.components[..] {
            let seen = &self.seen[component.index];
            return (seen.across * seen.down, vec![1]);
        }
        let across = u32::from(self.frame.width).div_ceil(8 * self.frame.most_horizontal());
        let down = u32::from(self.frame.height).div_ceil(8 * self.frame.most_vertical());
        let blocks = scan.components.iter().map(|component| {
            let component = &self.frame.components[component.index];
            component.horizontal * component.vertical
        });
        (across * down, blocks.collect())
    }

    fn sequential(&self, scan: &Scan, tables: &Tables, bits: &mut Bits) -> Result<(), Fault> {
        let (units, blocks) = self.units(scan);
        let mut parts = Vec::new();
        for (component, blocks) in scan.components.iter().zip(blocks) {
            parts.push((table(&tables.dc, component.dc_table)?, table(&tables.ac, component.ac_table)?, blocks));
        }
        each_unit(units, tables.restart_interval, bits, |bits, _| {
            for (dc, ac, blocks) in &parts {
                for _ in 0..*blocks {
                    sequential_block(dc, ac, bits)?;
                }
            }
            Ok(())
        })
    }

    fn progressive_dc(&self, scan: &Scan, tables: &Tables, bits: &mut Bits) -> Result<(), Fault> {
        let (units, blocks) = self.units(scan);
        if scan.high > 0 {
            let bits_in_a_unit = blocks.iter().sum::<u32>();
            return each_unit(units, tables.restart_interval, bits, |bits, _| {
                (0..bits_in_a_unit).try_for_each(|_| bits.skip(1))
            });
        }
        let mut parts = Vec::new();
        for (component, blocks) in scan.components.iter().zip(blocks) {
            parts.push((table(&tables.dc, component.dc_table)?, blocks));
        }
        each_unit(units, tables.restart_interval, bits, |bits, _| {
            for (dc, blocks) in &parts {
                for _ in 0..*blocks {
                    bits.coded_number(dc)?;
                }
            }
            Ok(())
        })
    }

    fn progressive_ac(&mut self, scan: &Scan, tables: &Tables, bits: &mut Bits) -> Result<(), Fault> {
        let ScanComponent { index, ac_table, .. } = scan.components[0];
        let ac = table(&tables.ac, ac_table)?;
        let seen = &mut self.seen[index];
        let units = seen.across * seen.down;
        seen.non_zero.resize(units as usize, 0);
        let mut blocks = seen.non_zero.iter_mut();
        let mut band = Band { first: scan.first.into(), last: scan.last.into(), ended_blocks: 0 };
        each_unit(units, tables.restart_interval, bits, |bits, after_restart| {
            let non_zero = blocks.next().expect("there is one entry for each block");
            if after_restart {
                band.ended_blocks = 0;
            }
            if scan.high == 0 { band.first_pass(ac, bits, non_zero) } else { band.refine(ac, bits, non_zero) }
        })
    }
}

fn table(tables: &[Option<Huffman>; 4], number: usize) -> Result<&Huffman, Fault> {
    tables[number].as_ref().ok_or(Fault::NoTable)
}

/// Calls `unit` for every MCU of a scan, and steps over the restart markers between them. The flag says that the MCU is the
/// first behind a restart marker, or of all.
fn each_unit(
    units: u32,
    restart_interval: u16,
    bits: &mut Bits,
    mut unit: impl FnMut(&mut Bits, bool) -> Result<(), Stop>,
) -> Result<(), Fault> {
    let interval = if restart_interval == 0 { units } else { u32::from(restart_interval) };
    let mut left = units;
    while left > 0 {
        for nth in 0..interval.min(left) {
            unit(bits, nth == 0)?;
        }
        left -= interval.min(left);
        if left > 0 {
            bits.restart()?;
        }
    }
    Ok(())
}

/// One whole block (T.81 F.1.2): a DC difference, then runs of zeros each with a coefficient behind it.
#[inline(always)]
fn sequential_block(dc: &Huffman, ac: &Huffman, bits: &mut Bits) -> Result<(), Stop> {
    const SIXTEEN_ZEROS: u8 = 0xf0;
    bits.coded_number(dc)?;
    let mut coefficient = 1;
    while coefficient < 64 {
        let symbol = bits.coded_number(ac)?;
        if symbol & 15 == 0 && symbol != SIXTEEN_ZEROS {
            break;
        }
        coefficient += u32::from(symbol >> 4) + 1;
    }
    Ok(())
}

/// A progressive scan over a band of AC coefficients (T.81 G.1.2.2 and G.1.2.3).
struct Band {
    first: u32,
    last: u32,
    /// Blocks to come that have no more codes in this band.
    ended_blocks: u32,
}

impl Band {
    fn first_pass(&mut self, ac: &Huffman, bits: &mut Bits, non_zero: &mut u64) -> Result<(), Stop> {
        if self.ended_blocks > 0 {
            self.ended_blocks -= 1;
            return Ok(());
        }
        let mut coefficient = self.first;
        while coefficient <= self.last {
            let symbol = bits.coded_number(ac)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                self.ended_blocks = (1 << run) - 1 + bits.number(run)?;
                break;
            }
            coefficient += run;
            if size > 0 && coefficient < 64 {
                *non_zero |= 1 << coefficient;
            }
            coefficient += 1;
        }
        Ok(())
    }

    /// Every coefficient known as not zero has one more bit, between the codes that tell the new ones.
    fn refine(&mut self, ac: &Huffman, bits: &mut Bits, non_zero: &mut u64) -> Result<(), Stop> {
        let mut coefficient = self.first;
        while self.ended_blocks == 0 && coefficient <= self.last {
            let symbol = bits.symbol(ac)?;
            let (mut zeros, size) = (u32::from(symbol >> 4), symbol & 15);
            if size == 0 && zeros < 15 {
                self.ended_blocks = (1 << zeros) + bits.number(zeros)?;
                break;
            }
            bits.skip(u32::from(size > 0))?; // the new coefficient's sign
            while coefficient <= self.last {
                if *non_zero >> coefficient & 1 == 1 {
                    bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                coefficient += 1;
            }
            if size > 0 && coefficient <= self.last {
                *non_zero |= 1 << coefficient;
            }
            coefficient += 1;
        }
        if self.ended_blocks > 0 {
            self.ended_blocks -= 1;
            let rest_of_band = if coefficient <= self.last { *non_zero >> coefficient << coefficient } else { 0 };
            let in_band = rest_of_band & (u64::MAX >> (63 - self.last));
            bits.skip(in_band.count_ones())?;
        }
        Ok(())
    }
}
