//! Prints how long each named file takes from its bytes to the square that a model looks at.
//!
//! `cargo run --release -p manyeyes-picture --example fit -- PHOTO...`; with `PPM_FOLDER` set, the squares are written there
//! to be compared with what other libraries make of the same files.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::path::Path;
use std::time::{Duration, Instant};

use manyeyes_picture::{Fit, Limits, PictureError, Rgb, decode_fitted, read_header};

const REPEATS: u32 = 9;

fn main() -> std::io::Result<()> {
    let ppm_folder = std::env::var_os("PPM_FOLDER");
    let mut total = Duration::ZERO;
    for path in std::env::args_os().skip(1) {
        let path = Path::new(&path);
        let bytes = std::fs::read(path)?;
        let (result, took) = measured(&bytes);
        total += took;
        let size = read_header(&bytes).map(|h| format!("{} x {}", h.width, h.height)).unwrap_or_default();
        let answer = result.as_ref().err().map_or("", PictureError::code);
        println!("{:8.2} ms  {size:>13}  {}  {answer}", took.as_secs_f64() * 1e3, path.display());
        if let (Ok(square), Some(folder), Some(name)) = (&result, &ppm_folder, path.file_name()) {
            write_ppm(&Path::new(folder).join(name).with_added_extension("ppm"), square)?;
        }
    }
    println!("{:8.2} ms  in all", total.as_secs_f64() * 1e3);
    Ok(())
}

/// With the time of the fastest of several: the least disturbed. A file that is refused takes its time too.
fn measured(bytes: &[u8]) -> (Result<Rgb, PictureError>, Duration) {
    let runs = (0..REPEATS).map(|_| {
        let start = Instant::now();
        let result = decode_fitted(bytes, Fit::Squash { width: 256, height: 256 }, 224, &Limits::default());
        (result, start.elapsed())
    });
    runs.min_by_key(|(_, took)| *took).expect("there is at least one repeat")
}

fn write_ppm(path: &Path, picture: &Rgb) -> std::io::Result<()> {
    let header = format!("P6 {} {} 255\n", picture.width, picture.height);
    std::fs::write(path, [header.as_bytes(), &picture.pixels].concat())
}
