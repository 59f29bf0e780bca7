//! Who has what: which worker gets an image, when again, and when to give up.
//!
//! Nothing here reads a clock, awaits or draws a random number. [`Dispatch::handle`] takes what happened and `now`;
//! [`Dispatch::poll`] gives one action after another until there is none; [`Dispatch::poll_timeout`] says when to poll
//! again though nothing happened. Every collection that decides is ordered, so the same events give the same actions.
//!
//! The promises, each of them a test by that name:
//! - An image ends once, is with one worker at a time, and waits when there is no worker.
//! - Batches are served fairly: the one with the fewest images in flight is next, in turns among equals.
//! - The worker expected to finish first gets the image. When that one has no credit left the image waits for it, unless
//!   an idle worker would be sooner.
//! - Credit covers the round trip, so a slow link does not idle a worker, and never exceeds the worker's window.
//! - What a worker held goes back to the front of its batch as soon as the worker is gone.
//! - Only crashes and stalls of workers with *different* names count against an image.

mod bound;
mod dispatch;
mod event;
mod image;
mod lanes;
mod plan;
mod roster;
mod settings;
mod worker;

#[cfg(test)]
mod tests;

pub use dispatch::Dispatch;
pub use event::{Action, Capacity, Departure, Event, Standing, Work};
pub use settings::Settings;
