//! Runs in their order: studies, the factors that each varies, and its cells.
//!
//! One factor goes along the axis of a figure, one gives its lines, and each combination of the others has figures of its own.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::record::{Level, Run};

use super::figures::STYLES;

/// The level of a factor that means nothing in a cell: how a worker fails that never does.
pub(crate) const NONE: &str = "none";

/// What carries the connections. A study that varies their congestion control too has both as one: the controls of two transports
/// that have one name are two programs.
pub(crate) const TRANSPORT: &str = "transport";

/// The other factor of the two.
const CONGESTION_CONTROL: &str = "congestion_control";

/// So much of a scenario's digest tells two of one name apart.
const DIGEST_CHARACTERS: usize = 8;

/// A study has fewer than one cell in so many combinations of its levels if it varies one factor after another.
const SPARSE: usize = 2;

/// All runs of one study.
pub(crate) struct Study<'a> {
    /// Its name.
    pub(crate) name: String,
    /// What varies, at least one: along the axis first, then what gives the lines, then the others.
    pub(crate) factors: Vec<Factor>,
    /// Whether the second factor gives the lines.
    has_lines: bool,
    /// In the factors' order of levels.
    pub(crate) cells: Vec<Cell<'a>>,
}

/// What a study varies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Factor {
    /// Its name in the runs.
    pub(crate) name: String,
    /// Its levels: [`NONE`], then numbers by size, then words.
    pub(crate) levels: Vec<Level>,
}

/// The runs at one level of each factor.
pub(crate) struct Cell<'a> {
    /// Which level of each factor.
    pub(crate) at: Vec<usize>,
    /// The runs that count.
    pub(crate) counted: Vec<&'a Run>,
    /// Those that do not.
    pub(crate) void: Vec<&'a Run>,
}

/// The cells of one figure.
pub(crate) struct Panel<'s, 'a> {
    /// The levels that its cells have in common, in words; empty if the study has only one panel.
    pub(crate) common: String,
    /// Its lines: name, and the cell at each level along the axis.
    pub(crate) lines: Vec<Line<'s, 'a>>,
    /// Whether cells to which the lines' factor means nothing are in every line.
    pub(crate) shares_cells: bool,
}

/// Cells that differ along the axis only.
pub(crate) struct Line<'s, 'a> {
    /// Its place among the levels that give lines, so that it looks alike in every figure.
    pub(crate) style: usize,
    /// Its level, in words; empty if there is only one line.
    pub(crate) name: String,
    /// The same without its factor's name.
    pub(crate) short: String,
    /// The cell at each level along the axis, where one was measured.
    pub(crate) cells: Vec<Option<&'s Cell<'a>>>,
}

/// Every study, in the order in which they first appear. Runs of one name whose scenarios differ are of different studies.
pub(crate) fn studies(runs: &[Run]) -> Vec<Study<'_>> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for run in runs {
        if !found.contains(&(&run.study, &run.scenario)) {
            found.push((&run.study, &run.scenario));
        }
    }
    let of = |(name, scenario): &(&str, &str)| {
        let is_alone = found.iter().filter(|(other, _)| other == name).count() == 1;
        let digest: String = scenario.chars().take(DIGEST_CHARACTERS).collect();
        let title = if is_alone { (*name).to_owned() } else { format!("{name} (scenario {digest})") };
        study(title, runs.iter().filter(|run| run.study == *name && run.scenario == *scenario).collect())
    };
    found.iter().map(of).flat_map(by_factor).collect()
}

/// A study that varies one factor after another from a cell in the middle, as one study for each factor; any other as it is.
fn by_factor(whole: Study<'_>) -> Vec<Study<'_>> {
    let combinations: usize = whole.factors.iter().map(|factor| factor.levels.len()).product();
    let is_sparse = whole.cells.len() * SPARSE < combinations;
    let Some(middle) = whole.cells.iter().filter(|_| is_sparse).find(|cell| whole.is_middle(cell)) else {
        return vec![whole];
    };
    let varying = |place: &usize| whole.cells.iter().any(|cell| whole.differing(middle, cell) == [*place]);
    let part = |place: usize| {
        let cells =
            whole.cells.iter().filter(|cell| [Vec::new(), vec![place]].contains(&whole.differing(middle, cell)));
        let runs = cells.flat_map(|cell| cell.counted.iter().chain(&cell.void).copied());
        study(format!("{}: {}", whole.name, whole.factors[place].parts().0), runs.collect())
    };
    (0..whole.factors.len()).filter(varying).map(part).collect()
}

fn study(name: String, runs: Vec<&Run>) -> Study<'_> {
    let (factors, has_lines) = arrange(&name, factors(&runs));
    let mut cells: Vec<Cell<'_>> = Vec::new();
    for run in runs {
        let at: Vec<usize> = factors.iter().map(|factor| factor.place(run)).collect();
        let place = cells.binary_search_by(|cell| cell.at.cmp(&at)).unwrap_or_else(|place| {
            cells.insert(place, Cell { at, counted: Vec::new(), void: Vec::new() });
            place
        });
        let cell = &mut cells[place];
        if run.counts() { cell.counted.push(run) } else { cell.void.push(run) }
    }
    Study { name, factors, has_lines, cells }
}

fn factors(runs: &[&Run]) -> Vec<Factor> {
    let mut names: BTreeSet<&String> = runs.iter().flat_map(|run| run.levels.keys()).collect();
    if names.iter().any(|name| *name == TRANSPORT) {
        names.retain(|name| *name != CONGESTION_CONTROL);
    }
    let of = |name: &String| {
        let mut levels: Vec<Level> = Vec::new();
        for run in runs {
            let level = level(run, name);
            if !levels.contains(&level) {
                levels.push(level);
            }
        }
        levels.sort_by(order);
        Factor { name: name.clone(), levels }
    };
    names.into_iter().map(of).collect()
}

/// A run that has no level of a factor has it at `none`.
fn level(run: &Run, factor: &str) -> Level {
    let level = run.levels.get(factor).cloned().unwrap_or_else(|| Level::Word(NONE.to_owned()));
    // One that is chosen by nobody but the program is no part of the name.
    let control = run.levels.get(CONGESTION_CONTROL).filter(|control| control.text() != NONE);
    match control.filter(|_| factor == TRANSPORT) {
        Some(control) => Level::Word(format!("{} {}", level.text(), control.text())),
        None => level,
    }
}

fn order(one: &Level, other: &Level) -> Ordering {
    match (one, other) {
        (Level::Number(one), Level::Number(other)) => one.total_cmp(other),
        (Level::Word(one), Level::Word(other)) => (one != NONE, one).cmp(&(other != NONE, other)),
        (Level::Number(_), Level::Word(word)) if word == NONE => Ordering::Greater,
        (Level::Word(word), Level::Number(_)) if word == NONE => Ordering::Less,
        (Level::Number(_), Level::Word(_)) => Ordering::Less,
        (Level::Word(_), Level::Number(_)) => Ordering::Greater,
    }
}

/// What varies, in its roles; a study in which nothing varies shows its first factor, or its name.
fn arrange(study: &str, factors: Vec<Factor>) -> (Vec<Factor>, bool) {
    let first = factors.first().cloned();
    let mut varying: Vec<Factor> = factors.into_iter().filter(|factor| factor.levels.len() > 1).collect();
    if varying.is_empty() {
        let named = || Factor { name: "study".to_owned(), levels: vec![Level::Word(study.to_owned())] };
        return (vec![first.unwrap_or_else(named)], false);
    }
    let words = || study.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    varying.sort_by_key(|factor| {
        let is_named = words().any(|word| factor.name.contains(word));
        (!factor.is_numeric(), !is_named, usize::MAX - factor.levels.len())
    });
    let axis = varying.remove(0);
    varying.sort_by_key(|factor| (factor.levels.len() > STYLES, usize::MAX - factor.levels.len()));
    let has_lines = varying.first().is_some_and(|factor| factor.levels.len() <= STYLES);
    varying.insert(0, axis);
    (varying, has_lines)
}

impl Factor {
    /// Whether each of its levels is a number.
    pub(crate) fn is_numeric(&self) -> bool {
        self.levels.iter().all(|level| matches!(level, Level::Number(_)))
    }

    /// Its name for people, and its unit or what it is a share of.
    pub(crate) fn title(&self) -> String {
        let (name, unit) = self.parts();
        let unit = match self.name.as_str() {
            "delay_ms" => "ms, one way",
            "loss" => "share of packets",
            "failure_probability" => "with each image",
            _ => unit,
        };
        if unit.is_empty() { name } else { format!("{name} ({unit})") }
    }

    /// One of its levels with its name and unit: `delay 300 ms`, `3 workers`.
    pub(crate) fn level_text(&self, place: usize) -> String {
        let level = self.short(place);
        match (self.name.as_str(), &self.levels[place]) {
            ("images" | "workers" | "slots" | "uploads", Level::Number(1.0)) => {
                format!("{level} {}", self.name.trim_end_matches('s'))
            }
            ("images" | "workers" | "slots" | "uploads", Level::Number(_)) => format!("{level} {}", self.name),
            ("standby", Level::Number(_)) => format!("{level} on standby"),
            (
                "congestion_control" | "failure_mode" | "loss_model" | "profile" | "study" | "transport",
                Level::Word(word),
            ) if word != NONE => level,
            ("warm", Level::Number(_)) => level,
            _ => format!("{} {level}", self.parts().0),
        }
    }

    /// One of its levels with its unit.
    pub(crate) fn short(&self, place: usize) -> String {
        match (self.name.as_str(), &self.levels[place]) {
            ("warm", Level::Number(0.0)) => "cold".to_owned(),
            ("warm", Level::Number(images)) => format!("warm, after {images} images"),
            (_, level) => format!("{} {}", level.text(), self.parts().1).trim_end().to_owned(),
        }
    }

    fn parts(&self) -> (String, &'static str) {
        const UNITS: [(&str, &str); 6] = [
            ("_bits_per_s", "bit/s"),
            ("_bytes", "bytes"),
            ("_cores", "cores"),
            ("_pct", "%"),
            ("_ms", "ms"),
            ("_s", "s"),
        ];
        let split = UNITS.iter().find_map(|(end, unit)| Some((self.name.strip_suffix(end)?, *unit)));
        let (name, unit) = split.unwrap_or((&self.name, ""));
        (name.replace('_', " "), unit)
    }

    fn place(&self, run: &Run) -> usize {
        let level = level(run, &self.name);
        self.levels.iter().position(|known| *known == level).unwrap_or_default()
    }
}

impl<'a> Study<'a> {
    /// The factor along the axis.
    pub(crate) fn axis(&self) -> &Factor {
        &self.factors[0]
    }

    /// A cell's level of each factor, in words.
    pub(crate) fn cell_text(&self, cell: &Cell<'_>) -> String {
        let texts = self.factors.iter().zip(&cell.at).map(|(factor, place)| factor.level_text(*place));
        texts.collect::<Vec<_>>().join(", ")
    }

    /// Every run that counts.
    pub(crate) fn counted(&self) -> usize {
        self.cells.iter().map(|cell| cell.counted.len()).sum()
    }

    /// Every run.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Run> {
        self.cells.iter().flat_map(|cell| cell.counted.iter().chain(&cell.void).copied())
    }

    /// The cells, arranged for figures.
    pub(crate) fn panels(&self) -> Vec<Panel<'_, 'a>> {
        let commons: BTreeSet<&[usize]> = self.cells.iter().map(|cell| &cell.at[self.first_common()..]).collect();
        commons.into_iter().map(|common| self.panel(common)).collect()
    }

    fn panel(&self, common: &[usize]) -> Panel<'_, 'a> {
        let factors = &self.factors[self.first_common()..];
        let texts = factors.iter().zip(common).map(|(factor, place)| factor.level_text(*place));
        let styles = if self.has_lines { self.factors[1].levels.len() } else { 1 };
        let mut lines: Vec<Line<'_, 'a>> = (0..styles).map(|style| self.line(style, common)).collect();
        lines.retain(|line| line.cells.iter().any(Option::is_some));
        let has_none = self.has_lines && self.factors[1].levels[0] == Level::Word(NONE.to_owned());
        let shares_cells = has_none && share_first(&mut lines);
        Panel { common: texts.collect::<Vec<_>>().join(", "), lines, shares_cells }
    }

    fn line(&self, style: usize, common: &[usize]) -> Line<'_, 'a> {
        let is_of_line = |cell: &&Cell<'_>| cell.at.ends_with(common) && (!self.has_lines || cell.at[1] == style);
        let at = |place| self.cells.iter().filter(is_of_line).find(|cell| cell.at[0] == place);
        let name = if self.has_lines { self.factors[1].level_text(style) } else { String::new() };
        let short = if self.has_lines { self.factors[1].short(style) } else { String::new() };
        Line { style, name, short, cells: (0..self.axis().levels.len()).map(at).collect() }
    }

    /// What gives the lines, if something does.
    pub(crate) fn lines_title(&self) -> Option<String> {
        self.has_lines.then(|| self.factors[1].parts().0)
    }

    /// The factors in which two cells differ. One that means nothing in one of them differs only because another does.
    pub(crate) fn differing(&self, one: &Cell<'_>, other: &Cell<'_>) -> Vec<usize> {
        let means_nothing = |place: usize, at: usize| self.factors[place].levels[at] == Level::Word(NONE.to_owned());
        let all: Vec<usize> = (0..self.factors.len()).filter(|place| one.at[*place] != other.at[*place]).collect();
        let is_meant =
            |place: &usize| !means_nothing(*place, one.at[*place]) && !means_nothing(*place, other.at[*place]);
        let meant: Vec<usize> = all.iter().copied().filter(is_meant).collect();
        if meant.is_empty() { all } else { meant }
    }

    /// Whether every other cell differs from it in one factor.
    fn is_middle(&self, cell: &Cell<'_>) -> bool {
        self.cells.iter().all(|other| self.differing(cell, other).len() <= 1)
    }

    fn first_common(&self) -> usize {
        if self.has_lines { 2 } else { 1 }
    }
}

/// The first line is of cells in which the lines' factor means nothing: where they stand alone along the axis, they are the other
/// lines' beginning. Whether they do.
fn share_first(lines: &mut Vec<Line<'_, '_>>) -> bool {
    let Some((first, others)) = lines.split_first_mut() else { return false };
    let is_alone = |(place, cell): (usize, &Option<&Cell<'_>>)| {
        cell.is_none() || others.iter().all(|line| line.cells[place].is_none())
    };
    if others.is_empty() || !first.cells.iter().enumerate().all(is_alone) {
        return false;
    }
    for line in others {
        for (cell, shared) in line.cells.iter_mut().zip(&first.cells) {
            *cell = cell.or(*shared);
        }
    }
    lines.remove(0);
    true
}
