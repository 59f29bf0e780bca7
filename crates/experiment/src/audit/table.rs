//! Reads the table, and refuses one that cannot be what it says.

use std::collections::BTreeMap;
use std::fmt;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::columns::{Column, Columns};
use super::number::Number;
use manyeyes_statistics::{CONFIDENCE, Moments};

/// The most rows of a table: the pairs of so many are some 20,000, of which nobody reads more.
pub const ROWS_MAX: usize = 200;

/// The most problems that are shown; who has more has one cause for them.
const PROBLEMS_SHOWN: usize = 20;

/// A table as it is printed.
pub(super) struct Printing {
    pub(super) rows: Vec<Printed>,
    /// Whether the conditions are numbers of workers.
    pub(super) conditions_are_workers: bool,
}

/// A row as it is printed, without a contradiction in it.
pub(super) struct Printed {
    pub(super) line: u64,
    pub(super) condition: String,
    mean: Number,
    deviation: Number,
    n: Number,
    pub(super) lower: Number,
    pub(super) upper: Number,
    confidence: Number,
}

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct AuditError {
    /// Each thing, in the table's order; there is one at least.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// Reads a table; its form is that of [`super::audit`].
pub(super) fn read(text: &str) -> Result<Printing, AuditError> {
    let mut lines = lines(text);
    let Some((header_line, header)) = lines.next() else {
        return Err(AuditError { problems: vec![Problem { line: 1, what: "the table is empty".to_owned() }] });
    };
    let delimiter = delimiter(header);
    let columns =
        fields(header, delimiter).and_then(|header| Columns::of(&header)).map_err(|whats| error(header_line, whats))?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (line, text) in lines {
        if rows.len() == ROWS_MAX {
            problems.extend(
                error(line, vec![format!("this is row {}, and {ROWS_MAX} are the most", ROWS_MAX + 1)]).problems,
            );
            break;
        }
        match fields(text, delimiter).and_then(|fields| row(line, &fields, &columns)) {
            Ok(row) => rows.push(row),
            Err(whats) => problems.extend(error(line, whats).problems),
        }
    }
    problems.extend(repeated(&rows));
    if rows.is_empty() && problems.is_empty() {
        problems.push(Problem { line: header_line, what: "no row follows the header".to_owned() });
    }
    if !problems.is_empty() {
        problems.sort();
        return Err(AuditError { problems });
    }
    Ok(Printing { rows, conditions_are_workers: columns.conditions_are_workers })
}

impl Printed {
    pub(super) fn moments(&self) -> Moments {
        Moments { n: self.n.value as u32, mean: self.mean.value, deviation: self.deviation.value }
    }

    /// The confidence that the table claims, 0..=1.
    pub(super) fn confidence(&self) -> f64 {
        self.confidence.value
    }

    pub(super) fn half_width(&self) -> f64 {
        (self.upper.value - self.lower.value) / 2.0
    }

    /// How far the half-width over the deviation may be from what it was before it was rounded, as a share.
    pub(super) fn uncertainty(&self) -> f64 {
        let of_ends = f64::midpoint(self.lower.unit, self.upper.unit) / 2.0;
        of_ends / self.half_width() + self.deviation.unit / 2.0 / self.deviation.value
    }

    /// What cannot be: of the single numbers, else of those together.
    fn contradictions(&self) -> Vec<String> {
        let mut whats = Vec::new();
        if self.deviation.value < 0.0 {
            whats.push(format!("the standard deviation {} is negative", self.deviation.value));
        }
        if self.n.value < 2.0 || self.n.value.fract() != 0.0 || self.n.value > f64::from(u32::MAX) {
            whats.push(format!("the number of runs is {}; it has to be whole, and 2 at least", self.n.value));
        }
        if !(0.0 < self.confidence.value && self.confidence.value < 1.0) {
            whats.push(format!("the confidence is {}; it has to be between 0 and 1", self.confidence.value));
        }
        whats.extend(self.contradiction_of_interval());
        whats
    }

    /// Ends may be off by one in their last place, and so may the mean: some programs cut where others round.
    fn contradiction_of_interval(&self) -> Option<String> {
        let Self { mean, deviation, lower, upper, .. } = self;
        let (below, above) = (mean.value - lower.value, upper.value - mean.value);
        if lower.value > upper.value {
            return Some(format!("the interval's lower end {} is above its upper end {}", lower.value, upper.value));
        }
        if below < -(lower.unit + mean.unit) || above < -(upper.unit + mean.unit) {
            return Some(format!(
                "the mean {} is outside its interval, {} to {}",
                mean.value, lower.value, upper.value
            ));
        }
        if (above - below).abs() > lower.unit + upper.unit + 2.0 * mean.unit {
            return Some(format!("the mean is not in the middle of its interval: {below} below it and {above} above"));
        }
        if (deviation.value == 0.0) != (lower.value == upper.value) {
            return Some("of the standard deviation and the interval's width one is 0 and the other is not".to_owned());
        }
        None
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.problems.iter().take(PROBLEMS_SHOWN).map(Problem::to_string).collect();
        formatter.write_str(&shown.join("\n"))?;
        match self.problems.len().saturating_sub(PROBLEMS_SHOWN) {
            0 => Ok(()),
            more => write!(formatter, "\nand {more} more"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.what)
    }
}

/// The lines that say something, with their numbers. A field has no line break in it: published tables have none.
fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let numbered = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    numbered.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

/// What separates the fields of a header.
fn delimiter(header: &str) -> u8 {
    [b'\t', b';'].into_iter().find(|delimiter| header.as_bytes().contains(delimiter)).unwrap_or(b',')
}

fn fields(line: &str, delimiter: u8) -> Result<StringRecord, Vec<String>> {
    let mut reader = ReaderBuilder::new();
    let mut reader = reader.has_headers(false).delimiter(delimiter).trim(Trim::All).from_reader(line.as_bytes());
    let mut fields = StringRecord::new();
    reader.read_record(&mut fields).map_err(|error| vec![error.to_string()])?;
    Ok(fields)
}

fn row(line: u64, fields: &StringRecord, columns: &Columns) -> Result<Printed, Vec<String>> {
    if fields.len() != columns.width {
        return Err(vec![format!("it has {} fields where the header has {}", fields.len(), columns.width)]);
    }
    let mut whats = Vec::new();
    let unreadable = Number { value: f64::NAN, unit: 0.0 };
    let mut number = |column: Column, parse: fn(&str) -> Result<Number, String>| {
        let field = columns.field(fields, column)?;
        Some(parse(field).unwrap_or_else(|what| {
            whats.push(format!("the {column} {what}"));
            unreadable
        }))
    };
    let mut required = |column| number(column, Number::parse).expect("a header without this column was refused");
    let row = Printed {
        line,
        condition: columns.field(fields, Column::Condition).expect("a header without it was refused").to_owned(),
        mean: required(Column::Mean),
        deviation: required(Column::Deviation),
        n: required(Column::N),
        lower: required(Column::Lower),
        upper: required(Column::Upper),
        confidence: number(Column::Confidence, Number::parse_share).unwrap_or(Number { value: CONFIDENCE, unit: 0.0 }),
    };
    if whats.is_empty() {
        whats = row.contradictions();
    }
    if whats.is_empty() { Ok(row) } else { Err(whats) }
}

/// Conditions that are there twice: a difference could not say between whom it is.
fn repeated(rows: &[Printed]) -> Vec<Problem> {
    let mut first = BTreeMap::new();
    let again = |row: &Printed| {
        let before = first.insert(row.condition.clone(), row.line)?;
        Some(Problem {
            line: row.line,
            what: format!("the condition \"{}\" was on line {before} already", row.condition),
        })
    };
    rows.iter().filter_map(again).collect()
}

fn error(line: u64, whats: Vec<String>) -> AuditError {
    AuditError { problems: whats.into_iter().map(|what| Problem { line, what }).collect() }
}
