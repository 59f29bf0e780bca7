//! Prints outcomes in the order of the files: as a table, JSON lines or CSV, with a progress bar on a terminal.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use indicatif::{ProgressBar, ProgressStyle};
use manyeyes_manager::api::{ImageState, Label, Problem};
use serde::Serialize;

use super::{Numbered, Outcome};
use crate::cli;

/// The widest that a file's name is in the table; a longer one pushes its label to the right.
const NAME_COLUMN: usize = 36;

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    state: ImageState,
    labels: &'a [Label],
    error: &'a Option<Problem>,
}

#[derive(Clone, Copy)]
enum Form {
    Table,
    Json,
    Csv,
}

pub(super) struct Printer {
    form: Form,
    top: usize,
    files: Vec<String>,
    name_width: usize,
    progress: ProgressBar,
}

impl Printer {
    pub(super) fn new(args: &cli::Classify, files: &[PathBuf]) -> Self {
        let form = match (args.json, args.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        };
        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let name_width = files.iter().map(|file| file.chars().count()).max().unwrap_or(0).min(NAME_COLUMN);
        let progress = if io::stderr().is_terminal() && files.len() > 1 {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta} left")
                .expect("the template is well formed");
            ProgressBar::new(files.len() as u64).with_style(style)
        } else {
            ProgressBar::hidden()
        };
        Self { form, top: args.top as usize, files, name_width, progress }
    }

    /// Prints each outcome once all before it are printed, until the senders are gone. True when all were recognised.
    pub(super) fn print_all(&mut self, finished: Receiver<Numbered>) -> anyhow::Result<bool> {
        if matches!(self.form, Form::Csv) {
            self.write_line("file,state,label,probability,index,error_code,error")?;
        }
        let mut early = BTreeMap::new();
        let mut next = 0;
        let mut all_recognised = true;
        for (position, outcome) in finished {
            self.progress.inc(1);
            early.insert(position, outcome);
            while let Some(outcome) = early.remove(&next) {
                all_recognised &= outcome.state == ImageState::Recognised;
                self.print(next, &outcome)?;
                next += 1;
            }
        }
        self.progress.finish_and_clear();
        Ok(all_recognised && next == self.files.len())
    }

    fn print(&self, position: usize, outcome: &Outcome) -> anyhow::Result<()> {
        let file = &self.files[position];
        let labels = &outcome.labels[..self.top.min(outcome.labels.len())];
        let lines = match self.form {
            Form::Json => {
                let line = Line { file, state: outcome.state, labels, error: &outcome.error };
                serde_json::to_string(&line)?
            }
            Form::Csv => csv_lines(file, outcome.state, labels, outcome.error.as_ref()),
            Form::Table => table_lines(file, self.name_width, labels, outcome.error.as_ref()),
        };
        self.write_line(&lines)
    }

    /// A reader that has gone (`| head`) ends the program quietly, as it does other programs.
    fn write_line(&self, line: &str) -> anyhow::Result<()> {
        let written = self.progress.suspend(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            written => Ok(written?),
        }
    }
}

fn table_lines(file: &str, width: usize, labels: &[Label], error: Option<&Problem>) -> String {
    if let Some(problem) = error {
        return format!("{file:width$}  {}", problem.message);
    }
    let rows = labels.iter().enumerate().map(|(rank, label)| {
        let name = if rank == 0 { file } else { "" };
        format!("{name:width$}  {:5.1} %  {}", label.probability * 100.0, label.name)
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// One line a label, so that a spreadsheet can filter them; one line for a file without any.
fn csv_lines(file: &str, state: ImageState, labels: &[Label], error: Option<&Problem>) -> String {
    let state = format!("{state:?}").to_lowercase();
    let start = format!("{},{state}", csv_cell(file));
    if labels.is_empty() {
        let (code, message) = error.map_or(("", ""), |problem| (&problem.code, &problem.message));
        return format!("{start},,,,{},{}", csv_cell(code), csv_cell(message));
    }
    let rows = labels
        .iter()
        .map(|label| format!("{start},{},{:.6},{},,", csv_cell(&label.name), label.probability, label.index));
    rows.collect::<Vec<_>>().join("\n")
}

/// Quotes what CSV needs quoted, and disarms what a spreadsheet would run as a formula.
fn csv_cell(text: &str) -> String {
    let disarmed =
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if disarmed.contains([',', '"', '\n', '\r']) { format!("\"{}\"", disarmed.replace('"', "\"\"")) } else { disarmed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_disarmed() {
        assert_eq!(csv_cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(csv_cell("cat.jpg"), "cat.jpg");
        assert_eq!(csv_cell("tabby, tabby cat"), "\"tabby, tabby cat\"");
    }

    #[test]
    fn a_table_names_the_file_once_and_gives_percentages() {
        let label = |name: &str, probability| Label { index: 0, name: name.to_owned(), probability };
        let lines = table_lines("a.jpg", 8, &[label("zebra", 0.98), label("horse", 0.01)], None);
        assert_eq!(lines, "a.jpg      98.0 %  zebra\n            1.0 %  horse");
    }
}
