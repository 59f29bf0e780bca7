//! The rows of a study: a file of JSON Lines to which every run adds one, so that whatever interrupts the lab costs one run at most.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use manyeyes_testbed::HostsFile;

use super::LinkEmulator;
use crate::plan::Turn;
use crate::record::{FORMAT, Run};
use crate::scenario::Scenario;

/// On what rows are made.
#[derive(Clone, Copy)]
pub(crate) struct Machines<'a> {
    pub(crate) emulator: LinkEmulator,
    /// Those that are given, if they are.
    pub(crate) hosts: Option<&'a HostsFile>,
}

/// The rows of one study.
pub(crate) struct Table {
    path: PathBuf,
    file: File,
    rows: Vec<Run>,
    /// Bytes of whole rows.
    whole: u64,
}

impl Machines<'_> {
    /// What a row was made on, if it was something else.
    fn other(self, row: &Run) -> Option<String> {
        let (had, has) = (row.machine.emulator.as_str(), self.emulator.name());
        if had != has {
            return Some(format!("links that {had} emulated, not {has}"));
        }
        match (self.hosts, &row.hosts[..]) {
            (None, []) => None,
            (None, _) => Some("machines that were given, not made".to_owned()),
            (Some(_), []) => Some("machines that were made, not given".to_owned()),
            (Some(file), hosts) => {
                let other = hosts.iter().zip(file.destinations()).find(|(host, now)| host.ssh != *now);
                other.map(|(host, now)| format!("another {}: it was {}, and is {now} now", host.name, host.ssh))
            }
        }
    }
}

impl Table {
    /// Opens the rows of a study in a folder, or begins them. A last line that was cut off while it was written is dropped; `notice`
    /// is told.
    ///
    /// # Errors
    /// The file cannot be read or written, is damaged elsewhere, or has rows of another study, or of other links.
    pub(crate) fn open(
        folder: &Path,
        scenario: &Scenario,
        machines: Machines<'_>,
        notice: &dyn Fn(&str),
    ) -> anyhow::Result<Self> {
        let path = folder.join(format!("{}.jsonl", scenario.name));
        let shown = path.display();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("failed to open {shown}"))?;
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {shown}"))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64).with_context(|| format!("failed to shorten {shown}"))?;
            notice(&format!("the last row of {shown} was cut off while it was written; its run is made again"));
        }
        let mut rows = Vec::new();
        for (line, number) in text[..whole].lines().zip(1..) {
            let row: Run = serde_json::from_str(line).with_context(|| {
                format!("failed to read {shown}, line {number}: it is no row; mend it, or begin anew with --fresh")
            })?;
            if row.format != FORMAT || row.scenario != scenario.digest {
                bail!(
                    "{shown} has rows of another study, of that name but with other settings; begin anew with --fresh, or \
                     choose another folder with --out"
                );
            }
            if let Some(other) = machines.other(&row) {
                bail!("{shown} has rows of {other}; begin anew with --fresh, or choose another folder with --out");
            }
            rows.push(row);
        }
        Ok(Self { path, file, rows, whole: whole as u64 })
    }

    /// Those of the turns whose runs are not there yet.
    pub(crate) fn missing(&self, scenario: &Scenario, turns: Vec<Turn>) -> Vec<Turn> {
        let is_made = |turn: &Turn| {
            let cell = &scenario.cells[turn.cell].cell;
            self.rows.iter().any(|row| row.block == turn.block && row.seed == turn.seed && row.cell == *cell)
        };
        turns.into_iter().filter(|turn| !is_made(turn)).collect()
    }

    /// Adds a row, and does not come back before it is on the disk.
    ///
    /// # Errors
    /// The disk is full, or does not work. The file ends with the row before then.
    pub(crate) fn add(&mut self, row: Run) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&row).context("failed to write a row as JSON")?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What is left of the line would be cut off by whoever opens the file next, should this fail too.
            let _ = self.file.set_len(self.whole).and_then(|()| self.file.seek(SeekFrom::End(0)));
            let what = "the runs before are kept, and the same command goes on from there";
            return Err(error).with_context(|| format!("failed to add a row to {} ({what})", self.path.display()));
        }
        self.whole += line.len() as u64;
        self.rows.push(row);
        Ok(())
    }
}

/// Puts away the rows of a study, so that it begins anew.
///
/// # Errors
/// They are there and cannot be removed.
pub(crate) fn forget(folder: &Path, scenario: &Scenario) -> anyhow::Result<()> {
    let path = folder.join(format!("{}.jsonl", scenario.name));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
