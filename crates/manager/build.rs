//! Builds the manager again when the page has been built again: the embedding macro alone would not notice new files.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
    println!("cargo:rerun-if-changed=build.rs");
}
