//! What goes from the worker that has it to an idle one, or to an idle one too.

use std::time::Instant;

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};

use super::Dispatch;
use crate::event::Action;
use crate::rescue::{Candidate, Rescue, rescue};

impl Dispatch {
    /// The next thing to do about what is late, when nothing waits that could be given out.
    pub(super) fn take_over(&mut self, now: Instant) -> Option<Action> {
        let candidate = |image| self.candidate(image);
        let may_hedge = self.account.can_pay();
        match rescue(&self.lanes, &self.roster, candidate, may_hedge, &self.settings.rescue, now) {
            Rescue::Steal { image, from: (worker, attempt), to } => Some(self.steal(image, worker, attempt, to, now)),
            Rescue::Hedge { image, to } => {
                self.account.pay();
                self.tally.hedges += 1;
                Some(self.deliver(image, to, now))
            }
            Rescue::Later(at) => {
                self.look_again = Some(at);
                None
            }
            Rescue::Nothing => None,
        }
    }

    /// What may be done about an image that is with a worker. `None`: nothing, because something stands against it, or
    /// because it is with two already.
    fn candidate(&self, id: ImageId) -> Option<Candidate> {
        let image = self.images.get(&id)?;
        if image.is_troubled() || image.holders().count() != 1 {
            return None;
        }
        let bound = self.bound.model_of(image.lane.batch(), image.run());
        let need = bound.or_else(|| self.lanes.need(image.lane).copied());
        Some(Candidate { need, may_be_stolen: image.steals < self.settings.rescue.steals_per_image })
    }

    fn steal(&mut self, id: ImageId, from: WorkerId, attempt: Attempt, to: WorkerId, now: Instant) -> Action {
        self.roster.change(from, |worker, _| worker.take_back(id, attempt));
        if let Some(image) = self.images.get_mut(&id) {
            image.steals += 1;
            image.leave_holders();
        }
        self.tally.steals += 1;
        self.actions.push_back(Action::Cancel { worker: from, image: id, attempt });
        self.deliver(id, to, now)
    }
}
