//! The figures that the README claims, measured on the real program from outside: `make bench`.
//!
//! These machines differ and drift, so what can be a ratio is one: both sides measured in turn, in one run.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

mod cluster;
mod durable;
mod encryption;
mod hostile;
mod latency;
mod memory;
mod misbehave;
mod overload;
mod queue;
mod statistics;
mod throughput;
mod traffic;

use std::path::PathBuf;

/// One line of the report.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) measured: String,
    pub(crate) aim: &'static str,
    pub(crate) met: bool,
}

/// What a group of figures cannot be measured without.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    Photos,
    PhotosAndModel,
}

/// Measures one group of figures with the photos.
type Measure = fn(&[Vec<u8>]) -> Vec<Figure>;

fn main() {
    // `cargo bench` adds `--bench`; what else is given picks figures by a part of their group's name.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let photos = std::env::var_os("MANYEYES_IMAGES").map(PathBuf::from);
    let model = std::env::var_os("MANYEYES_MODELS").is_some();
    let mut figures = Vec::new();
    let groups: [(&str, Needs, Measure); 10] = [
        ("throughput", Needs::PhotosAndModel, throughput::measure),
        ("latency", Needs::PhotosAndModel, latency::measure),
        ("queue", Needs::PhotosAndModel, queue::measure),
        ("memory", Needs::Photos, memory::measure),
        ("traffic", Needs::Photos, traffic::measure),
        ("durable", Needs::Photos, durable::measure),
        ("misbehave", Needs::Nothing, misbehave::measure),
        ("overload", Needs::Nothing, overload::measure),
        ("encryption", Needs::PhotosAndModel, encryption::measure),
        ("hostile", Needs::Nothing, hostile::measure),
    ];
    let files = photos.map(|folder| images_in(&folder)).unwrap_or_default();
    for (name, needs, measure) in groups {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let is_missing = match needs {
            Needs::Nothing => false,
            Needs::Photos => files.is_empty(),
            Needs::PhotosAndModel => files.is_empty() || !model,
        };
        if is_missing {
            println!("NOT RUN without MANYEYES_IMAGES and MANYEYES_MODELS: {name}");
            continue;
        }
        eprintln!("measuring {name} ...");
        figures.extend(measure(&files));
    }
    for figure in &figures {
        let verdict = if figure.met { "met" } else { "NOT MET" };
        println!("{:64} {:>34}   aim {:20} {verdict}", figure.name, figure.measured, figure.aim);
    }
}

/// The bytes of the photos in a folder, in the order of their names.
fn images_in(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of photos can be read")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|extension| ["jpg", "png", "webp"].iter().any(|known| extension == *known))
        })
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a photo can be read")).collect()
}
