//! Chaos: a manager, its workers and its clients as real processes on machines of their own, real faults by a schedule that
//! follows from a seed, and a checker that reads what the clients were told. It sees of manyeyes what a user sees: its command
//! line, HTTP, WebSocket, `/metrics` and log; of our other crates it knows only the testbed. See `docs/chaos.md`.

mod checker;
mod client;
mod cluster;
mod director;
mod history;
mod http;
mod logs;
mod means;
mod observer;
mod pictures;
mod plan;
mod report;
mod run;
mod seat;
mod signals;

pub use self::plan::{Fault, Kind, Shape, Victim, plan};
pub use self::report::Report;
pub use self::run::{RunSettings, is_possible, missing, run, schedule};
