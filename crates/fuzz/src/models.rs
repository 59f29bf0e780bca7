//! Files that should be models, and descriptions of some.

pub(crate) fn run(bytes: &[u8]) {
    manyeyes_vision::fuzzing::network(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        manyeyes_vision::fuzzing::description(text);
    }
}
