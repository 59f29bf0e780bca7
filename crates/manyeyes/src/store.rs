//! `manyeyes store`: a look through a data folder, and a copy of it.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use manyeyes_manager::store::{BackedUp, Report, backup, check};
use serde::Serialize;

use crate::cli;

/// Does what is asked; the exit status tells whether all is well.
pub(crate) fn run(command: cli::Store) -> anyhow::Result<ExitCode> {
    let (is_well, json, text) = match command {
        cli::Store::Check { data, json } => {
            let report = check(&data).with_context(|| format!("failed to look through {}", data.display()))?;
            (
                report.is_whole(),
                json.then(|| one_line(&Checked { whole: report.is_whole(), report: &report })),
                found(&report),
            )
        }
        cli::Store::Backup { data, to, json } => {
            let made = backup(&data, &to).with_context(|| format!("failed to back up {}", data.display()))?;
            (made.damaged.is_empty(), json.then(|| one_line(&made)), copied(&made, &to.display().to_string()))
        }
    };
    let text = json.transpose()?.unwrap_or(text);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The report with its verdict.
#[derive(Serialize)]
struct Checked<'a> {
    whole: bool,
    #[serde(flatten)]
    report: &'a Report,
}

fn one_line(value: &impl Serialize) -> anyhow::Result<String> {
    serde_json::to_string(value).context("failed to write the report down")
}

fn found(report: &Report) -> String {
    let Report { batches, images, bytes, faults, told } = report;
    let mut lines: Vec<_> = told.iter().map(|fault| fault.message.clone()).collect();
    let more = faults.saturating_sub(told.len() as u64);
    if more > 0 {
        lines.push(format!("And {more} more."));
    }
    let verdict = if report.is_whole() { "Nothing is wrong".to_owned() } else { format!("{faults} things are wrong") };
    lines
        .push(format!("{verdict} with {batches} batches of {images} images; {bytes} bytes are as they were uploaded."));
    lines.join("\n")
}

fn copied(made: &BackedUp, to: &str) -> String {
    let BackedUp { batches, images, bytes, left_out, damaged } = made;
    let mut lines = damaged.clone();
    lines.push(format!("Backed up {batches} batches with {images} images of {bytes} bytes to {to}."));
    if *left_out > 0 {
        lines.push(format!("{left_out} images were deleted meanwhile and are not in it."));
    }
    if !damaged.is_empty() {
        lines.push(format!("{} images are damaged, here and in the backup.", damaged.len()));
    }
    lines.join("\n")
}
