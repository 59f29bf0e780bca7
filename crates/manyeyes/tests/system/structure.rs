//! The arrows between the crates are those of `ARCHITECTURE.md`, and nothing comes in that was not looked at.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Who may know whom, without the `manyeyes-` of the package names.
const ARROWS: [(&str, &[&str]); 16] = [
    ("manyeyes", &["experiment", "load", "manager", "picture", "vision", "worker"]),
    ("manager", &["dispatch", "link", "picture", "protocol"]),
    ("worker", &["link", "protocol", "vision"]),
    ("simulation", &["dispatch", "link", "manager", "protocol"]),
    ("scale", &["dispatch", "protocol"]),
    ("vision", &["picture"]),
    ("link", &["protocol"]),
    ("dispatch", &["protocol"]),
    ("protocol", &[]),
    ("picture", &[]),
    ("testbed", &[]),
    ("experiment", &["statistics", "testbed"]),
    ("load", &["statistics"]),
    ("statistics", &[]),
    ("chaos", &["testbed"]),
    ("fuzz", &["experiment", "link", "manager", "picture", "protocol", "vision"]),
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn dependencies(package: &Value) -> Vec<&str> {
    let all = package["dependencies"].as_array().expect("dependencies");
    all.iter()
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str())
        .collect()
}

#[test]
fn no_crate_knows_one_that_it_should_not() {
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        let short = name.strip_prefix("manyeyes-").unwrap_or(name);
        let known = allowed.get(short).unwrap_or_else(|| panic!("{name} has no line in ARROWS"));
        for dependency in dependencies(&package).iter().filter_map(|name| name.strip_prefix("manyeyes-")) {
            assert!(known.contains(&dependency), "{name} must not know {dependency}");
        }
    }
}

#[test]
fn the_pure_crates_know_no_runtime_no_clock_and_no_chance() {
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        if matches!(name, "manyeyes-protocol" | "manyeyes-dispatch") {
            for impure in ["tokio", "rand", "getrandom", "mio", "chrono", "time"] {
                assert!(!dependencies(&package).contains(&impure), "{name} must not know {impure}");
            }
        }
    }
}

#[test]
fn the_manager_links_no_model_runtime_and_the_worker_no_web_framework() {
    let tree = |package: &str| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--offline"])
            .output()
            .expect("cargo runs");
        String::from_utf8(output.stdout).expect("a tree is text")
    };
    let manager = tree("manyeyes-manager");
    assert!(manager.contains("axum "), "the tree of the manager is not as expected:\n{manager}");
    for runtime in ["ort ", "rten ", "tract"] {
        assert!(!manager.lines().any(|line| line.starts_with(runtime)), "the manager links {runtime}");
    }
    let worker = tree("manyeyes-worker");
    for framework in ["axum ", "hyper ", "rusqlite "] {
        assert!(!worker.lines().any(|line| line.starts_with(framework)), "the worker links {framework}");
    }
}

#[test]
fn every_package_of_the_page_has_its_digest_and_runs_nothing_when_it_is_installed() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    let settings = fs::read_to_string(web.join(".npmrc")).expect("npm's settings");
    assert!(settings.lines().any(|line| line == "ignore-scripts=true"), "{settings}");
    let lock = fs::read_to_string(web.join("package-lock.json")).expect("the lock file");
    let lock: Value = serde_json::from_str(&lock).expect("it is JSON");
    let packages = lock["packages"].as_object().expect("packages");
    let others = packages.iter().filter(|(place, _)| !place.is_empty());
    let without: Vec<_> =
        others.filter(|(_, package)| package["integrity"].is_null()).map(|(place, _)| place).collect();
    assert!(packages.len() > 100 && without.is_empty(), "of these npm would take anything: {without:?}");
}
