//! Measures what a smaller form of an image costs in agreement and saves in bytes:
//! `cargo run --release --package manyeyes-vision --example smaller -- FOLDER`
//!
//! Each photo of the folder is recognised as it is and in each form: fitted as the model fits it, and encoded with that quality. Agreement is
//! how often both have the same class first. The model is looked up as the program does (`MANYEYES_MODEL` for another than
//! GoogLeNet). Forms are of the fitted picture unless they say otherwise.
#![expect(clippy::print_stdout, reason = "a measuring tool prints its figures")]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use manyeyes_picture::{Limits, Rgb, fitted, smaller};
use manyeyes_vision::{EngineChoice, Lookup, Model, Recogniser};

/// Makes the bytes of a form.
type Encode = dyn Fn(&Rgb) -> Vec<u8>;

/// A way to write pixels down.
struct Form {
    name: String,
    encode: Box<Encode>,
    tally: Tally,
}

/// What came of it.
#[derive(Default)]
struct Tally {
    bytes: Vec<usize>,
    agree: usize,
    /// How much the probability of the file's first class has changed, summed.
    moved: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder of photos")?;
    let is_photo = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "jpg");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).filter(is_photo).collect();
    paths.sort();
    let model = Model::find(&Lookup::from_environment(std::env::var_os("MANYEYES_MODEL")))?;
    let fit = model.input().fit();
    let mut recogniser = Recogniser::load(&model, EngineChoice::Auto, 1)?;
    println!("{}, {}, {} photos, {fit:?}", model.name, recogniser.engine(), paths.len());

    let mut forms = forms();
    let (mut shipped, mut whole, mut making) = (Tally::default(), Vec::new(), Vec::new());
    for path in &paths {
        let file = std::fs::read(path)?;
        let truth = recogniser.recognise(&file, 1)?;
        whole.push(file.len());
        let began = Instant::now();
        let form = smaller(&file, fit, &Limits::default())?;
        making.push(began.elapsed());
        shipped.count(form.as_deref().unwrap_or(&file), &truth.labels[0], &mut recogniser)?;
        let picture = fitted(&file, fit, &Limits::default())?;
        for Form { encode, tally, .. } in &mut forms {
            tally.count(&encode(&picture), &truth.labels[0], &mut recogniser)?;
        }
    }
    making.sort();
    println!("files: {:.1} kB on average", mean(&whole) / 1e3);
    println!("making: median {:.1} ms, slowest {:.1} ms", ms(making[making.len() / 2]), ms(making[making.len() - 1]));
    println!("{:28} {:>8} {:>10} {:>14} {:>12}", "form", "kB", "of file", "agreement", "moved");
    let shipped = ("as it is shipped", &shipped);
    for (name, tally) in std::iter::once(shipped).chain(forms.iter().map(|form| (&*form.name, &form.tally))) {
        tally.print(name, &whole);
    }
    Ok(())
}

impl Tally {
    fn count(
        &mut self,
        form: &[u8],
        truth: &manyeyes_vision::Label,
        recogniser: &mut Recogniser,
    ) -> Result<(), Box<dyn Error>> {
        let seen = recogniser.recognise(form, 1000)?;
        self.bytes.push(form.len());
        self.agree += usize::from(seen.labels[0].index == truth.index);
        let same = seen.labels.iter().find(|label| label.index == truth.index).ok_or("the class has gone")?;
        self.moved += f64::from((same.probability - truth.probability).abs());
        Ok(())
    }

    fn print(&self, name: &str, whole: &[usize]) {
        let photos = self.bytes.len();
        println!(
            "{name:28} {:8.1} {:9.1}% {:4} = {:5.1} % {:12.4}",
            mean(&self.bytes) / 1e3,
            100.0 * mean(&self.bytes) / mean(whole),
            self.agree,
            100.0 * self.agree as f64 / photos as f64,
            self.moved / photos as f64,
        );
    }
}

fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    for (chroma, factor) in [("4:2:0", SamplingFactor::F_2_2), ("4:4:4", SamplingFactor::F_1_1)] {
        for quality in [70, 75, 80, 85, 90, 95] {
            let name = format!("JPEG {quality} {chroma}");
            forms.push(form(name, move |picture| jpeg(picture, quality, factor)));
        }
    }
    forms
}

fn form(name: String, encode: impl Fn(&Rgb) -> Vec<u8> + 'static) -> Form {
    Form { name, encode: Box::new(encode), tally: Tally::default() }
}

fn jpeg(picture: &Rgb, quality: u8, factor: SamplingFactor) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(factor);
    let (width, height) = (picture.width as u16, picture.height as u16);
    encoder.encode(&picture.pixels, width, height, ColorType::Rgb).expect("writing to memory does not fail");
    file
}

fn mean(bytes: &[usize]) -> f64 {
    bytes.iter().sum::<usize>() as f64 / bytes.len() as f64
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
