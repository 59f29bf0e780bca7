//! The workers as they are shown: those connected, and those lost a short while ago.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use manyeyes_link::{WireCounters, WorkerProfile};
use manyeyes_protocol::id::{ModelDigest, WorkerId};

use super::{form::Path, obstacle};
use crate::{
    api::{Model, Problem, Worker, WorkerState},
    rate::Rate,
    store::AnsweringModel,
};

/// How long a worker that has gone is shown, so that a person sees what happened.
const SHOWN_AFTER_LEAVING: Duration = Duration::from_secs(120);
/// The most workers that have gone and are remembered; the oldest go first.
const GONE_REMEMBERED: usize = 32;
/// The weight of the newest measurement in a smoothed service time, as for TCP's round trip (RFC 6298, section 2).
const SMOOTHING: f64 = 1.0 / 8.0;

/// All workers of this run of the manager that are to be shown.
#[derive(Debug, Default)]
pub(super) struct Roster {
    entries: BTreeMap<WorkerId, Entry>,
}

#[derive(Debug)]
struct Entry {
    id: Arc<str>,
    profile: WorkerProfile,
    presence: Presence,
    /// It has left to come again by another transport.
    moves: bool,
    images: u64,
    failures: u64,
    /// It has had no answer since it last failed through no fault of the image.
    failing: bool,
    service: Option<Duration>,
    rate: Rate,
    /// What its link has delivered of late, bytes a second.
    bytes_per_s: Option<u64>,
    was_sent_smaller: bool,
}

/// What dispatch says of a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// Images that it has.
    pub(super) in_flight: u32,
    /// It is given nothing for now because of what it did.
    pub(super) is_set_aside: bool,
}

/// Which of those that have left are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Those that a person is still to see.
    AShortWhileAgo,
    /// All that are remembered: what they did is still counted.
    EverSoLongAgo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    Left { at: Instant, silent: bool },
}

impl Roster {
    /// A worker is there, for the first time or again.
    pub(super) fn joined(&mut self, worker: WorkerId, profile: WorkerProfile) {
        // A process that takes over the name of one that has gone takes over its place, and counts on from there.
        let same =
            |(other, entry): (&WorkerId, &Entry)| (*other != worker && *entry.id == *profile.id).then_some(*other);
        let before = self.entries.iter().find_map(same).and_then(|before| self.entries.remove(&before));
        let (images, failures) = before.map_or((0, 0), |before| (before.images, before.failures));
        let id = Arc::from(profile.id.as_str());
        let entry = self.entries.entry(worker).or_insert_with(|| Entry {
            id: Arc::clone(&id),
            profile: profile.clone(),
            presence: Presence::Here,
            moves: false,
            images,
            failures,
            failing: false,
            service: None,
            rate: Rate::default(),
            bytes_per_s: None,
            was_sent_smaller: false,
        });
        entry.id = id;
        entry.profile = profile;
        (entry.presence, entry.moves) = (Presence::Here, false);
    }

    /// A worker that has left does so only to come again by another transport.
    pub(super) fn moves(&mut self, worker: WorkerId) {
        if let Some(entry) = self.entries.get_mut(&worker) {
            entry.moves = true;
        }
    }

    /// Whether it does, and is not here again.
    pub(super) fn is_moving(&self, worker: WorkerId) -> bool {
        self.entries.get(&worker).is_some_and(|entry| entry.moves)
    }

    /// A worker has gone.
    pub(super) fn left(&mut self, worker: WorkerId, silent: bool, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&worker) {
            entry.presence = Presence::Left { at: now, silent };
        }
        let mut gone: Vec<(Instant, WorkerId)> =
            self.entries.iter().filter_map(|(&id, e)| Some((e.left_at()?, id))).collect();
        gone.sort_unstable_by_key(|&(at, _)| std::cmp::Reverse(at));
        for (_, worker) in gone.into_iter().skip(GONE_REMEMBERED) {
            self.entries.remove(&worker);
        }
    }

    /// It has answered, having had a slot occupied for `service`.
    pub(super) fn answered(&mut self, worker: WorkerId, service: Duration, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&worker) {
            entry.images += 1;
            entry.failing = false;
            entry.rate.count(now);
            entry.service = Some(match entry.service {
                None => service,
                Some(smoothed) => smoothed.mul_f64(1.0 - SMOOTHING) + service.mul_f64(SMOOTHING),
            });
        }
    }

    /// Its link was found to deliver so many bytes a second.
    pub(super) fn delivered(&mut self, worker: WorkerId, bytes_per_s: u64) {
        if let Some(entry) = self.entries.get_mut(&worker) {
            entry.bytes_per_s = Some(bytes_per_s);
        }
    }

    /// It is sent a smaller form, or a file.
    pub(super) fn is_sent(&mut self, worker: WorkerId, smaller: bool) {
        if let Some(entry) = self.entries.get_mut(&worker) {
            entry.was_sent_smaller = smaller;
        }
    }

    /// What is known of the way to it; `None` where its model takes files only.
    pub(super) fn path(&self, worker: WorkerId) -> Option<Path> {
        let entry = self.entries.get(&worker)?;
        Some(Path {
            bytes_per_s: entry.bytes_per_s,
            service: entry.service,
            slots: entry.profile.slots,
            input: entry.profile.models.first()?.input?,
            was_smaller: entry.was_sent_smaller,
        })
    }

    /// It has reported that it has no answer.
    pub(super) fn failed(&mut self, worker: WorkerId) {
        if let Some(entry) = self.entries.get_mut(&worker) {
            entry.failures += 1;
        }
    }

    /// That was not the image's fault. Says whether that is news: whether it had an answer since the last such.
    pub(super) fn failed_itself(&mut self, worker: WorkerId) -> bool {
        self.entries.get_mut(&worker).is_none_or(|entry| !std::mem::replace(&mut entry.failing, true))
    }

    /// Its name, as it is shown.
    pub(super) fn name(&self, worker: WorkerId) -> Arc<str> {
        self.entries.get(&worker).map_or_else(|| "a former worker".into(), |entry| Arc::clone(&entry.id))
    }

    /// The model of its answers; `None` when it is not known any more.
    pub(super) fn answers_with(&self, worker: WorkerId) -> Option<AnsweringModel> {
        let model = self.entries.get(&worker)?.profile.models.first()?;
        Some(AnsweringModel { digest: model.digest.0, name: model.name.clone() })
    }

    /// Over which connection it is reached, and the model it is to answer with; `None` when it has gone.
    pub(super) fn reached(&self, worker: WorkerId) -> Option<(u32, ModelDigest)> {
        let entry = self.entries.get(&worker).filter(|entry| entry.presence == Presence::Here)?;
        Some((entry.profile.connection, entry.profile.models.first()?.digest))
    }

    /// As they are told to others, in the order of their ids' numbers.
    pub(super) fn workers(
        &self,
        now: Instant,
        left: Left,
        held: impl Fn(WorkerId) -> Held,
        wire: impl Fn(WorkerId) -> Option<WireCounters>,
    ) -> Vec<Worker> {
        let shown = self.entries.iter().filter(|(_, entry)| {
            let is_recent = |at| now.saturating_duration_since(at) < SHOWN_AFTER_LEAVING;
            left == Left::EverSoLongAgo || entry.left_at().is_none_or(is_recent)
        });
        shown.map(|(&worker, entry)| entry.shown(now, held(worker), wire(worker).unwrap_or_default())).collect()
    }

    /// The model of the workers that are here, or of those that were. Those that are here answer with one.
    pub(super) fn model(&self) -> Model {
        let here = self.here().chain(self.entries.values()).find_map(|entry| entry.profile.models.first());
        let Some(model) = here else {
            return Model { name: None, digest: None, verified: false, notice: None };
        };
        Model {
            name: Some(model.name.clone()),
            digest: Some(model.digest.to_string()),
            verified: model.verified,
            notice: model.notice.clone(),
        }
    }

    /// Why no image can be recognised now, if so.
    pub(super) fn obstacle(&self) -> Option<Problem> {
        if self.here().any(|entry| !entry.profile.models.is_empty()) {
            None
        } else if self.here().next().is_some() {
            Some(obstacle("no_model", "No worker has a model."))
        } else {
            Some(obstacle("no_worker", "No worker is connected."))
        }
    }

    /// Why what is left of a batch that this model answers cannot be recognised, if that is because of the model.
    pub(super) fn other_model(&self, of_batch: &AnsweringModel) -> Option<Problem> {
        let mut here = self.here().filter_map(|entry| entry.profile.models.first());
        let in_use = here.next().filter(|in_use| in_use.digest.0 != of_batch.digest)?;
        let (began, now) = (&of_batch.name, &in_use.name);
        let message = format!(
            "What is left of this batch waits for a worker with {began}, which has begun it; the workers here hold {now}. \
             To go on with {now}, run a recognised image again, or cancel those that wait and run them again."
        );
        Some(obstacle("model_mismatch", &message))
    }

    fn here(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.presence == Presence::Here)
    }
}

impl Entry {
    fn left_at(&self) -> Option<Instant> {
        match self.presence {
            Presence::Here => None,
            Presence::Left { at, .. } => Some(at),
        }
    }

    fn shown(&self, now: Instant, held: Held, wire: WireCounters) -> Worker {
        let state = match self.presence {
            Presence::Left { silent: true, .. } => WorkerState::Silent,
            Presence::Left { silent: false, .. } => WorkerState::Gone,
            Presence::Here if held.is_set_aside => WorkerState::SetAside,
            Presence::Here if held.in_flight > 0 => WorkerState::Busy,
            Presence::Here => WorkerState::Idle,
        };
        Worker {
            id: self.id.to_string(),
            name: self.profile.name.clone(),
            state,
            slots: self.profile.slots,
            in_flight: held.in_flight,
            images: self.images,
            failures: self.failures,
            images_per_s: self.rate.per_s(now),
            rtt_ms: wire.smoothed_rtt.map(ms),
            service_ms: self.service.map(ms),
            payload_bytes: wire.payload_bytes,
            socket_bytes_sent: wire.bytes_sent,
            socket_bytes_received: wire.bytes_received,
            retransmissions: wire.retransmissions,
            wire_bytes_sent: wire.wire_bytes_sent,
            bytes_retransmitted: wire.bytes_retransmitted,
            transport_rtt_ms: wire.transport_rtt.map(ms),
            least_rtt_ms: wire.least_rtt.map(ms),
            sounding: wire.sounding,
            window_bytes: wire.window_bytes,
            delivery_bits_per_s: wire.delivery_bytes_per_s.map(bits),
            congestion_control: self.profile.congestion_control.clone(),
            address: self.profile.address.to_string(),
            model: self.profile.models.first().map(|model| model.name.clone()).unwrap_or_default(),
        }
    }
}

/// Milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Bits a second, of bytes.
fn bits(bytes_per_s: u64) -> f64 {
    bytes_per_s as f64 * 8.0
}

#[cfg(test)]
mod tests {
    use manyeyes_protocol::id::InstanceId;

    use super::*;

    #[test]
    fn a_worker_that_fails_at_everything_is_news_once() {
        let (mut roster, worker) = (Roster::default(), WorkerId(1));
        roster.joined(worker, profile());
        let news = [roster.failed_itself(worker), roster.failed_itself(worker), roster.failed_itself(worker)];
        assert_eq!(news, [true, false, false]);
        roster.answered(worker, Duration::ZERO, Instant::now());
        assert!(roster.failed_itself(worker));
    }

    /// Whoever reads a counter may come late: a worker that crashed early in a long experiment has done what it did.
    #[test]
    fn what_a_worker_did_is_told_long_after_it_has_gone_and_goes_on_with_the_next_of_its_name() {
        let (mut roster, begin) = (Roster::default(), Instant::now());
        roster.joined(WorkerId(1), profile());
        roster.answered(WorkerId(1), Duration::ZERO, begin);
        roster.left(WorkerId(1), false, begin);
        let told = |roster: &Roster, left| {
            let workers = roster.workers(begin + 2 * SHOWN_AFTER_LEAVING, left, |_| IDLE, |_| None);
            workers.iter().map(|worker| (worker.state, worker.images)).collect::<Vec<_>>()
        };
        assert_eq!(told(&roster, Left::AShortWhileAgo), []);
        assert_eq!(told(&roster, Left::EverSoLongAgo), [(WorkerState::Gone, 1)]);
        roster.joined(WorkerId(2), profile());
        roster.answered(WorkerId(2), Duration::ZERO, begin);
        assert_eq!(told(&roster, Left::EverSoLongAgo), [(WorkerState::Idle, 2)]);
    }

    const IDLE: Held = Held { in_flight: 0, is_set_aside: false };

    fn profile() -> WorkerProfile {
        WorkerProfile {
            id: "eye".to_owned(),
            name: "eye".to_owned(),
            instance: InstanceId([1; 16]),
            slots: 1,
            window: 1,
            models: Vec::new(),
            software: "test".to_owned(),
            address: ([127, 0, 0, 1], 1).into(),
            returning: false,
            connection: 1,
            congestion_control: None,
            replaces: None,
        }
    }

    #[test]
    fn without_a_worker_the_obstacle_is_named() {
        assert_eq!(Roster::default().obstacle().unwrap().code, "no_worker");
    }
}
