//! What a study says, in sentences made from its numbers. A sentence says "differs" only where the contrast does.

use super::contrasts::Compared;
use super::measures::{DISTANCE, SPEED};
use super::numbers::{count, figure, span, with_interval};
use super::predicted::predicted;
use super::studies::{Cell, Line, Panel, Study};

/// A sentence, and which line of the figures it is about; empty where it is about all.
pub(crate) struct Said {
    pub(crate) which: String,
    pub(crate) text: String,
}

/// A sentence about every line, and some about all cells together.
pub(crate) fn summary(study: &Study<'_>, compared: &[Compared]) -> Vec<Said> {
    let panels = study.panels();
    let lines = panels.iter().flat_map(|panel| panel.lines.iter().map(move |line| (panel, line)));
    let mut sentences: Vec<Said> = lines.filter_map(|(panel, line)| sentence(study, panel, line, compared)).collect();
    if !compared.is_empty() {
        let differing = compared.iter().filter(|compared| compared.differs()).count();
        let text = format!(
            "Of {} between cells that differ in one factor, {differing} show a difference that is more than chance (Welch, \
             corrected by Holm, 5 %).",
            count(compared.len(), "contrast")
        );
        sentences.push(Said { which: String::new(), text });
    }
    let of_all = [beside_the_floor(study), beside_the_prediction(study)].into_iter().flatten();
    sentences.extend(of_all.map(|text| Said { which: String::new(), text }));
    sentences
}

/// How near the cells come to what no scheduler beats.
fn beside_the_floor(study: &Study<'_>) -> Option<String> {
    let distances = study.cells.iter().filter_map(|cell| DISTANCE.summary(cell));
    let (least, most) = range(distances.map(|distance| distance.moments.mean))?;
    Some(format!(
        "The time to the last image is {} times its floor: one round trip, one image's bytes over the rate, and \
         ceil(images / slots) service times.",
        span(least, most)
    ))
}

/// How near the cells come to what the model says of them; where it gives a range, to the nearer end of it.
fn beside_the_prediction(study: &Study<'_>) -> Option<String> {
    let share = |cell: &Cell<'_>| {
        let (least, most) = predicted(&cell.counted)?;
        let speed = SPEED.summary(cell)?.moments.mean;
        Some(speed / speed.clamp(least, most))
    };
    let shares: Vec<f64> = study.cells.iter().filter_map(share).collect();
    let (least, most) = range(shares.iter().copied())?;
    let is_all = shares.len() == study.cells.len();
    let cells =
        if is_all { String::new() } else { format!(", in the {} that it predicts", count(shares.len(), "cell")) };
    Some(format!("Measured images/s are {} times what a simple queueing model predicts{cells}.", span(least, most)))
}

/// The least and the most.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| {
        let (least, most) = range.unwrap_or((value, value));
        Some((value.min(least), value.max(most)))
    })
}

/// The first level of a line against its last.
fn sentence(study: &Study<'_>, panel: &Panel<'_, '_>, line: &Line<'_, '_>, compared: &[Compared]) -> Option<Said> {
    let measured = |place: usize| line.cells[place].filter(|cell| !cell.counted.is_empty());
    let places: Vec<usize> = (0..line.cells.len()).filter(|place| measured(*place).is_some()).collect();
    let (first, last) = (*places.first()?, *places.last()?);
    let told = |place: usize| {
        let speed = SPEED.summary(measured(place)?)?;
        let speed = with_interval(speed.moments.mean, speed.half_width);
        Some(format!("{speed} images/s at {}", study.axis().level_text(place)))
    };
    let which = [panel.common.as_str(), line.name.as_str()].into_iter().filter(|text| !text.is_empty());
    let which = which.collect::<Vec<_>>().join(", ");
    if first == last {
        return Some(Said { which, text: format!("{}.", told(first)?) });
    }
    let verdict = verdict(study, (measured(first)?, measured(last)?), compared);
    Some(Said { which, text: format!("{}; {}{verdict}", told(first)?, told(last)?) })
}

/// How the second cell relates to the first.
fn verdict(study: &Study<'_>, (first, last): (&Cell<'_>, &Cell<'_>), compared: &[Compared]) -> String {
    let is_between = |compared: &&Compared| {
        study.cells[compared.reference].at == first.at && study.cells[compared.cell].at == last.at
    };
    let Some(compared) = compared.iter().find(is_between) else {
        return ". These two are not compared: there are too few runs, or they differ in more than one factor."
            .to_owned();
    };
    if !compared.differs() {
        return format!(": {}.", compared.verdict());
    }
    let mean = |cell: &Cell<'_>| SPEED.summary(cell).map(|speed| speed.moments.mean);
    let times = mean(last).zip(mean(first)).filter(|(_, first)| *first > 0.0).map(|(last, first)| last / first);
    times.map_or_else(
        || format!(": {}.", compared.verdict()),
        |times| format!(", {} times as many: {}.", figure(times), compared.verdict()),
    )
}
