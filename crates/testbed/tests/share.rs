//! A program on a machine gets no more of the processor than its share.

#![expect(clippy::print_stderr, reason = "a test that is not run says so")]

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use manyeyes_testbed::{Machine, Share, Shares, Throttling};

/// How long anything may take that should happen soon. Generous: a busy machine is no failure.
const SOON: Duration = Duration::from_secs(60);

/// After so many periods a quota that does not hold has shown.
const PERIODS: u64 = 50;

/// What a period is, as documented at [`Throttling::periods`].
const PERIOD: Duration = Duration::from_millis(10);

/// What a program may have used before it is in its group: that of the programs that lead there.
const ON_THE_WAY: Duration = Duration::from_millis(50);

fn shares(test: &str) -> Option<Shares> {
    let possible = Machine::new("true").and_then(|_| Shares::begin());
    if let Err(error) = &possible {
        eprintln!("NOT RUN without processor quotas: {test} ({error:#})");
    }
    possible.ok()
}

/// A program that wants all of the processor, until this is dropped.
struct Busy(Child);

impl Busy {
    fn new(machine: &Machine, share: &Share) -> Self {
        let mut command = machine.door().sharing(share.clone()).command(Path::new("sh"));
        Self(command.args(["-c", "while :; do :; done"]).spawn().expect("it begins"))
    }

    /// The processor time that it has had.
    fn used(&self) -> Duration {
        let schedstat = fs::read_to_string(format!("/proc/{}/schedstat", self.0.id())).expect("it runs");
        Duration::from_nanos(schedstat.split(' ').next().expect("a first number").parse().expect("nanoseconds"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn after_some_periods(share: &Share) -> Throttling {
    let deadline = Instant::now() + SOON;
    loop {
        let seen = share.throttling().expect("the share is there");
        if seen.periods >= PERIODS {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain for {PERIODS} periods: {seen:?}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_busy_program_gets_no_more_than_its_share() {
    let Some(shares) = shares("a_busy_program_gets_no_more_than_its_share") else { return };
    let machine = Machine::new("true").expect("a machine");
    let share = shares.share("worker-1", 0.2).expect("a share");
    let busy = Busy::new(&machine, &share);
    after_some_periods(&share);
    // In this order: the periods are then at least those in which it was used.
    let (used, seen) = (busy.used(), share.throttling().expect("the share is there"));
    assert!(seen.throttled > 0 && seen.throttled_s > 0.0, "{seen:?}");
    let granted = PERIOD.mul_f64(0.2 * seen.periods as f64);
    // A tick or two more than granted is taken, and given back later.
    assert!(used < granted.mul_f64(1.2) + ON_THE_WAY, "{used:?} of {granted:?} in {seen:?}");
}

#[test]
fn a_share_that_is_large_enough_stops_nobody() {
    let Some(shares) = shares("a_share_that_is_large_enough_stops_nobody") else { return };
    let machine = Machine::new("true").expect("a machine");
    let share = shares.share("worker-1", 512.0).expect("a share");
    let _busy = Busy::new(&machine, &share);
    assert_eq!(after_some_periods(&share).throttled, 0);
}

#[test]
fn two_runs_have_groups_of_their_own_and_leave_none() {
    let Some(first) = shares("two_runs_have_groups_of_their_own_and_leave_none") else { return };
    let share = first.share("worker-1", 0.5).expect("a share");
    // Its beginning removes what nobody has: not the first's.
    let second = Shares::begin().expect("a second place");
    let same_name = second.share("worker-1", 0.5).expect("its own");
    assert!(share.throttling().is_ok() && same_name.throttling().is_ok());
    drop((first, second));
    assert!(share.throttling().is_err() && same_name.throttling().is_err(), "their groups are still there");
}

#[test]
fn a_share_of_nothing_is_refused() {
    let Some(shares) = shares("a_share_of_nothing_is_refused") else { return };
    for cores in [0.0, -1.0, 0.01, f64::NAN, f64::INFINITY] {
        let refused = shares.share("worker-1", cores).expect_err("no share").to_string();
        assert!(refused.contains("0.1 to 1024"), "{refused}");
    }
}
