//! The promises of dispatch.
