//! The program as its users meet it: real processes, real sockets, real signals.

#![expect(clippy::print_stderr, reason = "a test that cannot run here says so")]

mod accuracy;
mod bad_input;
mod builtin;
mod cable;
mod cluster;
mod command_line;
mod contract;
mod decoders;
mod deploy;
mod drain;
mod durability;
mod encryption;
mod failures;
mod for_good;
mod hosts;
mod lab;
mod load;
mod misbehave;
mod network;
mod overload;
mod photos;
mod power_cut;
mod precision;
mod promises;
mod recognition;
mod rspec;
mod send_less;
mod store;
mod structure;
mod tokens;
mod transports;
