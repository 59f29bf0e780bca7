//! Bodies of requests that should be `multipart/form-data`.

use manyeyes_manager::fuzzing;

use crate::choices::Choices;

/// However the bytes are cut into chunks, the parts are the same, and nothing is in them that was not in the body.
pub(crate) fn run(bytes: &[u8]) {
    let mut choices = Choices::of(bytes);
    let content_type_bytes = usize::from(choices.byte());
    let content_type = String::from_utf8_lossy(choices.bytes(content_type_bytes)).into_owned();
    // Most made-up types name no boundary; the usual one is tried as well.
    let named = fuzzing::boundary(&content_type).unwrap_or_else(|| "x".to_owned());
    let chunk = usize::from(choices.byte()).max(1);
    let body = choices.rest();
    for boundary in [named.as_str(), "x"] {
        let at_once = fuzzing::multipart(boundary, body, body.len().max(1));
        assert_eq!(fuzzing::multipart(boundary, body, chunk), at_once, "chunks of {chunk}");
        let carried: usize = at_once.parts.iter().map(|(_, _, content)| content.len()).sum();
        assert!(carried <= body.len(), "more came out than went in");
    }
}
