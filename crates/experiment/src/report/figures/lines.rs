//! Means with their intervals, joined by lines.

use maud::{Markup, html};

use super::axes::{Axis, LEFT, Plot, RIGHT};
use super::canvas::{Anchor, BELOW_TITLE, Figure, WIDTH, legend, line, px, text};
use super::palette::{FAINT_INK, OTHERS, colour, marker};

/// How far apart the intervals of two lines at one level are, so that none hides another.
const ASIDE: f64 = 5.0;

/// A line of reference has so much room above it, for its name.
const ABOVE: f64 = 1.1;

/// Intervals are drawn as far as so many times the largest mean: those of two runs would leave no room for anything else.
const WITHIN: f64 = 2.0;

/// What is drawn.
pub(crate) struct LinePlot {
    /// As of a [`Figure`].
    pub(crate) slug: String,
    /// As of a [`Figure`].
    pub(crate) title: String,
    /// As of a [`Figure`].
    pub(crate) caption: String,
    /// Along which the points stand.
    pub(crate) axis: Axis,
    /// What is measured, with its unit.
    pub(crate) y_title: String,
    /// What the lines differ in, for the legend.
    pub(crate) lines_title: String,
    /// A quantity that deserves a line of its own, and its name: 1 in a figure of ratios.
    pub(crate) reference: Option<(f64, &'static str)>,
    /// From the back to the front.
    pub(crate) lines: Vec<Points>,
}

/// One line.
pub(crate) struct Points {
    /// For the legend; empty if there is only one.
    pub(crate) name: String,
    /// Which of the styles; `None`: somebody else measured it.
    pub(crate) style: Option<usize>,
    /// At each level along the axis.
    pub(crate) points: Vec<Option<Point>>,
    /// What was predicted at each level, if it was: from where to where.
    pub(crate) predicted: Vec<Option<(f64, f64)>>,
}

/// A mean.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    /// In the unit of the plot.
    pub(crate) mean: f64,
    /// From where to where it may be, where there are enough runs to say.
    pub(crate) interval: Option<(f64, f64)>,
}

impl LinePlot {
    /// Draws it.
    pub(crate) fn draw(self) -> Figure {
        let (names, height) = legend(&self.lines_title, &self.names(), 12.0, BELOW_TITLE, WIDTH - 24.0);
        let plot = Plot::new(height, self.most());
        let at = plot.by_size(&self.axis);
        let middle = (self.lines.len() as f64 - 1.0) / 2.0;
        let body = html! {
            (names)
            (plot.axes(&self.axis, &at, &self.y_title))
            @if let Some((quantity, name)) = self.reference {
                (line((LEFT, plot.y(quantity)), (WIDTH - RIGHT, plot.y(quantity)), FAINT_INK, 1.0))
                (text((LEFT + WIDTH - RIGHT) / 2.0, plot.y(quantity) - 9.0, Anchor::Middle, FAINT_INK, name))
            }
            @for points in &self.lines { (points.prediction(&plot, &at)) }
            @for (place, points) in self.lines.iter().enumerate() {
                (points.draw(&plot, &at, (place as f64 - middle) * ASIDE))
            }
        };
        Figure { slug: self.slug, title: self.title, caption: self.caption, width: WIDTH, height: plot.height(), body }
    }

    fn names(&self) -> Vec<(Markup, String)> {
        let named = self.lines.iter().filter(|points| !points.name.is_empty());
        let mut names: Vec<(Markup, String)> = named.map(|points| (points.symbol(), points.name.clone())).collect();
        if self.lines.iter().any(|points| points.predicted.iter().any(Option::is_some)) {
            names.push((
                html! { path d="M2 0H28" stroke=(FAINT_INK) stroke-width="1.5" stroke-dasharray="5 4" {} },
                "predicted".to_owned(),
            ));
        }
        names
    }

    fn most(&self) -> f64 {
        let points = || self.lines.iter().flat_map(|points| points.points.iter().flatten());
        let predicted = self.lines.iter().flat_map(|points| points.predicted.iter().flatten().map(|(_, most)| *most));
        let means = points().map(|point| point.mean).chain(predicted);
        let means = means.chain(self.reference.map(|(quantity, _)| quantity * ABOVE)).fold(0.0, f64::max);
        let intervals = points().filter_map(|point| point.interval).map(|(_, upper)| upper).fold(means, f64::max);
        intervals.min(means * WITHIN)
    }
}

impl Points {
    fn colour(&self) -> &'static str {
        self.style.map_or(OTHERS, colour)
    }

    fn marker(&self, x: f64, y: f64) -> Markup {
        match self.style {
            Some(style) => marker(style, x, y, 4.5, self.colour()),
            None => html! { circle cx=(px(x)) cy=(px(y)) r="4.2" fill="#ffffff" stroke=(OTHERS) stroke-width="1.8" {} },
        }
    }

    fn symbol(&self) -> Markup {
        html! { path d="M2 0H28" stroke=(self.colour()) stroke-width="2" {} (self.marker(15.0, 0.0)) }
    }

    fn draw(&self, plot: &Plot, at: &[f64], aside: f64) -> Markup {
        let placed: Vec<(f64, Point)> =
            self.points.iter().zip(at).filter_map(|(point, x)| Some((x + aside, (*point)?))).collect();
        html! {
            (path(placed.iter().map(|(x, point)| (*x, plot.y(point.mean))), self.colour(), None))
            @for (x, point) in &placed {
                @if let Some(ends) = point.interval { (interval(*x, ends, plot, self.colour())) }
                (self.marker(*x, plot.y(point.mean)))
            }
        }
    }

    fn prediction(&self, plot: &Plot, at: &[f64]) -> Markup {
        let edge = |of: fn((f64, f64)) -> f64| {
            let placed = self.predicted.iter().zip(at).filter_map(|(range, x)| Some((*x, plot.y(of((*range)?)))));
            path(placed, self.colour(), Some("5 4"))
        };
        let is_wide = self.predicted.iter().flatten().any(|(least, most)| plot.y(*least) - plot.y(*most) > 1.0);
        html! { (edge(|(least, _)| least)) @if is_wide { (edge(|(_, most)| most)) } }
    }
}

/// From its lower to its upper end, each with a stroke across where it is in the drawing.
fn interval(x: f64, (lower, upper): (f64, f64), plot: &Plot, colour: &str) -> Markup {
    let (top, bottom) = (plot.within(upper), plot.within(lower));
    let (left, right) = (px(x - 4.0), px(x + 4.0));
    let across = |inside: Option<f64>| inside.map(|y| format!("M{left} {}H{right}", px(y))).unwrap_or_default();
    let (from, to) = (px(top.unwrap_or(plot.y_most())), px(bottom.unwrap_or(plot.y(0.0))));
    html! {
        path d={ "M" (px(x)) " " (from) "V" (to) (across(top)) (across(bottom)) } stroke=(colour) stroke-width="1.5" {}
    }
}

fn path(points: impl Iterator<Item = (f64, f64)>, colour: &str, dashes: Option<&str>) -> Markup {
    let points: Vec<String> = points.map(|(x, y)| format!("{} {}", px(x), px(y))).collect();
    html! {
        @if points.len() > 1 {
            path d={ "M" (points.join("L")) } fill="none" stroke=(colour) stroke-width={ @if dashes.is_some() { "1.5" } @else { "2" } }
                stroke-dasharray=[dashes] {}
        }
    }
}
