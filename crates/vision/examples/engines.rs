//! Measures the engines on this machine: `cargo run --release --package manyeyes-vision --example engines -- IMAGE...`
//!
//! Looks the model up as the program does (`MANYEYES_MODELS`, `MANYEYES_MODEL` for another name) and prints one line
//! for each engine: time to load, images a second of the network alone and with decoding, on one thread, and the
//! process's memory. The engines take turns, image by image, so that both see the same machine.
#![expect(clippy::print_stdout, reason = "a measuring tool prints its figures")]

use std::error::Error;
use std::time::{Duration, Instant};

use manyeyes_vision::{EngineChoice, Lookup, Model, Recogniser};

/// How long the measurement of each engine takes.
const MEASURED: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let images: Vec<Vec<u8>> = std::env::args_os().skip(1).map(std::fs::read).collect::<Result<_, _>>()?;
    if images.is_empty() {
        return Err("name image files".into());
    }
    let began = Instant::now();
    let model = Model::find(&Lookup::from_environment(std::env::var_os("MANYEYES_MODEL")))?;
    println!("{}: found, read and digested in {} ms; {}", model.name, began.elapsed().as_millis(), memory());

    let mut engines = Vec::new();
    for choice in [EngineChoice::OnnxRuntime, EngineChoice::Rten] {
        let began = Instant::now();
        match Recogniser::load(&model, choice, 1) {
            Ok(recogniser) => {
                println!("{}: loaded in {} ms; {}", recogniser.engine(), began.elapsed().as_millis(), memory());
                engines.push((recogniser, Vec::new(), Vec::new()));
            }
            Err(error) => println!("{choice:?}: {error}"),
        }
    }
    drop(model);

    let (began, time) = (Instant::now(), MEASURED * u32::try_from(engines.len())?);
    for image in images.iter().cycle().take_while(|_| began.elapsed() < time) {
        for (recogniser, inference, whole) in &mut engines {
            let seen = recogniser.recognise(image, 5)?;
            inference.push(seen.inference);
            whole.push(seen.inference + seen.decode);
        }
    }
    for (recogniser, inference, whole) in &mut engines {
        inference.sort();
        whole.sort();
        println!(
            "{}: {:.1} images/s, {:.1} with decoding (medians; on a quiet machine as the best tenth: {:.1}, {:.1})",
            recogniser.engine(),
            per_second(inference, 2),
            per_second(whole, 2),
            per_second(inference, 10),
            per_second(whole, 10),
        );
    }
    println!("all engines together: {}", memory());
    Ok(())
}

/// By the time that one in `share` of the sorted times does not exceed.
fn per_second(sorted: &[Duration], share: usize) -> f64 {
    1.0 / sorted[sorted.len() / share].as_secs_f64()
}

/// What of this process is in memory, where the system tells (Linux).
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or(" unknown").trim().to_owned();
    format!("memory {}, at most {}", line("VmRSS:"), line("VmHWM:"))
}
