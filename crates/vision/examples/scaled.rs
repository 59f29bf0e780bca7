//! Measures what a model makes of photos that are decoded to no more pixels than it needs:
//! `cargo run --release --package manyeyes-vision --example scaled -- FOLDER`
//!
//! Each JPEG of the folder is recognised as it is, and as the picture of all its pixels. Agreement is how often both have the same
//! class first. The model is looked up as the program does (`MANYEYES_MODEL` for another than GoogLeNet). Where the folder's
//! `expected.csv` (or that of the second folder named) has a photo's class in its second column, it says too how often each is right.
#![expect(clippy::print_stdout, reason = "a measuring tool prints its figures")]

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use manyeyes_picture::{Limits, Rgb, decode};
use manyeyes_vision::{EngineChoice, Lookup, Model, Recogniser};

fn main() -> Result<(), Box<dyn Error>> {
    let folders = std::env::args_os().skip(1).map(PathBuf::from).collect::<Vec<_>>();
    let folder = folders.first().ok_or("name a folder of photos")?;
    let classes = classes(folders.last().unwrap_or(folder));
    let is_photo = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "jpg");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).filter(is_photo).collect();
    paths.sort();
    let model = Model::find(&Lookup::from_environment(std::env::var_os("MANYEYES_MODEL")))?;
    let mut recogniser = Recogniser::load(&model, EngineChoice::Auto, 1)?;
    println!("{}, {}, {} photos", model.name, recogniser.engine(), paths.len());

    let (mut agree, mut moved, mut right, mut right_of_whole) = (0, 0.0, 0, 0);
    for path in &paths {
        let file = std::fs::read(path)?;
        let seen = recogniser.recognise(&file, 1)?.labels[0].clone();
        let of_whole = recogniser.recognise(&bmp(&decode(&file, &Limits::default())?), usize::MAX)?.labels;
        agree += u32::from(seen.index == of_whole[0].index);
        let probability =
            of_whole.iter().find(|label| label.index == seen.index).map_or(0.0, |label| label.probability);
        moved += f64::from((seen.probability - probability).abs());
        let class = path.file_name().and_then(|name| classes.get(name.to_string_lossy().as_ref()));
        right += u32::from(Some(&seen.index) == class);
        right_of_whole += u32::from(Some(&of_whole[0].index) == class);
    }
    println!("agree {agree}, moved {:.4} on average", moved / paths.len() as f64);
    println!("right {right}, of all pixels {right_of_whole}");
    Ok(())
}

/// Class by name of the photo.
fn classes(folder: &Path) -> HashMap<String, u32> {
    let table = std::fs::read_to_string(folder.join("expected.csv")).unwrap_or_default();
    let row = |line: &str| {
        let mut columns = line.split(',');
        Some((columns.next()?.to_owned(), columns.next()?.parse().ok()?))
    };
    table.lines().filter_map(row).collect()
}

/// A file that loses nothing, rows from top to bottom.
fn bmp(picture: &Rgb) -> Vec<u8> {
    let row_bytes = (picture.width as usize * 3).next_multiple_of(4);
    let mut file = b"BM".to_vec();
    for field in [54 + row_bytes as u32 * picture.height, 0, 54, 40, picture.width, picture.height.wrapping_neg()] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    file.extend_from_slice(&[1, 0, 24, 0]);
    file.resize(54, 0);
    for row in picture.pixels.chunks_exact(picture.width as usize * 3) {
        let start = file.len();
        file.extend(row.as_chunks::<3>().0.iter().flat_map(|[red, green, blue]| [*blue, *green, *red]));
        file.resize(start + row_bytes, 0);
    }
    file
}
