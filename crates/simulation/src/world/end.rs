//! The end of a run: nothing goes wrong any more, everything must come to rest, and then everybody goes.

use std::time::Duration;

use manyeyes_protocol::id::ImageId;
use manyeyes_protocol::timer::Timer;

use super::workers::Machine;
use super::{Event, World};
use crate::agenda::beginning;
use crate::plan::MachinePlan;

/// How often it is looked whether all is at rest.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long after a rest that is not to be everybody takes to go.
const GRACE: Duration = Duration::from_secs(3);

impl World {
    /// Everything must have ended by then, counted from when nothing goes wrong any more: a slot that hangs is found out by
    /// three of its worker's deadlines, and an image that had hung it goes elsewhere, there to hang another; a blamed one
    /// waits for its patience.
    fn bound(&self) -> Duration {
        Duration::from_secs(120) + self.plan.dispatch.deadline_floor * 10 + self.plan.dispatch.patience_limit * 3
    }

    pub(super) fn look_for_the_end(&mut self) {
        if !self.calm {
            self.calm = true;
            self.say(|_| "nothing goes wrong any more".to_owned());
            self.all_is_well();
            self.sound_workers_come();
        }
        if self.closing {
            return self.look_whether_all_have_gone();
        }
        let since = self.now - (beginning() + self.plan.calm);
        if self.is_at_rest() {
            self.report.rest_after = since;
            self.check_rest();
            self.history.close();
            return self.everybody_goes();
        } else if since > self.bound() {
            let why = self.why_no_rest();
            self.history.close();
            self.history.violation(format!("not at rest {since:?} after the last fault: {why}"));
        } else {
            self.serve_the_other_model();
        }
        self.at(LOOK_EVERY, Event::LooksForTheEnd);
    }

    /// Two machines on which nothing was ever wrong.
    fn sound_workers_come(&mut self) {
        let (ms, model) = (Duration::from_millis, self.machines[0].model);
        let plan = MachinePlan {
            slots: 2,
            window: 4,
            service: ms(100),
            up: ms(2),
            down: ms(2),
            model,
            starts: Duration::ZERO,
        };
        for _ in 0..2 {
            let machine = self.machines.len();
            self.machines.push(Machine::new(machine, &plan));
            self.at(Duration::ZERO, Event::Starts { machine });
        }
        self.all_answer_with(model);
    }

    /// When nothing is left but what waits for another model than that in use, workers with that come instead.
    fn serve_the_other_model(&mut self) {
        let in_use = self.machines[0].model;
        let waiting = self.disk.books.images.values().filter(|kept| kept.is_waiting());
        let mut needed = waiting.map(|kept| self.disk.books.model(kept.row.batch).filter(|_| kept.row.run == 0));
        let Some(Some(first)) = needed.next() else {
            return;
        };
        let other = first.digest[0];
        if other != in_use && needed.all(|model| model.is_some_and(|model| model.digest[0] == other)) {
            self.say(|_| format!("workers with model {other} come"));
            self.all_answer_with(other);
        }
    }

    fn all_answer_with(&mut self, model: u8) {
        for machine in 0..self.machines.len() {
            if std::mem::replace(&mut self.machines[machine].model, model) != model {
                self.worker_leaves(machine, Duration::ZERO);
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        self.why_no_rest().is_empty()
    }

    /// What is still going on; empty when nothing is.
    fn why_no_rest(&self) -> String {
        let Some(manager) = &self.manager else {
            return "there is no manager".to_owned();
        };
        let connected = self.machines.iter().filter_map(|machine| machine.process.as_ref());
        let unacknowledged = connected.flat_map(|process| process.session.unacknowledged()).collect::<Vec<_>>();
        let people = self.people.iter().filter(|person| !person.is_through()).count();
        let waiting = self.disk.books.images.values().filter(|kept| kept.is_waiting()).count();
        // What was deleted while it was on its way back to dispatch is found to be gone when a worker is to have it.
        let is_held =
            |image: &&ImageId| manager.desk.dispatch().holds(**image) && self.disk.books.images.contains_key(image);
        let held = manager.batch_of.keys().filter(is_held).count();
        let busy = [
            ("people", people),
            ("requests", self.requests.len()),
            ("waiting by the books", waiting),
            ("held by dispatch", held),
            ("with workers", manager.seats.keys().map(|worker| manager.desk.dispatch().in_flight(*worker)).sum()),
            ("in flight", manager.links.values().map(|link| link.session.in_flight()).sum()),
            ("heard", manager.heard.len()),
            ("asked", manager.asked.len()),
            ("being read", manager.readings.len()),
            ("outcomes", manager.outcomes.len()),
            ("being recorded", manager.recording),
            ("in the store's line", usize::from(!manager.store.is_idle())),
            ("unacknowledged", unacknowledged.len()),
            // A worker that was set aside is to be tried, though there is nothing to do.
            ("waited for by dispatch", usize::from(manager.desk.poll_timeout().is_some())),
        ];
        let busy = busy.iter().filter(|(_, count)| *count > 0);
        let mut busy = busy.map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>();
        busy.extend(
            unacknowledged.first().map(|(image, attempt)| format!("image {image}, delivery {attempt}, is one")),
        );
        busy.join(", ")
    }

    /// At rest nothing is set but what says that one is there.
    fn check_rest(&mut self) {
        let Some(manager) = &self.manager else {
            return;
        };
        let mut wrong = Vec::new();
        if !manager.store.fresh.is_empty() || !manager.store.keys.is_empty() {
            wrong.push("the store remembers uploads that are over".to_owned());
        }
        for link in manager.links.values() {
            let idle = |timer: &Timer| matches!(timer, Timer::Handshake | Timer::Heartbeat | Timer::Silent);
            let set: Vec<Timer> = link.session.timers().filter(|timer| !idle(timer)).collect();
            if !set.is_empty() || link.session.in_flight() > 0 {
                let in_flight = link.session.in_flight();
                wrong.push(format!("a session at rest has {in_flight} in flight and waits for {set:?}"));
            }
        }
        wrong.into_iter().for_each(|wrong| self.history.violation(wrong));
    }

    fn everybody_goes(&mut self) {
        self.say(|_| "everybody goes".to_owned());
        self.closing = true;
        let manager_first = self.chance.percent(30);
        if manager_first {
            self.shut_manager_down();
        }
        for machine in 0..self.machines.len() {
            self.worker_leaves(machine, GRACE);
        }
        self.at(GRACE * 4, Event::LooksForTheEnd);
    }

    fn look_whether_all_have_gone(&mut self) {
        if let Some(machine) = self.machines.iter().find(|machine| machine.process.is_some()) {
            let name = machine.name.clone();
            return self.history.violation(format!("{name} was told to go and is still here"));
        }
        let links = self.manager.as_ref().map_or(0, |manager| manager.links.len());
        if links > 0 {
            self.history.violation(format!("every worker has gone, and the manager has {links} connections"));
        }
        self.over = true;
    }
}
