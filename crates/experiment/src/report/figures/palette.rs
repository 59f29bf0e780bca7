//! Colours and markers.
//!
//! The colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008), which stay apart for every common kind of colour
//! blindness; the yellow is left to areas, as it is too pale for a line on white.

use maud::{Markup, html};

use super::canvas::px;

/// How many lines can be told apart.
pub(crate) const STYLES: usize = 7;

/// The colour of each line.
const LINES: [&str; STYLES] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

/// Text.
pub(crate) const INK: &str = "#1a1a1a";

/// Axes and less important text.
pub(crate) const FAINT_INK: &str = "#5c5c5c";

/// Lines behind everything.
pub(crate) const GRID: &str = "#e4e4e4";

/// What somebody else measured.
pub(crate) const OTHERS: &str = "#5c5c5c";

/// The parts of an image's time, in their order: the API's name, the name for people, the colour.
pub(crate) const PARTS: [(&str, &str, &str); 7] = [
    ("waiting", "waiting at the manager", "#bdbdbd"),
    ("sending", "sending", "#56B4E9"),
    ("receive", "receiving", "#0072B2"),
    ("worker_queue", "waiting at the worker", "#F0E442"),
    ("decoding", "decoding", "#E69F00"),
    ("inference", "recognising", "#D55E00"),
    ("returning", "returning", "#009E73"),
];

/// The colour of the line with this number.
pub(crate) fn colour(style: usize) -> &'static str {
    LINES[style % STYLES]
}

/// The marker of the line with this number.
pub(crate) fn marker(style: usize, x: f64, y: f64, size: f64, colour: &str) -> Markup {
    let at = |dx: f64, dy: f64| format!("{} {}", px(x + dx * size), px(y + dy * size));
    let outline = |corners: &[(f64, f64)]| {
        let corners: Vec<String> = corners.iter().map(|(dx, dy)| at(*dx, *dy)).collect();
        format!("M{}Z", corners.join("L"))
    };
    let path = match style % STYLES {
        0 => return html! { circle cx=(px(x)) cy=(px(y)) r=(px(size)) fill=(colour) {} },
        1 => outline(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => outline(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        3 => outline(&[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)]),
        4 => outline(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
        5 => outline(&[(-1.2, -0.45), (1.2, -0.45), (1.2, 0.45), (-1.2, 0.45)]),
        _ => outline(&[(-0.45, -1.2), (0.45, -1.2), (0.45, 1.2), (-0.45, 1.2)]),
    };
    html! { path d=(path) fill=(colour) {} }
}
