//! The promises of dispatch: one by one by hand, and all together in a simulated cluster.

mod cluster;
mod conduct;
mod desk;
mod promises;
mod rescue;
mod runs;
mod simulated;
