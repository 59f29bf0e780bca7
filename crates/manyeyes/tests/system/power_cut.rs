//! Accepted means kept: also where the power goes. The calls of a real manager are recorded and played to a model of a disk,
//! which at every point forgets what was not synced; then the store is opened on what is left.
//!
//! `MANYEYES_POWER_CUTS=N` tries N mixtures of what may be left instead of [`MIXTURES`]; `MANYEYES_LONG_RECORDING=1` works on
//! until SQLite writes its log back by itself, which makes each disk some tens of MiB and takes long.
//! What is assumed and what was found: `docs/decisions/0010-what-a-power-cut-leaves.md`.

mod crash;
mod disk;
mod player;
mod recording;
mod trace;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard};
use std::thread;

use self::crash::{Known, violation};
use self::disk::{Dice, Image};
use self::player::Player;
use self::recording::Recording;
use self::trace::Event;

/// Mixtures that are tried by default: some seconds.
const MIXTURES: usize = 200;
/// Crashes that are looked at at the same time.
const LOOKERS: usize = 2;
/// Crashes that wait to be looked at: each holds a whole disk.
const WAITING: usize = 8;

/// What is synced, each for its own reason.
struct Kind {
    name: &'static str,
    /// Whether a path, less that of the folder above the data folder, is of the kind.
    has: fn(&str) -> bool,
}

const KINDS: [Kind; 8] = [
    Kind { name: "the folder above", has: |path| path.is_empty() },
    Kind { name: "the data folder", has: |path| path == "/data" },
    Kind { name: "a pack's bytes", has: |path| path.starts_with("/data/packs/") },
    Kind { name: "a large file's bytes", has: |path| path.starts_with("/data/spool/") },
    Kind { name: "the folder of packs", has: |path| path == "/data/packs" },
    Kind { name: "the folder of large files", has: |path| path == "/data/large" },
    Kind { name: "the books' log", has: |path| path == "/data/books.sqlite-wal" },
    Kind { name: "the books' file", has: |path| path == "/data/books.sqlite" },
];

#[test]
fn after_a_power_cut_at_any_point_everything_accepted_is_there_and_nothing_is_invented() {
    const TEST: &str = "after_a_power_cut_at_any_point_everything_accepted_is_there_and_nothing_is_invented";
    if !recording::is_possible() {
        eprintln!("NOT RUN without strace: {TEST}");
        return;
    }
    let asked = std::env::var("MANYEYES_POWER_CUTS").ok().map(|asked| asked.parse().expect("a number"));
    let recording = recording::record(std::env::var_os("MANYEYES_LONG_RECORDING").is_some());
    let mixtures = asked.unwrap_or(MIXTURES);
    let tried = replay(&recording, &|_| false, mixtures, usize::MAX);
    eprintln!(
        "{} events, {} told; {} least states, {} mixtures, {} wrong",
        recording.events.len(),
        recording.told.values().map(Vec::len).sum::<usize>(),
        tried.least,
        tried.mixtures,
        tried.violations.len()
    );
    assert!(tried.least > 100 && tried.mixtures > 100, "it was tried");
    assert!(tried.violations.is_empty(), "{:#?}", &tried.violations[..tried.violations.len().min(5)]);
    // The replay notices: without the syncs of any one kind it finds something lost.
    for Kind { name, has } in KINDS {
        let without = replay(&recording, &has, 0, 1);
        assert!(
            !without.violations.is_empty(),
            "without the syncs of {name} nothing was lost in {} states",
            without.least
        );
        eprintln!("without the syncs of {name}: {}", without.violations[0]);
    }
}

#[derive(Default)]
struct Tried {
    least: usize,
    mixtures: usize,
    violations: Vec<String>,
}

/// A crash to be looked at.
struct Crash {
    at: String,
    image: Image,
    known: Known,
}

/// Plays a recording, less the syncs of paths that `without` names. Looks at the least that may be left after every sync, just
/// before the next one, with everything that was told by then: the disk is the same in between, and less was told. And at so
/// many mixtures, spread over all events. Ends early at so many violations.
fn replay(recording: &Recording, without: &dyn Fn(&str) -> bool, mixtures: usize, enough: usize) -> Tried {
    let sent: HashSet<String> = recording.sent.iter().cloned().collect();
    let (crashes, receiver) = sync_channel(WAITING);
    let (receiver, violations) = (Mutex::new(receiver), Mutex::new(Vec::new()));
    let mut tried = Tried::default();
    thread::scope(|scope| {
        for _ in 0..LOOKERS {
            scope.spawn(|| look(&receiver, &sent, &violations));
        }
        let is_enough = || held(&violations).len() >= enough;
        play(recording, without, mixtures, &crashes, &is_enough, &mut tried);
        drop(crashes);
    });
    tried.violations = std::mem::take(&mut *held(&violations));
    tried
}

fn look(crashes: &Mutex<Receiver<Crash>>, sent: &HashSet<String>, violations: &Mutex<Vec<String>>) {
    loop {
        let Ok(crash) = held(crashes).recv() else { return };
        let folder = in_memory();
        if let Some(violation) = violation(&crash.image, &crash.known, sent, folder.path()) {
            held(violations).push(format!("{}: {violation}", crash.at));
        }
    }
}

fn play(
    recording: &Recording,
    without: &dyn Fn(&str) -> bool,
    mixtures: usize,
    crashes: &SyncSender<Crash>,
    is_enough: &dyn Fn() -> bool,
    tried: &mut Tried,
) {
    let mut player = Player::new(&recording.root, without);
    let mut known = Known::default();
    let total = recording.events.len();
    let nobody = Vec::new();
    // What was told last is not known yet at the event that carries it.
    for (place, event) in recording.events.iter().enumerate() {
        if player.would_become_safe(event) && player.has_begun() {
            tried.least += 1;
            let at = format!("least before event {place} of {total}");
            let _ = crashes.send(Crash { at, image: player.disk.least(), known: known.clone() });
        }
        player.play(event);
        for told in recording.told.get(&place).unwrap_or(&nobody) {
            known.hear(told);
        }
        let due = (place + 1) * mixtures / total > place * mixtures / total;
        if due && player.has_begun() {
            for of_this in 0..(place + 1) * mixtures / total - place * mixtures / total {
                tried.mixtures += 1;
                let seed = (place * 1000 + of_this) as u64;
                let at = format!("mixture {seed} after event {place} of {total} ({})", name(event));
                let image = player.disk.some(&mut Dice::new(seed));
                let _ = crashes.send(Crash { at, image, known: known.clone() });
            }
        }
        if is_enough() {
            return;
        }
    }
    for (at, image) in [("least at the end", player.disk.least()), ("all at the end", player.disk.all())] {
        tried.least += 1;
        let _ = crashes.send(Crash { at: at.to_owned(), image, known: known.clone() });
    }
}

fn held<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("nobody panics while it is held")
}

/// What an event is, in a word or two.
fn name(event: &Event) -> String {
    let text = format!("{event:?}");
    text.chars().take_while(|character| *character != '[').take(120).collect()
}

/// A folder in memory, where there is one: thousands of disks are laid out in it.
fn in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { PathBuf::from(memory) } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).expect("a temporary folder")
}
