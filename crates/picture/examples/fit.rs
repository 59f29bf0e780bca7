//! Prints, for each named file, how long it takes from its bytes to the square that a model looks at, and how far that is
//! from the square of all the pixels that the `image` crate decodes: mean and greatest difference of a colour, of 255.
//!
//! `cargo run --release -p manyeyes-picture --example fit -- PHOTO...`; with `PPM_FOLDER` set, the squares are written there
//! to be compared with what other libraries make of the same files. Times are the processor's, on one thread, where the system
//! tells them: other work on the machine disturbs them less.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use image::{ImageFormat, RgbImage};
use manyeyes_picture::{Fit, Limits, PictureError, Rgb, decode_fitted, read_header};

const REPEATS: usize = 15;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ppm_folder = std::env::var_os("PPM_FOLDER");
    let mut total = Duration::ZERO;
    for path in std::env::args_os().skip(1) {
        let path = Path::new(&path);
        let bytes = std::fs::read(path)?;
        let (result, took) = measured(&bytes);
        total += took;
        let size = read_header(&bytes).map(|h| format!("{} x {}", h.width, h.height)).unwrap_or_default();
        let answer = match &result {
            Ok(square) => difference(square, &bytes)?,
            Err(error) => error.code().to_owned(),
        };
        println!("{:8.2} ms  {size:>13}  {answer}  {}", took.as_secs_f64() * 1e3, path.display());
        if let (Ok(square), Some(folder), Some(name)) = (&result, &ppm_folder, path.file_name()) {
            write_ppm(&Path::new(folder).join(name).with_added_extension("ppm"), square)?;
        }
    }
    println!("{:8.2} ms  in all", total.as_secs_f64() * 1e3);
    Ok(())
}

fn fitted(bytes: &[u8]) -> Result<Rgb, PictureError> {
    decode_fitted(bytes, Fit::Squash { width: 256, height: 256 }, 224, &Limits::default())
}

/// With the median time of several. A file that is refused takes its time too.
fn measured(bytes: &[u8]) -> (Result<Rgb, PictureError>, Duration) {
    let mut times = [Duration::ZERO; REPEATS];
    for time in &mut times {
        let start = clock();
        let _ = std::hint::black_box(fitted(bytes));
        *time = clock() - start;
    }
    times.sort();
    (fitted(bytes), times[REPEATS / 2])
}

#[cfg(unix)]
fn clock() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(unix))]
fn clock() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// From the square of a file of all pixels, stored as they are shown before an orientation turns them.
fn difference(square: &Rgb, bytes: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
    let mut whole = Cursor::new(Vec::new());
    let all: RgbImage = image::load_from_memory(bytes)?.into_rgb8();
    all.write_to(&mut whole, ImageFormat::Bmp)?;
    let reference = fitted(whole.get_ref())?;
    let differences = square.pixels.iter().zip(&reference.pixels).map(|(a, b)| u64::from(a.abs_diff(*b)));
    let (sum, most) = differences.fold((0, 0), |(sum, most), one| (sum + one, u64::max(most, one)));
    Ok(format!("{:6.3} mean {most:3} most", sum as f64 / square.pixels.len() as f64))
}

fn write_ppm(path: &Path, picture: &Rgb) -> std::io::Result<()> {
    let header = format!("P6 {} {} 255\n", picture.width, picture.height);
    std::fs::write(path, [header.as_bytes(), &picture.pixels].concat())
}
