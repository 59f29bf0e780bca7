//! Whether the links were what was asked: what probes found before the runs, and how late packets were during them.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::record::{Calibration, Link, Run};
use crate::report::measures::CLIENT;
use crate::report::numbers::{count, figure, span};
use crate::report::studies::Study;

use super::table::{numbers, table, words};

/// Bits in a megabit.
const MEGABIT: f64 = 1e6;

/// Some links of some runs, for a row.
struct Group<'s> {
    study: &'s str,
    cell: String,
    name: String,
    runs: Vec<&'s Run>,
    links: Vec<(&'s Run, &'s Link)>,
}

/// The section: the client's link in a row a study, the workers' in a row a cell, and each of these by itself.
pub(super) fn section(studies: &[Study<'_>]) -> Markup {
    let (mut together, mut each) = (Vec::new(), Vec::new());
    for study in studies {
        together
            .push(Group::new(study, "all".to_owned(), study.all().collect(), "client's", &|link| link.end == CLIENT));
        for cell in &study.cells {
            let group = |name: &str, is_meant: &dyn Fn(&Link) -> bool| {
                let runs = cell.counted.iter().chain(&cell.void).copied().collect();
                Group::new(study, study.cell_text(cell), runs, name, is_meant)
            };
            let workers = group("workers'", &|link| link.end != CLIENT);
            let ends: BTreeSet<&str> = workers.links.iter().map(|(_, link)| link.end.as_str()).collect();
            each.extend(ends.iter().map(|end| group(end, &|link| link.end == *end)));
            together.push(workers);
        }
    }
    html! {
        section id="calibration" {
            h2 { "Calibration" }
            p {
                "Before the runs, probes measured each link; what they found is beside what was asked. How many packets a model of loss \
                 takes is a matter of chance: the allowed interval holds 99 % of that chance, corrected for the number of links in the \
                 table, and a link that misses is probed once more. During each run the emulator noted how much later than asked it \
                 delivered packets: above 1 ms at the 99th percentile, or a hundredth of a longer round trip, the run is void. The kernel's emulator (netem) tells no lateness."
            }
            (drawn("Links of each cell", &together))
            details.screen { summary { "Each worker's link by itself" } (drawn("Each link", &each)) }
        }
    }
}

fn drawn(caption: &str, groups: &[Group<'_>]) -> Markup {
    let columns = [
        words("study"),
        words("cell"),
        words("links"),
        numbers("probed", "how many times the links were probed, all blocks together"),
        numbers("RTT asked (ms)", ""),
        numbers("RTT seen (ms)", "medians, the least and the most of them"),
        numbers("rate asked (Mbit/s)", ""),
        numbers("rate seen (Mbit/s)", "the least and the most"),
        numbers("loss asked (%)", ""),
        numbers("lost", "of the probes sent, the least and the most"),
        numbers("allowed", "what chance allows of each link to be lost, if anything of all of them"),
        numbers("probed again", ""),
        numbers("late p99 (ms)", "the worst of the runs that count, either direction"),
        numbers("late at most (ms)", "of the runs that count, either direction"),
        words("verdict"),
    ];
    let rows: Vec<Vec<String>> = groups.iter().filter(|group| !group.links.is_empty()).map(Group::row).collect();
    table(caption, &columns, &rows)
}

impl<'s> Group<'s> {
    fn new(
        study: &'s Study<'_>,
        cell: String,
        runs: Vec<&'s Run>,
        name: &str,
        is_meant: &dyn Fn(&Link) -> bool,
    ) -> Self {
        let links = runs.iter().flat_map(|run| run.links.iter().map(move |link| (*run, link)));
        let links = links.filter(|(_, link)| is_meant(link)).collect();
        Self { study: &study.name, cell, name: name.to_owned(), runs, links }
    }

    fn row(&self) -> Vec<String> {
        let mut row = vec![self.study.to_owned(), self.cell.clone(), self.name.clone()];
        row.extend(found(&self.links));
        row.extend(lateness(&self.links));
        row.push(self.verdict());
        row
    }

    fn verdict(&self) -> String {
        let calibrations = || self.links.iter().filter_map(|(_, link)| link.calibration.as_ref());
        let missing = calibrations().filter(|calibration| !calibration.holds).count();
        let mut verdict = match (calibrations().count(), missing) {
            (0, _) => "not probed".to_owned(),
            (_, 0) => "as asked".to_owned(),
            (all, missing) => format!("{missing} of {all} not as asked"),
        };
        match self.runs.iter().filter(|run| !run.counts()).count() {
            0 => {}
            void if void == self.runs.len() => verdict += "; void",
            void => verdict += &format!("; {} void", count(void, "run")),
        }
        verdict
    }
}

/// What probes found, as cells of the table.
fn found(links: &[(&Run, &Link)]) -> Vec<String> {
    let probed: Vec<&Calibration> = links.iter().filter_map(|(_, link)| link.calibration.as_ref()).collect();
    let spanned = |of: &dyn Fn(&Calibration) -> Option<f64>, without: &str| {
        let values: Vec<f64> = probed.iter().filter_map(|calibration| of(calibration)).collect();
        if values.is_empty() { without.to_owned() } else { span(least(&values), most(&values)) }
    };
    let allowed = || {
        let from = probed.iter().map(|calibration| calibration.lost_between.0).max()?;
        let to = probed.iter().map(|calibration| calibration.lost_between.1).min()?;
        Some(if from <= to { span(from as f64, to as f64) } else { "by link".to_owned() })
    };
    let again = probed.iter().filter(|calibration| calibration.probed_again).count();
    let lost = || {
        let lost = spanned(&|calibration| Some(calibration.lost as f64), "–");
        format!("{lost} of {}", spanned(&|calibration| Some(calibration.probes as f64), "–"))
    };
    let no_rate = if probed.is_empty() { "–" } else { "no limit" };
    vec![
        probed.len().to_string(),
        spanned(&|calibration| Some(calibration.asked_rtt_ms), "–"),
        spanned(&|calibration| calibration.rtt_ms, "none"),
        spanned(&|calibration| calibration.asked_rate_bits_per_s.map(|rate| rate / MEGABIT), no_rate),
        spanned(&|calibration| calibration.rate_bits_per_s.map(|rate| rate / MEGABIT), "–"),
        spanned(&|calibration| Some(calibration.asked_loss * 100.0), "–"),
        if probed.is_empty() { "–".to_owned() } else { lost() },
        allowed().unwrap_or("–".to_owned()),
        again.to_string(),
    ]
}

/// Of the runs that count; of all where none does.
fn lateness(links: &[(&Run, &Link)]) -> [String; 2] {
    let some_count = links.iter().any(|(run, _)| run.counts());
    let meant =
        || links.iter().filter(|(run, _)| run.counts() || !some_count).flat_map(|(_, link)| [&link.down, &link.up]);
    let p99: Vec<f64> = meant().filter_map(|carried| carried.late_p99_ms).collect();
    let max: Vec<f64> = meant().filter_map(|carried| carried.late_max_ms).collect();
    [p99, max].map(|late| if late.is_empty() { "–".to_owned() } else { figure(most(&late)) })
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
