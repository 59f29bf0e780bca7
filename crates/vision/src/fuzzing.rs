//! What the fuzzer sees of the inside. Not meant for anybody else.

use crate::labels::Labels;
use crate::manifest::Sidecar;
use crate::onnx::{self, Form};

/// A file that should be a network: what is rewritten of it still takes and gives what it did.
///
/// # Panics
/// It does not.
pub fn network(file: &[u8]) {
    let Ok(interface) = onnx::interface(file) else {
        return;
    };
    for form in [Form::Operations, Form::Operators { convolution: false }, Form::Operators { convolution: true }] {
        if let Ok(rewritten) = onnx::rewrite(file, form) {
            assert_eq!(onnx::interface(&rewritten), Ok(interface.clone()), "{form:?}");
        }
    }
}

/// A text that should describe a model, or be its labels: what is taken can be used.
///
/// # Panics
/// It cannot.
pub fn description(text: &str) {
    if let Ok(sidecar) = toml::from_str::<Sidecar>(text) {
        let input = sidecar.input;
        assert!(0 < input.crop && input.crop <= input.size, "a crop that does not fit");
        assert!(input.std.into_iter().all(|std| std.is_finite() && std != 0.0), "a division by nothing");
    }
    drop(Labels::from_lines(text));
}
