//! Runs from files: JSON Lines, plain or compressed by gzip.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use thiserror::Error;

use crate::record::{FORMAT, Run};

/// A line is this long at most: a run of 10,000 images takes a tenth of it. So a file that is something else is not read into memory.
const LINE_BYTES: u64 = 64 << 20;

/// Why runs could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file.
    #[error("read {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is no run.
    #[error("read {path}, line {line}: it is not a run")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A line that is longer than any run.
    #[error("read {path}, line {line}: it is longer than {LINE_BYTES} bytes, so it is not a run")]
    Long {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// A run that is there already: it would count twice.
    #[error("read {path}, line {line}: this run was read before; name each file once")]
    Twice {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// A run of another shape.
    #[error(
        "read {path}, line {line}: it has format {found} and this program reads format {FORMAT}; use the manyeyes that wrote it"
    )]
    Format {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// The number in it.
        found: u32,
    },
}

/// What tells a run from every other: study, seed, and the moment at which it began.
type Identity = (String, u64, u64);

/// What a run of any format has.
#[derive(Deserialize)]
struct Numbered {
    format: u32,
}

/// Reads the runs of all the files, in their order. A name that ends in `.gz` is decompressed. Empty lines are passed over.
///
/// # Errors
///
/// A file that cannot be read, and the first line that is no run of [`FORMAT`], or one that was read already.
pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Run>, ReadError> {
    let (mut runs, mut known) = (Vec::new(), BTreeSet::new());
    for path in paths {
        read_file(path.as_ref(), &mut runs, &mut known)?;
    }
    Ok(runs)
}

fn read_file(path: &Path, runs: &mut Vec<Run>, known: &mut BTreeSet<Identity>) -> Result<(), ReadError> {
    let failed = |source| ReadError::File { path: path.to_owned(), source };
    let file = BufReader::new(File::open(path).map_err(failed)?);
    let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
    let mut lines: Box<dyn BufRead> =
        if is_compressed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if (&mut lines).take(LINE_BYTES + 1).read_until(b'\n', &mut text).map_err(failed)? == 0 {
            break;
        }
        if text.len() as u64 > LINE_BYTES {
            return Err(ReadError::Long { path: path.to_owned(), line });
        }
        if !text.trim_ascii().is_empty() {
            let run = parse(&text, path, line)?;
            if !known.insert((run.study.clone(), run.seed, run.began_unix_s.to_bits())) {
                return Err(ReadError::Twice { path: path.to_owned(), line });
            }
            runs.push(run);
        }
    }
    Ok(())
}

fn parse(text: &[u8], path: &Path, line: usize) -> Result<Run, ReadError> {
    let failed = |source| ReadError::Line { path: path.to_owned(), line, source };
    let Numbered { format } = serde_json::from_slice(text).map_err(failed)?;
    if format != FORMAT {
        return Err(ReadError::Format { path: path.to_owned(), line, found: format });
    }
    serde_json::from_slice(text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::report::tests::synthetic::{number, study};

    fn some_runs() -> Vec<Run> {
        study("workers", &[("workers", vec![number(1.0), number(2.0)])], 2)
    }

    fn lines(runs: &[Run]) -> String {
        runs.iter().map(|run| serde_json::to_string(run).unwrap() + "\n").collect()
    }

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn runs_are_read_from_plain_and_compressed_files_in_their_order() {
        let runs = some_runs();
        let (_plain, plain) = file("one.jsonl", format!("\n{}", lines(&runs[..1])).as_bytes());
        // As an interrupted run leaves it that was resumed: two streams, one behind the other.
        let mut bytes = Vec::new();
        for run in &runs[1..] {
            let mut stream = GzEncoder::new(&mut bytes, Compression::default());
            stream.write_all(lines(std::slice::from_ref(run)).as_bytes()).unwrap();
            stream.finish().unwrap();
        }
        let (_compressed, compressed) = file("two.jsonl.gz", &bytes);
        // To the last bit, which without serde_json's `float_roundtrip` it is not: a study that was resumed knew its runs no more.
        assert!(read(&[plain, compressed]).unwrap() == runs, "what was read is not what was written");
    }

    /// Found by a reader of the code: a round trip that no probe had made was not a number, which JSON does not know, and a row with
    /// it was no row to any reader. The whole file was refused.
    #[test]
    fn a_row_of_a_link_on_which_no_probe_came_back_is_read() {
        let mut runs = some_runs();
        let calibration = runs[0].links[1].calibration.as_mut().expect("the first block is probed");
        (calibration.rtt_ms, calibration.holds) = (None, false);
        let (_folder, path) = file("runs.jsonl", lines(&runs).as_bytes());
        assert!(read(&[path]).unwrap() == runs, "what was read is not what was written");
    }

    #[test]
    fn a_line_that_is_no_run_is_named_with_its_file_and_number() {
        let (_folder, path) = file("runs.jsonl", format!("{}{{\"format\": 1}}\n", lines(&some_runs())).as_bytes());
        let error = read(&[&path]).unwrap_err();
        assert_eq!(error.to_string(), format!("read {}, line 5: it is not a run", path.display()));
        assert!(error.source().unwrap().to_string().contains("missing field `study`"));
    }

    #[test]
    fn a_torn_last_line_is_no_run() {
        let text = lines(&some_runs());
        let (_folder, path) = file("runs.jsonl", &text.as_bytes()[..text.len() - 40]);
        assert!(matches!(read(&[path]), Err(ReadError::Line { line: 4, .. })));
    }

    #[test]
    fn a_file_that_is_given_twice_does_not_count_twice() {
        let (_folder, path) = file("runs.jsonl", lines(&some_runs()).as_bytes());
        assert!(matches!(read(&[&path, &path]), Err(ReadError::Twice { line: 1, .. })));
    }

    #[test]
    fn another_format_is_refused_before_its_fields_are_looked_at() {
        let (_folder, path) = file("runs.jsonl", b"{\"format\": 2, \"unheard\": true}\n");
        let error = read(&[path]).unwrap_err().to_string();
        assert!(error.contains("line 1: it has format 2 and this program reads format 1"), "{error}");
    }

    #[test]
    fn a_file_that_is_missing_or_not_compressed_is_named() {
        let (folder, path) = file("runs.jsonl.gz", b"{}\n");
        let missing = folder.path().join("missing.jsonl");
        for path in [path, missing] {
            let error = read(&[&path]).unwrap_err();
            assert_eq!(error.to_string(), format!("read {}", path.display()));
        }
    }
}
