//! The promises of dispatch: one by one by hand, and all together in a simulated cluster.

pub(crate) mod cluster;
mod conduct;
mod desk;
mod indices;
mod promises;
mod rescue;
mod runs;
mod simulated;
