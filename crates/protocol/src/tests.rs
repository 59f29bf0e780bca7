//! The two sessions against each other over a simulated bad link, and what is common to the crate's tests.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind and passes over the others")]

mod assignments;
mod connections;
mod deliveries;
mod pair;
mod properties;

use std::time::Instant;

/// Some moment: all others in a test are reckoned from it.
#[expect(clippy::disallowed_methods, reason = "an Instant can be had from nothing but the clock")]
pub(crate) fn start() -> Instant {
    Instant::now()
}
