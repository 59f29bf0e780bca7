//! Decoding and the engine alone, without any server: `cargo run --release --package manyeyes-vision --example bare --
//! SECONDS MODEL IMAGE...`
//!
//! As many recognisers of one thread as there are cores, over the same images. Prints JSON: images a second of all of
//! them together, and the median milliseconds of both halves. What a cluster on the same cores is held against.
#![expect(clippy::print_stdout, reason = "a measuring tool prints its figures")]

use std::error::Error;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use manyeyes_vision::{EngineChoice, Lookup, Model, Recogniser, Recognition};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let seconds: f64 =
        arguments.next().and_then(|text| text.to_str()?.parse().ok()).ok_or("say for how many seconds")?;
    let named = arguments.next().ok_or("name a model")?;
    let images: Vec<Vec<u8>> = arguments.map(std::fs::read).collect::<Result<_, _>>()?;
    if images.is_empty() {
        return Err("name image files".into());
    }
    let model = Model::find(&Lookup::from_environment(Some(named)))?;
    let cores = thread::available_parallelism()?.get();
    let recognisers: Vec<_> =
        (0..cores).map(|_| Recogniser::load(&model, EngineChoice::Auto, 1)).collect::<Result<_, _>>()?;

    let (together, measured) = (Barrier::new(cores), Duration::from_secs_f64(seconds));
    let done = thread::scope(|scope| {
        let (images, together) = (&images, &together);
        let threads: Vec<_> = recognisers
            .into_iter()
            .enumerate()
            .map(|(number, mut recogniser)| {
                // Each begins elsewhere, so that not all decode the same image at the same time.
                let first = number * images.len() / cores;
                scope.spawn(move || work(&mut recogniser, images, first, together, measured))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends")).collect::<Result<Vec<_>, _>>()
    })?;

    let images_per_s: f64 = done.iter().map(|(seen, took)| seen.len() as f64 / took.as_secs_f64()).sum();
    let all = || done.iter().flat_map(|(seen, _)| seen);
    let (decoding_ms, inference_ms) =
        (median_ms(all().map(|one| one.decode)), median_ms(all().map(|one| one.inference)));
    println!(
        r#"{{"images_per_s": {images_per_s:.3}, "decoding_ms": {decoding_ms:.3}, "inference_ms": {inference_ms:.3}}}"#
    );
    Ok(())
}

type Work = Result<(Vec<Recognition>, Duration), manyeyes_vision::RecogniseError>;

fn work(recogniser: &mut Recogniser, images: &[Vec<u8>], first: usize, together: &Barrier, measured: Duration) -> Work {
    // The first is of a cold cache. Whoever cannot do it must still come to the barrier, where the others wait.
    let warm = recogniser.recognise(&images[first], 5);
    together.wait();
    warm?;
    let (began, mut seen) = (Instant::now(), Vec::new());
    for image in images.iter().cycle().skip(first).take_while(|_| began.elapsed() < measured) {
        seen.push(recogniser.recognise(image, 5)?);
    }
    Ok((seen, began.elapsed()))
}

fn median_ms(times: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
