//! What is shown: image bytes to pixels. No model runtime.
