//! The command line's promises: exit codes, output forms, help.

use std::process::Output;

use crate::cluster::{folder, manyeyes};
use crate::failures::picture;

fn run(arguments: &[&str]) -> Output {
    manyeyes().args(arguments).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn wrong_usage_ends_with_2() {
    assert_eq!(run(&["classify"]).status.code(), Some(2));
    assert_eq!(run(&["worker", "--manager", "127.0.0.1:1", "--slots", "0"]).status.code(), Some(2));
    assert_eq!(run(&["worker", "--manager", "127.0.0.1:1", "--fail-probability", "2"]).status.code(), Some(2));
    for rate in ["0", "fast", "-1"] {
        let no_rate = run(&["manager", &format!("--start-fast={rate}")]);
        assert_eq!(no_rate.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&no_rate.stderr).contains("Mbit/s"), "{no_rate:?}");
    }
    let never_fails = run(&["worker", "--manager", "127.0.0.1:1", "--fail-for-good"]);
    assert_eq!(never_fails.status.code(), Some(2), "with what probability?");
}

#[test]
fn every_command_has_a_help_text_with_an_example() {
    for command in [
        "up",
        "manager",
        "worker",
        "classify",
        "bench",
        "store check",
        "store backup",
        "token create",
        "token list",
        "token revoke",
        "experiment run",
        "experiment report",
        "experiment audit",
        "experiment check",
        "experiment rspec",
    ] {
        let output = run(&command.split(' ').chain(["--help"]).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("Example: `manyeyes"), "{command} --help has no example");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(stdout(&run(&["completions", shell])).contains("manyeyes"), "{shell}");
    }
}

#[test]
fn a_server_that_is_not_there_is_a_failure_to_run() {
    let output = run(&["classify", "--server", "http://127.0.0.1:9", "x.jpg"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("127.0.0.1:9"));
}

#[test]
fn a_copied_binary_recognises_without_any_library_beside_it() {
    let elsewhere = folder();
    let photo = elsewhere.path().join("dot.png");
    std::fs::write(&photo, picture()).unwrap();
    let copy = elsewhere.path().join("manyeyes");
    std::fs::copy(env!("CARGO_BIN_EXE_manyeyes"), &copy).unwrap();
    let broken = elsewhere.path().join("libonnxruntime.so");
    std::fs::write(&broken, b"no library").unwrap();
    for library in [None, Some(&broken)] {
        let output = std::process::Command::new(&copy)
            .args(["classify", "--json", "--model", "builtin"])
            .arg(&photo)
            .env_clear()
            .envs(library.map(|path| ("ORT_DYLIB_PATH", path)))
            .output()
            .expect("the copy runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{error}");
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(line["labels"].as_array().map(Vec::len), Some(5), "{line}");
        if let Some(path) = library {
            assert!(error.contains(path.to_str().unwrap()), "what is wrong with the library is said: {error}");
        }
    }
}

#[test]
fn files_that_are_not_recognised_end_with_3_and_say_why_in_their_own_line() {
    let data = folder();
    let photo = data.path().join("dot.png");
    std::fs::write(&photo, picture()).unwrap();
    let text = data.path().join("text.jpg");
    std::fs::write(&text, b"no picture at all").unwrap();
    let missing = data.path().join("missing.jpg");
    let empty = data.path().join("empty.png");
    std::fs::write(&empty, b"").unwrap();
    let files = [&photo, &text, &missing, &empty].map(|path| path.to_str().unwrap().to_owned());
    let arguments: Vec<_> =
        ["classify", "--json", "--model", "builtin"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let text = stdout(&output);
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let codes: Vec<_> = lines.iter().map(|line| line["error"]["code"].as_str().unwrap_or("none")).collect();
    assert_eq!(codes, ["none", "not_an_image", "unreadable", "empty"]);
    assert_eq!(lines[0]["labels"].as_array().map(Vec::len), Some(5));
    assert!(lines.iter().zip(&files).all(|(line, file)| line["file"] == file.as_str()), "in the order given");
}
