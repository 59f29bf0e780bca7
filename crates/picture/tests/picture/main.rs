//! The promises of picture, on files that the tests make themselves and, where they are at hand, on real photos.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
#![expect(clippy::print_stderr, reason = "tells which tests were not run for want of photos")]

#[cfg(target_os = "linux")]
mod confinement;
mod cut_files;
#[cfg(target_os = "linux")]
mod decoders;
mod fitting;
mod formats;
mod hostile;
mod jpeg_writer;
mod orientation;
mod photos;
mod samples;
mod scaled;
mod smaller;
