//! The study that this one repeats, beside it: each as shares of its own baseline, because nothing else of them compares.
//!
//! The original's baseline is three workers with nothing impaired. Its intervals are computed anew: those that it printed are far too
//! narrow (`manyeyes experiment audit`).

use maud::Markup;

use crate::audit::audit;
use crate::record::Level;
use manyeyes_statistics::{Moments, Ratio, ratio_of};

use super::figures::{Axis, Point, Points};
use super::measures::SPEED;
use super::numbers::{share, with_interval};
use super::page::table::{numbers, table};
use super::studies::{Cell, Factor, Line, NONE, Panel, Study};

/// The original's tables by the factor that each varies, throughput in bits of text a second.
const TABLES: [(&str, &str); 4] = [
    (WORKERS, include_str!("../../../../experiments/original/workers.csv")),
    ("failure_probability", include_str!("../../../../experiments/original/failure.csv")),
    ("delay_ms", include_str!("../../../../experiments/original/delay.csv")),
    ("loss", include_str!("../../../../experiments/original/loss.csv")),
];

/// The factor of the table that has the baseline, and the baseline's level in it.
const WORKERS: &str = "workers";
const BASELINE_WORKERS: f64 = 3.0;

/// What a column of shares holds.
const SHARE: &str = "the ratio to the mean of the own baseline, with its 95 % interval";

/// Bits in a megabit.
const MEGABIT: f64 = 1e6;

/// A panel of ours beside the original.
pub(crate) struct Repeated {
    /// What both are shares of.
    pub(crate) baseline: &'static str,
    axis: String,
    levels: Vec<f64>,
    original: Vec<Option<Share>>,
    ours: Vec<Ours>,
}

/// A mean, and what share of the baseline's it is.
#[derive(Clone, Copy)]
struct Share {
    moments: Moments,
    ratio: Ratio,
}

/// A line of ours.
struct Ours {
    style: usize,
    name: String,
    shares: Vec<Option<Share>>,
}

/// Beside the original's table of the factor along the axis. `None` where it has none, or where we have no baseline.
pub(crate) fn repeated(study: &Study<'_>, panel: &Panel<'_, '_>) -> Option<Repeated> {
    let factor = study.axis();
    let (_, text) = TABLES.iter().find(|(name, _)| *name == factor.name)?;
    let baseline_level = if factor.name == WORKERS { BASELINE_WORKERS } else { 0.0 };
    let mut original = read(text);
    if factor.name != WORKERS {
        original.push((baseline_level, baseline()?));
    }
    let within = |level: f64| {
        original.iter().any(|(known, _)| *known >= level) && original.iter().any(|(known, _)| *known <= level)
    };
    let mut levels: Vec<f64> = original.iter().map(|(level, _)| *level).collect();
    levels.extend(factor.levels.iter().filter_map(number).filter(|level| within(*level)));
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let ours: Vec<Ours> = panel.lines.iter().filter_map(|line| ours(line, factor, &levels, baseline_level)).collect();
    let theirs = |level: &f64| original.iter().find(|(known, _)| known == level).map(|(_, moments)| *moments);
    let shares = shares(&levels.iter().map(theirs).collect::<Vec<_>>(), &levels, baseline_level)?;
    (!ours.is_empty()).then(|| Repeated {
        baseline: if factor.name == WORKERS { "3 workers" } else { "3 workers with nothing impaired" },
        axis: factor.title(),
        levels,
        original: shares,
        ours,
    })
}

/// A table's levels and what was measured at each.
fn read(text: &str) -> Vec<(f64, Moments)> {
    let table = audit(text).expect("the committed tables are in order");
    table.rows.iter().filter_map(|row| Some((row.condition.parse().ok()?, row.moments))).collect()
}

fn baseline() -> Option<Moments> {
    let (_, workers) = TABLES.iter().find(|(name, _)| *name == WORKERS)?;
    read(workers).into_iter().find(|(level, _)| *level == BASELINE_WORKERS).map(|(_, moments)| moments)
}

fn number(level: &Level) -> Option<f64> {
    match level {
        Level::Number(number) => Some(*number),
        // What means nothing in a cell is not done to it.
        Level::Word(word) => (word == NONE).then_some(0.0),
    }
}

fn ours(line: &Line<'_, '_>, factor: &Factor, levels: &[f64], baseline: f64) -> Option<Ours> {
    let at = |level: &f64| {
        let place = factor.levels.iter().position(|known| number(known) == Some(*level))?;
        measured(line.cells[place]?)
    };
    let shares = shares(&levels.iter().map(at).collect::<Vec<_>>(), levels, baseline)?;
    let is_compared = shares.iter().flatten().count() > 1;
    is_compared.then(|| Ours { style: line.style, name: line.name.clone(), shares })
}

fn measured(cell: &Cell<'_>) -> Option<Moments> {
    SPEED.summary(cell).map(|summary| summary.moments)
}

/// Each as a share of that at the baseline's level; `None` where nothing was measured there.
fn shares(measured: &[Option<Moments>], levels: &[f64], baseline: f64) -> Option<Vec<Option<Share>>> {
    let baseline_place = levels.iter().position(|level| *level == baseline)?;
    let base = measured[baseline_place]?;
    let of_base = |(place, moments): (usize, &Option<Moments>)| {
        let moments = (*moments)?;
        let itself = Ratio { ratio: 1.0, lower: 1.0, upper: 1.0 };
        let ratio = if place == baseline_place { itself } else { ratio_of(&moments, &base)? };
        Some(Share { moments, ratio })
    };
    Some(measured.iter().enumerate().map(of_base).collect())
}

impl Repeated {
    /// The levels of both.
    pub(crate) fn axis(&self) -> Axis {
        Axis { title: self.axis.clone(), levels: self.levels.iter().map(|level| Level::Number(*level)).collect() }
    }

    /// The original's line, and ours.
    pub(crate) fn lines(&self) -> Vec<Points> {
        let original =
            Points { name: "original".to_owned(), style: None, points: points(&self.original), predicted: Vec::new() };
        let ours = self.ours.iter().map(|ours| Points {
            name: ours.full_name(),
            style: Some(ours.style),
            points: points(&ours.shares),
            predicted: Vec::new(),
        });
        std::iter::once(original).chain(ours).collect()
    }

    /// The numbers of both.
    pub(crate) fn table(&self) -> Markup {
        let mut columns = vec![
            numbers(self.axis.clone(), ""),
            numbers(
                "original (Mbit/s of text)",
                "the published mean, with the 95 % Student-t interval of its deviation and n = 8",
            ),
            numbers("original", SHARE),
        ];
        columns.extend(self.ours.iter().map(|ours| numbers(ours.full_name(), SHARE)));
        let row = |(place, level): (usize, &f64)| {
            let mut row = vec![level.to_string()];
            let published = self.original[place].map(|share| share.moments);
            row.push(published.map_or("–".to_owned(), |moments| {
                with_interval(moments.mean / MEGABIT, moments.half_width().map(|half_width| half_width / MEGABIT))
            }));
            row.push(told(self.original[place]));
            row.extend(self.ours.iter().map(|ours| told(ours.shares[place])));
            row
        };
        let rows: Vec<Vec<String>> = self.levels.iter().enumerate().map(row).collect();
        table("Shares of the own baseline, with 95 % intervals", &columns, &rows)
    }
}

impl Ours {
    fn full_name(&self) -> String {
        if self.name.is_empty() { "manyeyes".to_owned() } else { format!("manyeyes, {}", self.name) }
    }
}

fn points(shares: &[Option<Share>]) -> Vec<Option<Point>> {
    let point =
        |share: Share| Point { mean: share.ratio.ratio, interval: Some((share.ratio.lower, share.ratio.upper)) };
    shares.iter().map(|share| share.map(point)).collect()
}

fn told(of: Option<Share>) -> String {
    let Some(Share { ratio: Ratio { ratio, lower, upper }, .. }) = of else { return "–".to_owned() };
    if lower == upper { "1".to_owned() } else { format!("{} [{}, {}]", share(ratio), share(lower), share(upper)) }
}
