//! What meets strangers' bytes first, each as a function of bytes that may do anything but panic, hang or lie.
//!
//! `make fuzz` gives them to libFuzzer, which looks for bytes that reach new code; `corpus/` has what it has found, made small.
//! A bug that it finds stays as a file in `corpus/`, and each test run tries all of these and some thousand variations of them
//! (`tests/replay.rs`). `docs/fuzzing.md` says what was run, and what was found.

mod books;
mod choices;
mod frames;
mod models;
mod pictures;
mod sessions;
mod studies;
mod uploads;

/// One kind of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its folder in `corpus/`.
    pub name: &'static str,
    /// Looks at such bytes. It panics where a promise is broken.
    pub run: fn(&[u8]),
    /// How many variations a test run tries: a second or so of them.
    pub variations: u32,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "frames", run: frames::run, variations: 100_000 },
    Target { name: "sessions", run: sessions::run, variations: 20_000 },
    Target { name: "coded", run: manyeyes_link::fuzzing::coded, variations: 50_000 },
    Target { name: "pictures", run: pictures::run, variations: 5_000 },
    Target { name: "uploads", run: uploads::run, variations: 50_000 },
    Target { name: "models", run: models::run, variations: 20_000 },
    Target { name: "studies", run: studies::run, variations: 5_000 },
    Target { name: "books", run: books::run, variations: 100 },
];

/// The one of this name.
///
/// # Panics
/// There is none.
#[must_use]
pub fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).unwrap_or_else(|| panic!("{name} is no target"))
}
