//! `manyeyes experiment rspec`: a study's machines for a real testbed, and what is wrong with anybody's file of such.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use manyeyes_experiment::rspec::{self, Checked, MOST_BYTES, Options, Way};
use manyeyes_experiment::scenario::Scenario;

use crate::cli;

/// What cannot be read is told apart from what is wrong.
const UNREADABLE: u8 = 2;

pub(super) fn run(arguments: &cli::ExperimentRspec) -> anyhow::Result<ExitCode> {
    if let Some(file) = &arguments.check {
        return check(file);
    }
    write(arguments.scenario.as_ref().expect("the command line requires the one or the other"), arguments)
}

fn write(path: &Path, arguments: &cli::ExperimentRspec) -> anyhow::Result<ExitCode> {
    let scenario = Scenario::read(path, false).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    let options = Options {
        hardware: arguments.hardware.clone(),
        image: arguments.image.clone(),
        script: arguments.script.clone(),
        has_client: !arguments.no_client,
        is_nearest_enough: arguments.nearest,
    };
    let choice = arguments.cell.clone().unwrap_or_default();
    let written = rspec::request(&scenario, &choice, &options)
        .map_err(|error| anyhow::anyhow!("{}: failed to {error}", path.display()))?;
    for departure in &written.departures {
        eprintln!("not as in the lab, {departure}");
    }
    io::stdout().write_all(written.xml.as_bytes()).context("failed to print the file")?;
    Ok(ExitCode::SUCCESS)
}

fn check(path: &Path) -> anyhow::Result<ExitCode> {
    let name = path.display();
    let checked = match read(path).and_then(|text| Ok(rspec::check(&text)?)) {
        Ok(checked) => checked,
        Err(error) => {
            eprintln!("manyeyes: failed to read {name}: {error:#}");
            return Ok(ExitCode::from(UNREADABLE));
        }
    };
    say(&mut io::stdout().lock(), &checked).context("failed to print what was found")?;
    Ok(if checked.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// No more of it than one byte beyond what is read at all.
fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn say(out: &mut impl io::Write, checked: &Checked) -> io::Result<()> {
    for finding in &checked.findings {
        writeln!(out, "{finding}")?;
    }
    for way in &checked.ways {
        writeln!(out, "{}", said(way))?;
    }
    let Checked { findings, nodes, links, .. } = checked;
    writeln!(out, "machines: {nodes}, links: {links}, findings: {}", findings.len())
}

fn said(way: &Way) -> String {
    let Way { link, from, to, capacity_kbps, latency_ms, loss } = way;
    let capacity = capacity_kbps.map_or("as fast as the testbed makes it".to_owned(), |kbps| format!("{kbps} kbit/s"));
    // To a thousandth of a per cent: what is summed up on a LAN has a tail of digits that nobody asked for.
    let loss_pct = (loss * 1e5).round() / 1e3;
    format!("{link}: {from} to {to}: {capacity}, {latency_ms} ms, {loss_pct} % lost")
}
