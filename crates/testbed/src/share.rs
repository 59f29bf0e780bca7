//! A machine's share of the processor: a quota of a cgroup (of either version), into which a program is put before it begins.
//!
//! A quota is a limit, no promise: on a machine that is busy a share is less. It counts all that the program does, so that what
//! it does for the network is taken from what it has for its work, as on a slower machine.

mod place;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::fs::{FlockOperation, flock};

use self::place::{Place, Version, places};

/// The kernel's least quota is 1 ms, a tenth of [`PERIOD`].
const LEAST_CORES: f64 = 0.1;

/// More cores than any machine has that this is for; above it a quota would not fit the kernel's own limit.
const MOST_CORES: f64 = 1024.0;

/// The time for which a quota is given. The kernel's own choice, 100 ms, would make every image last a multiple of it, nearly.
const PERIOD: Duration = Duration::from_millis(10);

/// What the names of a run's groups begin with.
const NAME: &str = "manyeyes-lab-";

/// A number for a group is looked for so long: as many runs, killed ones included, there never are.
const MOST_GROUPS: u32 = 1000;

/// So long a group is waited for at its end: programs that were killed leave it within milliseconds. What is left then is
/// removed by the next run.
const LEAVING: Duration = Duration::from_secs(1);

/// Where the shares of a run are given: a group of its own. It is removed when this is dropped; what a killed run has left is
/// removed by the next.
#[derive(Debug)]
pub struct Shares {
    group: PathBuf,
    version: Version,
    /// Locked as long as this process lives: by that others see that the group is nobody's leftover.
    _lock: File,
}

/// A part of the processor for the programs that are started with [`Door::sharing`](crate::Door::sharing).
#[derive(Clone, Debug)]
pub struct Share {
    group: PathBuf,
    version: Version,
}

/// How often a share was too small for what it was to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throttling {
    /// Periods (of 10 ms) in which its programs wanted to run.
    pub periods: u64,
    /// Those of them in which they were stopped, because the quota was used up.
    pub throttled: u64,
    /// For so long they were stopped, each core by itself, seconds.
    pub throttled_s: f64,
}

impl Shares {
    /// Finds where shares may be given, removes what killed runs have left there, and makes a group.
    ///
    /// # Errors
    /// They may be given nowhere. What is needed is said.
    pub fn begin() -> anyhow::Result<Self> {
        let read = |file: &str| fs::read_to_string(file).with_context(|| format!("failed to read {file}"));
        let mut why = None;
        for place in places(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?) {
            match Self::begin_at(&place) {
                Ok(shares) => return Ok(shares),
                // Of what the nearest says there is the most to learn.
                Err(error) => why = why.or(Some(error)),
            }
        }
        Err(why.unwrap_or_else(|| anyhow!("no cgroups are mounted"))).context(
            "failed to find where shares of the processor may be given: it needs root, or a cgroup of one's own \
             (systemd-run --user --scope --property=Delegate=yes COMMAND, where the user's manager may give processor time)",
        )
    }

    /// A new share, of so many cores. `name` tells it from the others of this run.
    ///
    /// # Errors
    /// That is no share (0.1 to 1,024 cores), or there is one of this name.
    pub fn share(&self, name: &str, cores: f64) -> anyhow::Result<Share> {
        if !(LEAST_CORES..=MOST_CORES).contains(&cores) {
            bail!("{cores} cores are no share of the processor: it is {LEAST_CORES} to {MOST_CORES}");
        }
        let group = self.group.join(name);
        fs::create_dir(&group).with_context(|| format!("failed to make {}", group.display()))?;
        let share = Share { group, version: self.version };
        share.limit(cores).with_context(|| format!("failed to set the share of {name}"))?;
        Ok(share)
    }

    fn begin_at(place: &Place) -> anyhow::Result<Self> {
        place.enable()?;
        sweep(&place.folder);
        for number in 0..MOST_GROUPS {
            let group = place.folder.join(format!("{NAME}{number}"));
            match fs::create_dir(&group) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.with_context(|| format!("failed to make {}", group.display()))?,
            }
            // Another run's sweep may have been faster than our lock. It takes our group for a leftover then.
            let Some(lock) = locked(&group).filter(|_| group.exists()) else { continue };
            place.enable_in(&group)?;
            return Ok(Self { group, version: place.version, _lock: lock });
        }
        bail!("{} has too many groups whose names begin with {NAME}", place.folder.display())
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        let deadline = Instant::now() + LEAVING;
        while !remove(&self.group) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Share {
    /// How often it was too small.
    ///
    /// # Errors
    /// The [`Shares`] that it is of are gone.
    pub fn throttling(&self) -> anyhow::Result<Throttling> {
        let file = self.group.join("cpu.stat");
        let stat = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        Ok(throttling(&stat))
    }

    /// What a process writes 0 to, to be in the group from then on.
    pub(crate) fn door(&self) -> PathBuf {
        self.group.join("cgroup.procs")
    }

    fn limit(&self, cores: f64) -> io::Result<()> {
        let (period, quota) = (PERIOD.as_micros(), PERIOD.mul_f64(cores).as_micros());
        match self.version {
            Version::One => {
                fs::write(self.group.join("cpu.cfs_period_us"), period.to_string())?;
                fs::write(self.group.join("cpu.cfs_quota_us"), quota.to_string())
            }
            Version::Two => fs::write(self.group.join("cpu.max"), format!("{quota} {period}")),
        }
    }
}

/// Removes the groups of runs that are over: those that nobody has locked.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(NAME);
        if let Some(_lock) = is_ours.then(|| locked(&entry.path())).flatten() {
            // What cannot be removed is in nobody's way.
            remove(&entry.path());
        }
    }
}

/// A lock on a folder, unless somebody has it or the folder is gone.
fn locked(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(folder)
}

/// Removes a group and those in it. The files in a group are none that could be removed; they go with it.
fn remove(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        // Fails for files, and where processes are still leaving.
        let _ = fs::remove_dir(entry.path());
    }
    fs::remove_dir(group).is_ok() || !group.exists()
}

/// Reads `cpu.stat`, of either version: the first counts nanoseconds, the second microseconds.
fn throttling(stat: &str) -> Throttling {
    let value = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let nanoseconds = value("throttled_time ").or_else(|| Some(value("throttled_usec ")? * 1000)).unwrap_or(0);
    Throttling {
        periods: value("nr_periods ").unwrap_or(0),
        throttled: value("nr_throttled ").unwrap_or(0),
        throttled_s: Duration::from_nanos(nanoseconds).as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Share, Throttling, Version, locked, sweep, throttling};

    #[test]
    fn what_a_killed_run_has_left_is_removed_and_what_a_living_one_has_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let [left, living, other] =
            ["manyeyes-lab-0", "manyeyes-lab-1", "somebody's"].map(|name| folder.path().join(name));
        for group in [&left, &living, &other] {
            fs::create_dir_all(group.join("worker-1")).expect("a group");
        }
        let lock = locked(&living).expect("nobody else has it");
        sweep(folder.path());
        assert!(!left.exists() && living.join("worker-1").exists() && other.exists());
        drop(lock);
        sweep(folder.path());
        assert!(!living.exists() && other.exists());
    }

    #[test]
    fn each_version_has_its_own_files_for_a_quota() {
        let folder = tempfile::tempdir().expect("a folder");
        let limited =
            |version| Share { group: folder.path().to_owned(), version }.limit(0.25).expect("files can be written");
        let written = |file| fs::read_to_string(folder.path().join(file)).ok();
        limited(Version::Two);
        assert_eq!(written("cpu.max").as_deref(), Some("2500 10000"));
        assert_eq!(written("cpu.cfs_quota_us"), None);
        limited(Version::One);
        assert_eq!(
            written("cpu.cfs_quota_us").zip(written("cpu.cfs_period_us")),
            Some(("2500".into(), "10000".into()))
        );
    }

    #[test]
    fn both_kinds_of_statistics_are_read() {
        let one = "nr_periods 7\nnr_throttled 5\nthrottled_time 1500000000\nnr_bursts 0\n";
        let two = "usage_usec 9\nnr_periods 7\nnr_throttled 5\nthrottled_usec 1500000\n";
        let expected = Throttling { periods: 7, throttled: 5, throttled_s: 1.5 };
        assert_eq!((throttling(one), throttling(two)), (expected, expected));
    }
}
