//! Writes the square that a model looks at for each picture whose path it reads, so that a model can be trained on the very
//! pixels that it will be asked about: decoders differ, most of all in how they enlarge a JPEG's halved colours.
//!
//! `ls *.jpg | cargo run --release -p manyeyes-picture --example squares -- SIDE > squares.rgb`
//!
//! A path a line in, `SIDE * SIDE * 3` bytes (red, green, blue, row by row) a picture out, in the same order. The shorter
//! side is brought to SIDE and the square in the middle taken. A picture that cannot be read ends it.

use std::io::{BufRead, BufWriter, Write};

use manyeyes_picture::{Fit, Limits, decode_fitted};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let side = std::env::args().nth(1).ok_or("which SIDE, in pixels?")?.parse()?;
    let mut squares = BufWriter::new(std::io::stdout().lock());
    for path in std::io::stdin().lock().lines() {
        let path = path?;
        let square = decode_fitted(&std::fs::read(&path)?, Fit::ShorterSide(side), side, &Limits::default())
            .map_err(|error| format!("{path}: {error}"))?;
        squares.write_all(&square.pixels)?;
    }
    Ok(squares.flush()?)
}
