//! `--precision`: which form of a model is taken, and that it is said.

use std::fs;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{folder, folder_of, manyeyes};
use crate::failures::picture;

/// A folder with a picture and a model of ten classes, `ten.onnx`, whose description ends with these lines, and the same
/// network as `ten-int8.onnx`: what is chosen, and why, does not depend on what the second really holds.
fn models(of_int8: &str) -> TempDir {
    let folder = folder();
    let network = include_bytes!("../../../../models/builtin/cifar10.onnx");
    let description = "output = \"logits\"\nlabels = \"labels.txt\"\n[input]\nresize = \"shorter-side\"\nsize = 32\n\
                       crop = 32\norder = \"rgb\"\nmean = [125.531, 122.738, 114.21]\nstd = [62.528, 61.921, 66.444]\n";
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    write("picture.png", &picture());
    write("labels.txt", b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n");
    write("ten.onnx", network);
    write("ten.toml", format!("{description}{of_int8}").as_bytes());
    write("ten-int8.onnx", network);
    write("ten-int8.toml", description.as_bytes());
    folder
}

const WITHIN_BUDGET: &str = "[int8]\nmodel = \"ten-int8.onnx\"\ntop1_lost = 0.4\ntop1_budget = 1.0\n";

fn classify(models: &TempDir, precision: &str) -> Output {
    let mut classify = manyeyes();
    classify.arg("classify").arg(models.path().join("picture.png")).args(["--json", "--precision", precision]);
    classify.arg("--model").arg(models.path().join("ten.onnx"));
    classify.output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_recognised_with(output: &Output, what: &str) {
    assert!(output.status.success(), "{}", said(output));
    let line: Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    assert_eq!(line["labels"].as_array().map(Vec::len), Some(5), "{line}");
    assert!(said(output).contains(what), "{}", said(output));
}

#[test]
fn the_form_in_8_bit_integers_is_taken_when_asked_for() {
    let models = models(WITHIN_BUDGET);
    assert_recognised_with(&classify(&models, "int8"), "ten-int8 is used as ten-int8.toml says");
    let floats = classify(&models, "f32");
    assert_recognised_with(&floats, "ten is used as ten.toml says");
    assert!(!said(&floats).contains("int8"), "{}", said(&floats));
}

#[test]
fn auto_times_both_forms_and_says_what_it_took() {
    let output = classify(&models(WITHIN_BUDGET), "auto");
    assert_recognised_with(&output, "with 32-bit floats and");
    assert!(
        said(&output).contains("precision f32: ") || said(&output).contains("precision int8: "),
        "{}",
        said(&output)
    );
}

#[test]
fn auto_keeps_the_floats_where_more_would_be_lost_than_is_allowed_or_the_form_is_not_here_and_says_why() {
    let costly = models(&WITHIN_BUDGET.replace("0.4", "1.4"));
    assert_recognised_with(
        &classify(&costly, "auto"),
        "precision f32: ten in 8-bit integers loses 1.4 points of accuracy, 1 are allowed",
    );
    assert_recognised_with(&classify(&costly, "int8"), "ten-int8 is used");
    let none = models("");
    assert_recognised_with(
        &classify(&none, "auto"),
        "precision f32: ten has no form in 8-bit integers that is known of",
    );
}

#[test]
fn a_form_that_is_asked_for_and_is_not_there_is_an_error_that_names_it() {
    let none = classify(&models(""), "int8");
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("ten has no form in 8-bit integers that is known of"), "{}", said(&none));

    let gone = models(WITHIN_BUDGET);
    fs::remove_file(gone.path().join("ten-int8.onnx")).expect("removed");
    for precision in ["int8", "auto"] {
        let output = classify(&gone, precision);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("ten-int8.onnx"), "{precision}: {}", said(&output));
    }
}

#[test]
fn googlenet_is_found_in_8_bit_integers_by_its_name() {
    let test = "googlenet_is_found_in_8_bit_integers_by_its_name";
    let Some(found) = folder_of("MANYEYES_MODELS", test) else { return };
    if folder_of("ORT_DYLIB_PATH", test).is_none() {
        return;
    }
    let models = models("");
    for (precision, expected) in [("int8", "used as googlenet-int8"), ("auto", "with 8-bit integers here")] {
        let mut classify = manyeyes();
        classify.env("MANYEYES_MODELS", &found).arg("classify").arg(models.path().join("picture.png"));
        let output = classify.args(["--json", "--precision", precision]).output().expect("the program runs");
        assert_recognised_with(&output, expected);
    }
}
