//! Which cells of a study differ by more than chance.
//!
//! Compared are the cells that differ in one factor only, of which one has the factor's first level: the least number, or `none`.
//! All contrasts of a study are one family, for which Holm's correction holds the chance of a single false alarm at 5 %.

use crate::record::Run;
use manyeyes_statistics::{Contrast, RunsNeeded, SIGNIFICANCE, holm, runs_needed, welch};

use super::measures::SPEED;
use super::numbers::{chance, count};
use super::studies::{Cell, Study};

/// Two cells compared in images/s.
pub(crate) struct Compared {
    /// The cell with the factor's first level, by its place in the study.
    pub(crate) reference: usize,
    /// The other.
    pub(crate) cell: usize,
    /// The other less the reference.
    pub(crate) contrast: Contrast,
    /// Corrected over the study.
    pub(crate) p: f64,
    /// How many more runs might tell them apart.
    needed: Option<RunsNeeded>,
    /// How many contrasts the study has.
    family: usize,
}

/// Every contrast of a study, in the cells' order.
pub(crate) fn contrasts(study: &Study<'_>) -> Vec<Compared> {
    let values: Vec<Vec<f64>> = study.cells.iter().map(|cell| speeds(&cell.counted)).collect();
    let mut compared = Vec::new();
    for (cell, other) in study.cells.iter().enumerate() {
        for (reference, one) in study.cells.iter().enumerate() {
            if !is_compared(study, one, other) {
                continue;
            }
            let Some(contrast) = welch(&values[cell], &values[reference]) else { continue };
            let needed = runs_needed(&values[cell], &values[reference]);
            compared.push(Compared { reference, cell, contrast, p: contrast.p, needed, family: 0 });
        }
    }
    let corrected = holm(&compared.iter().map(|compared| compared.contrast.p).collect::<Vec<_>>());
    let family = compared.len();
    for (compared, p) in compared.iter_mut().zip(corrected) {
        (compared.p, compared.family) = (p, family);
    }
    compared
}

fn speeds(runs: &[&Run]) -> Vec<f64> {
    SPEED.values(runs)
}

/// Whether they differ in one factor, of which the first has the first level.
fn is_compared(study: &Study<'_>, reference: &Cell<'_>, other: &Cell<'_>) -> bool {
    let is_first =
        (0..study.factors.len()).all(|place| reference.at[place] == 0 || reference.at[place] == other.at[place]);
    is_first && study.differing(reference, other).len() == 1
}

impl Compared {
    /// Whether the difference is more than chance, among all contrasts of the study.
    pub(crate) fn differs(&self) -> bool {
        self.p < SIGNIFICANCE
    }

    /// What may be said.
    pub(crate) fn verdict(&self) -> String {
        let p = chance(self.p);
        if self.differs() {
            return format!("they differ (p {})", with_sign(&p));
        }
        let needed = match self.needed {
            Some(RunsNeeded::More(0)) => format!("alone they could, but not among {}", count(self.family, "contrast")),
            Some(needed) if self.family > 1 => format!("{needed}, were this the only contrast"),
            Some(needed) => needed.to_string(),
            None => "there are too few runs".to_owned(),
        };
        format!("they cannot be told apart (p {}); {needed}", with_sign(&p))
    }
}

fn with_sign(p: &str) -> String {
    if p.starts_with('<') { p.to_owned() } else { format!("= {p}") }
}
