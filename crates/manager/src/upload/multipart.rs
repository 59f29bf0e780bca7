//! Reads `multipart/form-data` as it streams in: no part is held whole, and nearly no byte is copied.
//!
//! Ours rather than a crate's because a name that is no legal header (one with a NUL, say) must cost its own part only,
//! never the neighbours in the same request.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use memchr::memmem::Finder;

/// The most bytes of headers that a part may have. Browsers send about 200.
const PART_HEADER_BYTES: usize = 16 * 1024;
/// The longest boundary that RFC 2046, section 5.1.1 allows.
const BOUNDARY_BYTES: usize = 70;

/// Reads parts one after another from the chunks of a body.
pub(crate) struct Multipart<S> {
    body: S,
    delimiter: Finder<'static>,
    buffer: Bytes,
    position: Position,
}

/// The head of a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The form field's name.
    pub(crate) field: String,
    /// The file's name as the client gave it; not to be trusted.
    pub(crate) file_name: Option<String>,
}

/// Why a multipart body cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MultipartError<E> {
    /// The body itself failed or was cut off by its sender.
    #[error(transparent)]
    Body(E),
    /// The body ended without the closing boundary.
    #[error("the body ends before its closing boundary")]
    Cut,
    /// It is not multipart as its content type says.
    #[error("{0}")]
    Malformed(&'static str),
}

enum Position {
    /// In a part's content (or before the first boundary).
    Content,
    /// Just behind a boundary.
    Boundary,
    /// Behind the closing boundary.
    End,
}

impl<S, E> Multipart<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// A reader of `body`, whose parts are separated by `boundary` (see [`boundary`]).
    pub(crate) fn new(body: S, boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            body,
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            // The first boundary may stand at the very beginning, without the line break that belongs to the others.
            buffer: Bytes::from_static(b"\r\n"),
            position: Position::Content,
        }
    }

    /// The next part's head. What was not read of the part before it is skipped.
    pub(crate) async fn next_part(&mut self) -> Result<Option<Part>, MultipartError<E>> {
        while self.chunk().await?.is_some() {}
        if matches!(self.position, Position::End) {
            return Ok(None);
        }
        let head = self.head().await?;
        let Some(head) = head else {
            self.position = Position::End;
            return Ok(None);
        };
        self.position = Position::Content;
        Ok(Some(parse_head(&head)))
    }

    /// More of the current part's content; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError<E>> {
        if !matches!(self.position, Position::Content) {
            return Ok(None);
        }
        loop {
            let content = match self.delimiter.find(&self.buffer) {
                Some(0) => {
                    self.buffer.advance(self.delimiter.needle().len());
                    self.position = Position::Boundary;
                    return Ok(None);
                }
                Some(at) => at,
                None => self.buffer.len() - begun(&self.buffer, self.delimiter.needle()),
            };
            if content > 0 {
                return Ok(Some(self.buffer.split_to(content)));
            }
            self.fill().await?;
        }
    }

    /// From behind a boundary to behind the empty line that ends the part's headers; `None` at the closing boundary.
    async fn head(&mut self) -> Result<Option<Bytes>, MultipartError<E>> {
        loop {
            if self.buffer.starts_with(b"--") {
                return Ok(None);
            }
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(end);
                self.buffer.advance(4);
                return Ok(Some(head));
            }
            if self.buffer.len() > PART_HEADER_BYTES {
                return Err(MultipartError::Malformed("the headers of a part are too long"));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), MultipartError<E>> {
        let more = match self.body.next().await {
            Some(Ok(more)) => more,
            Some(Err(error)) => return Err(MultipartError::Body(error)),
            None => return Err(MultipartError::Cut),
        };
        self.buffer = if self.buffer.is_empty() {
            more
        } else {
            let mut joined = BytesMut::with_capacity(self.buffer.len() + more.len());
            joined.extend_from_slice(&self.buffer);
            joined.extend_from_slice(&more);
            joined.freeze()
        };
        Ok(())
    }
}

/// The boundary that a `multipart/form-data` content type names; `None` for any other content type.
pub(crate) fn boundary(content_type: &str) -> Option<Result<String, &'static str>> {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary =
        parameter(parameters.as_bytes(), "boundary").map(|value| String::from_utf8_lossy(&value).into_owned());
    Some(match boundary {
        Some(boundary) if (1..=BOUNDARY_BYTES).contains(&boundary.len()) => Ok(boundary),
        _ => Err("the content type is multipart/form-data without a usable boundary"),
    })
}

/// How many bytes at the end of `buffer` may be the beginning of `delimiter`.
fn begun(buffer: &[u8], delimiter: &[u8]) -> usize {
    let longest = buffer.len().min(delimiter.len() - 1);
    (1..=longest).rev().find(|&length| buffer.ends_with(&delimiter[..length])).unwrap_or(0)
}

fn parse_head(head: &[u8]) -> Part {
    let disposition = head
        .split(|&byte| byte == b'\n')
        .find_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            line[..colon]
                .trim_ascii()
                .eq_ignore_ascii_case(b"content-disposition")
                .then(|| line[colon + 1..].trim_ascii())
        })
        .unwrap_or_default();
    let parameters = disposition.iter().position(|&byte| byte == b';').map_or(&b""[..], |at| &disposition[at + 1..]);
    let text = |name| parameter(parameters, name).map(|value| String::from_utf8_lossy(&value).into_owned());
    let extended = text("filename*").and_then(|value| {
        // RFC 5987: charset'language'percent-encoded. Everybody writes UTF-8.
        let encoded = value.splitn(3, '\'').nth(2)?.to_owned();
        Some(percent_decoded(&encoded, |_| true))
    });
    let plain = text("filename").map(|value| percent_decoded(&value, |byte| matches!(byte, b'"' | b'\r' | b'\n')));
    Part { field: text("name").unwrap_or_default(), file_name: extended.or(plain) }
}

/// The value of a `; name=value` or `; name="value"` parameter, unquoted.
fn parameter(parameters: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut rest = parameters;
    loop {
        rest = rest.trim_ascii_start();
        let equals = rest.iter().position(|&byte| byte == b'=')?;
        let key = rest[..equals].trim_ascii();
        let (value, after) = value(rest[equals + 1..].trim_ascii_start());
        if key.eq_ignore_ascii_case(name.as_bytes()) {
            return Some(value);
        }
        let semicolon = after.iter().position(|&byte| byte == b';')?;
        rest = &after[semicolon + 1..];
    }
}

/// A parameter's value and what follows it.
fn value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|&byte| byte == b';').unwrap_or(text.len());
        return (text[..end].trim_ascii().to_vec(), &text[end..]);
    };
    let mut value = Vec::new();
    let mut at = 0;
    while at < quoted.len() {
        match quoted[at] {
            b'"' => return (value, &quoted[at + 1..]),
            // Only these two are escaped; any other backslash is part of a Windows path.
            b'\\' if matches!(quoted.get(at + 1), Some(b'"' | b'\\')) => {
                value.push(quoted[at + 1]);
                at += 1;
            }
            byte => value.push(byte),
        }
        at += 1;
    }
    (value, b"")
}

/// Decodes the `%XX` whose byte is `wanted`: browsers write only quotes and line breaks of a file's name like that
/// (<https://html.spec.whatwg.org/#multipart-form-data>), so any other percent sign is the name's own.
fn percent_decoded(text: &str, wanted: impl Fn(u8) -> bool) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let byte = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
            .filter(|&byte| wanted(byte));
        decoded.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests;
