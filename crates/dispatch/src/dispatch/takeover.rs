//! What goes from the worker that has it to an idle one, or to an idle one too.

use std::time::Instant;

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};

use super::Dispatch;
use crate::bound::Bound;
use crate::event::Action;
use crate::image::Image;
use crate::lanes::Lanes;
use crate::rescue::{Candidate, Rescue, rescue};
use crate::settings::RescueSettings;

impl Dispatch {
    /// The next thing to do about what is late, when nothing waits that could be given out.
    pub(super) fn take_over(&mut self, now: Instant) -> Option<Action> {
        let Self { images, lanes, roster, stragglers, bound, account, settings, .. } = self;
        let candidate = |id| candidate(images.get(&id)?, lanes, bound, &settings.rescue);
        match rescue(lanes, roster, stragglers, candidate, account.can_pay(), &settings.rescue, now) {
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

    fn steal(&mut self, id: ImageId, from: WorkerId, attempt: Attempt, to: WorkerId, now: Instant) -> Action {
        self.roster.change(from, now, |worker, _| worker.take_back(id, attempt));
        if let Some(image) = self.images.get_mut(&id) {
            image.steals += 1;
            image.leave_holders();
        }
        self.tally.steals += 1;
        self.actions.push_back(Action::Cancel { worker: from, image: id, attempt });
        self.deliver(id, to, now)
    }
}

/// What may be done about an image that is with a worker. `None`: nothing, because something stands against it, or
/// because it is with two already.
fn candidate(image: &Image, lanes: &Lanes, bound: &Bound, settings: &RescueSettings) -> Option<Candidate> {
    if image.is_troubled() || image.holders().count() != 1 {
        return None;
    }
    let bound = bound.model_of(image.lane.batch(), image.run());
    let need = bound.or_else(|| lanes.need(image.lane).copied());
    Some(Candidate { need, may_be_stolen: image.steals < settings.steals_per_image })
}
