//! One study: what was held, what the numbers say, the drawings, and the numbers themselves.

use maud::{Markup, html};

use crate::record::{Image, Run};
use crate::report::contrasts::contrasts;
use crate::report::measures::{
    DISTANCE, EFFICIENCY, GOODPUT, LAST_IMAGE, Measure, OVERHEAD, RETRANSMISSIONS, SPEED, THROUGHPUT,
};
use crate::report::numbers::{count, figure, with_interval};
use crate::report::studies::{Cell, Study};
use crate::report::summary::summary;

use super::contrast_table::contrast_table;
use super::drawings::{Drawings, Drawn};
use super::facts;
use super::settings::settings;
use super::table::{Column, numbers, table, words};
use super::transport_table::transports;

/// Events of a run that are listed; a run with more has a note of how many.
const EVENTS: usize = 60;

/// The state of an image that has its label.
const RECOGNISED: &str = "recognised";

/// The section of a study.
pub(super) fn section(study: &Study<'_>, slug: &str, drawings: &Drawings<'_, '_>) -> Markup {
    let runs: Vec<&Run> = study.all().collect();
    let compared = contrasts(study);
    html! {
        section id=(slug) {
            h2 { (study.name) }
            p {
                (count(study.counted(), "run")) " of " (count(study.cells.len(), "cell")) " count"
                @if study.counted() == 1 { "s" } ". " (answers(&runs))
                @if runs.len() > study.counted() { " " span.void { (count(runs.len() - study.counted(), "run")) " void." } }
            }
            (facts(&settings(&runs)))
            ul.said {
                @for sentence in summary(study, &compared) {
                    li { @if !sentence.which.is_empty() { strong { (sentence.which) ":" } " " } (sentence.text) }
                }
            }
            @for drawn in &drawings.panels { (panel(drawn)) }
            (transports(study))
            (cells(study))
            @if !compared.is_empty() {
                details { summary { "Contrasts" } (contrast_table(study, &compared)) }
            }
            details.screen {
                summary { "More figures: time to the last image, goodput, wire overhead, packets sent again" }
                @for drawn in &drawings.panels {
                    @if !drawn.panel.common.is_empty() { h3 { (drawn.panel.common) } }
                    div.figures { @for figure in &drawn.others { (figure.element()) } }
                }
            }
            @for drawn in &drawings.panels { @if let Some(parts) = &drawn.parts { (parts.element()) } }
            @if let Some((run, figure)) = &drawings.run { (figure.element()) (events(run)) }
        }
    }
}

fn panel(drawn: &Drawn<'_, '_>) -> Markup {
    html! {
        @if !drawn.panel.common.is_empty() { h3 { (drawn.panel.common) } }
        div.figures {
            (drawn.means.element())
            (drawn.boxes.element())
        }
        @if let Some((repeated, figure)) = &drawn.repeated {
            div.beside { (figure.element()) (repeated.table()) }
        }
    }
}

/// The numbers, a row a cell.
fn cells(study: &Study<'_>) -> Markup {
    let mut columns: Vec<Column> = study
        .factors
        .iter()
        .map(|factor| if factor.is_numeric() { numbers(factor.title(), "") } else { words(factor.title()) })
        .collect();
    columns.push(numbers("runs", "that count, and those that are void"));
    let of = |measure: &Measure| numbers(measure.column, measure.meaning);
    columns.extend([
        of(&LAST_IMAGE),
        of(&SPEED),
        numbers("median [quartiles]", "of images/s: the median, and the lower and the upper quartile"),
        of(&GOODPUT),
        of(&THROUGHPUT),
        of(&OVERHEAD),
        of(&RETRANSMISSIONS),
        of(&EFFICIENCY),
        of(&DISTANCE),
    ]);
    let mut cells: Vec<&Cell<'_>> = study.cells.iter().collect();
    cells.sort_by_key(|cell| (&cell.at[1..], cell.at[0]));
    let rows: Vec<Vec<String>> = cells.into_iter().map(|cell| row(study, cell)).collect();
    table("Means with their 95 % Student-t intervals, a row a cell", &columns, &rows)
}

/// What the columns of the studies' tables hold.
pub(super) fn meanings() -> Markup {
    let meanings = [LAST_IMAGE, SPEED, GOODPUT, THROUGHPUT, OVERHEAD, RETRANSMISSIONS, EFFICIENCY, DISTANCE];
    html! {
        section id="columns" {
            h2 { "What the columns mean" }
            dl.long { @for measure in &meanings { div { dt { (measure.column) } dd { (measure.meaning) } } } }
        }
    }
}

fn row(study: &Study<'_>, cell: &Cell<'_>) -> Vec<String> {
    let mean = |measure: &Measure| {
        let summary = measure.summary(cell);
        summary.map_or("–".to_owned(), |summary| with_interval(summary.moments.mean, summary.half_width))
    };
    let void = if cell.void.is_empty() { String::new() } else { format!(" (+ {} void)", cell.void.len()) };
    let quartiles = SPEED.summary(cell).map_or("–".to_owned(), |speed| {
        format!("{} [{}, {}]", figure(speed.median), figure(speed.lower_quartile), figure(speed.upper_quartile))
    });
    let mut row: Vec<String> =
        study.factors.iter().zip(&cell.at).map(|(factor, place)| factor.levels[*place].text()).collect();
    row.push(format!("{}{void}", cell.counted.len()));
    row.extend([mean(&LAST_IMAGE), mean(&SPEED), quartiles]);
    row.extend([GOODPUT, THROUGHPUT, OVERHEAD, RETRANSMISSIONS, EFFICIENCY, DISTANCE].iter().map(mean));
    row
}

/// Whether each image of these runs, void ones included, was answered once.
fn answers(runs: &[&Run]) -> String {
    let images: Vec<&Image> = runs.iter().flat_map(|run| &run.images).collect();
    let none = images.iter().filter(|image| image.answers == 0).count();
    let more = images.iter().filter(|image| image.answers > 1).count();
    let other = images.iter().filter(|image| image.answers > 0 && image.state != RECOGNISED).count();
    if none + more + other == 0 {
        return format!("Each of the {} of all runs was recognised and answered once.", count(images.len(), "image"));
    }
    format!(
        "Of the {} of all runs, {none} had no answer, {more} had more than one, and {other} had one that they were not recognised.",
        count(images.len(), "image")
    )
}

/// What happened in the run that is drawn.
fn events(run: &Run) -> Markup {
    html! {
        @if !run.events.is_empty() {
            details {
                summary { "What happened in it" }
                ol.events {
                    @for event in run.events.iter().take(EVENTS) {
                        li { (figure(event.at_s)) " s: " (event.whom) " " (event.what) }
                    }
                }
                @if run.events.len() > EVENTS { p.quiet { (count(run.events.len() - EVENTS, "more event")) " in the rows." } }
            }
        }
    }
}
