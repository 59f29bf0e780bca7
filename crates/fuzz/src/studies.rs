//! Texts that should be studies of the lab, tables to be audited, or answers to an exercise.

use std::path::Path;

use manyeyes_experiment::scenario::Scenario;
use manyeyes_experiment::{answers, audit};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for quick in [false, true] {
        if let Ok(study) = Scenario::parse(text, Path::new("/folder"), quick) {
            assert!(!study.cells.is_empty() && study.repeats > 0, "a study of nothing");
        }
    }
    // Each says what it finds, or what is wrong with the text.
    let _ = audit::audit(text);
    let _ = answers::check(text, &[]);
}
