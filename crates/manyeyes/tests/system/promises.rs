//! `docs/promises.md` names for each promise the tests that hold it. They are there.

use std::path::Path;

#[test]
fn every_test_that_the_promises_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let promises = std::fs::read_to_string(root.join("docs/promises.md")).expect("the promises can be read");
    let named: Vec<(&str, &str)> = promises.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > 40, "only {} tests are named", named.len());
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
