//! Boxes from the lower to the upper quartile, with every run as a point.

use maud::{Markup, html};

use manyeyes_statistics::{Summary, summarise};

use super::axes::{Axis, Plot};
use super::canvas::{BELOW_TITLE, Figure, WIDTH, legend, line, px};
use super::palette::{INK, colour, marker};

/// The most that a box may be wide.
const BOX: f64 = 46.0;

/// Whiskers reach to the last run within so many interquartile ranges of the box (J. W. Tukey, "Exploratory Data Analysis", 1977).
const REACH: f64 = 1.5;

/// The golden ratio's fraction spreads any number of points evenly, without chance: neighbours in order are never neighbours in place.
const SPREAD: f64 = 0.618_033_988_75;

/// What is drawn.
pub(crate) struct BoxPlot {
    /// As of a [`Figure`].
    pub(crate) slug: String,
    /// As of a [`Figure`].
    pub(crate) title: String,
    /// As of a [`Figure`].
    pub(crate) caption: String,
    /// Along which the boxes stand.
    pub(crate) axis: Axis,
    /// What is measured, with its unit.
    pub(crate) y_title: String,
    /// What the lines differ in, for the legend.
    pub(crate) lines_title: String,
    /// From the left to the right at each level.
    pub(crate) groups: Vec<Boxes>,
}

/// The boxes of one line.
pub(crate) struct Boxes {
    /// For the legend; empty if there is only one.
    pub(crate) name: String,
    /// Which of the styles.
    pub(crate) style: usize,
    /// The runs at each level along the axis.
    pub(crate) values: Vec<Vec<f64>>,
}

impl BoxPlot {
    /// Draws it.
    pub(crate) fn draw(self) -> Figure {
        let named = self.groups.iter().filter(|group| !group.name.is_empty());
        let names: Vec<(Markup, String)> = named.map(|group| (group.symbol(), group.name.clone())).collect();
        let (names, height) = legend(&self.lines_title, &names, 12.0, BELOW_TITLE, WIDTH - 24.0);
        let values = self.groups.iter().flat_map(|group| group.values.iter().flatten().copied());
        let plot = Plot::new(height, values.fold(0.0, f64::max));
        let (at, room) = plot.evenly(&self.axis);
        let share = room * 0.86 / self.groups.len().max(1) as f64;
        let middle = (self.groups.len() as f64 - 1.0) / 2.0;
        let body = html! {
            (names)
            (plot.axes(&self.axis, &at, &self.y_title))
            @for (place, group) in self.groups.iter().enumerate() {
                @for (values, x) in group.values.iter().zip(&at) {
                    (group.draw(values, &plot, x + (place as f64 - middle) * share, (share * 0.8).min(BOX)))
                }
            }
        };
        Figure { slug: self.slug, title: self.title, caption: self.caption, width: WIDTH, height: plot.height(), body }
    }
}

impl Boxes {
    fn symbol(&self) -> Markup {
        let colour = colour(self.style);
        html! {
            rect x="4" y="-6" width="22" height="12" fill=(colour) fill-opacity="0.2" stroke=(colour) stroke-width="1.5" {}
            (marker(self.style, 15.0, 0.0, 3.0, colour))
        }
    }

    fn draw(&self, values: &[f64], plot: &Plot, x: f64, width: f64) -> Markup {
        let Some(summary) = summarise(values) else { return html! {} };
        let colour = colour(self.style);
        let (low, high) = whiskers(values, &summary);
        let (left, right) = (x - width / 2.0, x + width / 2.0);
        let (upper, lower) = (plot.y(summary.upper_quartile), plot.y(summary.lower_quartile));
        html! {
            (line((x, plot.y(high)), (x, upper), colour, 1.5))
            (line((x, lower), (x, plot.y(low)), colour, 1.5))
            rect x=(px(left)) y=(px(upper)) width=(px(width)) height=(px((lower - upper).max(0.5)))
                fill=(colour) fill-opacity="0.2" stroke=(colour) stroke-width="1.5" {}
            @for (place, value) in values.iter().enumerate() {
                @let aside = ((place as f64 + 1.0) * SPREAD).fract() - 0.5;
                g fill-opacity="0.75" { (marker(self.style, x + aside * width * 0.8, plot.y(*value), 2.2, colour)) }
            }
            (line((left, plot.y(summary.median)), (right, plot.y(summary.median)), INK, 2.0))
        }
    }
}

/// The ends of the whiskers.
fn whiskers(values: &[f64], summary: &Summary) -> (f64, f64) {
    let reach = REACH * (summary.upper_quartile - summary.lower_quartile);
    let (from, to) = (summary.lower_quartile - reach, summary.upper_quartile + reach);
    let within = values.iter().copied().filter(|value| (from..=to).contains(value));
    within
        .fold((summary.lower_quartile, summary.upper_quartile), |(low, high), value| (low.min(value), high.max(value)))
}
