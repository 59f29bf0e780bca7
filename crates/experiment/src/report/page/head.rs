//! The head: what was measured, when, where, with what, and which runs do not count.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::record::{MachineFacts, Run};
use crate::report::numbers::{count, day_and_time};
use crate::report::studies::Study;

use super::facts;
use super::table::{numbers, table, words};

/// Bytes in a gibibyte.
const GIB: f64 = (1_u64 << 30) as f64;

/// The head of the page, with the way to each study.
pub(super) fn head(studies: &[Study<'_>], contents: &[(&str, &str)]) -> Markup {
    let runs: Vec<&Run> = studies.iter().flat_map(Study::all).collect();
    let void = runs.iter().filter(|run| !run.counts()).count();
    html! {
        header {
            h1 { "manyeyes, measured" }
            p.lead {
                (count(runs.len() - void, "run")) " count"
                @if runs.len() - void == 1 { "s" }
                @match void {
                    0 => { "; none is void." }
                    1 => { "; 1 is void and listed " a href="#void" { "below" } "." }
                    _ => { "; " (void) " are void and listed " a href="#void" { "below" } "." }
                }
                " An interval is the 95 % Student-t interval of the mean, unless something else is said."
            }
            (facts(&[
                ("measured", when(&runs)),
                ("manyeyes", distinct(&runs, software)),
                ("machine", distinct(&runs, machine)),
                ("kernel", distinct(&runs, |run| run.machine.kernel.clone())),
                ("privileges", distinct(&runs, |run| run.machine.privilege.clone())),
                ("link emulator", distinct(&runs, |run| run.machine.emulator.clone())),
                ("congestion control", distinct(&runs, |run| run.cell.congestion_control_told().unwrap_or_else(|| "as it chose".to_owned()))),
                ("machine's default", distinct(&runs, |run| not_measured(&run.machine.default_congestion_control))),
                ("seeds", seeds(&runs)),
            ]))
            nav {
                @for (name, slug) in contents { a href={ "#" (slug) } { (name) } " " }
                a href="#calibration" { "calibration" } " "
                a href="#columns" { "what the columns mean" }
            }
            @if void > 0 { (void_runs(studies)) }
        }
    }
}

fn when(runs: &[&Run]) -> String {
    let began = || runs.iter().map(|run| run.began_unix_s);
    let (first, last) = (began().fold(f64::INFINITY, f64::min), began().fold(f64::NEG_INFINITY, f64::max));
    format!("{} to {}", day_and_time(first), day_and_time(last))
}

fn software(run: &Run) -> String {
    let commit = run.software.commit.as_ref().map_or("commit unknown".to_owned(), |commit| format!("commit {commit}"));
    format!("{}, {commit}", run.software.version)
}

fn not_measured(congestion_control: &str) -> String {
    format!("{congestion_control}, which is not what was measured unless it is named before")
}

/// The one of which the lab made all others; or each that was given.
fn machine(run: &Run) -> String {
    if run.hosts.is_empty() {
        return described(&run.machine);
    }
    let hosts = run.hosts.iter().map(|host| format!(", {} ({})", host.name, described(&host.machine)));
    format!("given: client ({}){}", described(&run.machine), hosts.collect::<String>())
}

fn described(machine: &MachineFacts) -> String {
    let memory_gib = machine.memory_bytes as f64 / GIB;
    format!("{}, {}, {memory_gib:.0} GiB", machine.processor, count(machine.cores as usize, "core"))
}

/// Each value that there is, once.
pub(super) fn distinct(runs: &[&Run], of: impl Fn(&Run) -> String) -> String {
    let values: BTreeSet<String> = runs.iter().map(|run| of(run)).collect();
    values.into_iter().collect::<Vec<_>>().join("; ")
}

fn seeds(runs: &[&Run]) -> String {
    let seeds: BTreeSet<u64> = runs.iter().map(|run| run.seed).collect();
    match seeds.first() {
        Some(seed) if seeds.len() == 1 => seed.to_string(),
        _ => format!("{}, each in its row", count(seeds.len(), "seed")),
    }
}

/// One behind the other, each with its full stop.
fn sentences(texts: &[String]) -> String {
    let ended = texts.iter().map(|text| format!("{}.", text.trim_end_matches('.')));
    ended.collect::<Vec<_>>().join(" ")
}

/// Every run that does not count, and why.
fn void_runs(studies: &[Study<'_>]) -> Markup {
    let row = |study: &Study<'_>, cell: String, run: &Run| {
        let mut why = run.void.clone();
        if run.elapsed_s.is_none() {
            why.push("It did not end within its bound.".to_owned());
        }
        vec![study.name.clone(), cell, run.block.to_string(), run.seed.to_string(), sentences(&why)]
    };
    let of = |study: &Study<'_>| {
        let cells = study.cells.iter();
        let rows = cells.flat_map(|cell| cell.void.iter().map(|run| row(study, study.cell_text(cell), run)));
        rows.collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = studies.iter().flat_map(of).collect();
    let columns = [words("study"), words("cell"), numbers("block", ""), numbers("seed", ""), words("why")];
    html! {
        section id="void" { (table("Runs that do not count", &columns, &rows)) }
    }
}
