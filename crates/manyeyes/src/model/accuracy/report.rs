//! What `manyeyes model accuracy` prints, for people and for programs.

use std::io::{self, Write};
use std::time::Duration;

use manyeyes_manager::api::Problem;
use manyeyes_vision::Model;
use serde::Serialize;

use super::{Pictures, Tally};

/// A matrix of more classes than this fits on no screen; the worst pairs are named instead.
const MATRIX_CLASSES_MAX: usize = 20;

/// How many pairs of classes are named.
const PAIRS: usize = 20;

/// How many files that could not be looked at are named.
const FILES_NAMED: usize = 20;

/// The whole outcome: what `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    model: String,
    /// SHA-256 of the model.
    digest: String,
    engine: String,
    /// How many pictures were looked at.
    pictures: u64,
    /// The share of them that had their class first, in 0..=1.
    top_1: f64,
    /// The share of them that had their class among the first five.
    top_5: f64,
    images_per_s: f64,
    /// The files that could not be looked at, and why.
    unreadable: Vec<Unreadable>,
    /// The classes that had pictures, in the order of the model's output.
    classes: Vec<Class>,
    /// Which class was taken for which other, the most frequent first.
    confused: Vec<Confused>,
    /// Of models with few classes: `[class][what it was taken for]`, in pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    matrix: Option<Matrix>,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    file: String,
    error: Problem,
}

#[derive(Debug, Serialize)]
struct Class {
    name: String,
    pictures: u64,
    top_1: f64,
}

#[derive(Debug, Serialize)]
struct Confused {
    class: String,
    taken_for: String,
    pictures: u64,
}

#[derive(Debug, Serialize)]
struct Matrix {
    names: Vec<String>,
    pictures: Vec<Vec<u64>>,
}

impl Report {
    pub(super) fn new(model: &Model, engine: String, pictures: &Pictures, tally: &Tally, took: Duration) -> Self {
        let labels = model.labels();
        let name = |class: usize| labels.name(class).unwrap_or_default().to_owned();
        let unreadable = |(position, error): (&usize, &Problem)| Unreadable {
            file: pictures.files[*position].display().to_string(),
            error: error.clone(),
        };
        let class = |class: usize| {
            let pictures = tally.pictures_of(class);
            let top_1 = share(tally.taken_for(class, class), pictures);
            (pictures > 0).then(|| Class { name: name(class), pictures, top_1 })
        };
        let mut confused: Vec<_> = tally.taken.iter().filter(|((class, taken_for), _)| class != taken_for).collect();
        confused.sort_by_key(|(classes, pictures)| (std::cmp::Reverse(**pictures), **classes));
        let confused = confused.into_iter().take(PAIRS).map(|(&(class, taken_for), &pictures)| Confused {
            class: name(class),
            taken_for: name(taken_for),
            pictures,
        });
        let matrix = (labels.len() <= MATRIX_CLASSES_MAX).then(|| {
            let row = |class| (0..labels.len()).map(|other| tally.taken_for(class, other)).collect();
            Matrix { names: labels.names().to_vec(), pictures: (0..labels.len()).map(row).collect() }
        });
        let seen = tally.pictures();
        Self {
            model: model.name.clone(),
            digest: crate::model::digest_of(model),
            engine,
            pictures: seen,
            top_1: share(tally.first, seen),
            top_5: share(tally.among_top, seen),
            images_per_s: seen as f64 / took.as_secs_f64().max(f64::EPSILON),
            unreadable: tally.unreadable.iter().map(unreadable).collect(),
            classes: (0..labels.len()).filter_map(class).collect(),
            confused: confused.collect(),
            matrix,
        }
    }

    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        let text = if json { serde_json::to_string(self)? } else { self.text() };
        writeln!(io::stdout(), "{text}")?;
        Ok(())
    }

    fn text(&self) -> String {
        let Self { model, digest, engine, pictures, top_1, top_5, images_per_s, .. } = self;
        let mut lines = vec![
            format!("{model} (sha256 {digest}) in {engine}"),
            format!("{pictures} pictures, {images_per_s:.0} images/s"),
            format!("top-1 {}, top-5 {}", percent(*top_1), percent(*top_5)),
        ];
        match &self.matrix {
            Some(matrix) => lines.extend(matrix.lines()),
            None if !self.confused.is_empty() => {
                lines.extend(["".to_owned(), "the most confused:".to_owned()]);
                let line = |Confused { class, taken_for, pictures }: &Confused| {
                    format!("{pictures:6}  {class} -> {taken_for}")
                };
                lines.extend(self.confused.iter().map(line));
            }
            None => {}
        }
        if !self.unreadable.is_empty() {
            lines.extend(["".to_owned(), format!("{} files could not be looked at:", self.unreadable.len())]);
            let line = |Unreadable { file, error }: &Unreadable| format!("  {file}: {}", error.message);
            lines.extend(self.unreadable.iter().take(FILES_NAMED).map(line));
            if self.unreadable.len() > FILES_NAMED {
                lines.push(format!("  and {} more (--json names all)", self.unreadable.len() - FILES_NAMED));
            }
        }
        lines.join("\n")
    }
}

impl Matrix {
    /// A row for each class, a column for each that it was taken for, headed by the first letters of its name.
    fn lines(&self) -> Vec<String> {
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let heads = self.names.iter().map(|name| format!(" {:>5}", name.chars().take(5).collect::<String>()));
        let mut lines = vec![String::new(), format!("{:width$}{}", "", heads.collect::<String>())];
        for (name, row) in self.names.iter().zip(&self.pictures) {
            let cells: String = row.iter().map(|pictures| format!(" {pictures:>5}")).collect();
            lines.push(format!("{name:width$}{cells}"));
        }
        lines
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(matrix: Option<Matrix>) -> Report {
        let confused = Confused { class: "cat".to_owned(), taken_for: "dog".to_owned(), pictures: 3 };
        let error = Problem { code: "empty".to_owned(), message: "the file is empty".to_owned() };
        Report {
            model: "small".to_owned(),
            digest: "00".to_owned(),
            engine: "an engine".to_owned(),
            pictures: 8,
            top_1: 0.625,
            top_5: 1.0,
            images_per_s: 42.0,
            unreadable: vec![Unreadable { file: "cat/a.jpg".to_owned(), error }],
            classes: Vec::new(),
            confused: vec![confused],
            matrix,
        }
    }

    #[test]
    fn a_model_of_few_classes_shows_what_was_taken_for_what() {
        let names = ["cat", "airplane"].map(str::to_owned).to_vec();
        let text = report(Some(Matrix { names, pictures: vec![vec![5, 3], vec![0, 0]] })).text();
        assert!(text.contains("8 pictures, 42 images/s\ntop-1 62.50 %, top-5 100.00 %"), "{text}");
        assert!(text.contains("           cat airpl\ncat          5     3\n"), "{text}");
        assert!(text.ends_with("1 files could not be looked at:\n  cat/a.jpg: the file is empty"), "{text}");
    }

    #[test]
    fn a_model_of_many_classes_names_the_most_confused() {
        let text = report(None).text();
        assert!(text.contains("     3  cat -> dog"), "{text}");
    }
}
