//! `manyeyes experiment audit`: a published table, checked.

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use manyeyes_experiment::audit::audit;

use crate::cli;

/// What cannot be read is told apart from what is wrong.
const UNREADABLE: u8 = 2;

pub(super) fn run(arguments: &cli::ExperimentAudit) -> anyhow::Result<ExitCode> {
    let name = arguments.table.display();
    let text = fs::read_to_string(&arguments.table).with_context(|| format!("failed to read {name}"))?;
    let audit = match audit(&text) {
        Ok(audit) => audit,
        Err(error) => {
            eprintln!("manyeyes: {name}: {error}");
            return Ok(ExitCode::from(UNREADABLE));
        }
    };
    let mut out = std::io::stdout().lock();
    let said = if arguments.json {
        serde_json::to_writer(&mut out, &audit).map_err(std::io::Error::from).and_then(|()| writeln!(out))
    } else {
        write!(out, "{audit}")
    };
    said.context("failed to print what was found")?;
    Ok(if audit.verdict.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
