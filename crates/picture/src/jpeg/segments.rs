//! The marker segments of a JPEG file, and the two of them that describe its layout.

use crate::PictureError;
use crate::bytes::u16_be;

use super::component::Seen;

pub(super) const SOF_FIRST: u8 = 0xc0;
pub(super) const SOF_LAST: u8 = 0xcf;
pub(super) const DHT: u8 = 0xc4;
pub(super) const SOS: u8 = 0xda;
pub(super) const EOI: u8 = 0xd9;
pub(super) const DRI: u8 = 0xdd;
pub(super) const DQT: u8 = 0xdb;
pub(super) const APP1: u8 = 0xe1;
pub(super) const APP14: u8 = 0xee;

/// One marker with what belongs to it.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// What follows the length field; empty for markers without one.
    pub(super) payload: &'a [u8],
}

impl Segment<'_> {
    /// DHT, JPG and DAC lie in the middle of the frame headers' numbers.
    pub(super) fn is_frame_header(&self) -> bool {
        !matches!(self.marker, DHT | 0xc8 | 0xcc)
    }
}

/// Steps from marker to marker.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// From just behind the start-of-image marker.
    pub(super) fn after_start(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// Where the next segment is looked for.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes on behind entropy-coded data, which has no length field.
    pub(super) fn continue_at(&mut self, at: usize) {
        self.at = at;
    }

    /// The next segment, `None` where the bytes end before it does. Stray bytes before a marker are skipped, as decoders do.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, PictureError> {
        let Some(marker) = self.next_marker() else {
            return Ok(None);
        };
        if matches!(marker, 0x01 | 0xd0..=EOI) {
            return Ok(Some(Segment { marker, payload: &[] }));
        }
        let Some(length) = u16_be(self.bytes, self.at).map(usize::from) else {
            return Ok(None);
        };
        if length < 2 {
            return Err(PictureError::damaged("a JPEG segment has an impossible length"));
        }
        let Some(payload) = self.bytes.get(self.at + 2..self.at + length) else {
            return Ok(None);
        };
        self.at += length;
        Ok(Some(Segment { marker, payload }))
    }

    fn next_marker(&mut self) -> Option<u8> {
        loop {
            match (self.bytes.get(self.at)?, self.bytes.get(self.at + 1)?) {
                (0xff, 0x00) => self.at += 2,
                (0xff, 0xff) | (0x00..=0xfe, _) => self.at += 1,
                (0xff, marker) => {
                    self.at += 2;
                    return Some(*marker);
                }
            }
        }
    }
}

/// The frame header (T.81 B.2.2).
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) components: Vec<Component>,
}

/// One colour component of the frame.
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) horizontal: u32,
    pub(super) vertical: u32,
    /// Which quantisation table, 0 to 3.
    pub(super) steps: usize,
}

impl Frame {
    pub(super) fn parse(segment: &Segment) -> Result<Self, PictureError> {
        let progressive = match segment.marker {
            0xc0 | 0xc1 => false,
            0xc2 => true,
            0xc9 | 0xca => return Err(PictureError::UnsupportedFormat("arithmetic-coded JPEG")),
            0xc3 | 0xcb => return Err(PictureError::UnsupportedFormat("lossless JPEG")),
            _ => return Err(PictureError::UnsupportedFormat("hierarchical JPEG")),
        };
        let short = || PictureError::damaged("the JPEG's frame header is too short");
        let payload = segment.payload;
        if *payload.first().ok_or_else(short)? != 8 {
            return Err(PictureError::UnsupportedFormat("JPEG with other than 8 bits a sample"));
        }
        let height = u16_be(payload, 1).ok_or_else(short)?;
        let width = u16_be(payload, 3).ok_or_else(short)?;
        let count = usize::from(*payload.get(5).ok_or_else(short)?);
        let specifications = payload.get(6..6 + 3 * count).ok_or_else(short)?;
        let components = specifications.chunks_exact(3).map(Component::parse).collect::<Result<Vec<_>, _>>()?;
        if !matches!(components.len(), 1 | 3 | 4) {
            return Err(PictureError::UnsupportedFormat("JPEG with other than 1, 3 or 4 components"));
        }
        Ok(Self { progressive, width, height, components })
    }

    /// MCUs in a row, and rows of them, in scans of several components (T.81 A.2.3).
    pub(super) fn units(&self) -> (u32, u32) {
        let across = u32::from(self.width).div_ceil(8 * self.most_horizontal());
        (across, u32::from(self.height).div_ceil(8 * self.most_vertical()))
    }

    pub(super) fn most_horizontal(&self) -> u32 {
        self.components.iter().map(|component| component.horizontal).max().unwrap_or(1)
    }

    pub(super) fn most_vertical(&self) -> u32 {
        self.components.iter().map(|component| component.vertical).max().unwrap_or(1)
    }
}

impl Component {
    fn parse(specification: &[u8]) -> Result<Self, PictureError> {
        let (horizontal, vertical) = (u32::from(specification[1] >> 4), u32::from(specification[1] & 15));
        if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) {
            return Err(PictureError::damaged("a JPEG sampling factor is impossible"));
        }
        let steps = usize::from(specification[2]);
        if steps > 3 {
            return Err(PictureError::damaged("a JPEG quantisation table has an impossible number"));
        }
        Ok(Self { id: specification[0], horizontal, vertical, steps })
    }
}

/// A scan header (T.81 B.2.3).
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// First and last coefficient, in zigzag order.
    pub(super) first: u8,
    pub(super) last: u8,
    /// Bit position of the scan that this one refines; 0 for a first scan.
    pub(super) high: u8,
    /// Bit position down to which this scan tells the coefficients.
    pub(super) low: u8,
}

/// Which component of the frame, and with which tables.
pub(super) struct ScanComponent {
    /// Index into the frame's components.
    pub(super) index: usize,
    pub(super) dc_table: usize,
    pub(super) ac_table: usize,
}

impl Scan {
    pub(super) fn parse(payload: &[u8], frame: &Frame) -> Result<Self, PictureError> {
        let damaged = || PictureError::damaged("a JPEG scan header is impossible");
        let count = usize::from(*payload.first().ok_or_else(damaged)?);
        let (specifications, rest) = payload[1..].split_at_checked(2 * count).ok_or_else(damaged)?;
        let mut components = Vec::new();
        for specification in specifications.chunks_exact(2) {
            let index = frame.components.iter().position(|c| c.id == specification[0]).ok_or_else(damaged)?;
            let (dc_table, ac_table) = (usize::from(specification[1] >> 4), usize::from(specification[1] & 15));
            if dc_table > 3 || ac_table > 3 || components.iter().any(|c: &ScanComponent| c.index == index) {
                return Err(damaged());
            }
            components.push(ScanComponent { index, dc_table, ac_table });
        }
        let [first, last, approximation, ..] = *rest else {
            return Err(damaged());
        };
        let (high, low) = (approximation >> 4, approximation & 15);
        // A sequential frame has whole blocks in each scan; writers are careless with what they put into these fields.
        let (first, last, high, low) = if frame.progressive { (first, last, high, low) } else { (0, 63, 0, 0) };
        let scan = Self { components, first, last, high, low };
        if scan.is_possible(frame.progressive) { Ok(scan) } else { Err(damaged()) }
    }

    /// MCUs in a row, and rows of them (T.81 A.2): of one component alone, each of its blocks is one.
    pub(super) fn units(&self, frame: &Frame, seen: &[Seen]) -> (u32, u32) {
        match &self.components[..] {
            [component] => (seen[component.index].across, seen[component.index].down),
            _ => frame.units(),
        }
    }

    /// Blocks across and down of one of its components in an MCU.
    pub(super) fn blocks_in_a_unit(&self, frame: &Frame, index: usize) -> (u32, u32) {
        if self.components.len() == 1 {
            return (1, 1);
        }
        (frame.components[index].horizontal, frame.components[index].vertical)
    }

    /// The rules of T.81 G.1.1.1 that the scans' readers rely on.
    fn is_possible(&self, progressive: bool) -> bool {
        let dc_alone_or_one_component = if self.first == 0 { self.last == 0 } else { self.components.len() == 1 };
        !self.components.is_empty()
            && self.first <= self.last
            && self.last <= 63
            && self.low <= 13
            && (!progressive || dc_alone_or_one_component)
    }
}
