//! Drawings: SVG that needs nothing else, stands in the page, and is a file of its own.
//!
//! Every drawing says by itself what it shows: a title, axes with units, a caption, and a description for who cannot see it. Lines
//! differ in colour and in marker, so that neither a printer nor colour blindness merges them.

mod axes;
mod boxes;
mod canvas;
mod lines;
mod palette;
mod parts;
pub(crate) mod timeline;

pub(crate) use self::axes::Axis;
pub(crate) use self::boxes::{BoxPlot, Boxes};
pub(crate) use self::canvas::Figure;
pub(crate) use self::lines::{LinePlot, Point, Points};
pub(crate) use self::palette::{PARTS, STYLES};
pub(crate) use self::parts::{Stack, stacks};
