//! One HTTP exchange: the rest of a file, appended to what is there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode, header};

use super::error::SourceError;
use super::patience::Patience;
use super::{PullEvent, PullSettings};

/// How much is read at once; also how often progress is told.
const CHUNK_BYTES: usize = 64 * 1024;

/// Fetches `total` bytes into `part`, going on where an earlier attempt ended if the source can. Says whether it did.
/// What came before a failure stays, for the next attempt.
pub(super) fn fetch(
    source: &str,
    total: u64,
    part: &Path,
    settings: &PullSettings,
    patience: &mut Patience,
    report: &mut dyn FnMut(PullEvent<'_>),
) -> Result<bool, SourceError> {
    let mut file = File::options().create(true).truncate(false).write(true).open(part)?;
    let mut have = file.metadata()?.len();
    if have == total {
        // All is there already; the digest has the word.
        return Ok(true);
    }
    if have > total {
        have = 0;
    }
    // Where patience is limited, a source that begins and then falls silent is not waited for longer than one that is
    // silent from the beginning.
    let silence = patience.left().map_or(settings.answer, |left| left.min(settings.answer));
    let request = agent(settings, silence)
        .get(source)
        .header(header::USER_AGENT, concat!("manyeyes/", env!("CARGO_PKG_VERSION")));
    let request = if have > 0 { request.header(header::RANGE, format!("bytes={have}-")) } else { request };
    let answer = patience.wait(move || request.call()).map_err(|waited| {
        let seconds = waited.as_secs_f64();
        SourceError::unreached(format!("no answer within {seconds:.1} s"))
    })?;
    let mut response = answer.map_err(|error| SourceError::unreached(reason(error)))?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT if have > 0 && begins_at(response.headers(), have) => {}
        // It sends the file from its beginning.
        StatusCode::OK => have = 0,
        status => return Err(SourceError::useless(format!("it answers {status}"))),
    }
    let resumed = have > 0;
    file.set_len(have)?;
    file.seek(SeekFrom::End(0))?;
    copy(&mut response.body_mut().as_reader(), &mut file, have, total, patience, report)?;
    file.sync_all()?;
    Ok(resumed)
}

/// In the words of the system where they are its words.
fn reason(error: ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn agent(settings: &PullSettings, silence: Duration) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(settings.connect))
        .timeout_recv_response(Some(settings.answer))
        .timeout_per_read(Some(silence))
        .timeout_recv_body(Some(settings.whole));
    config.build().into()
}

/// Whether a partial answer continues at the byte that was asked for: `Content-Range: bytes 100-199/200`.
fn begins_at(headers: &HeaderMap, position: u64) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = range.strip_prefix("bytes ").and_then(|range| range.split('-').next());
    first.and_then(|first| first.trim().parse().ok()) == Some(position)
}

fn copy(
    body: &mut impl Read,
    file: &mut File,
    mut have: u64,
    total: u64,
    patience: &mut Patience,
    report: &mut dyn FnMut(PullEvent<'_>),
) -> Result<(), SourceError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        report(PullEvent::Received { bytes: have, total });
        let asked = Instant::now();
        let count = body.read(&mut chunk).map_err(|error| {
            patience.spend(asked.elapsed());
            SourceError::useless(format!("it broke off: {error}"))
        })?;
        if count == 0 {
            break;
        }
        have += count as u64;
        if have > total {
            file.set_len(0)?;
            return Err(SourceError::useless(format!("it sends more than the {total} bytes of the file")));
        }
        file.write_all(&chunk[..count])?;
    }
    if have < total {
        return Err(SourceError::useless(format!("it broke off after {have} of {total} bytes")));
    }
    Ok(())
}
