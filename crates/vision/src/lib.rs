//! Who sees: pixels to top-k labels. Owns the model runtimes.
