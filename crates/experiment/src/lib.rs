//! The lab: what is to be measured (`scenario`), measuring it on a testbed (`run`), what was measured (`record`), what that says
//! (by the crate of statistics), and how it is shown (`report`); and the same study's machines and links as a real testbed is asked for them
//! (`rspec`). It sees of manyeyes what a user sees: its command line, HTTP, WebSocket and `/metrics`.

pub mod answers;
pub mod audit;
pub mod plan;
pub mod prediction;
pub mod record;
pub mod report;
pub mod rspec;
pub mod run;
pub mod scenario;
