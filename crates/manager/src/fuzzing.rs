//! What the fuzzer sees of the inside. Not meant for anybody else.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt, stream};

use crate::upload::{self, MultipartReader};

/// What was found in a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    /// The form field, the file's name and the content of each whole part, and of the last one as far as it went.
    pub parts: Vec<(String, Option<String>, Vec<u8>)>,
    /// Why it could not be read to its end.
    pub fault: Option<String>,
}

/// The boundary that a content type names, where it names a usable one.
#[must_use]
pub fn boundary(content_type: &str) -> Option<String> {
    upload::boundary(content_type)?.ok()
}

/// Reads a body that comes in chunks of so many bytes.
///
/// # Panics
/// It waits for something though all of the body is there.
#[must_use]
pub fn multipart(boundary: &str, body: &[u8], chunk: usize) -> Parts {
    let chunks = body.chunks(chunk).map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk)));
    let reading = async {
        let (mut reader, mut parts) = (MultipartReader::new(stream::iter(chunks), boundary), Vec::new());
        let fault = loop {
            match reader.next_part().await {
                Ok(Some(part)) => parts.push((part.field, part.file_name, Vec::new())),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
            let (_, _, content) = parts.last_mut().expect("just begun");
            while let Ok(Some(more)) = reader.chunk().await {
                content.extend_from_slice(&more);
            }
        };
        Parts { parts, fault }
    };
    reading.now_or_never().expect("nothing is waited for")
}
