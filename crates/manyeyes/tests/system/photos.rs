//! The labelled photos that tests use where they are present, and what is expected of them.

use std::path::{Path, PathBuf};

/// A photo with its class.
pub(crate) struct Photo {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) class: u64,
    /// The five most probable classes with their probabilities, where the list has them.
    pub(crate) top_five: Vec<(u64, f64)>,
}

impl Photo {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).expect("the photo can be read")
    }
}

/// Reads `expected.csv`: file and class index in the columns of these names, and GoogLeNet's top five if there.
pub(crate) fn labelled_in(folder: &Path) -> Vec<Photo> {
    let table = std::fs::read_to_string(folder.join("expected.csv")).expect("the list of photos");
    let mut lines = table.lines().map(cells_of);
    let head = lines.next().expect("a head line");
    let column = |name: &str| head.iter().position(|cell| cell == name);
    let (file, class) = (column("file").expect("file"), column("class_index").expect("class_index"));
    let top_five = column("googlenet_top5");
    lines
        .map(|cells| Photo {
            path: folder.join(&cells[file]),
            name: cells[file].clone(),
            class: cells[class].parse().expect("a class index"),
            top_five: top_five.map_or_else(Vec::new, |column| probabilities_of(&cells[column])),
        })
        .collect()
}

fn probabilities_of(cell: &str) -> Vec<(u64, f64)> {
    cell.split_whitespace()
        .map(|pair| {
            let (class, probability) = pair.split_once(':').expect("CLASS:PROBABILITY");
            (class.parse().expect("a class"), probability.parse().expect("a probability"))
        })
        .collect()
}

/// Splits a line of CSV whose cells may be quoted, without quotes inside them.
fn cells_of(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().expect("there is always a cell").push(other),
        }
    }
    cells
}
