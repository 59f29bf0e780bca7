//! `manyeyes experiment report`: rows in, a page out.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use manyeyes_experiment::record::Run;
use manyeyes_experiment::report;

use crate::cli;

/// How files of rows are called, as they are written and as they are kept.
const ENDINGS: [&str; 2] = [".jsonl", ".jsonl.gz"];

pub(super) fn run(arguments: &cli::ExperimentReport) -> anyhow::Result<()> {
    let first = arguments.rows.first().context("failed to find rows: no path was named")?;
    let beside = || if first.is_dir() { Some(first.clone()) } else { first.parent().map(Path::to_path_buf) };
    let to = arguments.to.clone().or_else(beside).unwrap_or_default();
    write(&arguments.rows, &to)
}

/// Writes the report of all rows that are there, and says where it is.
pub(super) fn write(rows: &[PathBuf], to: &Path) -> anyhow::Result<()> {
    let runs = read(rows)?;
    let written = report::write(&runs, to).context("failed to report")?;
    writeln!(std::io::stdout(), "report {}", written.page.display()).context("failed to say where the report is")
}

/// The rows of these files and folders.
pub(super) fn read(rows: &[PathBuf]) -> anyhow::Result<Vec<Run>> {
    let mut files = Vec::new();
    for path in rows {
        files.extend(files_of(path)?);
    }
    report::read(&files).context("failed to read rows")
}

/// The file, or the folder's files of rows in the order of their names.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.with_context(|| format!("failed to look into {}", path.display()))?;
    let has_rows = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ENDINGS.iter().any(|ending| name.ends_with(ending))
    };
    let mut files: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).filter(has_rows).collect();
    files.sort();
    if files.is_empty() {
        bail!("failed to find rows: no file in {} ends with .jsonl or .jsonl.gz", path.display());
    }
    Ok(files)
}
