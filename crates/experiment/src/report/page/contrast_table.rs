//! The contrasts of a study, as a table.

use maud::Markup;

use crate::report::contrasts::Compared;
use crate::report::numbers::{chance, count, with_interval};
use crate::report::studies::Study;

use super::table::{numbers, table, words};

/// Every contrast.
pub(super) fn contrast_table(study: &Study<'_>, compared: &[Compared]) -> Markup {
    let rows: Vec<Vec<String>> = compared.iter().map(|compared| row(study, compared)).collect();
    let columns = [
        words("cell"),
        words("against"),
        numbers("difference (images/s)", "the first's mean less the second's, with its 95 % interval by Welch"),
        numbers("p", "the chance of a difference at least as large where there is none"),
        numbers("p by Holm", "the same, corrected for the number of contrasts of the study"),
        words("verdict"),
    ];
    let caption = format!("{} of images/s between cells that differ in one factor", count(compared.len(), "contrast"));
    table(&caption, &columns, &rows)
}

fn row(study: &Study<'_>, compared: &Compared) -> Vec<String> {
    let contrast = &compared.contrast;
    vec![
        study.cell_text(&study.cells[compared.cell]),
        study.cell_text(&study.cells[compared.reference]),
        with_interval(contrast.difference, Some(contrast.half_width)),
        chance(contrast.p),
        chance(compared.p),
        compared.verdict(),
    ]
}
