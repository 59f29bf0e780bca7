//! What goes wrong, when, and with whom: a schedule that follows from a seed. It knows no clock and no process; the director
//! carries it out.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

/// Nothing goes wrong before: the workers join, and the load comes up.
const WARM_UP: Duration = Duration::from_secs(4);

/// Everything is whole again so long before the end of the plan.
const CALM_END: Duration = Duration::from_secs(3);

/// The least time between two faults of one victim, in which it is whole: long enough for some uploads and answers.
const BREATH: Duration = Duration::from_millis(1200);

/// As many workers, and as many clients, suffer at the same time at most: somebody is there to do the work, and to see it done.
const AT_ONCE: usize = 2;

/// In the first and in the last two minutes of a run that has more than these, the manager's process does not end: the memory of
/// the second minute and that of the last are of processes that are as old.
const UNENDED: Duration = Duration::from_secs(2 * 60);

/// A clock is set wrong by one of these, in seconds: an hour and a day, to and fro; all less than the 30 days after which a
/// finished batch expires.
const CLOCK_JUMPS_S: [i64; 6] = [3_600, -3_600, 86_400, -86_400, 20 * 86_400, -7];

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// SIGKILL to the manager; it is started again after a while.
    KillManager,
    /// SIGTERM to the manager; it is started again when it has ended.
    RestartManager,
    /// SIGSTOP to the manager, then SIGCONT.
    StopManager,
    /// The manager's `fsync` and `fdatasync` take long.
    SlowFsync,
    /// The manager's wall clock jumps, and jumps back.
    ManagerClock,
    /// The disk of the data folder is full.
    FullDisk,
    /// SIGKILL to a worker; it is started again after a while.
    KillWorker,
    /// SIGTERM to a worker; it is started again when it has ended.
    RestartWorker,
    /// SIGSTOP to a worker, then SIGCONT.
    StopWorker,
    /// A worker gets a tenth of its time.
    SlowWorker,
    /// A worker answers wrongly, until it is replaced by one that does not; the manager asks canaries.
    WrongWorker,
    /// The wall clock of a worker jumps, and jumps back.
    WorkerClock,
    /// A worker's cable is pulled.
    CutWorker,
    /// Nothing reaches a worker, but what it says is heard.
    DeafWorker,
    /// Nothing that a worker says is heard, but it hears.
    MuteWorker,
    /// A client's cable is pulled.
    CutClient,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::KillManager,
        Self::RestartManager,
        Self::StopManager,
        Self::SlowFsync,
        Self::ManagerClock,
        Self::FullDisk,
        Self::KillWorker,
        Self::RestartWorker,
        Self::StopWorker,
        Self::SlowWorker,
        Self::WrongWorker,
        Self::WorkerClock,
        Self::CutWorker,
        Self::DeafWorker,
        Self::MuteWorker,
        Self::CutClient,
    ];

    /// What it is called in the schedule and in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KillManager => "kill manager",
            Self::RestartManager => "restart manager",
            Self::StopManager => "stop manager",
            Self::SlowFsync => "slow fsync",
            Self::ManagerClock => "manager's clock",
            Self::FullDisk => "full disk",
            Self::KillWorker => "kill worker",
            Self::RestartWorker => "restart worker",
            Self::StopWorker => "stop worker",
            Self::SlowWorker => "slow worker",
            Self::WrongWorker => "wrong worker",
            Self::WorkerClock => "worker's clock",
            Self::CutWorker => "cut worker",
            Self::DeafWorker => "deaf worker",
            Self::MuteWorker => "mute worker",
            Self::CutClient => "cut client",
        }
    }

    /// Whether the manager's process ends of it. In a long run that happens in the middle only.
    #[must_use]
    pub fn ends_the_manager(self) -> bool {
        matches!(self, Self::KillManager | Self::RestartManager)
    }

    /// How often in a minute. 50 times in ten minutes the manager is killed; everything else six times.
    fn per_minute(self) -> f64 {
        if self == Self::KillManager { 5.0 } else { 0.6 }
    }

    /// How long it lasts, from the least to the most, in milliseconds. A worker counts as silent after 10 s, so what makes one
    /// silent lasts sometimes less and sometimes more.
    fn lasts_ms(self) -> (u64, u64) {
        match self {
            Self::KillManager => (50, 1_000),
            Self::RestartManager | Self::RestartWorker => (100, 1_500),
            Self::KillWorker => (100, 4_000),
            Self::StopManager => (500, 5_000),
            Self::StopWorker | Self::CutWorker | Self::DeafWorker | Self::MuteWorker => (2_000, 14_000),
            Self::SlowFsync | Self::FullDisk | Self::ManagerClock | Self::WorkerClock => (3_000, 8_000),
            Self::SlowWorker => (4_000, 12_000),
            // Long enough to be caught.
            Self::WrongWorker => (8_000, 12_000),
            Self::CutClient => (1_000, 8_000),
        }
    }
}

/// Who suffers a fault. No one suffers two at the same time, but several may suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The manager's process.
    Manager,
    /// The disk of the data folder.
    Disk,
    /// A worker, by its place.
    Worker(usize),
    /// A client, by its place.
    Client(usize),
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager => f.write_str("manager"),
            Self::Disk => f.write_str("disk"),
            Self::Worker(place) => write!(f, "worker-{place}"),
            Self::Client(place) => write!(f, "client-{place}"),
        }
    }
}

/// One fault of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins, from the beginning of the load.
    pub at: Duration,
    /// When it is healed, from its beginning.
    pub lasts: Duration,
    /// What goes wrong.
    pub kind: Kind,
    /// With whom.
    pub victim: Victim,
    /// By how many seconds a clock jumps; 0 for other kinds.
    pub clock_s: i64,
}

impl Fault {
    /// When it is healed, from the beginning of the load.
    #[must_use]
    pub fn healed_at(&self) -> Duration {
        self.at + self.lasts
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at.as_secs_f64(), self.lasts.as_secs_f64());
        write!(f, "{at:7.2} s  for {lasts:5.2} s  {:<16} {}", self.kind.name(), self.victim)?;
        if self.clock_s == 0 { Ok(()) } else { write!(f, " by {} s", self.clock_s) }
    }
}

/// What a schedule is made for.
#[derive(Clone, Debug)]
pub struct Shape {
    /// From the beginning of the load to the end of the plan.
    pub length: Duration,
    /// How many workers there are. The first has a clock that can be set.
    pub workers: usize,
    /// How many clients there are.
    pub clients: usize,
    /// What this machine can do.
    pub kinds: Vec<Kind>,
}

/// The schedule of a seed, in the order of time. The same seed and shape give the same one.
///
/// A fault for which no place is found is left out: in a run that is too short for all.
#[must_use]
pub fn plan(seed: u64, shape: &Shape) -> Vec<Fault> {
    let mut chance = StdRng::seed_from_u64(seed);
    // Each kind once, and then again: where there is no room for all, there is for each.
    let mut wanted = shape.kinds.clone();
    let mut again: Vec<Kind> =
        wanted.iter().flat_map(|&kind| vec![kind; times(kind, shape.length).saturating_sub(1)]).collect();
    wanted.shuffle(&mut chance);
    again.shuffle(&mut chance);
    // What does not go everywhere finds its place first: what takes long, and what ends the manager.
    wanted.sort_by_key(|kind| Reverse(kind.lasts_ms().0));
    again.sort_by_key(|kind| (*kind != Kind::WrongWorker, !kind.ends_the_manager()));
    wanted.extend(again);
    let mut faults: Vec<Fault> = Vec::with_capacity(wanted.len());
    for kind in wanted {
        let found = place(kind, shape, &faults, &mut chance);
        faults.extend(found);
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// How often a kind is to happen in a run of this length: at least once.
fn times(kind: Kind, length: Duration) -> usize {
    let times = kind.per_minute() * length.as_secs_f64() / 60.0;
    (times.round() as usize).max(1)
}

/// How often a time is drawn before a fault is left out.
const TRIES: usize = 2000;

fn place(kind: Kind, shape: &Shape, placed: &[Fault], chance: &mut StdRng) -> Option<Fault> {
    (0..TRIES).map(|_| draw(kind, shape, chance)).find(|fault| {
        fault.healed_at() + CALM_END <= shape.length && placed.iter().all(|other| goes_with(fault, other)) && {
            let others = placed.iter().filter(|other| is_of_one_crowd(fault, other) && overlap(fault, other));
            others.count() < AT_ONCE
        }
    })
}

fn draw(kind: Kind, shape: &Shape, chance: &mut StdRng) -> Fault {
    let (least, most) = kind.lasts_ms();
    // In a short run a long fault would be most of it.
    let most = most.min(u64::try_from(shape.length.as_millis() / 10).unwrap_or(u64::MAX)).max(least);
    let lasts = Duration::from_millis(chance.random_range(least..=most));
    let (from, to) = if kind.ends_the_manager() && has_a_middle(shape.length) {
        (UNENDED, shape.length - UNENDED - lasts)
    } else {
        (WARM_UP, shape.length.max(WARM_UP * 2))
    };
    let at_ms = |at: Duration| u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let at = Duration::from_millis(chance.random_range(at_ms(from)..at_ms(to)));
    let victim = match kind {
        Kind::KillManager | Kind::RestartManager | Kind::StopManager | Kind::SlowFsync | Kind::ManagerClock => {
            Victim::Manager
        }
        Kind::FullDisk => Victim::Disk,
        Kind::WorkerClock => Victim::Worker(0),
        Kind::CutClient => Victim::Client(chance.random_range(0..shape.clients)),
        Kind::KillWorker
        | Kind::RestartWorker
        | Kind::StopWorker
        | Kind::SlowWorker
        | Kind::WrongWorker
        | Kind::CutWorker
        | Kind::DeafWorker
        | Kind::MuteWorker => Victim::Worker(chance.random_range(0..shape.workers)),
    };
    let jumps = matches!(kind, Kind::ManagerClock | Kind::WorkerClock);
    let clock_s = if jumps { *CLOCK_JUMPS_S.choose(chance).expect("there are some") } else { 0 };
    Fault { at, lasts, kind, victim, clock_s }
}

/// Whether two faults do not get in each other's way: they have other victims, or there is a breath between them. What a manager
/// knows of a worker that answers wrongly ends with its process, and so it is let be meanwhile.
fn goes_with(one: &Fault, other: &Fault) -> bool {
    let needs_the_manager =
        |one: &Fault, other: &Fault| one.kind == Kind::WrongWorker && other.victim == Victim::Manager;
    let apart = one.victim != other.victim && !needs_the_manager(one, other) && !needs_the_manager(other, one);
    apart || one.healed_at() + BREATH <= other.at || other.healed_at() + BREATH <= one.at
}

/// Whether a run is long enough for the memory of two minutes to be compared.
pub(crate) fn has_a_middle(length: Duration) -> bool {
    length >= 3 * UNENDED
}

fn overlap(one: &Fault, other: &Fault) -> bool {
    one.at < other.healed_at() && other.at < one.healed_at()
}

fn is_of_one_crowd(one: &Fault, other: &Fault) -> bool {
    let both = (one.victim, other.victim);
    matches!(both, (Victim::Worker(_), Victim::Worker(_)) | (Victim::Client(_), Victim::Client(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(seconds: u64) -> Shape {
        Shape { length: Duration::from_secs(seconds), workers: 4, clients: 6, kinds: Kind::ALL.to_vec() }
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_another() {
        assert_eq!(plan(7, &shape(600)), plan(7, &shape(600)));
        assert_ne!(plan(7, &shape(600)), plan(8, &shape(600)));
    }

    #[test]
    fn ten_minutes_hold_fifty_kills_of_the_manager_and_each_other_kind_six_times() {
        for seed in 0..20 {
            let faults = plan(seed, &shape(600));
            let times = |kind| faults.iter().filter(|fault| fault.kind == kind).count();
            for kind in Kind::ALL {
                let expected = if kind == Kind::KillManager { 50 } else { 6 };
                assert_eq!(times(kind), expected, "{} with seed {seed}", kind.name());
            }
        }
    }

    #[test]
    fn a_short_run_has_every_kind() {
        for seed in 0..200 {
            let faults = plan(seed, &shape(45));
            for kind in Kind::ALL {
                assert!(faults.iter().any(|fault| fault.kind == kind), "no {} with seed {seed}", kind.name());
            }
        }
    }

    #[test]
    fn nobody_suffers_two_faults_at_once_and_all_is_whole_at_the_end() {
        for seed in 0..20 {
            let faults = plan(seed, &shape(600));
            for (number, fault) in faults.iter().enumerate() {
                assert!(fault.at >= WARM_UP && fault.healed_at() + CALM_END <= Duration::from_secs(600));
                let later = faults[number + 1..].iter().find(|later| later.victim == fault.victim);
                assert!(later.is_none_or(|later| fault.healed_at() + BREATH <= later.at), "{fault} and then {later:?}");
            }
        }
    }

    #[test]
    fn in_a_long_run_the_managers_process_ends_in_the_middle_only() {
        let faults = plan(1, &shape(600));
        for fault in faults.iter().filter(|fault| fault.kind.ends_the_manager()) {
            assert!((120..480).contains(&fault.at.as_secs()) && fault.healed_at().as_secs() <= 480, "{fault}");
        }
    }
}
