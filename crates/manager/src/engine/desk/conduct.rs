//! Workers that misbehave: what is said of them, what they are asked, and what follows from their answers.

use std::time::{Duration, Instant};

use manyeyes_dispatch::{BreakerChange, Event, Misconduct};
use manyeyes_link::Assignment;
use manyeyes_protocol::{
    id::Attempt,
    result::{Answer, Failure},
};

use super::{Desk, code};
use crate::{
    api::HappeningKind,
    engine::{
        canaries::{Ask, Verdict},
        event::{Order, Outcome, Receipt},
    },
};

/// How long a worker may be at a canary: as long as at an image, at least (`deadline_floor` of dispatch).
const CANARY_DEADLINE: Duration = Duration::from_secs(30);

impl Desk {
    /// One line and one happening for each change, however often it is asked after.
    pub(super) fn breaker_changed(&mut self, worker: &str, change: BreakerChange, now: Instant) {
        match change {
            // What it said is told with the verdict.
            BreakerChange::Opened { why: Misconduct::WrongAnswers, .. } => {}
            BreakerChange::Opened { why, lasts } => {
                let (why, for_s) = (told(&why), lasts.unwrap_or_default().as_secs());
                tracing::warn!(worker, why, for_s, "a worker is set aside");
                self.happenings.set_aside(worker, format!("{why}; for {for_s} s"), now);
            }
            BreakerChange::HalfOpened => tracing::info!(worker, "a worker that was set aside is tried with one image"),
            BreakerChange::Closed => {
                tracing::info!(worker, "a worker that was set aside is like any other again");
                self.happenings.note(HappeningKind::Restored, worker, 0, None, now);
            }
        }
    }

    /// Gives out the canaries that are due. None at an end: nothing new is begun then.
    pub(super) fn ask_canaries(&mut self, now: Instant) {
        if self.dispatch.is_closing() {
            return;
        }
        while let Some(Ask { worker, number, file }) = self.canaries.due(now) {
            let Some((connection, model)) = self.roster.reached(worker) else {
                return self.canaries.not_answered(worker, number, now);
            };
            let deadline = CANARY_DEADLINE;
            let assignment = Assignment { image: number, attempt: Attempt(1), model, deadline, payload: file };
            self.orders.push_back(Order::Assign { worker, connection, assignment });
        }
    }

    pub(super) fn canary_answered(&mut self, receipt: Receipt, answer: &Answer, now: Instant) {
        let said = answer.labels.first().map_or("", |label| label.name.as_str());
        self.canary_told(receipt, said, now);
    }

    /// A worker that takes a known picture for a damaged file is as wrong as one that takes it for another.
    pub(super) fn canary_failed(&mut self, receipt: Receipt, failure: &Failure, now: Instant) {
        if failure.code.is_final() {
            return self.canary_told(receipt, code(failure.code), now);
        }
        self.orders.push_back(Order::Acknowledge(receipt));
        self.canaries.not_answered(receipt.worker, receipt.image, now);
    }

    fn canary_told(&mut self, receipt: Receipt, said: &str, now: Instant) {
        self.orders.push_back(Order::Acknowledge(receipt));
        for verdict in self.canaries.answered(receipt.worker, receipt.image, said, now) {
            match verdict {
                Verdict::Condemned { worker, why, doubted } => {
                    let name = self.roster.name(worker);
                    let images = doubted.len();
                    tracing::warn!(worker = &*name, why, images, "a worker answers wrongly and is set aside");
                    self.happenings.set_aside(&name, why, now);
                    self.tell(Event::Condemned { worker }, now);
                    if images > 0 {
                        self.report(Outcome::Doubted { worker: name, images: doubted });
                    }
                }
                Verdict::Acquitted { worker } => drop(self.tell(Event::Acquitted { worker }, now)),
                Verdict::Retired { file, said } => {
                    tracing::warn!(file, said, "two workers answer a canary alike and otherwise: it is asked no more");
                }
            }
        }
    }
}

/// What a worker did, as part of a sentence.
fn told(why: &Misconduct) -> String {
    match why {
        Misconduct::Failures { in_a_row } => format!("it failed at {in_a_row} images in a row"),
        Misconduct::Strikes { stalls, crashes, departures, within } => {
            let counts = [(stalls, "stalled"), (crashes, "crashed"), (departures, "lost its connection")];
            let each = counts.into_iter().filter(|(count, _)| **count > 0);
            let each: Vec<_> = each.map(|(count, what)| format!("{what} {}", times(*count))).collect();
            format!("it {} within {} s", each.join(" and "), within.as_secs())
        }
        Misconduct::FailedTrial => "it failed when it was tried again".to_owned(),
        Misconduct::WrongAnswers => "it answered wrongly".to_owned(),
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_did_is_told_as_a_part_of_a_sentence() {
        let strikes = Misconduct::Strikes { stalls: 1, crashes: 2, departures: 0, within: Duration::from_secs(60) };
        assert_eq!(told(&strikes), "it stalled once and crashed twice within 60 s");
        assert_eq!(told(&Misconduct::Failures { in_a_row: 5 }), "it failed at 5 images in a row");
    }
}
