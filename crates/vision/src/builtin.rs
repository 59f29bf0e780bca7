//! The model that is part of the program: it serves where the default one cannot be had, and always says so.
//!
//! `models/builtin/README.md` says what it is, how it was trained, and how good it is.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::manifest::{Entry, manifest};

/// Its name in the manifest, and what `--model` takes.
pub(crate) const NAME: &str = "builtin";

/// The file.
pub(crate) const ONNX: &[u8] = include_bytes!("../../../models/builtin/cifar10.onnx");

/// The longest reason that a notice repeats, in bytes: a notice travels to the manager as one sentence, whose end, which
/// says how to mend it, must not be cut off.
const REASON_BYTES_MAX: usize = 160;

/// What the manifest says of it.
pub(crate) fn entry() -> &'static Entry {
    manifest().iter().find(|entry| entry.name == NAME).expect("the embedded manifest has the built-in model")
}

/// SHA-256 of [`ONNX`].
pub(crate) fn digest() -> [u8; 32] {
    static DIGEST: OnceLock<[u8; 32]> = OnceLock::new();
    *DIGEST.get_or_init(|| Sha256::digest(ONNX).into())
}

/// What to say where it serves because somebody chose it.
pub(crate) fn notice_as_chosen() -> String {
    format!(
        "The built-in model serves, as it was asked for. {} For GoogLeNet's thousand: {HOW}, without --model builtin.",
        limits()
    )
}

/// What to say where it serves because the default model could not be had. The page reads the reason out of this sentence, to
/// say it in other languages (`web/src/rules/builtin.ts`, whose test has the same sentences as this crate's).
pub(crate) fn notice_in_place(reason: &str) -> String {
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    format!("The built-in model serves in place of GoogLeNet. {} Why: {reason}. To get GoogLeNet: {HOW}.", limits())
}

/// How to get the default model.
const HOW: &str = "run `manyeyes model pull googlenet`, or put googlenet.onnx into a folder that MANYEYES_MODELS names; \
                   then start again";

fn limits() -> String {
    let classes = entry().classes.as_deref().unwrap_or_default();
    format!("It tells {} classes apart, and knows no other: {}.", in_words(classes.len()), classes.join(", "))
}

fn in_words(count: usize) -> String {
    if count == 10 { "ten".to_owned() } else { count.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `docs/protocol.md` allows a sentence to have.
    const SENTENCE_BYTES_MAX: usize = 500;

    #[test]
    fn the_notices_say_what_serves_what_it_can_why_and_how_to_get_the_other() {
        let notice = notice_in_place("googlenet is not on this machine; no network: host not found");
        for part in ["built-in model", "in place of GoogLeNet", "ten classes", "airplane, automobile", "truck"] {
            assert!(notice.contains(part), "{part}: {notice}");
        }
        for part in ["no network: host not found.", "manyeyes model pull googlenet", "MANYEYES_MODELS"] {
            assert!(notice.contains(part), "{part}: {notice}");
        }
        let notice = notice_as_chosen();
        assert!(notice.contains("as it was asked for") && notice.contains("manyeyes model pull googlenet"), "{notice}");
    }

    #[test]
    fn a_notice_fits_into_a_sentence_of_the_protocol_with_its_end() {
        for reason in ["no network: ", "\u{7f51}\u{7edc}\u{4e0d}\u{901a}", "\u{1f576}"] {
            let notice = notice_in_place(&reason.repeat(100));
            assert!(notice.len() <= SENTENCE_BYTES_MAX, "{} bytes", notice.len());
            assert!(notice.ends_with("then start again."), "{notice}");
        }
        assert!(notice_as_chosen().len() <= SENTENCE_BYTES_MAX);
    }

    #[test]
    fn it_is_small() {
        assert!(ONNX.len() <= 4_000_000, "{} bytes", ONNX.len());
    }
}
