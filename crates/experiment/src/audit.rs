//! Re-checks a published table of means, deviations, numbers of runs and intervals: which interval it really is, which formula made it,
//! what would be right, and which of the differences that it seems to show are more than chance.
//!
//! A table says more than its author meant. The half-width of an interval over `s / sqrt(n)` is the quantile that was used, whatever the
//! caption claims, and the common mistakes each leave a quantile of their own (`formula`). Nothing is needed but the printed numbers; to
//! how many digits they were printed is taken into account (`table`).

mod columns;
mod formula;
mod number;
mod render;
mod table;

#[cfg(test)]
mod tests;

use serde::Serialize;

use manyeyes_statistics::{
    Contrast, Moments, Ratio, RunsNeeded, SIGNIFICANCE, holm, ratio_of, runs_needed_of, student, welch_of,
};

pub use formula::Formula;
pub use table::{AuditError, Problem, ROWS_MAX};

use table::{Printed, Printing};

/// What a table says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    /// What is to be said of all rows together.
    pub verdict: Verdict,
    /// Each row, in the table's order.
    pub rows: Vec<Row>,
    /// Each pair of rows, the first with all later ones, then the second.
    pub differences: Vec<Difference>,
    /// How well workers add up, where the conditions are numbers of workers and one of them is 1.
    pub scaling: Vec<Scaling>,
}

/// What is to be said of all rows together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The formulas that give every row's interval, the likeliest first. Empty: no one formula does. [`Formula::StudentT`] first: the
    /// intervals are what they claim to be, as far as the printed digits tell.
    pub formulas: Vec<Formula>,
    /// The confidence that the rows really have by Student's t, 0..=1: the least and the most. `None`: no row varies.
    pub confidence: Option<(f64, f64)>,
    /// How many times too narrow the intervals are: the least and the most; below 1: too wide. `None`: no row varies.
    pub times_too_narrow: Option<(f64, f64)>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The condition's name.
    pub condition: String,
    /// Number, mean and deviation, as printed.
    pub moments: Moments,
    /// The interval's ends, as printed.
    pub printed: (f64, f64),
    /// The confidence that the table claims, 0..=1.
    pub claimed_confidence: f64,
    /// Half the printed interval's width.
    pub half_width: f64,
    /// Half the width that an interval of the claimed confidence has, by Student's t.
    pub right_half_width: f64,
    /// What the printed interval is. `None` where nothing varies, and its width is rightly 0.
    pub found: Option<Found>,
}

/// What a printed interval is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Its half-width in standard errors, `s / sqrt(n)`.
    pub multiplier: f64,
    /// The confidence that it really has, by Student's t with n - 1 degrees of freedom.
    pub confidence_by_t: f64,
    /// The same by the normal distribution, which supposes the true deviation known.
    pub confidence_by_normal: f64,
    /// The right width over the printed one; below 1: it is too wide.
    pub times_too_narrow: f64,
    /// The formulas that give it, the likeliest first.
    pub formulas: Vec<Formula>,
}

/// Two conditions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The conditions' names.
    pub between: (String, String),
    /// Welch's test.
    pub contrast: Contrast,
    /// Its p, corrected by Holm's method over all pairs of the table.
    pub corrected_p: f64,
    /// Whether the table seems to say that they differ: their printed intervals have nothing in common.
    pub claimed: bool,
    /// Whether they do, as far as these runs can tell: the corrected p is below 0.05.
    pub holds: bool,
    /// How many more runs would tell them apart.
    pub runs_needed: RunsNeeded,
}

/// How well so many workers add up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scaling {
    /// So many.
    pub workers: u32,
    /// Times one worker's mean, with a 95 % interval.
    pub speed_up: Ratio,
    /// The share of so many times one worker's mean.
    pub efficiency: f64,
}

/// Audits a table in CSV: a header, then a line a condition. Fields are separated by commas, semicolons or tabs; lines that begin with
/// `#` are skipped. Columns are found by their names; capitals, spaces and punctuation in a name make no difference.
///
/// | column | names | what |
/// |---|---|---|
/// | condition | condition, level, group, treatment, setting, name; else the first column that is none of these | text, or a number |
/// | mean | mean, average, avg | |
/// | deviation | std, sd, stdev, stddev, s, deviation, standard deviation | not negative |
/// | n | n, runs, repeats, samples, sample size, count | 2 or more |
/// | lower | lower, low, lcl, ci low, ci lower, lower bound, 95% ci lower | |
/// | upper | upper, high, ucl, ci high, ci upper, upper bound, 95% ci upper | |
/// | confidence, may be missing | confidence, confidence level, cl | 0.95, 95 or 95 %; 95 % where missing |
///
/// Other columns are ignored. Where the condition's column is named `workers`, how well they scale is looked at too.
///
/// # Errors
/// Everything that is wrong with the table, each with its line: a missing column, what is not a number, a negative deviation, fewer than two
/// runs, a lower end above the upper, a mean outside its interval or not in its middle, a condition that is there twice, no row, or more
/// than [`ROWS_MAX`].
pub fn audit(text: &str) -> Result<Audit, AuditError> {
    let printing = table::read(text)?;
    let rows: Vec<Row> = printing.rows.iter().map(row).collect();
    let verdict = verdict(&rows);
    Ok(Audit { verdict, differences: differences(&rows), scaling: scaling(&printing, &rows), rows })
}

impl Verdict {
    /// Whether the intervals are what they claim to be, as far as the printed digits tell.
    pub fn is_right(&self) -> bool {
        self.confidence.is_none() || self.formulas.first() == Some(&Formula::StudentT)
    }
}

fn row(printed: &Printed) -> Row {
    let moments = printed.moments();
    let freedom = f64::from(moments.n - 1);
    let right = student::two_sided(printed.confidence(), freedom);
    let half_width = printed.half_width();
    let found = (moments.deviation > 0.0).then(|| {
        let multiplier = half_width / moments.standard_error();
        Found {
            multiplier,
            confidence_by_t: student::confidence_of(multiplier, freedom),
            confidence_by_normal: student::normal_confidence_of(multiplier),
            times_too_narrow: right / multiplier,
            formulas: formula::fitting(multiplier, printed.uncertainty(), moments.n, printed.confidence()),
        }
    });
    Row {
        line: printed.line,
        condition: printed.condition.clone(),
        moments,
        printed: (printed.lower.value, printed.upper.value),
        claimed_confidence: printed.confidence(),
        half_width,
        right_half_width: right * moments.standard_error(),
        found,
    }
}

fn verdict(rows: &[Row]) -> Verdict {
    let found: Vec<&Found> = rows.iter().filter_map(|row| row.found.as_ref()).collect();
    let fits_all = |formula: &Formula| found.iter().all(|found| found.formulas.contains(formula));
    let formulas = if found.is_empty() { Vec::new() } else { Formula::ALL.into_iter().filter(fits_all).collect() };
    Verdict {
        formulas,
        confidence: range(found.iter().map(|found| found.confidence_by_t)),
        times_too_narrow: range(found.iter().map(|found| found.times_too_narrow)),
    }
}

/// The least and the most.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| {
        let (least, most) = range.unwrap_or((value, value));
        Some((value.min(least), value.max(most)))
    })
}

fn differences(rows: &[Row]) -> Vec<Difference> {
    let pairs =
        rows.iter().enumerate().flat_map(|(place, first)| rows[place + 1..].iter().map(move |second| (first, second)));
    let tested: Vec<_> = pairs
        .map(|(first, second)| {
            let contrast = welch_of(&first.moments, &second.moments).expect("a row has two runs at least");
            (first, second, contrast)
        })
        .collect();
    let corrected = holm(&tested.iter().map(|(_, _, contrast)| contrast.p).collect::<Vec<_>>());
    let difference = |((first, second, contrast), corrected_p): ((&Row, &Row, Contrast), f64)| Difference {
        between: (first.condition.clone(), second.condition.clone()),
        contrast,
        corrected_p,
        claimed: first.printed.1 < second.printed.0 || second.printed.1 < first.printed.0,
        holds: corrected_p < SIGNIFICANCE,
        runs_needed: runs_needed_of(&first.moments, &second.moments).expect("a row has two runs at least"),
    };
    tested.into_iter().zip(corrected).map(difference).collect()
}

fn scaling(printing: &Printing, rows: &[Row]) -> Vec<Scaling> {
    let workers = |row: &Row| row.condition.parse::<u32>().ok().filter(|workers| *workers > 0);
    let Some(one) = rows.iter().find(|row| printing.conditions_are_workers && workers(row) == Some(1)) else {
        return Vec::new();
    };
    let of = |row: &Row| {
        let workers = workers(row).filter(|workers| *workers > 1)?;
        let speed_up = ratio_of(&row.moments, &one.moments)?;
        Some(Scaling { workers, speed_up, efficiency: speed_up.ratio / f64::from(workers) })
    };
    rows.iter().filter_map(of).collect()
}
