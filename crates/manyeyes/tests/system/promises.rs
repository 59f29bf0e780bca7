//! `docs/promises.md` names for each promise the tests that hold it, `SECURITY.md` for each defence. They are there.

use std::path::Path;

#[test]
fn every_test_that_the_promises_name_is_there() {
    assert_there("docs/promises.md", 40);
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    assert_there("SECURITY.md", 20);
}

fn assert_there(document: &str, at_least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(document)).expect("it can be read");
    let named: Vec<(&str, &str)> = text.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > at_least, "only {} tests are named in {document}", named.len());
    for (file, test) in named {
        if test == "name" {
            continue;
        }
        let path = root.join("crates").join(format!("{file}.rs"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // One that is held over each transport is written for any.
        let written = ["(", "<T: Transport>("].map(|rest| format!("fn {test}{rest}"));
        assert!(written.iter().any(|written| source.contains(written)), "{file}.rs has no test {test}");
    }
}
