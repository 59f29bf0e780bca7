//! The machine: events in, actions out.

use std::collections::VecDeque;
use std::time::Instant;

use crate::event::{Action, Event};
use crate::settings::Settings;

/// Decides which worker has which image.
#[derive(Debug)]
pub struct Dispatch {
    settings: Settings,
    actions: VecDeque<Action>,
}

impl Dispatch {
    /// Holds nothing and knows no worker.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            actions: VecDeque::new(),
        }
    }

    /// Takes what happened. Poll until `None` afterwards.
    pub fn handle(&mut self, event: Event, _now: Instant) {
        if let Event::Submitted(work) = event
            && self.settings.max_waiting == 0
        {
            self.actions.push_back(Action::Full { image: work.image });
        }
    }

    /// The next thing to do, or `None` when there is nothing before the next event or [`Self::poll_timeout`].
    pub fn poll(&mut self, _now: Instant) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to poll again if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
