//! The promises of dispatch: one by one by hand, and all together in a simulated cluster.

mod cluster;
mod desk;
mod promises;
mod runs;
mod simulated;
