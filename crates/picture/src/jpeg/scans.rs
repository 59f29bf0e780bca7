//! Reads all scans of a JPEG, each once: every code of them, whatever the samples need, for only so is it known that the file
//! holds its whole picture.

use image::metadata::Orientation;

use crate::PictureError;
use crate::colours::Colours;
use crate::raster::Raster;

use super::component::Seen;
use super::entropy::{Bits, Stop};
use super::huffman::Huffman;
use super::segments::{self, Frame, Scan, Segment, Segments};
use super::{dct, progressive, sequential};

/// Scans of one file. The usual progressive file has ten; each may cost a pass over all blocks for few bytes.
const MAX_SCANS: usize = 100;

/// Reads a file to its last row. `Truncated` where the data of a scan, or whole scans, are not there.
///
/// What cannot be seen: a progressive file cut between two scans to which someone has added an end marker. It is a valid
/// file of lower quality, without a grey pixel.
pub(super) fn read(file: &[u8], needed: (f64, f64)) -> Result<(Raster, Orientation), PictureError> {
    let mut segments = Segments::after_start(file);
    let mut reading: Option<Reading> = None;
    let mut tables = Tables::default();
    let mut scans = 0;
    let is_whole = loop {
        let Some(Segment { marker, payload }) = segments.next()? else {
            break reading.as_ref().is_some_and(Reading::is_whole);
        };
        match marker {
            segments::EOI => break reading.as_ref().is_some_and(Reading::has_every_component),
            segments::DHT => tables.define_codes(payload)?,
            segments::DQT => tables.define_steps(payload)?,
            segments::DRI => {
                let interval = crate::bytes::u16_be(payload, 0);
                tables.restart_interval =
                    interval.ok_or_else(|| PictureError::damaged("a JPEG segment is too short"))?;
            }
            segments::APP1 => {
                // An orientation that cannot be read is none.
                let exif = payload.strip_prefix(b"Exif\0\0");
                tables.orientation = exif.and_then(Orientation::from_exif_chunk).or(tables.orientation);
            }
            segments::APP14 => {
                let adobe = payload.strip_prefix(b"Adobe").and_then(|adobe| adobe.get(6));
                tables.adobe_transform = adobe.copied().or(tables.adobe_transform);
            }
            segments::SOS => {
                let reading =
                    reading.as_mut().ok_or_else(|| PictureError::damaged("a JPEG scan comes before its frame"))?;
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(PictureError::Damaged(format!("the JPEG has more than {MAX_SCANS} scans")));
                }
                let scan = Scan::parse(payload, &reading.frame)?;
                let mut bits = Bits::new(file, segments.position());
                reading.scan(&scan, &tables, &mut bits).map_err(|fault| judge(fault, file, &bits))?;
                segments.continue_at(bits.next_marker());
                if reading.is_sequential_and_whole() {
                    // Whatever follows is not needed: other pictures, a maker's notes, nothing.
                    break true;
                }
            }
            segments::SOF_FIRST..=segments::SOF_LAST => {
                let segment = Segment { marker, payload };
                if segment.is_frame_header() {
                    let frame = Frame::parse(&segment)?;
                    if reading.replace(Reading::new(frame, needed)).is_some() {
                        return Err(PictureError::damaged("the JPEG has a second frame"));
                    }
                }
            }
            _ => {}
        }
    };
    match reading.filter(|_| is_whole) {
        Some(reading) => Ok((reading.shown(&tables), tables.orientation.unwrap_or(Orientation::NoTransforms))),
        None => Err(PictureError::Truncated),
    }
}

/// Data that ends is a cut file if nothing follows but the end; anything else there means damage in the middle.
fn judge(fault: Fault, file: &[u8], bits: &Bits) -> PictureError {
    match fault {
        Fault::NoTable => PictureError::damaged("a JPEG scan uses a Huffman table that the file does not define"),
        Fault::NoSteps => PictureError::damaged("a JPEG scan uses a quantisation table that the file does not define"),
        Fault::Stopped(Stop::BadCode) => PictureError::damaged("the JPEG's image data has an impossible code"),
        Fault::Stopped(Stop::OutOfData) => match file.get(bits.next_marker() + 1) {
            None | Some(&segments::EOI) => PictureError::Truncated,
            Some(_) => PictureError::damaged("a part of the JPEG's image data is missing"),
        },
    }
}

/// Why a scan was not read to its end.
pub(super) enum Fault {
    Stopped(Stop),
    NoTable,
    NoSteps,
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// What segments say of the scans behind them, and of the picture.
#[derive(Default)]
pub(super) struct Tables {
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    /// [`dct::factors`] of the quantisation tables.
    factors: [Option<Box<[f32; 64]>>; 4],
    /// MCUs between restart markers; 0 for none.
    pub(super) restart_interval: u16,
    orientation: Option<Orientation>,
    /// What Adobe's segment says of the colours; the segment alone has a meaning too.
    adobe_transform: Option<u8>,
}

impl Tables {
    pub(super) fn dc(&self, number: usize) -> Result<&Huffman, Fault> {
        self.dc[number].as_ref().ok_or(Fault::NoTable)
    }

    pub(super) fn ac(&self, number: usize) -> Result<&Huffman, Fault> {
        self.ac[number].as_ref().ok_or(Fault::NoTable)
    }

    /// One DHT segment, which may hold several tables.
    fn define_codes(&mut self, mut payload: &[u8]) -> Result<(), PictureError> {
        while let Some((which, rest)) = payload.split_first() {
            let (table, length) = Huffman::parse(rest)?;
            let class = if which >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = class.get_mut(usize::from(which & 15));
            *slot.ok_or_else(|| PictureError::damaged("a JPEG Huffman table has an impossible number"))? = Some(table);
            payload = &rest[length..];
        }
        Ok(())
    }

    /// One DQT segment, which may hold several tables (T.81 B.2.4.1).
    fn define_steps(&mut self, mut payload: &[u8]) -> Result<(), PictureError> {
        while let Some((which, rest)) = payload.split_first() {
            let bytes = if which >> 4 == 0 { 1 } else { 2 };
            let (steps, rest) = rest
                .split_at_checked(64 * bytes)
                .ok_or_else(|| PictureError::damaged("a JPEG quantisation table is too short"))?;
            let step = |k: usize| steps[k * bytes..][..bytes].iter().fold(0, |step, byte| step << 8 | u16::from(*byte));
            let slot = self.factors.get_mut(usize::from(which & 15));
            *slot.ok_or_else(|| PictureError::damaged("a JPEG quantisation table has an impossible number"))? =
                Some(Box::new(dct::factors(&std::array::from_fn(step))));
            payload = rest;
        }
        Ok(())
    }

    /// Of a frame of these components (JFIF, and Adobe's technical note 5116).
    fn colours(&self, frame: &Frame) -> Colours {
        let ids = frame.components.iter().map(|component| component.id).collect::<Vec<_>>();
        match (&ids[..], self.adobe_transform) {
            ([_], _) => Colours::Grey,
            ([_, _, _], Some(0)) | (b"RGB", None) => Colours::Rgb,
            ([_, _, _], _) => Colours::YCbCr,
            (_, Some(2)) => Colours::Ycck,
            _ => Colours::Cmyk,
        }
    }
}

/// One frame, and what has been seen of it.
struct Reading {
    frame: Frame,
    /// By component.
    seen: Vec<Seen>,
}

impl Reading {
    fn new(frame: Frame, needed: (f64, f64)) -> Self {
        let seen = frame.components.iter().map(|component| Seen::new(&frame, component, needed));
        Self { seen: seen.collect(), frame }
    }

    fn is_sequential_and_whole(&self) -> bool {
        !self.frame.progressive && self.is_whole()
    }

    fn is_whole(&self) -> bool {
        self.seen.iter().all(Seen::is_whole)
    }

    fn has_every_component(&self) -> bool {
        self.seen.iter().all(Seen::is_begun)
    }

    fn scan(&mut self, scan: &Scan, tables: &Tables, bits: &mut Bits) -> Result<(), Fault> {
        for component in &scan.components {
            let steps = self.frame.components[component.index].steps;
            let factors = &mut self.seen[component.index].factors;
            if factors.is_none() {
                *factors = Some(tables.factors[steps].clone().ok_or(Fault::NoSteps)?);
            }
        }
        let read = if self.frame.progressive { progressive::read } else { sequential::read };
        read(&self.frame, &mut self.seen, scan, tables, bits)?;
        for component in &scan.components {
            self.seen[component.index].know(scan.first..=scan.last, scan.low);
        }
        Ok(())
    }

    fn shown(mut self, tables: &Tables) -> Raster {
        if self.frame.progressive {
            self.seen.iter_mut().for_each(Seen::show_all);
        }
        let colours = tables.colours(&self.frame);
        let (width, height) = (self.frame.width.into(), self.frame.height.into());
        Raster { width, height, planes: self.seen.into_iter().map(|seen| seen.plane).collect(), colours }
    }
}

/// One MCU of a scan.
pub(super) struct Unit {
    pub(super) column: u32,
    pub(super) row: u32,
    /// Whether it is the first behind a restart marker, or of all.
    pub(super) is_after_restart: bool,
}

impl Unit {
    /// Column and row of each block of a component that has so many in an MCU.
    #[inline(always)]
    pub(super) fn blocks(&self, across: u32, down: u32) -> impl Iterator<Item = (u32, u32)> {
        let (left, top) = (self.column * across, self.row * down);
        (top..top + down).flat_map(move |row| (left..left + across).map(move |column| (column, row)))
    }
}

/// Calls `read` for every MCU of a scan, which are `across` in a row and `down` rows, and steps over the restart markers between
/// them.
#[inline(always)]
pub(super) fn each_unit(
    (across, down): (u32, u32),
    restart_interval: u16,
    bits: &mut Bits,
    mut read: impl FnMut(&mut Bits, Unit) -> Result<(), Stop>,
) -> Result<(), Fault> {
    let interval = u32::from(restart_interval);
    let mut until_restart = if interval == 0 { u32::MAX } else { interval };
    let mut is_after_restart = true;
    for row in 0..down {
        for column in 0..across {
            if until_restart == 0 {
                bits.restart()?;
                (until_restart, is_after_restart) = (interval, true);
            }
            read(bits, Unit { column, row, is_after_restart })?;
            is_after_restart = false;
            until_restart -= 1;
        }
    }
    Ok(())
}
