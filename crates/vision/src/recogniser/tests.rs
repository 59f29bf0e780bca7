//! Promises of [`super`], kept by both engines on real networks and photos: `MANYEYES_MODELS`, `MANYEYES_IMAGES` and
//! `MANYEYES_IMAGES_250` name folders of them, `ORT_DYLIB_PATH` ONNX Runtime's library.

use std::path::{Path, PathBuf};

use super::*;
use crate::manifest::ChannelOrder;
use crate::model::Lookup;
use crate::onnx;

const BOTH: [EngineChoice; 2] = [EngineChoice::OnnxRuntime, EngineChoice::Rten];

/// What the environment names, or the line that a script counts.
fn needs(name: &str, test: &str) -> Option<PathBuf> {
    let path = std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    if path.is_none() {
        eprintln!("NOT RUN without {name}: {test}");
    }
    path
}

/// The engine's needs are the library's, for ONNX Runtime, and nothing for rten.
fn engine_is_here(choice: EngineChoice, test: &str) -> bool {
    choice == EngineChoice::Rten || needs("ORT_DYLIB_PATH", test).is_some()
}

fn found(models: &Path, name: &str) -> Model {
    let folders = vec![models.to_owned()];
    Model::find(&Lookup { named: Some(name.into()), folders, cache: None }).expect("found")
}

fn recogniser(models: &Path, name: &str, choice: EngineChoice) -> Recogniser {
    Recogniser::load(&found(models, name), choice, 1).expect("loaded")
}

/// One photo of a folder's `expected.csv`.
struct Photo {
    path: PathBuf,
    class: u32,
    /// GoogLeNet's five most probable classes, where the table has them.
    googlenet: Vec<(u32, f32)>,
    squeezenet: Option<u32>,
}

impl Photo {
    fn all(folder: &Path) -> Vec<Self> {
        let table = std::fs::read_to_string(folder.join("expected.csv")).expect("a table");
        table.lines().skip(1).map(|line| Self::of(folder, line)).collect()
    }

    /// The columns needed are the first two and the last two; a name in between may hold commas.
    fn of(folder: &Path, line: &str) -> Self {
        let first: Vec<&str> = line.splitn(3, ',').collect();
        let last: Vec<&str> = line.rsplitn(3, ',').collect();
        let pair = |pair: &str| {
            let (class, probability) = pair.split_once(':')?;
            Some((class.parse().ok()?, probability.parse().ok()?))
        };
        Self {
            path: folder.join(first[0]),
            class: first[1].parse().expect("a class"),
            googlenet: last[1].split(' ').filter_map(pair).collect(),
            squeezenet: last[0].parse().ok(),
        }
    }

    fn seen_by(&self, recogniser: &mut Recogniser) -> Recognition {
        let file = std::fs::read(&self.path).expect("there");
        recogniser.recognise(&file, 5).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }
}

/// How many photos have their class first, and how many among the first five; on two threads, as a worker does it.
fn right(photos: &[Photo], model: &Model, choice: EngineChoice) -> (usize, usize) {
    let count = |photos: &[Photo]| {
        let mut recogniser = Recogniser::load(model, choice, 1).expect("loaded");
        let (mut first, mut among_five) = (0, 0);
        for photo in photos {
            let labels = photo.seen_by(&mut recogniser).labels;
            first += usize::from(labels[0].index == photo.class);
            among_five += usize::from(labels.iter().any(|label| label.index == photo.class));
        }
        (first, among_five)
    };
    let (half, other_half) = photos.split_at(photos.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| count(other_half));
        let (first, among_five) = count(half);
        let (other_first, other_among_five) = other.join().expect("no panic");
        (first + other_first, among_five + other_among_five)
    })
}

/// The 32-bit floats of a NumPy file, whose header is 128 bytes in these.
fn numbers(path: &Path) -> Vec<f32> {
    let file = std::fs::read(path).expect("there");
    let (header, body) = file.split_at(128);
    assert!(String::from_utf8_lossy(header).contains("'<f4', 'fortran_order': False"));
    body.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four"))).collect()
}

#[test]
fn a_known_tensor_gives_its_known_probabilities() {
    let test = "a_known_tensor_gives_its_known_probabilities";
    let Some(models) = needs("MANYEYES_MODELS", test) else {
        return;
    };
    let inputs = numbers(&models.join("golden/googlenet-rgb_input_2x3x224x224.npy"));
    let wanted = numbers(&models.join("golden/googlenet-rgb_prob_2x1000.npy"));
    for choice in BOTH.into_iter().filter(|&choice| engine_is_here(choice, test)) {
        let mut recogniser = recogniser(&models, "googlenet", choice);
        let mut best = Vec::new();
        for (picture, wanted) in inputs.chunks(3 * 224 * 224).zip(wanted.chunks(1000)) {
            // The file's channels are red, green, blue; the network's blue, green, red.
            recogniser.tensor = picture.chunks(224 * 224).rev().flatten().copied().collect();
            let got = recogniser.probabilities().expect("it runs");
            let worst = got.iter().zip(wanted).map(|(got, wanted)| (got - wanted).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{choice:?}: {worst}");
            best.push(tensor::largest(&got, 1)[0]);
        }
        assert_eq!(best, [14, 39], "{choice:?}");
    }
}

#[test]
fn each_of_the_regression_photos_gets_its_class_and_probabilities() {
    let test = "each_of_the_regression_photos_gets_its_class_and_probabilities";
    let Some(models) = needs("MANYEYES_MODELS", test) else {
        return;
    };
    let Some(images) = needs("MANYEYES_IMAGES", test) else {
        return;
    };
    for choice in BOTH.into_iter().filter(|&choice| engine_is_here(choice, test)) {
        let mut recogniser = recogniser(&models, "googlenet", choice);
        for photo in Photo::all(&images) {
            let labels = photo.seen_by(&mut recogniser).labels;
            assert_eq!(labels[0].index, photo.class, "{choice:?} {}", photo.path.display());
            assert_eq!(photo.googlenet.len(), 5, "the table has five");
            for (class, probability) in photo.googlenet {
                // A class that has left the first five is at most as probable as the fifth.
                let got = labels.iter().find(|label| label.index == class).unwrap_or(&labels[4]).probability;
                let error = (got - probability).abs();
                assert!(error <= 0.02, "{choice:?} {}: class {class} {got}, not {probability}", photo.path.display());
            }
        }
    }
}

#[test]
fn squeezenet_which_is_fed_differently_gets_its_classes_too() {
    let test = "squeezenet_which_is_fed_differently_gets_its_classes_too";
    let Some(models) = needs("MANYEYES_MODELS", test) else {
        return;
    };
    let Some(images) = needs("MANYEYES_IMAGES", test) else {
        return;
    };
    for choice in BOTH.into_iter().filter(|&choice| engine_is_here(choice, test)) {
        let mut recogniser = recogniser(&models, "squeezenet1.1", choice);
        for photo in Photo::all(&images) {
            let labels = photo.seen_by(&mut recogniser).labels;
            assert_eq!(Some(labels[0].index), photo.squeezenet, "{choice:?} {}", photo.path.display());
        }
    }
}

#[test]
fn the_8_bit_network_agrees_on_nearly_every_photo() {
    let test = "the_8_bit_network_agrees_on_nearly_every_photo";
    let Some(models) = needs("MANYEYES_MODELS", test) else {
        return;
    };
    let Some(images) = needs("MANYEYES_IMAGES", test) else {
        return;
    };
    for choice in BOTH.into_iter().filter(|&choice| engine_is_here(choice, test)) {
        let (first, _) = right(&Photo::all(&images), &found(&models, "googlenet-int8"), choice);
        assert!(first >= 43, "{choice:?}: {first} of 45");
    }
}

/// On processors with AVX2 and without VNNI its sums overflowed: 20 of 250 photos were lost to that, and the few photos of
/// the test above are too easy to tell.
#[test]
fn the_8_bit_network_is_as_often_right_within_a_point() {
    let test = "the_8_bit_network_is_as_often_right_within_a_point";
    let Some(models) = needs("MANYEYES_MODELS", test) else {
        return;
    };
    let Some(images) = needs("MANYEYES_IMAGES_250", test) else {
        return;
    };
    if !engine_is_here(EngineChoice::OnnxRuntime, test) {
        return;
    }
    let photos = Photo::all(&images);
    let [floats, integers] = ["googlenet", "googlenet-int8"]
        .map(|name| right(&photos, &found(&models, name), EngineChoice::OnnxRuntime).0 as f64 / photos.len() as f64);
    assert!(integers >= floats - 0.01, "{integers} right with 8-bit integers, {floats} with 32-bit floats");
}

#[test]
fn accuracy_with_onnx_runtime() {
    assert_accuracy(EngineChoice::OnnxRuntime, "accuracy_with_onnx_runtime");
}

#[test]
fn accuracy_with_rten() {
    assert_accuracy(EngineChoice::Rten, "accuracy_with_rten");
}

/// At least 78.0 % and 93.5 % of 250 photos; Pillow and ONNX Runtime have 78.8 and 94.4.
fn assert_accuracy(choice: EngineChoice, test: &str) {
    let Some(models) = needs("MANYEYES_MODELS", test) else {
        return;
    };
    let Some(images) = needs("MANYEYES_IMAGES_250", test) else {
        return;
    };
    if !engine_is_here(choice, test) {
        return;
    }
    let photos = Photo::all(&images);
    assert_eq!(photos.len(), 250);
    let (first, among_five) = right(&photos, &found(&models, "googlenet"), choice);
    eprintln!("{choice:?}: {first} and {among_five} of 250");
    assert!(first >= 195, "{choice:?}: {first} of 250 right");
    assert!(among_five >= 234, "{choice:?}: {among_five} of 250 among five");
}

/// Exchanging red and blue costs about 18 points of accuracy: few enough that only a test notices.
#[test]
fn channels_in_the_wrong_order_cost_accuracy() {
    let test = "channels_in_the_wrong_order_cost_accuracy";
    let Some(models) = needs("MANYEYES_MODELS", test) else {
        return;
    };
    let Some(images) = needs("MANYEYES_IMAGES_250", test) else {
        return;
    };
    let mut recogniser = recogniser(&models, "googlenet", EngineChoice::Rten);
    recogniser.input.order = ChannelOrder::Rgb;
    let mut photos = Photo::all(&images);
    photos.truncate(100);
    let right = |photo: &&Photo| photo.seen_by(&mut recogniser).labels[0].index == photo.class;
    let first = photos.iter().filter(right).count();
    assert!(first < 75, "{first} of 100 right, although red and blue are exchanged");
}

/// A picture of 40 by 40 pixels whose colours differ.
fn bmp() -> Vec<u8> {
    let mut file = b"BM".to_vec();
    for field in [54 + 40 * 40 * 3, 0, 54, 40, 40, 40_u32] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    file.extend_from_slice(&[1, 0, 24, 0]);
    file.resize(54, 0);
    file.extend((0..40 * 40 * 3_u32).map(|byte| (byte * byte / 64) as u8));
    file
}

fn builtin() -> Model {
    Model::find(&Lookup { named: Some("builtin".into()), ..Lookup::default() }).expect("always there")
}

#[test]
fn both_engines_agree_on_the_built_in_model() {
    let seen_by = |choice| {
        let mut recogniser = Recogniser::load(&builtin(), choice, 1).expect("loaded");
        let mut probabilities = recogniser.recognise(&bmp(), 10).expect("recognised").labels;
        probabilities.sort_by_key(|label| label.index);
        probabilities
    };
    let by_rten = seen_by(EngineChoice::Rten);
    let sum: f32 = by_rten.iter().map(|label| label.probability).sum();
    assert!(by_rten.len() == 10 && (sum - 1.0).abs() < 1e-4, "{by_rten:?}");
    if !engine_is_here(EngineChoice::OnnxRuntime, "both_engines_agree_on_the_built_in_model (ONNX Runtime)") {
        return;
    }
    for (ours, theirs) in by_rten.iter().zip(seen_by(EngineChoice::OnnxRuntime)) {
        assert_eq!(ours.name, theirs.name);
        assert!((ours.probability - theirs.probability).abs() < 1e-4, "{ours:?}, {theirs:?}");
    }
}

/// A worker of two slots ended at its start, now and then: both sessions found the domain of our operators missing, and brought it.
#[test]
fn sessions_that_are_made_at_the_same_moment_are_all_made() {
    const TOGETHER: usize = 8;
    if !engine_is_here(EngineChoice::OnnxRuntime, "sessions_that_are_made_at_the_same_moment_are_all_made") {
        return;
    }
    let (model, barrier) = (builtin(), std::sync::Barrier::new(TOGETHER));
    let load = || {
        barrier.wait();
        Recogniser::load(&model, EngineChoice::OnnxRuntime, 1).map(drop)
    };
    std::thread::scope(|scope| {
        let loading: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(load)).collect();
        loading.into_iter().for_each(|load| load.join().expect("no panic").expect("it loads"));
    });
}

#[test]
fn a_file_that_is_no_whole_image_is_an_error_and_the_next_one_is_recognised() {
    let mut recogniser = Recogniser::load(&builtin(), EngineChoice::Rten, 1).expect("loaded");
    let photo = bmp();
    for (file, code) in
        [(&photo[..0], "empty"), (b"some text", "not_an_image"), (&photo[..photo.len() / 2], "truncated")]
    {
        match recogniser.recognise(file, 5) {
            Err(RecogniseError::Picture(error)) => assert_eq!(error.code, code),
            other => panic!("{code}: {other:?}"),
        }
    }
    let seen = recogniser.recognise(&photo, 3).expect("recognised");
    assert_eq!(seen.labels.len(), 3);
    assert!(seen.labels.is_sorted_by(|a, b| a.probability >= b.probability));
}

#[test]
fn a_network_that_gives_too_few_numbers_is_refused_before_any_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.onnx");
    std::fs::write(&path, onnx::tests::network_of_unknown_output("GlobalAveragePool")).expect("written");
    let description = "output = \"logits\"\n[input]\nresize = \"squash\"\nsize = 8\ncrop = 8\norder = \"rgb\"\n\
                       mean = [0, 0, 0]\n";
    std::fs::write(folder.path().join("tiny.toml"), description).expect("written");
    let model = Model::find(&Lookup { named: Some(path.clone().into()), ..Lookup::default() }).expect("read");
    let error = Recogniser::load(&model, EngineChoice::Rten, 1).err().expect("3 numbers, 1000 labels");
    assert!(error.to_string().contains("gives 3 numbers for 1000 classes"), "{error}");

    std::fs::write(&path, onnx::tests::network_of_unknown_output("Mystery")).expect("written");
    let model = Model::find(&Lookup { named: Some(path.clone().into()), ..Lookup::default() }).expect("read");
    let error = Recogniser::load(&model, EngineChoice::Rten, 1).err().expect("no such operation");
    assert!(error.to_string().contains("Mystery"), "{error}");
}
