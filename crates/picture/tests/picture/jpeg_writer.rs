//! Writes JPEG files of every layout from chosen coefficients, so that tests know what a file holds: one scan or many,
//! progressive with refinements, restart markers, grey, YCbCr, CMYK.

/// Coefficients of one block, in zigzag order.
type Block = [i16; 64];

/// What to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// 1 (grey), 3 (YCbCr) or 4 (CMYK).
    pub(crate) components: usize,
    /// Sampling factor of the first component in both directions; the others have 1.
    pub(crate) sampling: usize,
    pub(crate) progressive: bool,
    /// A scan for each component, where not progressive.
    pub(crate) scan_each: bool,
    /// MCUs between restart markers; 0 for none.
    pub(crate) restart_interval: u16,
}

/// A file, and where its last scan's data ends: at its end marker.
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) data_end: usize,
}

/// Writes a file whose coefficients follow from `seed` and the layout's size alone, whatever the scans are.
pub(crate) fn write(layout: Layout, seed: u64) -> Written {
    let planes = (0..layout.components).map(|index| Plane::new(&layout, index, seed)).collect::<Vec<_>>();
    let mut bytes = vec![0xff, 0xd8];
    headers(&mut bytes, &layout);

    let all = (0..layout.components).collect::<Vec<_>>();
    let mut scan = |components: &[usize], pass| write_scan(&mut bytes, &layout, &planes, components, pass);
    if layout.progressive {
        scan(&all, Pass { first: 0, last: 0, high: 0, low: 1 });
        for component in &all {
            scan(&[*component], Pass { first: 1, last: 5, high: 0, low: 1 });
            scan(&[*component], Pass { first: 6, last: 63, high: 0, low: 1 });
        }
        scan(&all, Pass { first: 0, last: 0, high: 1, low: 0 });
        for component in &all {
            scan(&[*component], Pass { first: 1, last: 63, high: 1, low: 0 });
        }
    } else if layout.scan_each {
        all.iter().for_each(|component| scan(&[*component], Pass { first: 0, last: 63, high: 0, low: 0 }));
    } else {
        scan(&all, Pass { first: 0, last: 63, high: 0, low: 0 });
    }
    let data_end = bytes.len();
    bytes.extend([0xff, 0xd9]);
    Written { bytes, data_end }
}

/// Coefficients of one component.
struct Plane {
    sampling: usize,
    /// Blocks in a row of whole MCUs.
    stride: usize,
    /// Blocks across and down that a scan of this component alone has.
    across: usize,
    down: usize,
    blocks: Vec<Block>,
}

impl Plane {
    fn new(layout: &Layout, index: usize, seed: u64) -> Self {
        let sampling = if index == 0 { layout.sampling } else { 1 };
        let units = |side: u16| usize::from(side).div_ceil(8 * layout.sampling);
        let alone = |side: u16| (usize::from(side) * sampling).div_ceil(layout.sampling).div_ceil(8);
        let stride = units(layout.width) * sampling;
        let count = stride * units(layout.height) * sampling;
        let mut random = Random(seed ^ (index as u64 + 1) << 32);
        let blocks = (0..count).map(|_| random.block()).collect();
        Self { sampling, stride, across: alone(layout.width), down: alone(layout.height), blocks }
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Mostly zeros behind a DC value, as photos are; some blocks with nothing else, so that runs of ended blocks occur.
    fn block(&mut self) -> Block {
        let mut block = [0; 64];
        block[0] = (self.next() % 400) as i16 - 200;
        if !self.next().is_multiple_of(3) {
            for _ in 0..self.next() % 12 {
                block[1 + (self.next() % 63) as usize] = (self.next() % 15) as i16 - 7;
            }
        }
        block
    }
}

#[derive(Clone, Copy)]
struct Pass {
    first: usize,
    last: usize,
    high: u8,
    low: u8,
}

/// 12 codes of 4 bits.
fn dc_counts() -> [u8; 16] {
    let mut counts = [0; 16];
    counts[3] = 12;
    counts
}

/// Symbols below 128 have codes of 8 bits, the rest of 10: short and long ones, and many bit patterns that are none.
fn ac_counts() -> [u8; 16] {
    let mut counts = [0; 16];
    counts[7] = 128;
    counts[9] = 128;
    counts
}

fn segment(bytes: &mut Vec<u8>, marker: u8, payload: &[u8]) {
    bytes.extend([0xff, marker]);
    bytes.extend((payload.len() as u16 + 2).to_be_bytes());
    bytes.extend(payload);
}

/// Tables and frame header.
fn headers(bytes: &mut Vec<u8>, layout: &Layout) {
    segment(bytes, 0xdb, &[&[0_u8][..], &[2; 64]].concat());
    segment(bytes, 0xc4, &[&[0x00][..], &dc_counts(), &(0..12).collect::<Vec<u8>>()].concat());
    segment(bytes, 0xc4, &[&[0x10][..], &ac_counts(), &(0..=255).collect::<Vec<u8>>()].concat());
    if layout.restart_interval > 0 {
        segment(bytes, 0xdd, &layout.restart_interval.to_be_bytes());
    }
    frame_header(bytes, layout);
}

fn frame_header(bytes: &mut Vec<u8>, layout: &Layout) {
    let mut payload = vec![8];
    payload.extend(layout.height.to_be_bytes());
    payload.extend(layout.width.to_be_bytes());
    payload.push(layout.components as u8);
    for index in 0..layout.components {
        let sampling = if index == 0 { layout.sampling as u8 } else { 1 };
        payload.extend([index as u8 + 1, sampling << 4 | sampling, 0]);
    }
    segment(bytes, if layout.progressive { 0xc2 } else { 0xc0 }, &payload);
}

fn write_scan(bytes: &mut Vec<u8>, layout: &Layout, planes: &[Plane], components: &[usize], pass: Pass) {
    let mut payload = vec![components.len() as u8];
    components.iter().for_each(|index| payload.extend([*index as u8 + 1, 0]));
    payload.extend([pass.first as u8, pass.last as u8, pass.high << 4 | pass.low]);
    segment(bytes, 0xda, &payload);

    let units = units(layout, planes, components);
    let mut coder = Coder { bytes, pending: 0, pending_bits: 0, predictions: [0; 4], ended_blocks: 0 };
    for (nth, unit) in units.iter().enumerate() {
        let interval = usize::from(layout.restart_interval);
        if interval > 0 && nth > 0 && nth % interval == 0 {
            coder.restart(nth / interval - 1);
        }
        for (component, block) in unit {
            match (layout.progressive, pass.first, pass.high) {
                (false, ..) => coder.sequential(*component, block),
                (true, 0, 0) => coder.dc(*component, block[0] >> pass.low),
                (true, 0, _) => coder.bits(u32::from(block[0] as u16 & 1), 1),
                (true, _, 0) => coder.ac_first(block, pass),
                (true, ..) => coder.ac_refine(block, pass),
            }
        }
    }
    coder.flush();
}

/// The blocks of each MCU, in the order of the scan.
fn units<'a>(layout: &Layout, planes: &'a [Plane], components: &[usize]) -> Vec<Vec<(usize, &'a Block)>> {
    if let [component] = components {
        let plane = &planes[*component];
        let places = (0..plane.down).flat_map(|y| (0..plane.across).map(move |x| (x, y)));
        return places.map(|(x, y)| vec![(*component, &plane.blocks[y * plane.stride + x])]).collect();
    }
    let across = usize::from(layout.width).div_ceil(8 * layout.sampling);
    let down = usize::from(layout.height).div_ceil(8 * layout.sampling);
    let unit = |x: usize, y: usize| {
        let blocks = components.iter().flat_map(move |component| {
            let plane = &planes[*component];
            let places = (0..plane.sampling).flat_map(move |v| (0..plane.sampling).map(move |h| (h, v)));
            places.map(move |(h, v)| {
                (*component, &plane.blocks[(y * plane.sampling + v) * plane.stride + x * plane.sampling + h])
            })
        });
        blocks.collect()
    };
    (0..down).flat_map(|y| (0..across).map(move |x| (x, y))).map(|(x, y)| unit(x, y)).collect()
}

struct Coder<'a> {
    bytes: &'a mut Vec<u8>,
    pending: u32,
    pending_bits: u32,
    predictions: [i16; 4],
    ended_blocks: u32,
}

impl Coder<'_> {
    fn sequential(&mut self, component: usize, block: &Block) {
        self.dc(component, block[0]);
        let mut zeros = 0;
        for value in &block[1..] {
            if *value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                self.ac_symbol(0xf0);
                zeros -= 16;
            }
            self.ac_symbol(zeros << 4 | size(*value) as u8);
            self.magnitude(*value);
            zeros = 0;
        }
        if zeros > 0 {
            self.ac_symbol(0);
        }
    }

    fn dc(&mut self, component: usize, value: i16) {
        let difference = value - std::mem::replace(&mut self.predictions[component], value);
        self.bits(size(difference), 4);
        self.magnitude(difference);
    }

    fn ac_first(&mut self, block: &Block, pass: Pass) {
        let mut zeros = 0;
        for value in &block[pass.first..=pass.last] {
            let value = (value.abs() >> pass.low) * value.signum();
            if value == 0 {
                zeros += 1;
                continue;
            }
            self.end_of_blocks();
            while zeros > 15 {
                self.ac_symbol(0xf0);
                zeros -= 16;
            }
            self.ac_symbol(zeros << 4 | size(value) as u8);
            self.magnitude(value);
            zeros = 0;
        }
        self.ended_blocks += u32::from(zeros > 0);
    }

    fn ac_refine(&mut self, block: &Block, pass: Pass) {
        let last_new = (pass.first..=pass.last).rev().find(|k| block[*k].abs() == 1).unwrap_or(0);
        let (mut zeros, mut corrections) = (0_u8, Vec::new());
        for (k, coefficient) in block.iter().enumerate().take(pass.last + 1).skip(pass.first) {
            let value = coefficient.abs();
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 && k <= last_new {
                self.ac_symbol(0xf0);
                corrections.drain(..).for_each(|bit| self.bits(bit, 1));
                zeros -= 16;
            }
            if value > 1 {
                corrections.push(u32::from(value as u16 & 1));
                continue;
            }
            self.ac_symbol(zeros << 4 | 1);
            self.bits(u32::from(*coefficient > 0), 1);
            corrections.drain(..).for_each(|bit| self.bits(bit, 1));
            zeros = 0;
        }
        if zeros > 0 || !corrections.is_empty() {
            self.ac_symbol(0);
            corrections.drain(..).for_each(|bit| self.bits(bit, 1));
        }
    }

    fn end_of_blocks(&mut self) {
        if self.ended_blocks > 0 {
            let length = self.ended_blocks.ilog2();
            self.ac_symbol((length as u8) << 4);
            self.bits(self.ended_blocks - (1 << length), length);
            self.ended_blocks = 0;
        }
    }

    fn ac_symbol(&mut self, symbol: u8) {
        match symbol {
            0..128 => self.bits(symbol.into(), 8),
            128.. => self.bits(512 + u32::from(symbol) - 128, 10),
        }
    }

    /// The value's bits behind its size; a negative one is written one lower.
    fn magnitude(&mut self, value: i16) {
        let count = size(value);
        let bits = if value < 0 { i32::from(value) + (1 << count) - 1 } else { value.into() };
        self.bits(bits as u32, count);
    }

    fn bits(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            self.pending = self.pending << 1 | (value >> at & 1);
            self.pending_bits += 1;
            if self.pending_bits == 8 {
                self.bytes.push(self.pending as u8);
                if self.pending == 0xff {
                    self.bytes.push(0);
                }
                (self.pending, self.pending_bits) = (0, 0);
            }
        }
    }

    fn restart(&mut self, nth: usize) {
        self.flush();
        self.bytes.extend([0xff, 0xd0 + (nth % 8) as u8]);
        self.predictions = [0; 4];
    }

    fn flush(&mut self) {
        self.end_of_blocks();
        while self.pending_bits > 0 {
            self.bits(1, 1);
        }
    }
}

/// Bits of the value's magnitude.
fn size(value: i16) -> u32 {
    u16::BITS - value.unsigned_abs().leading_zeros()
}

/// One block of CMYK in one colour, as Adobe's programs store it.
pub(crate) fn flat_cmyk(stored: [u8; 4]) -> Vec<u8> {
    let layout = Layout {
        width: 8,
        height: 8,
        components: 4,
        sampling: 1,
        progressive: false,
        scan_each: false,
        restart_interval: 0,
    };
    let mut bytes = vec![0xff, 0xd8];
    segment(&mut bytes, 0xee, b"Adobe\0\x64\0\0\0\0\0");
    headers(&mut bytes, &layout);
    let planes = stored.map(|value| {
        let mut block = [0; 64];
        // The DC coefficient is eight times the mean, and the quantisation step is 2.
        block[0] = (i16::from(value) - 128) * 4;
        Plane { sampling: 1, stride: 1, across: 1, down: 1, blocks: vec![block] }
    });
    write_scan(&mut bytes, &layout, &planes, &[0, 1, 2, 3], Pass { first: 0, last: 63, high: 0, low: 0 });
    bytes.extend([0xff, 0xd9]);
    bytes
}
