//! Where an image's time went: a row a cell, the parts of the mean image one behind the other.
//!
//! Waiting at the manager has a scale of its own: where many images wait, every other part would be too small to be seen.

use maud::{Markup, html};

use crate::report::numbers::{duration_ms, duration_on_scale_ms};

use super::axes::step;
use super::canvas::{Anchor, BELOW_TITLE, Figure, TEXT, fitting, legend, line, px, text, text_width};
use super::palette::{FAINT_INK, GRID, INK, PARTS};

/// The drawing's width.
const WIDTH: f64 = 960.0;

/// A row's height, and that of its bar.
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;

/// Room for a row's name at most.
const NAME: f64 = 300.0;

/// Room for the bars of the waiting, and for the number behind a bar.
const WAITING: f64 = 150.0;
const NUMBER: f64 = 66.0;

/// A row.
pub(crate) struct Stack {
    /// Which cell.
    pub(crate) name: String,
    /// Each part's mean, milliseconds, in the order of [`PARTS`].
    pub(crate) parts_ms: [f64; PARTS.len()],
}

/// Where bars stand: from a place on, so many pixels a millisecond.
struct Scale {
    from: f64,
    width: f64,
    most_ms: f64,
}

impl Stack {
    fn with_a_worker(&self) -> f64 {
        self.parts_ms[1..].iter().sum()
    }
}

impl Scale {
    fn new(from: f64, width: f64, values: impl Iterator<Item = f64>) -> Self {
        Self { from, width, most_ms: values.fold(f64::MIN_POSITIVE, f64::max) }
    }

    fn x(&self, ms: f64) -> f64 {
        self.from + self.width * ms / self.most_ms
    }

    fn axis(&self, top: f64, bottom: f64, about: f64, title: &str) -> Markup {
        let step = step(self.most_ms, about);
        let steps = (0..).map(|place| f64::from(place) * step).take_while(|ms| *ms <= self.most_ms);
        html! {
            (text(self.from, top - 12.0, Anchor::Start, INK, title))
            @for ms in steps {
                (line((self.x(ms), top), (self.x(ms), bottom), GRID, 1.0))
                (text(self.x(ms), bottom + 12.0, Anchor::Middle, FAINT_INK, &duration_on_scale_ms(ms, step)))
            }
            (line((self.from, top), (self.from, bottom), FAINT_INK, 1.0))
        }
    }
}

/// Draws the rows.
pub(crate) fn stacks(slug: String, title: String, caption: String, rows: &[Stack]) -> Figure {
    let symbol = |colour: &str| html! { rect x="6" y="-6" width="20" height="12" fill=(colour) {} };
    let names: Vec<(Markup, String)> =
        PARTS.iter().map(|(_, name, colour)| (symbol(colour), (*name).to_owned())).collect();
    let (names, height) = legend("", &names, 12.0, BELOW_TITLE, WIDTH - 24.0);
    let top = BELOW_TITLE + height + 34.0;
    let bottom = top + rows.len() as f64 * ROW;
    let named = rows.iter().map(|row| text_width(&row.name, TEXT)).fold(0.0, f64::max).min(NAME);
    let waiting = Scale::new(named + 24.0, WAITING, rows.iter().map(|row| row.parts_ms[0]));
    let from = waiting.from + WAITING + NUMBER;
    let rest = Scale::new(from, WIDTH - from - NUMBER - 12.0, rows.iter().map(Stack::with_a_worker));
    let body = html! {
        (names)
        (waiting.axis(top, bottom, 2.0, "waiting at the manager"))
        (rest.axis(top, bottom, 6.0, "from the manager to the answer"))
        @for (place, row) in rows.iter().enumerate() {
            (row.draw(&waiting, &rest, top + (place as f64 + 0.5) * ROW))
        }
    };
    Figure { slug, title, caption, width: WIDTH, height: bottom + 30.0, body }
}

impl Stack {
    fn draw(&self, waiting: &Scale, rest: &Scale, y: f64) -> Markup {
        let mut at_ms = 0.0;
        let bars = PARTS.iter().zip(&self.parts_ms).skip(1).map(|((_, _, colour), ms)| {
            let from = at_ms;
            at_ms += ms;
            bar(rest, from, *ms, y, colour)
        });
        let bars: Vec<Markup> = bars.collect();
        let named = |scale: &Scale, ms: f64| text(scale.x(ms) + 6.0, y, Anchor::Start, INK, &duration_ms(ms));
        html! {
            (text(waiting.from - 8.0, y, Anchor::End, INK, &fitting(&self.name, NAME)))
            (bar(waiting, 0.0, self.parts_ms[0], y, PARTS[0].2))
            (named(waiting, self.parts_ms[0]))
            @for bar in &bars { (bar) }
            (named(rest, at_ms))
        }
    }
}

fn bar(scale: &Scale, from_ms: f64, ms: f64, y: f64, colour: &str) -> Markup {
    html! {
        @if ms > 0.0 {
            rect x=(px(scale.x(from_ms))) y=(px(y - BAR / 2.0)) fill=(colour)
                width=(px(scale.width * ms / scale.most_ms)) height=(px(BAR)) {}
        }
    }
}
