//! Real photos, real model, every way in: each gets its own class, by either engine.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::Value;

use crate::cluster::{Server, folder, folder_of, manyeyes, wait_until};
use crate::failures::picture;
use crate::photos::{Photo, labelled_in};

/// How far a probability may be from the one that the reference (Pillow and ONNX Runtime) gives.
const PROBABILITY_TOLERANCE: f64 = 0.02;

const ENGINES: [&str; 2] = ["onnxruntime", "rten"];

fn photos_for(test: &str) -> Option<Vec<Photo>> {
    folder_of("MANYEYES_MODELS", test)?;
    let photos = labelled_in(&folder_of("MANYEYES_IMAGES", test)?);
    assert!(!photos.is_empty());
    Some(photos)
}

/// Whether an engine can be had here. ONNX Runtime is a library that may be missing.
fn has(engine: &str, test: &str) -> bool {
    engine == "rten" || folder_of("ORT_DYLIB_PATH", test).is_some()
}

fn assert_recognised(photo: &Photo, image: &Value) {
    let name = &photo.name;
    assert_eq!(image["state"], "recognised", "{name}: {image}");
    let labels = image["labels"].as_array().expect("labels");
    assert_eq!(labels[0]["index"].as_u64(), Some(photo.class), "{name}: {image}");
    for (class, expected) in &photo.top_five {
        let label = labels.iter().find(|label| label["index"].as_u64() == Some(*class));
        let found = label.map_or(0.0, |label| label["probability"].as_f64().expect("a probability"));
        assert!((found - expected).abs() <= PROBABILITY_TOLERANCE, "{name}, class {class}: {found}, not {expected}");
    }
}

#[test]
fn each_photo_gets_its_class_through_a_batch() {
    let Some(photos) = photos_for("each_photo_gets_its_class_through_a_batch") else { return };
    for engine in ENGINES {
        if !has(engine, "each_photo_gets_its_class_through_a_batch (ONNX Runtime)") {
            continue;
        }
        let data = folder();
        let server = Server::up(data.path(), &["--engine", engine]);
        let batch = server.new_batch();
        for photo in &photos {
            server.upload(&batch, &photo.name, &photo.bytes());
        }
        wait_until("every photo is answered", || server.count(&batch, "recognised") == photos.len() as u64);
        for (photo, image) in photos.iter().zip(server.images(&batch)) {
            assert_eq!(image["name"], photo.name.as_str());
            assert_recognised(photo, &image);
        }
    }
}

#[test]
fn each_photo_gets_its_class_in_one_request() {
    let Some(photos) = photos_for("each_photo_gets_its_class_in_one_request") else { return };
    for engine in ENGINES {
        if !has(engine, "each_photo_gets_its_class_in_one_request (ONNX Runtime)") {
            continue;
        }
        let data = folder();
        let server = Server::up(data.path(), &["--engine", engine]);
        server.wait_until_ready();
        for photo in &photos {
            let (status, image) = server.post("/api/v1/classify?timeout=30", &photo.bytes());
            assert_eq!(status, 200, "{image}");
            assert_recognised(photo, &image);
        }
    }
}

fn classify(arguments: &[&str]) -> Output {
    let mut command: Command = manyeyes();
    command.arg("classify").args(arguments).output().expect("the program runs")
}

/// The lines of `classify --json`, by file name.
fn by_file(output: &Output) -> BTreeMap<String, Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("JSON is text");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("one object a line"));
    lines
        .map(|line| {
            let file = std::path::PathBuf::from(line["file"].as_str().expect("a file"));
            (file.file_name().expect("a name").to_string_lossy().into_owned(), line)
        })
        .collect()
}

#[test]
fn each_photo_gets_its_class_on_the_command_line() {
    let Some(photos) = photos_for("each_photo_gets_its_class_on_the_command_line") else { return };
    let images = photos[0].path.parent().expect("a folder").to_str().expect("a readable path");
    for engine in ENGINES {
        if !has(engine, "each_photo_gets_its_class_on_the_command_line (ONNX Runtime)") {
            continue;
        }
        let output = classify(&[images, "--json", "--engine", engine]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stderr).contains("left out"), "the list and the readme are counted");
        let lines = by_file(&output);
        assert_eq!(lines.len(), photos.len());
        for photo in &photos {
            assert_recognised(photo, &lines[&photo.name]);
        }
    }
}

#[test]
fn each_photo_gets_its_class_on_the_command_line_through_a_manager() {
    let Some(photos) = photos_for("each_photo_gets_its_class_on_the_command_line_through_a_manager") else { return };
    let images = photos[0].path.parent().expect("a folder").to_str().expect("a readable path");
    let data = folder();
    let server = Server::up(data.path(), &[]);
    let output = classify(&[images, "--json", "--server", &server.url]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = by_file(&output);
    assert_eq!(lines.len(), photos.len());
    for photo in &photos {
        assert_recognised(photo, &lines[&photo.name]);
    }
}

#[test]
fn an_image_s_time_is_split_into_parts_that_sum_to_the_whole() {
    let data = folder();
    let server = Server::up(data.path(), &["--model", "builtin"]);
    server.wait_until_ready();
    let (_, image) = server.post("/api/v1/classify", &picture());
    let timing = &image["timing_ms"];
    let part = |name: &str| timing[name].as_f64().unwrap_or_else(|| panic!("{name} is missing: {timing}"));
    let parts = ["upload", "waiting", "sending", "receive", "worker_queue", "decoding", "inference", "returning"];
    let sum: f64 = parts.iter().map(|name| part(name)).sum();
    assert!(parts.iter().all(|name| part(name) >= 0.0), "{timing}");
    assert!((sum - part("total")).abs() < 0.01, "{sum} is not the total of {timing}");
    assert!(part("inference") > 0.0 && part("decoding") > 0.0, "{timing}");
}

#[test]
fn an_exported_model_has_no_operation_that_a_runtime_may_lack_and_sees_the_same() {
    let test = "an_exported_model_has_no_operation_that_a_runtime_may_lack_and_sees_the_same";
    let Some(photos) = photos_for(test) else { return };
    let folder = folder();
    let exported = folder.path().join("googlenet.onnx");
    let export = || {
        let mut command = manyeyes();
        command.args(["model", "export", "googlenet"]).arg(&exported).output().expect("the program runs")
    };
    let first = export();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let bytes = std::fs::read(&exported).expect("written");
    assert!(!bytes.windows(5).any(|bytes| bytes == b"\x22\x03LRN"), "field 4 of a node, its operation");

    let again = export();
    assert_eq!(again.status.code(), Some(1), "a file that is there is not written over");
    assert!(String::from_utf8_lossy(&again.stderr).contains("failed to make"), "{again:?}");

    let image = photos[0].path.to_str().expect("a readable path");
    let model = exported.to_str().expect("a readable path");
    let output = classify(&[image, "--json", "--engine", "rten", "--model", model]);
    assert_recognised(&photos[0], &by_file(&output)[&photos[0].name]);
}
