//! Who has what: which worker gets an image, when again, and when to give up.
//!
//! Nothing here reads a clock, awaits or draws a random number. [`Dispatch::handle`] takes what happened and `now`;
//! [`Dispatch::poll`] gives one action after another until there is none; [`Dispatch::poll_timeout`] says when to poll
//! again though nothing happened. Every collection that decides is ordered, so the same events give the same actions.
//!
//! The promises, each of them a test by that name:
//! - An image ends once, is with one worker at a time (with two while it is hedged, never twice with one), and waits when
//!   there is no worker.
//! - Batches are served fairly: the one with the fewest images in flight is next, in turns among equals.
//! - The worker expected to finish first gets the image. When that one has no credit left the image waits for it, unless
//!   an idle worker would be sooner.
//! - Credit covers the round trip, so a slow link does not idle a worker, and never exceeds the worker's window.
//! - What a worker held goes back to the front of its batch as soon as the worker is gone.
//! - Only crashes and stalls of workers with *different* names count against an image.
//! - What a slow worker has not begun is taken to an idle one that would be through in half the time; the last stragglers
//!   of a batch go to such a one too, for at most 5 % more deliveries, and the first answer wins. So a worker that turns ten
//!   times slower half way costs a batch at most a tenth.
//! - A worker that fails, stalls, crashes or flaps is set aside, tried with one image, and taken back or set aside for longer;
//!   when all are bad, images wait and the trials go on. One that answers wrongly counts for nothing until it is acquitted.

mod account;
mod bound;
mod breaker;
mod contest;
mod departed;
mod dispatch;
mod event;
mod foresight;
mod image;
mod lanes;
mod plan;
mod pool;
mod prior;
mod rescue;
mod roster;
mod settings;
mod stragglers;
mod transfer;
mod worker;

#[cfg(test)]
mod tests;

pub use dispatch::Dispatch;
pub use event::{Action, BreakerChange, Capacity, Departure, Event, Misconduct, Standing, Tally, Work};
pub use settings::{BreakerSettings, RescueSettings, Settings};
