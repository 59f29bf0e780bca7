//! What is to be measured: a question, the factors that vary, everything else fixed. Read from a TOML file, strictly: whatever is
//! wrong with it is said with its line before anything runs.

mod cell;
mod factor;
mod file;
mod script;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use self::cell::Settings;
pub use self::cell::{BURST_PACKETS, NOT_APPLICABLE};
pub use self::factor::{Allowed, Factor, MAX_WORKERS};
pub use self::file::Fault;
use self::file::{File, One, Quick, Text};
pub use self::script::{Action, Scripted, Whom};
use crate::record::{Cell, Level};

/// The longest that a run may take. Longer ones are a mistake in a file: the original's longest took a minute and a half.
const MAX_BOUND_S: f64 = 3_600.0;

/// The most repeats: nobody waits for more, and a study of 30 tells apart what a study can.
const MAX_REPEATS: u32 = 1_000;

/// The most cells: factors that multiply to more are a mistake.
const MAX_CELLS: usize = 1_000;

/// A study, ready to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Of its rows and its file.
    pub name: String,
    /// Of its part of the report.
    pub title: String,
    /// What it answers, in a sentence.
    pub question: String,
    /// Runs of each cell.
    pub repeats: u32,
    /// What all chances follow from.
    pub seed: u64,
    /// A run that takes longer is given up.
    pub bound: Duration,
    /// The folder of the pictures that it is to be measured with, where it says one.
    pub photos: Option<PathBuf>,
    /// What is done to whom in each run, in time's order.
    pub script: Vec<Scripted>,
    /// What is compared, no two alike.
    pub cells: Vec<Planned>,
    /// Hex digest of everything that decides what a run is: runs of another digest are of another study. The number of repeats is
    /// not in it, so that more can be made of the same.
    pub digest: String,
}

/// One cell of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The level of each factor that the study varies.
    pub levels: BTreeMap<String, Level>,
    /// All of it.
    pub cell: Cell,
}

/// What is wrong with a scenario's file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no scenario.
    #[error("use {}: {fault}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, and on which line.
        fault: Fault,
    },
}

impl Scenario {
    /// Reads a file; `quick` takes what its `[quick]` says.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong.
    pub fn read(path: &Path, quick: bool) -> Result<Self, Error> {
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(Error::Unreadable { path, source }),
        };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&text, &folder, quick).map_err(|fault| Error::Wrong { path, fault })
    }

    /// Reads a file's text. A folder in it is taken from `folder`.
    ///
    /// # Errors
    /// Something in it is wrong.
    pub fn parse(text: &str, folder: &Path, quick: bool) -> Result<Self, Fault> {
        let text = Text(text);
        let file = text.read()?;
        check_name(text, &file)?;
        let wanted = Wanted::of(text, &file, quick)?;
        let cells = wanted.cells()?;
        let script = script::read(text, &file.event, &cells)?;
        let scenario = Self {
            name: file.name.into_inner(),
            title: file.title,
            question: file.question,
            repeats: wanted.repeats,
            seed: file.seed,
            bound: wanted.bound,
            photos: file.photos.map(|photos| folder.join(photos)),
            script,
            cells,
            digest: String::new(),
        };
        Ok(Self { digest: scenario.digest(), ..scenario })
    }

    fn digest(&self) -> String {
        let all = Digested {
            name: &self.name,
            seed: self.seed,
            bound_s: self.bound.as_secs_f64(),
            photos: self.photos.as_ref().map(|photos| photos.to_string_lossy().into_owned()),
            script: self.script.iter().map(|it| (it.at.as_secs_f64(), it.whom.to_string(), it.action.done())).collect(),
            cells: self.cells.iter().map(|planned| (&planned.levels, &planned.cell)).collect(),
        };
        let all = serde_json::to_vec(&all).expect("numbers and words are JSON");
        Sha256::digest(all).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes everything");
            hex
        })
    }
}

/// What a digest is of. Cells are as a row has them, which leaves out a factor that the study does not choose and that there was not when
/// its first rows were made: they stay its rows.
#[derive(Serialize)]
struct Digested<'a> {
    name: &'a str,
    seed: u64,
    bound_s: f64,
    photos: Option<String>,
    script: Vec<(f64, String, &'static str)>,
    cells: Vec<(&'a BTreeMap<String, Level>, &'a Cell)>,
}

/// The name is that of a file.
fn check_name(text: Text<'_>, file: &File) -> Result<(), Fault> {
    let name = file.name.get_ref();
    let is_plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(is_plain) {
        return Ok(());
    }
    let what = format!("the name \"{name}\" is to be of a file: 1 to 64 small letters, digits and dashes");
    Err(text.fault(&file.name.span(), what))
}

/// The file, with what its `[quick]` says where that is wanted.
struct Wanted {
    repeats: u32,
    bound: Duration,
    fixed: BTreeMap<Factor, Level>,
    factors: BTreeMap<Factor, Vec<Level>>,
    also: Vec<BTreeMap<Factor, Level>>,
}

impl Wanted {
    fn of(text: Text<'_>, file: &File, quick: bool) -> Result<Self, Fault> {
        // Both ways are checked, so that a mistake in `[quick]` is not found only by who is in a hurry.
        let usual = Self::merged(text, file, &Quick::default())?;
        let hurried = file.quick.as_ref().map(|quick| Self::merged(text, file, quick)).transpose()?;
        Ok(if quick { hurried.unwrap_or(usual) } else { usual })
    }

    fn merged(text: Text<'_>, file: &File, quick: &Quick) -> Result<Self, Fault> {
        let repeats = quick.repeats.as_ref().unwrap_or(&file.repeats);
        if !(1..=MAX_REPEATS).contains(repeats.get_ref()) {
            let what = format!("repeats = {}: it must be from 1 to {MAX_REPEATS}", repeats.get_ref());
            return Err(text.fault(&repeats.span(), what));
        }
        let bound = quick.bound_s.as_ref().unwrap_or(&file.bound_s);
        if !(1.0..=MAX_BOUND_S).contains(bound.get_ref()) {
            let what = format!("bound_s = {}: it must be from 1 to {MAX_BOUND_S} seconds", bound.get_ref());
            return Err(text.fault(&bound.span(), what));
        }
        let mut fixed = text.one(&file.fixed)?;
        fixed.extend(text.one(&quick.fixed)?);
        let mut factors = text.many(&file.factors)?;
        factors.extend(text.many(&quick.factors)?);
        let is_both = |written: &One| {
            let both =
                written.keys().find(|key| Factor::named(key.get_ref()).is_some_and(|it| factors.contains_key(&it)));
            both.map(|key| text.fault(&key.span(), format!("{} is fixed here and varies in [factors]", key.get_ref())))
        };
        if let Some(fault) = [&file.fixed, &quick.fixed].into_iter().find_map(is_both) {
            return Err(fault);
        }
        let also = quick.also.as_ref().unwrap_or(&file.also);
        Ok(Self {
            repeats: *repeats.get_ref(),
            bound: Duration::from_secs_f64(*bound.get_ref()),
            fixed,
            factors,
            also: also.iter().map(|written| text.one(written)).collect::<Result<_, _>>()?,
        })
    }

    /// Every combination of the factors' levels, and what there is to be also.
    fn cells(&self) -> Result<Vec<Planned>, Fault> {
        let base = Settings::default().with(&self.fixed);
        let mut settings = vec![base.clone()];
        for (factor, levels) in &self.factors {
            let each = |settings: &Settings| -> Vec<Settings> {
                levels.iter().map(|level| settings.with(&BTreeMap::from([(*factor, level.clone())]))).collect()
            };
            settings = settings.iter().flat_map(each).collect();
            if settings.len() > MAX_CELLS {
                return Err(Fault::of_all(format!("the factors multiply to more than {MAX_CELLS} cells")));
            }
        }
        settings.extend(self.also.iter().map(|levels| base.with(levels)));
        let mut varied: Vec<Factor> =
            self.factors.keys().chain(self.also.iter().flat_map(BTreeMap::keys)).copied().collect();
        varied.sort_unstable();
        varied.dedup();
        let mut cells: Vec<Planned> = Vec::new();
        for settings in settings {
            let levels = settings.levels(&varied);
            let named =
                || levels.iter().map(|(factor, level)| format!("{factor} {}", level.text())).collect::<Vec<_>>();
            let cell = settings.cell().map_err(|what| match named().as_slice() {
                [] => Fault::of_all(what),
                names => Fault::of_all(format!("with {}: {what}", names.join(", "))),
            })?;
            // Levels that mean nothing in a cell make it the same as another.
            if !cells.iter().any(|other| other.cell == cell) {
                cells.push(Planned { levels, cell });
            }
        }
        Ok(cells)
    }
}
