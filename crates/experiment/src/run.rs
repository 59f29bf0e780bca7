//! Makes the runs of studies that are not made yet, one after the other, each on a testbed of its own, and keeps a row of each.

mod account;
mod client;
mod cluster;
mod facts;
mod hosts;
mod measure;
mod pictures;
mod process;
mod site;
mod table;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use manyeyes_testbed::{Claim, Entered, HostsFile, Netem, enter};
pub use manyeyes_testbed::{serve_on_host, set_uncut};
use rustix::fs::{FlockOperation, flock, statvfs};

pub use self::hosts::{check_hosts, read_hosts};
use self::measure::Bench;
use self::pictures::Pictures;
use self::site::{Maker, Site};
pub(crate) use self::site::{PAGE_PORT, WORKER_PORT, clients};
use self::table::Table;
use crate::plan::{Left, Turn, expected, turns};
use crate::record::{Run, Service, Transport};
use crate::scenario::{Planned, Scenario};

/// Where a run's logs are while it lasts, below the folder of the rows.
const AT_WORK: &str = "at-work";

/// Room for a run's row and logs: the row of 10,000 images has 4 MB, and a log less.
const LEAST_ROOM_MIB: u64 = 16;

/// The name by which labs exclude each other.
const CLAIM: &str = "manyeyes-lab";

/// What is wanted of the lab.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program that is measured: `manyeyes`.
    pub program: PathBuf,
    /// The commit that it was built from, where known.
    pub commit: Option<String>,
    /// Where rows go: `STUDY.jsonl`.
    pub folder: PathBuf,
    /// What does to packets what the scenarios say.
    pub emulator: LinkEmulator,
    /// The machines, where they are given; `None`: they are made of this one. On given ones the emulator is the kernel's.
    pub hosts: Option<HostsFile>,
    /// Pictures for the studies that say no folder of their own and whose workers recognise.
    pub photos: Option<PathBuf>,
    /// Forget the rows that are there.
    pub fresh: bool,
}

/// What does to the packets on the links what a scenario says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEmulator {
    /// The one of `crates/testbed`.
    Manyeyes,
    /// The kernel's, where it has one.
    Netem,
}

impl LinkEmulator {
    /// Its name in the rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manyeyes => "manyeyes",
            Self::Netem => "netem",
        }
    }
}

/// What the lab says while it works.
#[derive(Debug)]
pub enum Said<'a> {
    /// Something that a person should know.
    Notice(&'a str),
    /// A run begins.
    Begins {
        /// Which study.
        study: &'a str,
        /// Which cell of it.
        cell: &'a Planned,
        /// Its number among all that are to be made, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// How long they take from here, as far as can be known.
        left: Duration,
    },
    /// It has ended.
    Ended(&'a Run),
}

/// Somebody has pressed Ctrl-C: what was measured before is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// A study, with what is needed for its runs.
struct Study<'a> {
    scenario: &'a Scenario,
    pictures: Option<Pictures>,
    table: Table,
    missing: Vec<Turn>,
}

/// Makes what is missing of these studies. `abort` ends it: everything that was started is ended then too.
///
/// # Errors
/// [`Interrupted`]; or something that a study needs is not there, or a run could not be carried out. The rows that were made before
/// are kept, and another call goes on from there.
pub fn run(
    scenarios: &[Scenario],
    settings: &Settings,
    abort: &Arc<AtomicBool>,
    say: &dyn Fn(&Said<'_>),
) -> anyhow::Result<()> {
    check(scenarios, settings)?;
    let of_each = |scenario| Ok((scenario, pictures(scenario, settings)?));
    let supplied = scenarios.iter().map(of_each).collect::<anyhow::Result<Vec<_>>>()?;
    let folder = &settings.folder;
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let _alone = alone_on(folder)?;
    let study = |(scenario, pictures)| study(scenario, pictures, settings, say);
    let studies = supplied.into_iter().map(study).collect::<anyhow::Result<Vec<_>>>()?;
    let program = settings.program.canonicalize();
    let program = program.with_context(|| format!("failed to find {}", settings.program.display()))?;
    let maker = match &settings.hosts {
        None => Maker::Namespaces(settings.emulator, program),
        Some(file) => Maker::Hosts(hosts::open(file, scenarios, &program)?),
    };
    let made = make(scenarios, studies, settings, &maker, abort, say);
    if let Maker::Hosts(hosts) = &maker {
        hosts.end().iter().for_each(|left| say(&Said::Notice(left)));
    }
    made
}

/// Makes all runs of these studies that are missing.
fn make(
    scenarios: &[Scenario],
    studies: Vec<Study<'_>>,
    settings: &Settings,
    maker: &Maker,
    abort: &Arc<AtomicBool>,
    say: &dyn Fn(&Said<'_>),
) -> anyhow::Result<()> {
    let folder = &settings.folder;
    let at_work = AtWork(folder.canonicalize().context("failed to find the folder of the rows")?.join(AT_WORK));
    let hosts = match (&settings.hosts, maker) {
        (Some(file), Maker::Hosts(hosts)) => hosts::facts(file, hosts)?,
        _ => Vec::new(),
    };
    let mut bench = Bench {
        folder: at_work.0.clone(),
        software: facts::software(&settings.program, settings.commit.clone())?,
        machine: facts::machine(settings.emulator),
        hosts,
        abort: Arc::clone(abort),
        comparisons: comparisons(scenarios),
        probed: Vec::new(),
    };
    let of = studies.iter().map(|study| study.missing.len()).sum();
    let mut ahead: Duration = studies.iter().map(Study::expected).sum();
    let (mut number, mut left, mut site) = (0, Left::default(), None);
    for mut study in studies {
        for turn in std::mem::take(&mut study.missing) {
            if abort.load(Ordering::Relaxed) {
                return Err(Interrupted.into());
            }
            has_room(folder)?;
            number += 1;
            let (scenario, cell) = (study.scenario, &study.scenario.cells[turn.cell]);
            let name = &scenario.name;
            say(&Said::Begins { study: name, cell, number, of, left: left.left(ahead) });
            let began = Instant::now();
            let made_up = Pictures::made_up(turn.seed);
            let pictures = study.pictures.as_ref().unwrap_or(&made_up);
            let workers = cell.cell.workers + cell.cell.standby;
            let site = match site.take().filter(|site: &Site| site.workers() == workers) {
                Some(built) => site.insert(built),
                None => site.insert(Site::build(workers, maker)?),
            };
            let run = bench.measure(site, scenario, turn, pictures);
            let run = run.with_context(|| format!("failed to make run {number} of {of}, of {name}"))?;
            let expected = expected(&cell.cell, scenario.bound);
            ahead = ahead.saturating_sub(expected);
            left.done(expected, began.elapsed());
            say(&Said::Ended(&run));
            study.table.add(run)?;
        }
    }
    Ok(())
}

/// Claims this machine, because two labs would measure each other. For a lab whose machines are given.
///
/// # Errors
/// Another lab is at work.
pub fn alone() -> anyhow::Result<Claim> {
    Claim::new(CLAIM)
}

/// Claims this machine, because two labs would measure each other, and goes on in a world of its own: this program is executed a second
/// time, with these arguments, as root of namespaces that end with it. To be called by the main thread, before anything is begun.
/// `None`: this is the program inside. Else it has ended, with this status.
///
/// # Errors
/// Another lab is at work, or this system lets us make no namespaces: what is needed is said.
pub fn alone_in_a_world(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> anyhow::Result<Option<ExitCode>> {
    // Names of this kind are of a network, and so the one inside makes its own, which nobody else knows.
    let _claim = Claim::new(CLAIM)?;
    match enter(arguments)? {
        Entered::Inside => Ok(None),
        Entered::Ended(code) => Ok(Some(code)),
    }
}

impl Study<'_> {
    fn expected(&self) -> Duration {
        let of = |turn: &Turn| expected(&self.scenario.cells[turn.cell].cell, self.scenario.bound);
        self.missing.iter().map(of).sum()
    }
}

/// How many links there are of different kinds, as far as they are probed.
fn comparisons(scenarios: &[Scenario]) -> u64 {
    let mut kinds = Vec::new();
    for Planned { cell, .. } in scenarios.iter().flat_map(|scenario| &scenario.cells) {
        let kind = (cell.workers + cell.standby, cell.down, cell.up);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.iter().map(|(workers, ..)| u64::from(site::probed(*workers)) + 1).sum()
}

/// What can be known to go wrong before anything runs.
fn check(scenarios: &[Scenario], settings: &Settings) -> anyhow::Result<()> {
    for (place, scenario) in scenarios.iter().enumerate() {
        if scenarios[..place].iter().any(|other| other.name == scenario.name) {
            bail!("two of the scenarios are called {}: their rows would be one file", scenario.name);
        }
    }
    if let Some(file) = &settings.hosts {
        return check_hosts(scenarios, file);
    }
    if settings.emulator == LinkEmulator::Netem {
        Netem::is_here().context("run without --emulator netem: the lab's own serves on every kernel")?;
    }
    let here = fs::read_to_string(facts::CONGESTION_CONTROLS);
    let here = here.with_context(|| format!("failed to read {}", facts::CONGESTION_CONTROLS))?;
    has_congestion_controls(scenarios, &here, "this kernel")
}

/// Whether a kernel that lists these lets the manager's sockets have what the scenarios say.
fn has_congestion_controls(scenarios: &[Scenario], list: &str, kernel: &str) -> anyhow::Result<()> {
    let here: Vec<&str> = list.split_whitespace().collect();
    for Planned { cell, .. } in scenarios.iter().flat_map(|scenario| &scenario.cells) {
        let wanted = cell.congestion_control.as_str();
        // QUIC brings its own.
        if cell.transport == Transport::Tcp && !here.contains(&wanted) {
            bail!(
                "{kernel} has no congestion control \"{wanted}\", only {}; load it as root: modprobe tcp_{wanted}",
                here.join(", ")
            );
        }
    }
    Ok(())
}

/// The pictures of a study; `None`: made up for each run.
fn pictures(scenario: &Scenario, settings: &Settings) -> anyhow::Result<Option<Pictures>> {
    let is_real = |planned: &Planned| matches!(planned.cell.service, Service::Model { .. });
    let photos = match (&scenario.photos, &settings.photos) {
        (Some(folder), _) => Some(folder),
        (None, given) if scenario.cells.iter().any(is_real) => Some(given.as_ref().with_context(|| {
            format!("the workers of {} recognise: say with --images or MANYEYES_IMAGES where photos are", scenario.name)
        })?),
        (None, _) => None,
    };
    photos.map(|folder| Pictures::of_folder(folder)).transpose()
}

fn study<'a>(
    scenario: &'a Scenario,
    pictures: Option<Pictures>,
    settings: &Settings,
    say: &dyn Fn(&Said<'_>),
) -> anyhow::Result<Study<'a>> {
    if settings.fresh {
        table::forget(&settings.folder, scenario)?;
    }
    let machines = table::Machines { emulator: settings.emulator, hosts: settings.hosts.as_ref() };
    let table = Table::open(&settings.folder, scenario, machines, &|line| say(&Said::Notice(line)))?;
    Ok(Study { scenario, pictures, missing: table.missing(scenario, turns(scenario)), table })
}

/// The sign that this lab alone works on a folder; it goes with the value.
fn alone_on(folder: &Path) -> anyhow::Result<File> {
    let file = File::open(folder).with_context(|| format!("failed to open {}", folder.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("another lab works on {}: wait for its end, or choose another folder with --out", folder.display());
    }
    Ok(file)
}

/// A run that finds the disk full in its midst would fail in a way that is hard to understand.
fn has_room(folder: &Path) -> anyhow::Result<()> {
    let disk = statvfs(folder).with_context(|| format!("failed to look at the disk of {}", folder.display()))?;
    let (free, least) = ((disk.f_bavail * disk.f_frsize) >> 20, LEAST_ROOM_MIB);
    if free < least {
        bail!(
            "the disk of {} is full: {free} MiB are free, and a run needs {least}; make room, and the same command goes on",
            folder.display()
        );
    }
    Ok(())
}

/// The folder of the run that is made, which goes with the value. What a killed lab has left there is cleared by the next.
struct AtWork(PathBuf);

impl Drop for AtWork {
    fn drop(&mut self) {
        // What stays is cleared by whoever works here next.
        let _ = fs::remove_dir_all(&self.0);
    }
}
