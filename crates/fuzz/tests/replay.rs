//! Everything that a fuzzer has ever found, again, and some thousand variations of it.

use std::path::{Path, PathBuf};

use manyeyes_fuzz::{TARGETS, Target, target};

/// The longest input that is made.
const LONGEST: usize = 4096;

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("each target has a corpus")
        .map(|entry| entry.expect("there").path())
        .collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("there"))).collect()
}

/// Numbers that are the same in every run (Marsaglia, "Xorshift RNGs", 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Some bytes changed, left out, doubled, or taken from another.
fn vary(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => bytes.insert(at, dice.below(256) as u8),
            1 if at < bytes.len() => drop(bytes.drain(at..bytes.len().min(at + 1 + dice.below(8)))),
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            3 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
            4 => bytes.truncate(at),
            _ => {
                let from = dice.below(other.len());
                let piece = &other[from..other.len().min(from + dice.below(32))];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
}

fn replay(name: &str) {
    let target = target(name);
    let corpus = corpus(&target);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for (path, bytes) in &corpus {
        let caught = std::panic::catch_unwind(|| (target.run)(bytes));
        assert!(caught.is_ok(), "{name}: {}", path.display());
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..target.variations {
        let mut bytes = corpus[dice.below(corpus.len())].1.clone();
        let (_, other) = &corpus[dice.below(corpus.len())];
        vary(&mut bytes, other, &mut dice);
        let caught = std::panic::catch_unwind(|| (target.run)(&bytes));
        assert!(caught.is_ok(), "{name}: put these bytes into corpus/{name}: {}", bytes.escape_ascii());
    }
}

#[test]
fn frames() {
    replay("frames");
}

#[test]
fn sessions() {
    replay("sessions");
}

#[test]
fn coded() {
    replay("coded");
}

#[test]
fn pictures() {
    replay("pictures");
}

#[test]
fn uploads() {
    replay("uploads");
}

#[test]
fn models() {
    replay("models");
}

#[test]
fn studies() {
    replay("studies");
}

#[test]
fn books() {
    replay("books");
}

#[test]
fn every_target_is_replayed_here_and_is_a_program_for_the_fuzzer() {
    let (here, programs) = (include_str!("replay.rs"), include_str!("../libfuzzer/Cargo.toml"));
    for Target { name, .. } in TARGETS {
        assert!(here.contains(&format!("fn {name}()")), "{name} is not replayed");
        assert!(programs.contains(&format!("name = \"{name}\"")), "{name} is no program");
    }
}
