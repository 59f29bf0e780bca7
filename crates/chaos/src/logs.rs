//! What the processes may have said: panics never, errors only where a fault explains them. Pure.

use crate::plan::Kind;

/// How the lines begin that we write into the logs of the processes.
pub(crate) const OURS: &str = "--- chaos:";

/// The errors that a full disk explains: each says that something was not kept, and each was answered so or is tried again.
const OF_A_FULL_DISK: [&str; 7] = [
    "the store failed",
    "the bytes of an upload could not be written",
    "the bytes of uploads could not be made durable",
    "the books did not take a group of changes",
    "the books could not be rolled back",
    "failed to record a result; trying again",
    "failed to look for expired batches",
];

/// The lines of a log that nothing explains, of a run with faults of these kinds.
pub(crate) fn unexplained<'a>(log: &'a str, kinds: &[Kind]) -> Vec<&'a str> {
    log.lines().filter(|line| is_bad(line) && !is_explained(line, kinds)).collect()
}

fn is_bad(line: &str) -> bool {
    // What is left of a line's head is its time; a word of a message that happens to be ERROR stands behind it.
    let is_error = line.split_whitespace().nth(1) == Some("ERROR");
    !line.starts_with(OURS) && (is_error || line.contains("panicked at") || line.starts_with("manyeyes: "))
}

fn is_explained(line: &str, kinds: &[Kind]) -> bool {
    let full_disk = OF_A_FULL_DISK.iter().any(|known| line.contains(known)) || line.contains("no space");
    kinds.contains(&Kind::FullDisk) && full_disk && !line.contains("panicked at")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
--- chaos: started
2026-01-01T00:00:00.000000Z  INFO the manager listens ERROR is only a word here
2026-01-01T00:00:00.000000Z ERROR failed to record a result; trying again image=7 error=the disk is full
2026-01-01T00:00:00.000000Z ERROR a task of the manager had panicked
thread 'slot-0' panicked at crates/worker/src/slot.rs:1:1:";

    #[test]
    fn a_panic_is_never_explained_and_an_error_by_its_fault_only() {
        assert_eq!(unexplained(LOG, &[Kind::FullDisk]).len(), 2);
        assert_eq!(unexplained(LOG, &[Kind::KillManager]).len(), 3);
    }
}
