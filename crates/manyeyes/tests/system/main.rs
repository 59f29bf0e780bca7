//! The program as its users meet it: real processes, real sockets, real signals.

mod bad_input;
mod cluster;
mod command_line;
mod failures;
mod photos;
mod recognition;
mod structure;
