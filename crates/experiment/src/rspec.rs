//! A study on a real testbed: a cell's machines and links as an RSpec v3, the form in which CloudLab and Emulab are asked for such
//! (`request`), and what is wrong or surprising about any file of that form (`check`).
//!
//! What their servers make of a file is known from sources that were published until 2016 and from CloudLab's manual: no file was
//! submitted from here. `docs/testbed.md` says what follows from that.

mod check;
mod choose;
mod command;
mod draft;
mod meaning;
mod read;
mod shape;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

pub use self::check::{Checked, Finding, Kind, check};
pub use self::choose::{BadChoice, Choice};
pub use self::meaning::Way;
pub use self::read::{MOST_BYTES, MOST_ELEMENTS, Unreadable};
use crate::scenario::Scenario;

/// The namespace of all that is not an extension.
const NAMESPACE: &str = "http://www.geni.net/resources/rspec/3";
/// Of what Emulab's own servers understand beyond it.
const EMULAB: &str = "http://www.protogeni.net/resources/rspec/ext/emulab/1";
/// Of machines that do nothing but delay.
const DELAY: &str = "http://www.protogeni.net/resources/rspec/ext/delay/1";
/// Of what CloudLab's page says of a profile.
const TOUR: &str = "http://www.protogeni.net/resources/rspec/ext/apt-tour/1";

/// The least loss that the server takes for a machine that delays; its own limit, of 0.0005 %. Links are held to it too.
const LEAST_LOSS: f64 = 0.000_005;

/// As much as 100 Gbit/s: what the fastest interfaces in CloudLab's machines carry. Whoever asks for that much has given bits, not
/// kilobits.
const IMPOSSIBLE_KBPS: f64 = 100e6;

/// How a file is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The kind of machine, by the testbed's name for it.
    pub hardware: String,
    /// The disk that each machine begins with, by its URN.
    pub image: String,
    /// Where `node.sh` will be on each machine.
    pub script: String,
    /// Whether there is a machine for the client.
    pub has_client: bool,
    /// What cannot be asked for is told and left out, in place of being refused.
    pub is_nearest_enough: bool,
}

impl Options {
    /// A machine of CloudLab's Utah cluster of which there are some hundreds: 8 cores, 64 GB, one 10 Gbit/s interface for experiments.
    pub const HARDWARE: &str = "m510";
    /// What CloudLab gives under this name: Ubuntu 22.04.
    pub const IMAGE: &str = "urn:publicid:IDN+emulab.net+image+emulab-ops//UBUNTU22-64-STD";
    /// Where a profile's repository is on each machine, once it has booted.
    pub const SCRIPT: &str = "/local/repository/deploy/node.sh";
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hardware: Self::HARDWARE.to_owned(),
            image: Self::IMAGE.to_owned(),
            script: Self::SCRIPT.to_owned(),
            has_client: true,
            is_nearest_enough: false,
        }
    }
}

/// A file to submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub xml: String,
    /// Where it departs from what the lab does with the same cell.
    pub departures: Vec<Departure>,
}

/// Something of a cell that a file does not ask for, or not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Its key in a scenario.
    pub key: &'static str,
    /// What is asked for in its place, and why.
    pub what: String,
    /// Whether runs would be of other conditions than the cell says: such a cell is refused where nobody has said that the nearest is
    /// enough.
    pub is_of_conditions: bool,
}

impl fmt::Display for Departure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.key, self.what)
    }
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not said which cell.
    #[error("{0}")]
    Cell(#[from] BadChoice),
    /// An RSpec has no words for the cell.
    #[error("ask a testbed for this cell, for which an RSpec has no words (--nearest writes what it has words for):{}", lines(.0))]
    Inexpressible(Vec<Departure>),
    /// What would be written is against our own rules.
    #[error("write a file without fault:{}", lines(.0))]
    Faulty(Vec<Finding>),
    /// What would be written is not even XML.
    #[error("write XML: {0}")]
    Unreadable(#[from] Unreadable),
}

/// Writes the file for one cell of a study. It is checked as anybody's file would be.
///
/// # Errors
/// It is not clear which cell, the cell cannot be asked for, or the options make a file that [`check()`] finds fault with.
pub fn request(scenario: &Scenario, choice: &Choice, options: &Options) -> Result<Written, Refused> {
    let (cells, draft) = choose::choose(scenario, choice, options)?;
    let of_conditions = || draft.departures.iter().filter(|departure| departure.is_of_conditions).cloned();
    if !options.is_nearest_enough && of_conditions().next().is_some() {
        return Err(Refused::Inexpressible(of_conditions().collect()));
    }
    let xml = write::xml(scenario, &cells, &draft, options);
    let checked = check(&xml)?;
    if !checked.findings.is_empty() {
        return Err(Refused::Faulty(checked.findings));
    }
    Ok(Written { xml, departures: draft.departures })
}

/// Each on a line of its own.
fn lines(all: &[impl fmt::Display]) -> String {
    all.iter().map(|one| format!("\n  {one}")).collect()
}
