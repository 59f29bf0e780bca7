//! The command line of the lab.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use manyeyes_experiment::rspec::{Choice, Options};

#[derive(Debug, Subcommand)]
pub(crate) enum Experiment {
    /// Make the runs of studies, and keep a row of each.
    ///
    /// Each run has its own manager, workers and client, each on a machine of its own: network namespaces on this one, joined by links
    /// that delay and lose as the scenario says; or with `--hosts` machines that are reached by SSH. Runs that are there already are not made again, so that the same command
    /// goes on after it was interrupted.
    ///
    /// Exit status: 0 all runs are there, 1 failed, 2 wrong usage, 130 interrupted.
    ///
    /// Then the report is written, as `manyeyes experiment report` does it.
    ///
    /// Example: `manyeyes experiment run experiments/delay.toml --quick`
    Run(ExperimentRun),
    /// Write the report of runs that were made: one page that needs nothing else, and its figures.
    ///
    /// Exit status: 0 written, 1 failed, 2 wrong usage.
    ///
    /// Example: `manyeyes experiment report target/experiment/quick`
    Report(ExperimentReport),
    /// Check a published table of means, deviations and intervals: which intervals they really are, and which differences hold.
    ///
    /// A comma-separated file with a head line: a condition, then `mean`, `std`, `n`, `lower` and `upper`, as it was printed;
    /// `confidence` where it is not 95 %.
    ///
    /// Exit status: 0 its intervals are what they claim to be, 1 they are not, 2 the table cannot be read, or wrong usage.
    ///
    /// Example: `manyeyes experiment audit experiments/original/workers.csv`
    Audit(ExperimentAudit),
    /// Check the answers of an exercise against the rows that were measured for it, as in docs/lab-handout.md.
    ///
    /// Exit status: 0 all are right, 1 some are not, 2 wrong usage.
    ///
    /// Example: `manyeyes experiment check answers.toml my-rows`
    Check(ExperimentCheck),
    /// Print what asks CloudLab or Emulab for a study's machines and links (an RSpec, version 3); or check such a file.
    ///
    /// Standard output has the file: a manager, its workers and a client, with the lab's links and addresses. Standard error has what
    /// is not as in the lab. A cell that an RSpec has no words for (jitter, bursts, duplication, reordering, a queue's length) is
    /// refused, unless `--nearest` is given.
    ///
    /// With `--check` anybody's file is read: what is wrong or surprising about it, with the line, and what packets will
    /// meet on each way. Nothing is sent anywhere. docs/testbed.md has the rest.
    ///
    /// Exit status: 0 written, or nothing is found; 1 failed, or something is found; 2 the file cannot be read, or wrong usage.
    ///
    /// Example: `manyeyes experiment rspec experiments/delay.toml --cell delay_ms=500 > profile.rspec`
    Rspec(ExperimentRspec),
    /// On a machine of `--hosts`: do what the lab says on standard input, and undo all of it at its end.
    #[command(hide = true)]
    OnHost(ExperimentOnHost),
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentOnHost {
    /// For an agent that is not root, in place of everything else: how a device sends segments.
    #[arg(long, value_name = "BITS", requires = "device")]
    pub(crate) uncut: Option<u8>,
    /// Which device.
    #[arg(long, value_name = "NAME", requires = "uncut")]
    pub(crate) device: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentRspec {
    /// Whose machines.
    #[arg(value_name = "SCENARIO.toml", required_unless_present = "check")]
    pub(crate) scenario: Option<PathBuf>,
    /// Which of its cells: a level of each factor in which those that are left differ.
    #[arg(long, value_name = "FACTOR=LEVEL,...")]
    pub(crate) cell: Option<Choice>,
    /// Write what comes nearest where an RSpec has no words for the cell, and say what is other.
    #[arg(long)]
    pub(crate) nearest: bool,
    /// No machine for the client: pictures come from the manager's own machine, or from yours through a tunnel.
    #[arg(long)]
    pub(crate) no_client: bool,
    /// The kind of machine, by the testbed's name for it.
    #[arg(long, value_name = "TYPE", default_value = Options::HARDWARE)]
    pub(crate) hardware: String,
    /// The disk that each machine begins with.
    #[arg(long, value_name = "URN", default_value = Options::IMAGE)]
    pub(crate) image: String,
    /// Where `node.sh` is on each machine. The default is where CloudLab puts the repository of a profile.
    #[arg(long, value_name = "PATH", default_value = Options::SCRIPT)]
    pub(crate) script: String,
    /// Check this file in place of writing one.
    #[arg(
        long,
        value_name = "FILE.xml",
        conflicts_with_all = ["scenario", "cell", "nearest", "no_client", "hardware", "image", "script"]
    )]
    pub(crate) check: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentReport {
    /// Files of rows (`.jsonl`, `.jsonl.gz`), and folders of such.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) rows: Vec<PathBuf>,
    /// Where `report.html` and `figures/` go. [default: the first folder that was named, or that of the first file]
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentCheck {
    /// The answers.
    #[arg(value_name = "ANSWERS.toml")]
    pub(crate) answers: PathBuf,
    /// Files of rows (`.jsonl`, `.jsonl.gz`), and folders of such.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) rows: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentAudit {
    /// The table.
    #[arg(value_name = "TABLE.csv")]
    pub(crate) table: PathBuf,
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentRun {
    /// What to measure.
    #[arg(required = true, value_name = "SCENARIO.toml")]
    pub(crate) scenarios: Vec<PathBuf>,
    /// Where rows go: a file `STUDY.jsonl` for each study.
    #[arg(long, value_name = "DIR", default_value = "experiment")]
    pub(crate) out: PathBuf,
    /// Take of each scenario what its `[quick]` says: fewer runs of less.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Say which runs would be made and how long they would take, and end.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A folder of photos, for studies whose workers recognise.
    #[arg(long, value_name = "DIR", env = "MANYEYES_IMAGES")]
    pub(crate) images: Option<PathBuf>,
    /// What does to packets what the scenarios say.
    #[arg(long, value_enum, default_value_t = LinkEmulator::Manyeyes)]
    pub(crate) emulator: LinkEmulator,
    /// Use the machines that this file names, reached by SSH, with the kernel's emulator on their links; this one is the client's.
    /// docs/testbed.md says what is in it.
    #[arg(long, value_name = "HOSTS.toml", conflicts_with = "emulator")]
    pub(crate) hosts: Option<PathBuf>,
    /// Forget the rows of these studies that are there, and begin anew.
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// What delays and loses packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LinkEmulator {
    /// The lab's own, on every kernel.
    Manyeyes,
    /// The kernel's (`tc netem`), where it has one: its chances follow no seed, and it tells no lateness.
    Netem,
}
