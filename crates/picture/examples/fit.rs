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
        match measured(&bytes) {
            Ok((square, took)) => {
                let header = read_header(&bytes)
                    .map(|h| format!("{} x {}", h.width, h.height))
                    .unwrap_or_default();
                println!(
                    "{:8.2} ms  {header:>13}  {}",
                    took.as_secs_f64() * 1e3,
                    path.display()
                );
                total += took;
                if let (Some(folder), Some(name)) = (&ppm_folder, path.file_name()) {
                    write_ppm(
                        &Path::new(folder).join(name).with_added_extension("ppm"),
                        &square,
                    )?;
                }
            }
            Err(error) => println!("{:>8}     {error}  {}", error.code(), path.display()),
        }
    }
    println!("{:8.2} ms  in all", total.as_secs_f64() * 1e3);
    Ok(())
}

/// The fastest of several: the least disturbed.
fn measured(bytes: &[u8]) -> Result<(Rgb, Duration), PictureError> {
    let mut best = Duration::MAX;
    let mut square = None;
    for _ in 0..REPEATS {
        let start = Instant::now();
        square = Some(decode_fitted(
            bytes,
            Fit::Squash {
                width: 256,
                height: 256,
            },
            224,
            &Limits::default(),
        )?);
        best = best.min(start.elapsed());
    }
    Ok((square.expect("there is at least one repeat"), best))
}

fn write_ppm(path: &Path, picture: &Rgb) -> std::io::Result<()> {
    let header = format!("P6 {} {} 255\n", picture.width, picture.height);
    std::fs::write(path, [header.as_bytes(), &picture.pixels].concat())
}
