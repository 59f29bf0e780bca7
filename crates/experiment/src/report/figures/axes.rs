//! Two axes: levels along the first, a quantity from zero up the second.

use maud::{Markup, html};

use crate::record::Level;
use crate::report::numbers::on_scale;
use crate::report::studies::Factor;

use super::canvas::{Anchor, BELOW_TITLE, TEXT, WIDTH, line, px, text, text_width};
use super::palette::{FAINT_INK, GRID, INK};

/// The usual height of a drawing with axes, its legend not counted.
const HEIGHT: f64 = 350.0;

/// Room for the numbers and the title of the second axis.
pub(crate) const LEFT: f64 = 62.0;

/// Room at the right end.
pub(crate) const RIGHT: f64 = 14.0;

/// Room for the levels and the title of the first axis.
const BELOW: f64 = 54.0;

/// Levels whose greatest is this many times the least stand at even factors, not at even steps: 1, 5, 20, 100.
const WIDE_RANGE: f64 = 20.0;

/// The levels along the first axis.
pub(crate) struct Axis {
    /// With its unit.
    pub(crate) title: String,
    /// In their order.
    pub(crate) levels: Vec<Level>,
}

/// The place of everything, once it is known what is drawn.
pub(crate) struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    step: f64,
    most: f64,
}

impl Axis {
    /// Of a study's factor.
    pub(crate) fn of(factor: &Factor) -> Self {
        Self { title: factor.title(), levels: factor.levels.clone() }
    }

    /// Where each level stands, 0..=1: by its size if all are numbers.
    fn by_size(&self) -> Vec<f64> {
        let numbers: Option<Vec<f64>> = self.levels.iter().map(number).collect();
        let Some(numbers) = numbers.filter(|numbers| numbers.len() > 1) else { return self.evenly() };
        let (least, most) = (numbers[0], numbers[numbers.len() - 1]);
        let stretched = |value: f64| if least > 0.0 && most / least >= WIDE_RANGE { value.ln() } else { value };
        let (from, to) = (stretched(least), stretched(most));
        numbers.iter().map(|value| 0.06 + 0.88 * (stretched(*value) - from) / (to - from)).collect()
    }

    /// Where each level stands if all have as much room.
    fn evenly(&self) -> Vec<f64> {
        let count = self.levels.len() as f64;
        (0..self.levels.len()).map(|place| (place as f64 + 0.5) / count).collect()
    }
}

fn number(level: &Level) -> Option<f64> {
    match level {
        Level::Number(number) => Some(*number),
        Level::Word(_) => None,
    }
}

impl Plot {
    /// Below a legend of some height, for quantities up to `most`.
    pub(crate) fn new(legend: f64, most: f64) -> Self {
        let top = BELOW_TITLE + legend + 10.0;
        let step = step(most, 6.0);
        let most = if most > 0.0 { (most / step).ceil() * step } else { step };
        Self { left: LEFT, right: WIDTH - RIGHT, top, bottom: top + HEIGHT - BELOW - BELOW_TITLE, step, most }
    }

    /// The whole drawing's height.
    pub(crate) fn height(&self) -> f64 {
        self.bottom + BELOW
    }

    /// Where a quantity stands.
    pub(crate) fn y(&self, quantity: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * quantity / self.most
    }

    /// The same, of one that is in the drawing.
    pub(crate) fn within(&self, quantity: f64) -> Option<f64> {
        (0.0..=self.most).contains(&quantity).then(|| self.y(quantity))
    }

    /// The upper end of the axis.
    pub(crate) fn y_most(&self) -> f64 {
        self.y(self.most)
    }

    /// Where the levels stand, by their size.
    pub(crate) fn by_size(&self, axis: &Axis) -> Vec<f64> {
        axis.by_size().into_iter().map(|part| self.x(part)).collect()
    }

    /// Where the levels stand with equal room, and that room.
    pub(crate) fn evenly(&self, axis: &Axis) -> (Vec<f64>, f64) {
        let room = (self.right - self.left) / axis.levels.len() as f64;
        (axis.evenly().into_iter().map(|part| self.x(part)).collect(), room)
    }

    fn x(&self, part: f64) -> f64 {
        self.left + (self.right - self.left) * part
    }

    /// The axes, with a line behind everything at each step of the second.
    pub(crate) fn axes(&self, axis: &Axis, at: &[f64], y_title: &str) -> Markup {
        let steps = (0..).map(|place| f64::from(place) * self.step).take_while(|value| *value <= self.most * 1.000_001);
        let middle = (self.top + self.bottom) / 2.0;
        html! {
            @for value in steps {
                @let y = self.y(value);
                (line((self.left, y), (self.right, y), GRID, 1.0))
                (text(self.left - 8.0, y, Anchor::End, FAINT_INK, &on_scale(value, self.step)))
            }
            (line((self.left, self.bottom), (self.right, self.bottom), FAINT_INK, 1.0))
            (self.levels(axis, at))
            (text((self.left + self.right) / 2.0, self.bottom + 40.0, Anchor::Middle, INK, &axis.title))
            g transform={ "rotate(-90 13 " (px(middle)) ")" } { (text(13.0, middle, Anchor::Middle, INK, y_title)) }
        }
    }

    /// A mark at each level, and its name where there is room for it.
    fn levels(&self, axis: &Axis, at: &[f64]) -> Markup {
        let mut free_from = f64::MIN;
        let mut named = Vec::new();
        for (level, x) in axis.levels.iter().zip(at) {
            let name = level.text();
            let half = text_width(&name, TEXT) / 2.0;
            if x - half >= free_from {
                free_from = x + half + 6.0;
                named.push((*x, name));
            }
        }
        html! {
            @for x in at { (line((*x, self.bottom), (*x, self.bottom + 5.0), FAINT_INK, 1.0)) }
            @for (x, name) in &named { (text(*x, self.bottom + 17.0, Anchor::Middle, FAINT_INK, name)) }
        }
    }
}

/// A step of 1, 2 or 5 times a power of ten that divides `most` into about so many.
pub(crate) fn step(most: f64, about: f64) -> f64 {
    if most <= 0.0 || !most.is_finite() {
        return 1.0;
    }
    let power = 10.0_f64.powf((most / about).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|part| part * power).find(|step| most / step <= about);
    step.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbers_that_people_count_in() {
        assert_eq!([1.98, 16.3, 600.0, 0.9].map(|most| step(most, 6.0)), [0.5, 5.0, 100.0, 0.2]);
        assert_eq!([0.0, f64::NAN].map(|most| step(most, 6.0)), [1.0, 1.0]);
    }

    #[test]
    fn a_quantity_stands_where_the_axis_says() {
        let plot = Plot::new(20.0, 5.8);
        assert_eq!(plot.y(0.0), plot.bottom);
        assert_eq!(plot.y(6.0), plot.top, "the axis ends with a whole step");
        assert_eq!(plot.y(3.0), (plot.top + plot.bottom) / 2.0);
    }

    #[test]
    fn levels_stand_by_size_and_by_factor_where_their_range_is_wide() {
        let axis = |levels: &[f64]| Axis {
            title: String::new(),
            levels: levels.iter().map(|level| Level::Number(*level)).collect(),
        };
        let near = |places: Vec<f64>, expected: &[f64]| {
            assert!(places.iter().zip(expected).all(|(place, expected)| (place - expected).abs() < 1e-9), "{places:?}");
        };
        near(axis(&[0.0, 250.0, 500.0]).by_size(), &[0.06, 0.5, 0.94]);
        near(axis(&[1.0, 10.0, 100.0]).by_size(), &[0.06, 0.5, 0.94]);
    }
}
