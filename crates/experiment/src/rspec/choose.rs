//! Which of a study's cells a file is for.

use std::str::FromStr;

use super::Options;
use super::draft::{Draft, draft};
use crate::record::Level;
use crate::scenario::{Factor, Planned, Scenario};

/// How many cells an error names.
const MOST_NAMED: usize = 12;

/// Levels of some factors: `delay_ms=500,loss=0.15`. The default chooses among all cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice(Vec<(Factor, String)>);

/// What is wrong with a choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChoice {
    /// It is not written as one.
    #[error("read \"{0}\" as FACTOR=LEVEL, such as delay_ms=500")]
    Unreadable(String),
    /// There is no such factor.
    #[error("choose by \"{name}\": there is no such factor; there are {known}", known = Factor::ALL.map(Factor::name).join(", "))]
    NoFactor {
        /// As it was written.
        name: String,
    },
    /// The study does not vary it.
    #[error("choose by {name}, which the study does not vary: {cells}")]
    NotVaried {
        /// The factor.
        name: &'static str,
        /// The cells that there are, in words.
        cells: String,
    },
    /// No cell has these levels.
    #[error("find a cell with {wanted}: {cells}")]
    NoCell {
        /// What was wanted.
        wanted: String,
        /// The cells that there are, in words.
        cells: String,
    },
    /// Several have, and each would be another file.
    #[error("choose a cell by itself, for these need different machines or links; say which with --cell: {cells}")]
    Several {
        /// The cells that are left, in words.
        cells: String,
    },
}

impl FromStr for Choice {
    type Err = BadChoice;

    fn from_str(written: &str) -> Result<Self, BadChoice> {
        let one = |part: &str| {
            let (name, level) = part.split_once('=').ok_or_else(|| BadChoice::Unreadable(part.to_owned()))?;
            let name = name.trim();
            let factor = Factor::named(name).ok_or_else(|| BadChoice::NoFactor { name: name.to_owned() })?;
            Ok((factor, level.trim().to_owned()))
        };
        written.split(',').map(one).collect::<Result<_, _>>().map(Self)
    }
}

impl Choice {
    fn is_of(&self, planned: &Planned) -> bool {
        self.0.iter().all(|(factor, wanted)| match planned.levels.get(factor.name()) {
            // 500 and 500.0 are the same level.
            Some(Level::Number(number)) => wanted.parse() == Ok(*number),
            Some(Level::Word(word)) => word == wanted,
            None => false,
        })
    }
}

/// The draft of the cells that are meant, and these cells: several where all would be the same file, which is so where they differ in what is
/// done on the machines only.
///
/// # Errors
/// No cell is meant, or cells of different files.
pub(super) fn choose<'a>(
    scenario: &'a Scenario,
    choice: &Choice,
    options: &Options,
) -> Result<(Vec<&'a Planned>, Draft), BadChoice> {
    let every = scenario.cells.iter().collect::<Vec<_>>();
    let is_varied = |factor: &Factor| every.iter().any(|planned| planned.levels.contains_key(factor.name()));
    if let Some((factor, _)) = choice.0.iter().find(|(factor, _)| !is_varied(factor)) {
        return Err(BadChoice::NotVaried { name: factor.name(), cells: listed(&every) });
    }
    let meant: Vec<&Planned> = every.iter().copied().filter(|planned| choice.is_of(planned)).collect();
    let mut drafts = meant.iter().map(|planned| draft(scenario, &planned.cell, options));
    let Some(first) = drafts.next() else {
        let wanted = choice.0.iter().map(|(factor, level)| format!("{}={level}", factor.name()));
        return Err(BadChoice::NoCell { wanted: wanted.collect::<Vec<_>>().join(","), cells: listed(&every) });
    };
    if drafts.any(|other| other != first) {
        return Err(BadChoice::Several { cells: listed(&meant) });
    }
    Ok((meant, first))
}

/// A cell as it is chosen.
pub(super) fn choosing(planned: &Planned) -> String {
    let levels = planned.levels.iter().map(|(factor, level)| format!("{factor}={}", level.text()));
    levels.collect::<Vec<_>>().join(",")
}

/// Cells as they are chosen, the first ones only where there are many.
pub(super) fn listed(cells: &[&Planned]) -> String {
    match cells {
        [one] if one.levels.is_empty() => return "it has one cell only".to_owned(),
        _ => {}
    }
    let named: Vec<String> = cells.iter().take(MOST_NAMED).map(|planned| choosing(planned)).collect();
    let more = cells.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", named.join("; "))
}
