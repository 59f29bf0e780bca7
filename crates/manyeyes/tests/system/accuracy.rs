//! `manyeyes model accuracy`, and how good the built-in model is by it. `MANYEYES_CIFAR10` names a `tar.gz` with
//! CIFAR-10's test pictures as `test/<class>/*.jpg`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{folder, folder_of, manyeyes};
use crate::failures::picture;

/// What the project promises of CIFAR-10's test pictures.
const SHARE_RIGHT: f64 = 0.90;

/// How much less one in twenty pictures may show: three standard deviations of 500 draws.
const SAMPLING: f64 = 0.04;

fn accuracy(folder: &Path, options: &[&str]) -> Output {
    let arguments = ["model", "accuracy", folder.to_str().expect("a readable path"), "--model", "builtin"];
    manyeyes().args(arguments).args(options).output().expect("the program runs")
}

fn report(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// CIFAR-10's test pictures in a folder of this test's own.
fn test_pictures(test: &str) -> Option<(TempDir, PathBuf)> {
    let archive = folder_of("MANYEYES_CIFAR10", test)?;
    let unpacked = folder();
    let status = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(unpacked.path()).arg("test").status();
    assert!(status.expect("tar runs").success());
    let pictures = unpacked.path().join("test");
    Some((unpacked, pictures))
}

#[test]
fn the_built_in_model_is_right_in_nine_of_ten_test_pictures() {
    let test = "the_built_in_model_is_right_in_nine_of_ten_test_pictures";
    let Some((_unpacked, pictures)) = test_pictures(test) else { return };
    if folder_of("ORT_DYLIB_PATH", &format!("{test} (ONNX Runtime)")).is_none() {
        return;
    }
    let report = report(&accuracy(&pictures, &["--json", "--engine", "onnxruntime"]));
    assert_eq!((&report["pictures"], &report["model"]), (&10_000.into(), &"builtin".into()), "{report}");
    assert!(report["top_1"].as_f64().expect("a share") >= SHARE_RIGHT, "{report}");
    assert!(report["top_5"].as_f64().expect("a share") >= 0.99, "{report}");
    let rows = report["matrix"]["pictures"].as_array().expect("ten classes have a matrix");
    let sum = |row: &Value| row.as_array().expect("a row").iter().map(|cell| cell.as_u64().expect("a count")).sum();
    assert_eq!(rows.iter().map(sum).collect::<Vec<u64>>(), [1000; 10], "a thousand pictures of each class");
}

/// One picture in twenty, since rten takes four times as long.
#[test]
fn by_the_pure_rust_engine_it_is_as_good() {
    let Some((_unpacked, pictures)) = test_pictures("by_the_pure_rust_engine_it_is_as_good") else { return };
    for class in std::fs::read_dir(&pictures).expect("ten folders").flatten() {
        let mut files: Vec<_> = std::fs::read_dir(class.path()).expect("a folder").flatten().collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        let left_out = files.iter().enumerate().filter(|(position, _)| position % 20 != 0);
        left_out.for_each(|(_, file)| std::fs::remove_file(file.path()).expect("it is this test's own"));
    }
    let report = report(&accuracy(&pictures, &["--json", "--engine", "rten"]));
    assert_eq!(report["pictures"], 500);
    assert!(report["top_1"].as_f64().expect("a share") >= SHARE_RIGHT - SAMPLING, "{report}");
}

#[test]
fn pictures_that_cannot_be_read_are_named_and_do_not_count() {
    let folder = folder();
    for (name, bytes) in [("cat/a.png", &picture()[..]), ("cat/torn.png", &picture()[..40]), ("dog/none.jpg", b"")] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let report = report(&accuracy(folder.path(), &["--json"]));
    assert_eq!(report["pictures"], 1, "{report}");
    let named: Vec<_> = report["unreadable"].as_array().unwrap().iter().map(|file| &file["error"]["code"]).collect();
    assert_eq!(named, ["truncated", "empty"], "{report}");
    let text = accuracy(folder.path(), &[]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("2 files could not be looked at") && text.contains("torn.png"), "{text}");
}

/// It printed 0 % and was content.
#[test]
fn where_no_picture_can_be_read_there_is_no_accuracy_and_that_is_a_failure() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("cat")).unwrap();
    std::fs::write(folder.path().join("cat/a.jpg"), b"no picture").unwrap();
    let output = accuracy(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("cat/a.jpg"), "the file is named");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("none of the 1 pictures in"), "{error}");
}

#[test]
fn folders_that_are_no_class_are_an_error_that_names_the_classes() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("unicorn")).unwrap();
    let output = accuracy(folder.path(), &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("no class of builtin: 'unicorn'") && error.contains("'automobile'"), "{error}");
}
