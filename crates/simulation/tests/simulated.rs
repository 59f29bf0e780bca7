//! Many runs, as many as there is time for in a test; `make simulate` makes more.

use std::time::{Duration, Instant};

use manyeyes_simulation::{Fault, run};

/// The seeds that are tried, from 0 on, unless the machine is too busy for all of them.
const SEEDS: u64 = 2_000;

/// How long they may take; but never fewer than a hundred are tried.
const AT_MOST: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "how long a test takes is by the clock")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn nothing_accepted_is_lost_whatever_fails() {
    let began = now();
    let (mut faults, mut images) = (0, 0);
    for seed in 0..SEEDS {
        if seed >= 100 && now() - began > AT_MOST {
            break;
        }
        let report = run(seed, false);
        assert!(report.violations.is_empty(), "make simulate SEED={seed}: {:?}", report.violations);
        faults += report.faults;
        images += report.totals[0];
    }
    assert!(faults > 500 && images > 5_000, "{faults} faults, {images} images: nothing was tried");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        let (one, other) = (run(seed, true), run(seed, true));
        assert!(one.trace.len() > 100);
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert_eq!((one.events, &one.coverage), (other.events, &other.coverage));
    }
}

#[test]
fn every_fault_has_a_name_of_its_own_in_the_table() {
    let mut names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Fault::ALL.len());
}
