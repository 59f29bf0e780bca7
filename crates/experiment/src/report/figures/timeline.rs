//! One run: who did what when. Above, how many images waited at the manager; below, a row a worker with a bar for each image, from its
//! parts; on both, what went wrong and what was done about it.
//!
//! The parts are durations, each measured by one clock; the moment that the client had its answer places them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::record::{Event, Image, Run};
use crate::report::numbers::{figure, on_scale};

use super::axes::step;
use super::canvas::{Anchor, BELOW_TITLE, Figure, TEXT, fitting, legend, line, px, text, text_width};
use super::palette::{FAINT_INK, GRID, INK, PARTS, marker};

/// The drawing's width.
const WIDTH: f64 = 960.0;

/// Room for names on the left, and at the right end.
const LEFT: f64 = 120.0;
const RIGHT: f64 = 24.0;

/// The height of the curve of waiting images.
const WAITING: f64 = 64.0;

/// Images that a worker holds at the same time have a lane each, up to so many; more share the last one. With a round trip of a second
/// and half a second an image a worker held 22: eight lanes showed most of them in one, as if their answers had been held up.
const LANES: usize = 24;

/// A lane's height where there is room, and where there are more lanes than [`ROOMY`].
const LANE: (f64, f64) = (16.0, 9.0);
const ROOMY: usize = 24;

/// Events that are a fault, done on purpose or noticed; every other is a repair, or news.
const FAULTS: [&str; 10] =
    ["killed", "stopped", "restarted", "cut", "failed", "left", "lost", "silent", "refused", "set aside"];

/// The colour of a fault, and of everything else that happened.
const FAULT: &str = "#8b0000";
const NOTE: &str = "#004d40";

/// Half a symbol and the space beside it, and how much wider bold letters are.
const SYMBOL: f64 = 10.0;
const BOLD: f64 = 1.1;

/// An image on its way: where it begins and ends in time, and each part's beginning and end.
struct Bar {
    worker: String,
    sent_s: f64,
    answered_s: f64,
    parts_s: Vec<(usize, f64, f64)>,
    lane: usize,
}

/// A worker's row.
struct Row {
    name: String,
    top: f64,
    lanes: usize,
}

/// The place of everything.
struct Frame {
    waiting: (f64, f64),
    rows: Vec<Row>,
    lane: f64,
    bottom: f64,
    most_s: f64,
}

/// Draws a run.
pub(crate) fn timeline(slug: String, title: String, caption: String, run: &Run) -> Figure {
    let (names, height) = legend("", &symbols(), 12.0, BELOW_TITLE, WIDTH - 24.0);
    let mut bars: Vec<Bar> = run.images.iter().filter_map(bar).collect();
    let lanes = pack(&mut bars);
    let frame = Frame::new(run, &bars, &lanes, BELOW_TITLE + height + 14.0);
    let body = html! {
        (names)
        (frame.axis())
        (frame.curve(run, &bars))
        @for row in &frame.rows { (frame.row(row)) }
        @for (part, (_, _, colour)) in PARTS.iter().enumerate().skip(1) {
            path d=(frame.bars(&bars, part)) fill=(colour) {}
        }
        (frame.events(run))
    };
    Figure { slug, title, caption, width: WIDTH, height: frame.bottom + 50.0, body }
}

/// Whether an event is a fault, not a repair.
pub(crate) fn is_fault(event: &Event) -> bool {
    FAULTS.contains(&event.what.as_str())
}

fn symbols() -> Vec<(Markup, String)> {
    let bar = |colour: &str| html! { rect x="6" y="-6" width="20" height="12" fill=(colour) {} };
    let mut symbols: Vec<(Markup, String)> =
        PARTS.iter().map(|(_, name, colour)| (bar(colour), (*name).to_owned())).collect();
    symbols.push((cross(16.0, 0.0), "fault".to_owned()));
    symbols.push((marker(3, 16.0, 0.0, 5.0, NOTE), "anything else that happened".to_owned()));
    symbols
}

/// Back from the answer, part by part. `None` where there was no answer, or nothing is known of its parts.
fn bar(image: &Image) -> Option<Bar> {
    let answered_s = image.answered_s?;
    let mut at_s = answered_s;
    let mut parts_s = Vec::new();
    for (part, (name, _, _)) in PARTS.iter().enumerate().skip(1).rev() {
        let began_s = at_s - image.timing_ms.get(*name).copied().unwrap_or_default() / 1000.0;
        parts_s.push((part, began_s, at_s));
        at_s = began_s;
    }
    let worker = image.worker.clone()?;
    (at_s < answered_s).then_some(Bar { worker, sent_s: at_s, answered_s, parts_s, lane: 0 })
}

/// Gives each bar the first lane of its worker that is free; the answer is how many lanes each worker needs.
fn pack(bars: &mut [Bar]) -> BTreeMap<String, usize> {
    bars.sort_by(|one, other| one.sent_s.total_cmp(&other.sent_s));
    let mut busy_until: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for bar in bars {
        let lanes = busy_until.entry(bar.worker.clone()).or_default();
        let free = lanes.iter().position(|until_s| *until_s <= bar.sent_s);
        bar.lane = free.unwrap_or(lanes.len()).min(LANES - 1);
        if bar.lane == lanes.len() {
            lanes.push(f64::MIN);
        }
        lanes[bar.lane] = lanes[bar.lane].max(bar.answered_s);
    }
    busy_until.into_iter().map(|(worker, lanes)| (worker, lanes.len())).collect()
}

impl Frame {
    fn new(run: &Run, bars: &[Bar], lanes: &BTreeMap<String, usize>, top: f64) -> Self {
        let mut names: Vec<&String> = run.workers.iter().map(|worker| &worker.name).collect();
        names.extend(lanes.keys().filter(|name| !run.workers.iter().any(|worker| worker.name == **name)));
        let of = |name: &String| lanes.get(name).copied().unwrap_or_default().max(1);
        let lane = if names.iter().map(|name| of(name)).sum::<usize>() > ROOMY { LANE.1 } else { LANE.0 };
        let mut at = top + WAITING + 14.0;
        let mut rows = Vec::new();
        for name in names {
            rows.push(Row { name: name.clone(), top: at, lanes: of(name) });
            at += of(name) as f64 * lane + 8.0;
        }
        let ends_s = bars.iter().map(|bar| bar.answered_s).chain(run.events.iter().map(|event| event.at_s));
        let most_s = ends_s.chain(run.elapsed_s).fold(f64::MIN_POSITIVE, f64::max);
        Self { waiting: (top, top + WAITING), rows, lane, bottom: at, most_s }
    }

    fn x(&self, at_s: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at_s / self.most_s).clamp(0.0, 1.0)
    }

    fn axis(&self) -> Markup {
        let step = step(self.most_s, 8.0);
        let steps = (0..).map(|place| f64::from(place) * step).take_while(|at_s| *at_s <= self.most_s);
        html! {
            @for at_s in steps {
                (line((self.x(at_s), self.waiting.0), (self.x(at_s), self.bottom), GRID, 1.0))
                (text(self.x(at_s), self.bottom + 12.0, Anchor::Middle, FAINT_INK, &on_scale(at_s, step)))
            }
            (line((LEFT, self.bottom), (WIDTH - RIGHT, self.bottom), FAINT_INK, 1.0))
            (text((LEFT + WIDTH - RIGHT) / 2.0, self.bottom + 34.0, Anchor::Middle, INK, "time since the first upload byte (s)"))
        }
    }

    fn row(&self, row: &Row) -> Markup {
        let bottom = row.top + row.lanes as f64 * self.lane;
        html! {
            (text(LEFT - 10.0, (row.top + bottom) / 2.0, Anchor::End, INK, &fitting(&row.name, LEFT - 14.0)))
            (line((LEFT, bottom + 4.0), (WIDTH - RIGHT, bottom + 4.0), GRID, 1.0))
        }
    }

    /// How many images the manager has that no worker was given yet.
    fn curve(&self, run: &Run, bars: &[Bar]) -> Markup {
        let came = run.images.iter().map(|image| (image.upload_begun_s, 1_i64));
        let mut steps: Vec<(f64, i64)> = came.chain(bars.iter().map(|bar| (bar.sent_s, -1))).collect();
        steps.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (top, bottom) = self.waiting;
        let most = run.images.len().max(1) as f64;
        let mut waiting = 0;
        let mut path = format!("M{} {}", px(LEFT), px(bottom));
        for (at_s, change) in steps {
            waiting += change;
            path += &format!("H{}V{}", px(self.x(at_s)), px(bottom - (bottom - top) * waiting.max(0) as f64 / most));
        }
        path += &format!("H{}V{}Z", px(self.x(run.elapsed_s.unwrap_or(self.most_s))), px(bottom));
        html! {
            path d=(path) fill=(PARTS[0].2) {}
            (line((LEFT, bottom), (WIDTH - RIGHT, bottom), FAINT_INK, 1.0))
            (text(LEFT - 10.0, (top + bottom) / 2.0, Anchor::End, INK, "waiting"))
            (text(LEFT - 10.0, top + 4.0, Anchor::End, FAINT_INK, &figure(most)))
        }
    }

    /// One part of every image, as one path: a run may have thousands.
    fn bars(&self, bars: &[Bar], part: usize) -> String {
        let mut path = String::new();
        for bar in bars {
            let Some(row) = self.rows.iter().find(|row| row.name == bar.worker) else { continue };
            let top = row.top + bar.lane as f64 * self.lane + 1.0;
            for (_, from_s, to_s) in bar.parts_s.iter().filter(|(of, from_s, to_s)| *of == part && to_s > from_s) {
                let (left, right) = (self.x(*from_s), self.x(*to_s));
                path += &format!("M{} {}H{}V{}H{}Z", px(left), px(top), px(right), px(top + self.lane - 2.0), px(left));
            }
        }
        path
    }

    /// A symbol for each, and its name beside it where no other symbol or name is.
    fn events(&self, run: &Run) -> Markup {
        let placed = |event: &Event| (self.x(event.at_s), self.height(run, &event.whom));
        let places: Vec<(f64, f64)> = run.events.iter().map(placed).collect();
        let mut taken_to: BTreeMap<u64, f64> = BTreeMap::new();
        let mut drawn = Vec::new();
        for (number, (event, (x, y))) in run.events.iter().zip(&places).enumerate() {
            let next = places[number + 1..].iter().find(|place| place.1 == *y).map_or(WIDTH, |place| place.0);
            let taken = taken_to.entry(y.to_bits()).or_insert(0.0);
            let width = text_width(&event.what, TEXT) * BOLD + SYMBOL;
            let name = if x + width < next {
                Some((x + SYMBOL, Anchor::Start))
            } else {
                (x - width > *taken).then_some((x - SYMBOL, Anchor::End))
            };
            *taken = if matches!(name, Some((_, Anchor::Start))) { x + width } else { x + SYMBOL };
            drawn.push(symbol(event, (*x, *y), name));
        }
        html! { @for event in &drawn { (event) } }
    }

    /// The row of whom it happened to: a link's is that of the worker at its end, and everything else is the manager's.
    fn height(&self, run: &Run, whom: &str) -> f64 {
        let link = whom.strip_prefix("link-").and_then(|number| run.links.get(number.parse::<usize>().ok()?));
        let name = link.map_or(whom, |link| &link.end);
        let row = self.rows.iter().find(|row| row.name == name);
        row.map_or((self.waiting.0 + self.waiting.1) / 2.0, |row| row.top + row.lanes as f64 * self.lane / 2.0)
    }
}

/// An event's symbol, and its name where it has a place.
fn symbol(event: &Event, (x, y): (f64, f64), name: Option<(f64, Anchor)>) -> Markup {
    let colour = if is_fault(event) { FAULT } else { NOTE };
    html! {
        g {
            title { (event.whom) " " (event.what) ", " (figure(event.at_s)) " s" }
            @if is_fault(event) { (cross(x, y)) } @else { (marker(3, x, y, 5.0, NOTE)) }
        }
        @if let Some((at, anchor)) = name {
            g stroke="#ffffff" stroke-width="3" paint-order="stroke" stroke-linejoin="round" font-weight="600" {
                (text(at, y, anchor, colour, &event.what))
            }
        }
    }
}

fn cross(x: f64, y: f64) -> Markup {
    let arms = [(-5.0, -5.0, 10.0, 10.0), (5.0, -5.0, -10.0, 10.0)];
    let path: String = arms.iter().map(|(dx, dy, w, h)| format!("M{} {}l{w} {h}", px(x + dx), px(y + dy))).collect();
    html! {
        path d=(path) stroke="#ffffff" stroke-width="6" {}
        path d=(path) stroke=(FAULT) stroke-width="3" {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::synthetic::{number, run};

    fn bar(worker: &str, sent_s: f64, answered_s: f64) -> Bar {
        Bar { worker: worker.to_owned(), sent_s, answered_s, parts_s: Vec::new(), lane: 0 }
    }

    #[test]
    fn images_that_a_worker_holds_at_the_same_time_have_lanes_of_their_own() {
        let mut bars = vec![bar("a", 0.0, 2.0), bar("a", 1.0, 3.0), bar("b", 1.0, 3.0), bar("a", 2.0, 4.0)];
        let lanes = pack(&mut bars);
        assert_eq!(bars.iter().map(|bar| bar.lane).collect::<Vec<_>>(), [0, 1, 0, 0]);
        assert_eq!(lanes, BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]));
    }

    #[test]
    fn more_images_than_lanes_share_the_last() {
        let mut bars: Vec<Bar> = (0..40).map(|place| bar("a", f64::from(place) / 100.0, 9.0)).collect();
        assert_eq!(pack(&mut bars)["a"], LANES);
        assert!(bars.iter().all(|bar| bar.lane < LANES));
    }

    #[test]
    fn what_happens_to_a_link_is_drawn_with_the_worker_at_its_end() {
        let levels = BTreeMap::from([("workers".to_owned(), number(3.0))]);
        let run = run("workers", levels, 0, 0);
        let mut bars: Vec<Bar> = run.images.iter().filter_map(super::bar).collect();
        let lanes = pack(&mut bars);
        let frame = Frame::new(&run, &bars, &lanes, 0.0);
        assert_eq!(frame.height(&run, "link-2"), frame.height(&run, "worker-2"));
        assert!(frame.height(&run, "manager") < frame.height(&run, "worker-1"));
        assert!(frame.height(&run, "link-99") < frame.height(&run, "worker-1"), "nobody's is the manager's");
    }
}
