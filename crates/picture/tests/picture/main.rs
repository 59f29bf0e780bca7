//! The promises of picture, on files that the tests make themselves and, where they are at hand, on real photos.

mod confinement;
mod cut_files;
mod fitting;
mod formats;
mod hostile;
mod jpeg_writer;
mod orientation;
mod photos;
mod samples;
