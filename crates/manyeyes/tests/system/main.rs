//! The program as its users meet it: real processes, real sockets, real signals.

#![expect(clippy::print_stderr, reason = "a test that cannot run here says so")]

mod accuracy;
mod bad_input;
mod builtin;
mod cable;
mod cluster;
mod command_line;
mod contract;
mod durability;
mod failures;
mod photos;
mod recognition;
mod structure;
