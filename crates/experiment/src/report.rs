//! What was measured, as one HTML page that needs nothing else, and as SVG figures.
//!
//! The way of the data: lines of files -> runs (`rows`) -> studies of cells (`studies`) -> figures of each cell (`measures`) and what
//! may be said of them (`contrasts`, `summary`) -> drawings (`figures`) and the page around them (`page`). Nothing here measures, and
//! nothing here concludes: what the numbers mean is written by people.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::record::Run;

mod contrasts;
mod figures;
mod measures;
mod numbers;
mod original;
mod page;
mod predicted;
mod rows;
mod studies;
mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod transports;

pub use self::rows::{ReadError, read};

/// The page's name in its folder.
const PAGE: &str = "report.html";

/// The folder of the figures in the page's folder.
const FIGURES: &str = "figures";

/// What anybody may read and its owner change, less what the process's umask takes away.
const FILE_MODE: u32 = 0o666;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub page: PathBuf,
    /// The figures in it, each a file of its own too.
    pub figures: Vec<PathBuf>,
}

/// Why no report was written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// There is nothing to report.
    #[error("write a report: there are no runs")]
    NoRuns,
    /// The folder or a file in it.
    #[error("write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes `report.html` and `figures/*.svg` into a folder, which is made if it is missing. Each file appears whole or not at all.
///
/// # Errors
///
/// No runs, or a folder or file that cannot be written.
pub fn write(runs: &[Run], to: &Path) -> Result<Written, WriteError> {
    if runs.is_empty() {
        return Err(WriteError::NoRuns);
    }
    let report = page::lay_out(&studies::studies(runs));
    let folder = to.join(FIGURES);
    fs::create_dir_all(&folder).map_err(|source| WriteError::File { path: folder.clone(), source })?;
    let mut figures = Vec::new();
    for figure in &report.figures {
        let path = folder.join(format!("{}.svg", figure.slug));
        put(&path, &figure.file())?;
        figures.push(path);
    }
    let page = to.join(PAGE);
    put(&page, &report.html)?;
    Ok(Written { page, figures })
}

/// Beside its place first, then moved there in one step.
fn put(path: &Path, text: &str) -> Result<(), WriteError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().permissions(Permissions::from_mode(FILE_MODE)).tempfile_in(folder);
    file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(io::Error::from)
    })
    .map(drop)
    .map_err(|source| WriteError::File { path: path.to_owned(), source })
}
