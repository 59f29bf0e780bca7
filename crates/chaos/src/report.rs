//! What a run has shown, as text: the counts, the faults, how soon all was as before, the memory, and what was broken.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::checker::{Promise, Tally, Violation};
use crate::director::Happened;
use crate::observer::{Sample, median, recovery_ms, resident_kib, usual_rate};
use crate::plan::{Kind, has_a_middle};
use crate::run::RunSettings;

/// The memory of the last minute may differ from that of the second by this part.
const MEMORY_MARGIN: f64 = 0.1;

/// A minute, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// As many broken promises are printed; the report names how many there are.
const PRINTED: usize = 40;

/// The outcome of a run.
pub struct Report {
    pub(crate) settings: RunSettings,
    pub(crate) folder: PathBuf,
    pub(crate) took: Duration,
    pub(crate) is_aborted: bool,
    pub(crate) happened: Vec<Happened>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) tally: Tally,
    pub(crate) violations: Vec<Violation>,
    pub(crate) unwanted: Vec<String>,
    pub(crate) missing: Vec<(Kind, &'static str)>,
}

/// The manager's memory in the second and in the last minute of the faults.
struct Memory {
    second_kib: f64,
    last_kib: f64,
}

impl Memory {
    fn is_flat(&self) -> bool {
        (self.last_kib / self.second_kib - 1.0).abs() <= MEMORY_MARGIN
    }
}

impl Report {
    /// Whether nothing was broken, and the run was carried out.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let is_flat = self.memory().is_none_or(|memory| memory.is_flat());
        !self.is_aborted && self.violations.is_empty() && self.unwanted.is_empty() && is_flat
    }

    /// How many images were accepted.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.tally.accepted
    }

    /// How many faults of a kind have happened.
    #[must_use]
    pub fn times(&self, kind: Kind) -> usize {
        self.happened.iter().filter(|happened| happened.fault.kind == kind).count()
    }

    /// In a run that is long enough.
    fn memory(&self) -> Option<Memory> {
        let length_ms = u64::try_from(self.settings.length.as_millis()).unwrap_or(u64::MAX);
        let within = |from, to| resident_kib(&self.samples, from, to);
        has_a_middle(self.settings.length).then_some(())?;
        let (second, last) = (within(MINUTE_MS, 2 * MINUTE_MS), within(length_ms - MINUTE_MS, length_ms));
        Some(Memory { second_kib: second?, last_kib: last? })
    }

    fn broken(&self, promises: &[Promise]) -> usize {
        self.violations.iter().filter(|violation| promises.contains(&violation.promise)).count()
    }

    fn faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<16} {:>5}  {:^25}  {:^25}",
            "fault", "times", "images unfinished then", "s until back at 90 %"
        )?;
        writeln!(
            f,
            "{:<16} {:>5}  {:>8}{:>8}{:>9}  {:>8}{:>8}{:>9}",
            "", "", "least", "median", "most", "median", "most", "never"
        )?;
        let length_ms = u64::try_from(self.settings.length.as_millis()).unwrap_or(u64::MAX);
        let usual = usual_rate(&self.samples, 5_000.min(length_ms / 4), length_ms);
        for kind in Kind::ALL {
            let of_kind: Vec<&Happened> = self.happened.iter().filter(|happened| happened.fault.kind == kind).collect();
            let mut unfinished: Vec<u64> = of_kind.iter().map(|happened| happened.unfinished).collect();
            unfinished.sort_unstable();
            let recovery = |happened: &&Happened| recovery_ms(&self.samples, happened.healed_ms, usual);
            let back: Vec<f64> = of_kind.iter().filter_map(recovery).map(|ms| ms as f64 / 1000.0).collect();
            let never = of_kind.len() - back.len();
            let most = back.iter().copied().fold(0.0, f64::max);
            let (least, largest) = (unfinished.first().unwrap_or(&0), unfinished.last().unwrap_or(&0));
            let middle = unfinished.get(unfinished.len() / 2).unwrap_or(&0);
            let back = median(back).unwrap_or(0.0);
            let (name, times) = (kind.name(), of_kind.len());
            writeln!(f, "{name:<16} {times:>5}  {least:>8}{middle:>8}{largest:>9}  {back:>8.1}{most:>8.1}{never:>9}")?;
        }
        writeln!(
            f,
            "usual throughput {usual:.0} images/s (the median over the run, faults included, in windows of 2 s)"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { accepted, recognised, cancelled, deleted, .. } = self.tally;
        let tally = &self.tally;
        let length = self.settings.length.as_secs_f64();
        writeln!(
            f,
            "\nseed {}, {:.0} s of faults, {:.0} s in all",
            self.settings.seed,
            length,
            self.took.as_secs_f64()
        )?;
        let rate = accepted as f64 / self.took.as_secs_f64();
        writeln!(
            f,
            "{accepted} images accepted ({rate:.0} images/s): {recognised} recognised, {cancelled} cancelled, {deleted} deleted"
        )?;
        writeln!(f, "{} more were kept though nobody heard the answer", tally.kept_without_answer)?;
        writeln!(
            f,
            "{} requests without an answer, {} uploads sent again, {} images run again, {} event streams ({} went on from a number), {} changes told",
            tally.no_answer, tally.sent_again, tally.run_again, tally.streams.0, tally.streams.1, tally.changes
        )?;
        let repeated = self.samples.last().map_or(0, |sample| sample.repeated);
        writeln!(f, "{repeated} late and repeated results were dropped by the manager")?;
        if tally.excused > 0 {
            writeln!(f, "wrong answers of workers that were wrong on purpose were told {} times", tally.excused)?;
        }
        for ((status, code), times) in &tally.refusals {
            writeln!(f, "refused {status} {code}: {times}")?;
        }
        self.faults(f)?;
        for (kind, what) in &self.missing {
            writeln!(f, "NOT RUN without {what}: {}", kind.name())?;
        }
        match self.memory() {
            Some(memory) => writeln!(
                f,
                "manager's RSS: {:.1} MiB in the second minute, {:.1} MiB in the last ({:+.1} %)",
                memory.second_kib / 1024.0,
                memory.last_kib / 1024.0,
                (memory.last_kib / memory.second_kib - 1.0) * 100.0
            )?,
            None => writeln!(f, "manager's RSS: the run is too short to compare two minutes")?,
        }
        writeln!(
            f,
            "{} faults; {} lost, {} doubled, {} wrong; {} broken promises in all, {} unexplained lines and ends",
            self.happened.len(),
            self.broken(&[Promise::Lost, Promise::Unfinished, Promise::GivenUp, Promise::NotRead]),
            self.broken(&[Promise::Doubled]),
            self.broken(&[Promise::WrongLabel, Promise::NeverUploaded]),
            self.violations.len(),
            self.unwanted.len()
        )?;
        let broken = self.violations.iter().map(ToString::to_string);
        for what in broken.chain(self.unwanted.iter().cloned()).take(PRINTED) {
            writeln!(f, "  {what}")?;
        }
        let verdict = match (self.is_good(), self.is_aborted) {
            (true, _) => "GOOD: every promise was kept",
            (false, true) => "ENDED EARLY",
            (false, false) => "BROKEN",
        };
        writeln!(f, "{verdict}. Evidence: {}", self.folder.display())
    }
}
