//! Answers to an exercise, checked against the rows of whoever gives them: nobody's numbers are another's, so what is right is computed
//! anew each time.
//!
//! ```toml
//! [[answer]]
//! question = "How many images a second do three workers do, on average?"
//! study = "workers"
//! cell = { workers = 3 }
//! figure = "mean"                  # mean, deviation, half_width, median, n, times, efficiency, holds
//! of = "images_per_s"              # images_per_s (where nothing is said), elapsed_s, goodput_bits_per_s
//! value = 4.77
//! ```
//!
//! `times` (the mean over another cell's), `efficiency` (that over the ratio of their workers) and `holds` (whether the means
//! differ by more than chance, by Welch's test at 5 %) need the other cell: `against = { workers = 1 }`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::record::{Level, Run};
use manyeyes_statistics::{Moments, summarise, welch};

#[cfg(test)]
mod tests;

/// How far a number may be off. An answer is read from a table or a plot, where it was rounded to three digits.
const TOLERANCE: f64 = 0.02;

/// How far a deviation and an interval may be off at any rate, as a share of the mean: they are printed beside it, to its digits.
const DIGITS: f64 = 1e-3;

/// Why answers cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum AnswersError {
    /// It is no file of answers.
    #[error("read the answers: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// A question about something that the rows do not show.
    #[error("check answer {number} ({question}): {why}")]
    Unanswerable {
        /// Which, from 1.
        number: usize,
        /// What was asked.
        question: String,
        /// What is missing, and what there is.
        why: String,
    },
}

/// An answer, and whether it is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub answer: Value,
    /// What the rows say.
    pub truth: Value,
    /// Whether they agree: numbers to two per cent, and deviations and intervals to a thousandth of the mean.
    pub is_right: bool,
}

/// A number, or yes and no.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Truth(bool),
    /// In the figure's unit.
    Number(f64),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    answer: Vec<Answer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    question: String,
    study: String,
    cell: BTreeMap<String, Level>,
    against: Option<BTreeMap<String, Level>>,
    figure: Figure,
    #[serde(default)]
    of: Of,
    value: Value,
}

/// What is asked of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Figure {
    Mean,
    Deviation,
    HalfWidth,
    Median,
    N,
    Times,
    Efficiency,
    Holds,
}

/// Of which figure of its runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    #[default]
    ImagesPerS,
    ElapsedS,
    GoodputBitsPerS,
}

/// Checks each answer against the runs that count.
///
/// # Errors
/// The text is no file of answers, or asks after what the runs do not show.
pub fn check(answers: &str, runs: &[Run]) -> Result<Vec<Checked>, AnswersError> {
    let File { answer } = toml::from_str(answers)?;
    let checked = answer.into_iter().zip(1..).map(|(answer, number)| {
        let truth = answer.truth(runs).map_err(|why| {
            let question = answer.question.clone();
            AnswersError::Unanswerable { number, question, why }
        })?;
        let is_right = answer.agrees(truth, runs);
        Ok(Checked { question: answer.question, answer: answer.value, truth, is_right })
    });
    checked.collect()
}

impl Answer {
    fn agrees(&self, truth: Value, runs: &[Run]) -> bool {
        match (self.value, truth) {
            (Value::Truth(answer), Value::Truth(truth)) => answer == truth,
            (Value::Number(answer), Value::Number(truth)) => {
                let digits = match self.figure {
                    Figure::Deviation | Figure::HalfWidth => {
                        self.values(&self.cell, runs).map_or(0.0, |values| DIGITS * mean(&values))
                    }
                    _ => 0.0,
                };
                (answer - truth).abs() <= (TOLERANCE * truth.abs()).max(digits)
            }
            _ => false,
        }
    }

    fn truth(&self, runs: &[Run]) -> Result<Value, String> {
        let cell = self.values(&self.cell, runs)?;
        let other = || {
            let against = self.against.as_ref();
            let against = against.ok_or("it compares two cells, and the other one, `against`, is not named")?;
            self.values(against, runs)
        };
        let of_both = |cell: &[f64], other: &[f64]| mean(cell) / mean(other);
        let number = match self.figure {
            Figure::Mean => mean(&cell),
            Figure::N => cell.len() as f64,
            Figure::Median => summarise(&cell).ok_or("there is no run")?.median,
            Figure::Deviation => moments(&cell)?.deviation,
            Figure::HalfWidth => moments(&cell)?.half_width().ok_or("one run has no interval")?,
            Figure::Times => of_both(&cell, &other()?),
            Figure::Efficiency => of_both(&cell, &other()?) / self.times_as_many_workers()?,
            Figure::Holds => {
                let contrast = welch(&cell, &other()?).ok_or("a cell of one run can be told apart from nothing")?;
                return Ok(Value::Truth(contrast.is_significant()));
            }
        };
        Ok(Value::Number(number))
    }

    /// The figure of each run of a cell that counts.
    fn values(&self, levels: &BTreeMap<String, Level>, runs: &[Run]) -> Result<Vec<f64>, String> {
        let study: Vec<&Run> = runs.iter().filter(|run| run.study == self.study).collect();
        if study.is_empty() {
            return Err(format!("the rows have no study {}, only {}", self.study, studies(runs)));
        }
        let is_of_cell = |run: &&&Run| levels.iter().all(|(factor, level)| run.levels.get(factor) == Some(level));
        let of_cell: Vec<&&Run> = study.iter().filter(is_of_cell).collect();
        let cells: Vec<_> = of_cell.iter().map(|run| &run.levels).collect();
        if cells.is_empty() {
            return Err(format!("{} has no cell of {}", self.study, text(levels)));
        }
        if cells.iter().any(|other| *other != cells[0]) {
            return Err(format!("{} has several cells of {}: name each factor's level", self.study, text(levels)));
        }
        let values: Option<Vec<f64>> =
            of_cell.iter().filter(|run| run.counts()).map(|run| self.of.value(run)).collect();
        let values = values.filter(|values| !values.is_empty());
        values.ok_or_else(|| format!("no run of {} of {} counts", text(levels), self.study))
    }

    fn times_as_many_workers(&self) -> Result<f64, String> {
        let workers = |levels: &BTreeMap<String, Level>| match levels.get("workers") {
            Some(Level::Number(workers)) => Some(*workers),
            _ => None,
        };
        let both = self.against.as_ref().and_then(|against| Some(workers(&self.cell)? / workers(against)?));
        both.ok_or_else(|| "an efficiency is of two cells with their `workers`".to_owned())
    }
}

impl Of {
    fn value(self, run: &Run) -> Option<f64> {
        match self {
            Self::ImagesPerS => run.images_per_s(),
            Self::ElapsedS => run.elapsed_s,
            Self::GoodputBitsPerS => run.goodput_bits_per_s(),
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn moments(values: &[f64]) -> Result<Moments, String> {
    Moments::of(values).ok_or_else(|| "one run does not vary".to_owned())
}

fn studies(runs: &[Run]) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| run.study.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn text(levels: &BTreeMap<String, Level>) -> String {
    let levels: Vec<String> = levels.iter().map(|(factor, level)| format!("{factor} {}", level.text())).collect();
    levels.join(", ")
}
