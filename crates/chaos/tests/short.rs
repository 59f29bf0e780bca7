//! A short run with every kind of fault that this machine can do. The long one is `make chaos`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The seeds of the short runs: fixed, so that what fails once fails again.
const SEEDS: [u64; 1] = [4];

/// Three quarters of a minute have room for every kind, with the kills of the manager some twenty faults.
const MINUTES: &str = "0.75";

/// The fewest images that such a run accepts on a busy machine. Far fewer would show little.
const IMAGES: u64 = 500;

/// The `manyeyes` beside this test's own program. A run of all tests has built both; one of this package alone builds the other
/// only, and takes the `manyeyes` that is there.
fn manyeyes() -> Option<PathBuf> {
    Some(Path::new(env!("CARGO_BIN_EXE_chaos")).with_file_name("manyeyes")).filter(|binary| binary.exists())
}

#[test]
fn nothing_accepted_is_lost_whatever_fails() {
    if !manyeyes_chaos::is_possible() {
        eprintln!("NOT RUN without namespaces: nothing_accepted_is_lost_whatever_fails");
        return;
    }
    let Some(binary) = manyeyes() else {
        eprintln!("NOT RUN without a built manyeyes: nothing_accepted_is_lost_whatever_fails");
        return;
    };
    for seed in SEEDS {
        let folder = tempfile::tempdir().expect("a folder for the evidence");
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command.args(["--minutes", MINUTES, "--seed", &seed.to_string()]);
        let output = command.arg("--binary").arg(&binary).arg("--folder").arg(folder.path()).output();
        let output = output.expect("the run begins");
        let said = String::from_utf8_lossy(&output.stdout);
        for line in said.lines().filter(|line| line.starts_with("NOT RUN without")) {
            eprintln!("{line}, in nothing_accepted_is_lost_whatever_fails");
        }
        if !output.status.success() {
            let kept = folder.keep();
            panic!("{}\n{said}\n{}", kept.display(), String::from_utf8_lossy(&output.stderr));
        }
        let images = said.lines().find_map(|line| line.split_once(" images accepted")?.0.parse::<u64>().ok());
        assert!(images.is_some_and(|images| images >= IMAGES), "the run has seen too little:\n{said}");
    }
}
