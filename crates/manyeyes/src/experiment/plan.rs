//! `--dry-run`: which runs would be made, and how long they would take.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use manyeyes_experiment::plan::{expected, of_study};
use manyeyes_experiment::scenario::{Planned, Scenario};

/// Prints a table of all cells, and the length of all.
pub(super) fn print(scenarios: &[Scenario]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    write(&mut out, scenarios).context("failed to print the plan")
}

fn write(out: &mut impl Write, scenarios: &[Scenario]) -> std::io::Result<()> {
    let (mut runs, mut total) = (0, Duration::ZERO);
    for scenario in scenarios {
        let length = of_study(scenario);
        runs += scenario.cells.len() * scenario.repeats as usize;
        total += length;
        writeln!(out, "{}: {}", scenario.name, scenario.title)?;
        writeln!(out, "  {:>4}  {:>8}  {:>8}  cell", "runs", "each", "all")?;
        for planned in &scenario.cells {
            let each = text(expected(&planned.cell, scenario.bound));
            let all = text(of_cell(scenario, planned));
            writeln!(out, "  {:>4}  {each:>8}  {all:>8}  {}", scenario.repeats, cell_text(planned))?;
        }
        writeln!(
            out,
            "  {} blocks of {} runs, with probes of the links about {}\n",
            scenario.repeats,
            scenario.cells.len(),
            text(length)
        )?;
    }
    writeln!(out, "{runs} runs, about {} in all", text(total))
}

fn of_cell(scenario: &Scenario, planned: &Planned) -> Duration {
    expected(&planned.cell, scenario.bound) * scenario.repeats
}

/// A cell by what it has of its own.
pub(super) fn cell_text(planned: &Planned) -> String {
    let levels: Vec<String> =
        planned.levels.iter().map(|(factor, level)| format!("{factor} {}", level.text())).collect();
    if levels.is_empty() { "the only one".to_owned() } else { levels.join(", ") }
}

/// A length as a person says it.
pub(super) fn text(length: Duration) -> String {
    match length.as_secs() {
        seconds if seconds < 100 => format!("{:.1} s", length.as_secs_f64()),
        seconds if seconds < 6_000 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_plan_names_each_cell_and_the_length_of_all() {
        let text = "name = \"delay\"\ntitle = \"Delay\"\nquestion = \"q\"\nrepeats = 8\nseed = 1\nbound_s = 60\n\
                    [fixed]\nservice_ms = 500\n[factors]\ndelay_ms = [0, 500]\n";
        let scenario = Scenario::parse(text, Path::new(""), false).unwrap();
        let mut out = Vec::new();
        write(&mut out, &[scenario]).unwrap();
        let plan = String::from_utf8(out).unwrap();
        for line in ["delay: Delay", "delay_ms 0", "delay_ms 500", "8 blocks of 2 runs", "16 runs, about"] {
            assert!(plan.contains(line), "{plan}");
        }
    }

    #[test]
    fn lengths_are_said_in_the_unit_that_fits() {
        let said = [3, 99, 100, 5_999, 6_000].map(|seconds| text(Duration::from_secs(seconds)));
        assert_eq!(said, ["3.0 s", "99.0 s", "1 min 40 s", "99 min 59 s", "1 h 40 min"]);
    }
}
