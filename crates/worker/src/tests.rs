//! The promises of the worker.
