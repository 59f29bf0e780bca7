//! The drawings of a study: for each panel the means, the runs and where time went, and one run from beginning to end.

use crate::record::Run;
use crate::report::figures::{Axis, BoxPlot, Boxes, Figure, LinePlot, Point, Points, Stack, stacks, timeline};
use crate::report::measures::{GOODPUT, LAST_IMAGE, Measure, OVERHEAD, RETRANSMISSIONS, SPEED, mean_parts_ms};
use crate::report::numbers::count;
use crate::report::original::{self, Repeated};
use crate::report::predicted::predicted;
use crate::report::studies::{Cell, Panel, Study};

use super::head::distinct;
use super::settings::service;

/// What is drawn beside the speed, and what its files are named after.
const OTHERS: [(Measure, &str); 4] =
    [(LAST_IMAGE, "last-image"), (GOODPUT, "goodput"), (OVERHEAD, "overhead"), (RETRANSMISSIONS, "sent-again")];

/// All drawings of a study.
pub(super) struct Drawings<'s, 'a> {
    pub(super) panels: Vec<Drawn<'s, 'a>>,
    /// One run, and its drawing.
    pub(super) run: Option<(&'a Run, Figure)>,
}

/// The drawings of a panel.
pub(super) struct Drawn<'s, 'a> {
    pub(super) panel: Panel<'s, 'a>,
    pub(super) means: Figure,
    pub(super) boxes: Figure,
    /// Beside the original, where it measured the like.
    pub(super) repeated: Option<(Repeated, Figure)>,
    pub(super) parts: Option<Figure>,
    /// What the speed does not say.
    pub(super) others: Vec<Figure>,
}

/// What the drawings of a panel have in common.
struct Named<'s, 'a> {
    study: &'s Study<'a>,
    panel: &'s Panel<'s, 'a>,
    slug: String,
}

impl Drawings<'_, '_> {
    /// Every figure.
    pub(super) fn all(self) -> Vec<Figure> {
        let mut all = Vec::new();
        for drawn in self.panels {
            all.extend([drawn.means, drawn.boxes]);
            all.extend(drawn.repeated.map(|(_, figure)| figure));
            all.extend(drawn.parts);
            all.extend(drawn.others);
        }
        all.extend(self.run.map(|(_, figure)| figure));
        all
    }
}

/// Draws a study.
pub(super) fn drawings<'s, 'a>(study: &'s Study<'a>, slug: &str) -> Drawings<'s, 'a> {
    let panels = study.panels();
    let is_alone = panels.len() == 1;
    let slug_of = |place: usize| if is_alone { slug.to_owned() } else { format!("{slug}-{}", place + 1) };
    let drawn = panels.into_iter().enumerate().map(|(place, panel)| drawn(study, panel, slug_of(place)));
    Drawings {
        panels: drawn.collect(),
        run: telling_run(study).map(|(cell, run)| (run, one_run(study, cell, run, slug))),
    }
}

fn drawn<'s, 'a>(study: &'s Study<'a>, panel: Panel<'s, 'a>, slug: String) -> Drawn<'s, 'a> {
    let named = Named { study, panel: &panel, slug };
    let (means, boxes) = (named.means(&SPEED, "means", predicted), named.boxes(&SPEED));
    let repeated = original::repeated(study, &panel).map(|repeated| {
        let figure = named.repeated(&repeated);
        (repeated, figure)
    });
    let parts = named.parts();
    let others = OTHERS.iter().map(|(measure, slug)| named.means(measure, slug, |_| None)).collect();
    Drawn { panel, means, boxes, repeated, parts, others }
}

impl Named<'_, '_> {
    fn title(&self, what: &str) -> String {
        let title = format!("{}: {what}", self.study.name);
        if self.panel.common.is_empty() { title } else { format!("{title}, {}", self.panel.common) }
    }

    fn slug(&self, what: &str) -> String {
        format!("{}-{what}", self.slug)
    }

    fn axis(&self) -> Axis {
        Axis::of(self.study.axis())
    }

    fn counted(&self) -> Vec<&Run> {
        let cells = self.panel.lines.iter().flat_map(|line| line.cells.iter().flatten());
        cells.flat_map(|cell| cell.counted.iter().copied()).collect()
    }

    /// How many runs a mark stands for, and what their work was.
    fn runs_and_work(&self) -> String {
        let cells = self.panel.lines.iter().flat_map(|line| line.cells.iter().flatten());
        let counts: Vec<usize> = cells.map(|cell| cell.counted.len()).filter(|runs| *runs > 0).collect();
        let (least, most) =
            (counts.iter().min().copied().unwrap_or_default(), counts.iter().max().copied().unwrap_or_default());
        let n =
            if least == most { format!("n\u{a0}=\u{a0}{least}") } else { format!("n\u{a0}=\u{a0}{least} to {most}") };
        let work = distinct(&self.counted(), |run| service(&run.cell.service));
        let lines = self.study.lines_title().filter(|_| self.panel.shares_cells && self.panel.lines.len() > 1);
        let shared = lines.map(|lines| format!(" Where there is no {lines}, the lines share the same runs."));
        format!(
            "{n} {} of each cell.{} An image's work: {work}.",
            if most == 1 { "run" } else { "runs" },
            shared.unwrap_or_default()
        )
    }

    fn means(&self, measure: &Measure, slug: &str, predicted: fn(&[&Run]) -> Option<(f64, f64)>) -> Figure {
        let lines: Vec<Points> = self
            .panel
            .lines
            .iter()
            .map(|line| Points {
                name: line.short.clone(),
                style: Some(line.style),
                points: line.cells.iter().map(|cell| point(measure, (*cell)?)).collect(),
                predicted: line.cells.iter().map(|cell| predicted(&cell.as_ref()?.counted)).collect(),
            })
            .collect();
        let is_predicted = lines.iter().any(|line| line.predicted.iter().any(Option::is_some));
        let prediction = if is_predicted {
            " Dashed: what a simple queueing model predicts, between two lines where losses leave room."
        } else {
            ""
        };
        LinePlot {
            slug: self.slug(slug),
            title: self.title(measure.title),
            caption: format!(
                "Means of {}: {}. Bars: 95 % Student-t interval of the mean, without an end where it goes beyond the figure.{prediction} {}",
                measure.title,
                measure.meaning,
                self.runs_and_work()
            ),
            axis: self.axis(),
            y_title: measure.title.to_owned(),
            lines_title: self.study.lines_title().unwrap_or_default(),
            reference: None,
            lines,
        }
        .draw()
    }

    fn boxes(&self, measure: &Measure) -> Figure {
        let groups = self.panel.lines.iter().map(|line| Boxes {
            name: line.short.clone(),
            style: line.style,
            values: line
                .cells
                .iter()
                .map(|cell| cell.map_or(Vec::new(), |cell| measure.values(&cell.counted)))
                .collect(),
        });
        BoxPlot {
            slug: self.slug("boxes"),
            title: self.title(&format!("{}, every run", measure.title)),
            caption: format!(
                "Boxes from the lower to the upper quartile with the median as a line; whiskers to the last run within 1.5 interquartile \
                 ranges; each point is a run. {}",
                self.runs_and_work()
            ),
            axis: self.axis(),
            y_title: measure.title.to_owned(),
            lines_title: self.study.lines_title().unwrap_or_default(),
            groups: groups.collect(),
        }
        .draw()
    }

    fn repeated(&self, repeated: &Repeated) -> Figure {
        LinePlot {
            slug: self.slug("original"),
            title: self.title("beside the original"),
            caption: format!(
                "Each study's throughput as a share of its own baseline, {}. Ours in images/s, the original's in bits of text a second: \
                 only the shares compare. Bars: 95 % interval of the ratio of two means, by the delta method on logarithms and \
                 Student's t, without an end where it goes beyond the figure; the original's computed anew from its means and deviations (n\u{a0}=\u{a0}8). {}",
                repeated.baseline,
                self.runs_and_work()
            ),
            axis: repeated.axis(),
            y_title: "share of the baseline".to_owned(),
            lines_title: String::new(),
            reference: Some((1.0, "baseline")),
            lines: repeated.lines(),
        }
        .draw()
    }

    fn parts(&self) -> Option<Figure> {
        let mut rows = Vec::new();
        for line in &self.panel.lines {
            for (place, cell) in line.cells.iter().enumerate() {
                let Some(parts_ms) = cell.and_then(|cell| mean_parts_ms(&cell.counted)) else { continue };
                let names = [self.study.axis().level_text(place), line.name.clone()];
                let name = names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", ");
                rows.push(Stack { name, parts_ms });
            }
        }
        let caption = format!(
            "Means over all answered images of all runs that count. Waiting at the manager, which lengthens with the batch, has a scale of \
             its own. {}",
            self.runs_and_work()
        );
        (!rows.is_empty()).then(|| stacks(self.slug("parts"), self.title("where an image's time went"), caption, &rows))
    }
}

fn point(measure: &Measure, cell: &Cell<'_>) -> Option<Point> {
    let summary = measure.summary(cell)?;
    let interval = summary.half_width.map(|half| (summary.moments.mean - half, summary.moments.mean + half));
    Some(Point { mean: summary.moments.mean, interval })
}

/// Of the cell in which most goes wrong, the last of several, the run with the median time.
fn telling_run<'s, 'a>(study: &'s Study<'a>) -> Option<(&'s Cell<'a>, &'a Run)> {
    let faults = |cell: &Cell<'_>| {
        let of = |run: &&Run| run.events.iter().filter(|event| timeline::is_fault(event)).count();
        cell.counted.iter().map(of).sum::<usize>()
    };
    let cell = study.cells.iter().filter(|cell| !cell.counted.is_empty()).max_by_key(|cell| faults(cell))?;
    let mut runs = cell.counted.clone();
    runs.sort_by(|one, other| one.elapsed_s.unwrap_or_default().total_cmp(&other.elapsed_s.unwrap_or_default()));
    Some((cell, runs[runs.len() / 2]))
}

fn one_run(study: &Study<'_>, cell: &Cell<'_>, run: &Run, slug: &str) -> Figure {
    let answered = run.images.iter().filter(|image| image.answered_s.is_some()).count();
    let caption = format!(
        "The run of median time at {}, seed {}: {} of {} answered. Above, how many images waited at the manager; below, a row a worker, an \
         image a bar from its sending to its answer, images that a worker held at the same time one below the other. \
         An attempt without an answer is not drawn.",
        study.cell_text(cell),
        run.seed,
        answered,
        count(run.images.len(), "image")
    );
    timeline::timeline(
        format!("{slug}-run"),
        format!("{}: one run, {}", study.name, study.cell_text(cell)),
        caption,
        run,
    )
}
