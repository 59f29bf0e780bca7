//! How far the lab is: one line that changes on a terminal, one line a run elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use manyeyes_experiment::record::Run;
use manyeyes_experiment::run::Said;

use super::plan::{cell_text, text};

/// How often the line changes while a run is made: it shows for how long.
const TICK: Duration = Duration::from_millis(500);

/// What a person sees of the lab.
pub(super) struct Progress {
    line: ProgressBar,
    is_terminal: bool,
    /// The last run, in words.
    last: RefCell<String>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let line = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        line.set_style(style.expect("the template is one"));
        Self { line, is_terminal, last: RefCell::default() }
    }

    pub(super) fn show(&self, said: &Said<'_>) {
        match said {
            Said::Notice(what) => self.print(&format!("note: {what}")),
            Said::Begins { study, cell, number, of, left } => {
                self.line.enable_steady_tick(TICK);
                let (cell, left) = (cell_text(cell), text(*left));
                let begins = format!("run {number} of {of}, {left} left  {study}: {cell}");
                if self.is_terminal {
                    let last = self.last.borrow();
                    let last = if last.is_empty() { String::new() } else { format!("  (last: {last})") };
                    self.line.set_message(format!("{begins}{last}"));
                } else {
                    eprintln!("{begins}");
                }
            }
            Said::Ended(run) => {
                let ended = result(run);
                for why in &run.void {
                    self.print(&format!("void: {why}"));
                }
                if !self.is_terminal {
                    eprintln!("  {ended}");
                }
                *self.last.borrow_mut() = ended;
            }
        }
    }

    pub(super) fn end(&self) {
        self.line.finish_and_clear();
    }

    fn print(&self, what: &str) {
        self.line.suspend(|| eprintln!("{what}"));
    }
}

fn result(run: &Run) -> String {
    let answered = run.images.iter().filter(|image| image.state == "recognised").count();
    let of = run.images.len();
    match (run.elapsed_s, run.images_per_s()) {
        (Some(elapsed_s), Some(images_per_s)) => {
            format!("{answered} of {of} images in {elapsed_s:.2} s, {images_per_s:.2} a second")
        }
        _ => format!("{answered} of {of} images before the time was up"),
    }
}
