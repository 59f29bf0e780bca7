//! One worker as dispatch sees it: what it holds, how much more it may hold, and when it would be done with one more.
//!
//! Times are in seconds as `f64`: they are estimates, and are compared, never summed into a clock.

mod forecast;

use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, ImageId, ModelDigest};

use crate::breaker::Licence;
use crate::event::Capacity;
use crate::pool::Room;
use crate::transfer::{Explained, Transfer};

/// Weight of the newest measurement. A quarter forgets a cold start within a dozen images and rides out one odd photo.
pub(crate) const NEWEST_WEIGHT: f64 = 0.25;

/// A measurement counts for at most this many times what was expected. A process that was stopped for a while, or a machine
/// that slept, says that one photo took seconds; a worker that has really become slow says so again and again.
pub(crate) const OUTLIER_FACTOR: f64 = 4.0;

/// No recognition is taken to be shorter, so that nothing is divided by zero.
const SHORTEST_SERVICE_S: f64 = 1e-6;

/// The bytes of image files that a worker may hold beyond what its slots need next. They are in memory at both ends.
const AHEAD_BYTES: u64 = 64 << 20;

/// What is with a worker.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) image: ImageId,
    pub(crate) attempt: Attempt,
    /// When a slot took it.
    pub(crate) started: Option<Instant>,
    /// Its image has ended or is elsewhere, and a slot is at it still: a slot cannot be stopped. Kept until the worker is
    /// through with it, because so long the slot is not free.
    pub(crate) outlived: bool,
    bytes: u64,
    assigned: Instant,
    /// What it was expected to take without the transfer of image bytes. `None`: the round trip was not known.
    explained: Option<Explained>,
    /// When it should be back, everything counted.
    expected: Instant,
}

/// What was found out about a worker process. Survives its reconnects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Smoothed time that a slot is occupied by one image.
    service_s: Option<f64>,
    /// The least round trip of late. Of the connection before, until the present one has been measured: its way is the same.
    round_trip_s: Option<f64>,
    transfer: Transfer,
    /// Images that stalled in a slot and were never answered. Their slots are not counted on.
    stuck: Vec<ImageId>,
}

/// A worker that is connected.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    name: String,
    slots: u32,
    window: u32,
    models: Vec<ModelDigest>,
    draining: bool,
    licence: Licence,
    measured: Measured,
    /// In the order of assignment.
    held: Vec<Delivery>,
    held_bytes: u64,
    /// Of what is held, how many no slot has begun: they may be on the way.
    unbegun: usize,
    /// Since when the worker has been at what it would answer next: its last answer, or an assignment to it when idle.
    at_it_since: Instant,
    /// Of what is held, when the first should be back.
    first_expected: Option<Instant>,
    /// When it was last given something, to take turns among equals.
    last_assigned: u64,
}

impl Worker {
    pub(crate) fn new(name: String, capacity: Capacity, measured: Measured, licence: Licence, now: Instant) -> Self {
        let window = capacity.window.max(1);
        Self {
            name,
            // Slots that its window leaves empty would be counted on and never given anything.
            slots: capacity.slots.clamp(1, window),
            window,
            models: capacity.models,
            draining: false,
            licence,
            measured,
            held: Vec::new(),
            held_bytes: 0,
            unbegun: 0,
            at_it_since: now,
            first_expected: None,
            last_assigned: 0,
        }
    }

    pub(crate) fn assign(
        &mut self,
        (image, attempt): (ImageId, Attempt),
        bytes: u64,
        turn: u64,
        prior_s: f64,
        now: Instant,
    ) {
        let finish_s = self.finish_s(prior_s, now);
        let explained = self.measured.round_trip_s.map(|_| self.explained(prior_s, now));
        if self.held.is_empty() {
            self.at_it_since = now;
        }
        self.held.push(Delivery {
            image,
            attempt,
            started: None,
            outlived: false,
            bytes,
            assigned: now,
            explained,
            expected: now + Duration::from_secs_f64(finish_s),
        });
        self.last_assigned = turn;
        self.refresh();
    }

    pub(crate) fn start(&mut self, image: ImageId, attempt: Attempt, now: Instant) {
        if let Some(delivery) = self.find(image, attempt) {
            delivery.started.get_or_insert(now);
        }
        self.refresh();
    }

    /// An earlier delivery of an image, which a slot is at still.
    pub(crate) fn outlived(&self, image: ImageId) -> Option<Attempt> {
        self.held.iter().find(|held| held.image == image && held.outlived).map(|held| held.attempt)
    }

    /// The image of a delivery has ended elsewhere. Says whether the worker is to be told: what a slot is at cannot be
    /// stopped, and is let finish, because that shows the slot sound, and how fast it is.
    pub(crate) fn outlive(&mut self, image: ImageId, attempt: Attempt) -> bool {
        match self.find(image, attempt) {
            None => false,
            Some(delivery) if delivery.started.is_some() => {
                delivery.outlived = true;
                false
            }
            Some(_) => self.take_back(image, attempt).is_some(),
        }
    }

    /// The worker has answered, whatever the answer: a slot is free, and can be counted on.
    pub(crate) fn answer(&mut self, image: ImageId, attempt: Attempt, service: Option<Duration>, now: Instant) {
        if let Some(service) = service {
            let newest = service.as_secs_f64().max(SHORTEST_SERVICE_S);
            let service_s = self.measured.service_s.unwrap_or(newest);
            let credible = newest.min(OUTLIER_FACTOR * service_s);
            self.measured.service_s = Some(service_s + NEWEST_WEIGHT * (credible - service_s));
        }
        self.measured.stuck.retain(|stuck| *stuck != image);
        if let Some(delivery) = self.take_back(image, attempt) {
            self.measure_turnaround(&delivery, now);
        }
        self.at_it_since = now;
    }

    /// Removes a delivery that is with somebody else from now on, or with nobody.
    pub(crate) fn take_back(&mut self, image: ImageId, attempt: Attempt) -> Option<Delivery> {
        let at = self.held.iter().position(|held| (held.image, held.attempt) == (image, attempt))?;
        let delivery = self.held.remove(at);
        self.refresh();
        Some(delivery)
    }

    /// Removes a delivery whose deadline has passed. If a slot had taken it, that slot is not counted on until the
    /// image is answered after all. In any case the worker is expected to be slower from now on.
    pub(crate) fn stall(&mut self, image: ImageId, attempt: Attempt, now: Instant) -> Option<Delivery> {
        let delivery = self.take_back(image, attempt)?;
        self.measure_turnaround(&delivery, now);
        // Given to the same worker again, it is still the same slot that hangs.
        if delivery.started.is_some() && !self.measured.stuck.contains(&image) {
            self.measured.stuck.push(image);
        }
        Some(delivery)
    }

    /// Takes back all that no slot has taken, when no slot can be counted on any more.
    pub(crate) fn take_back_hopeless(&mut self) -> Vec<Delivery> {
        if self.sound_slots() > 0 { Vec::new() } else { self.take_back_unbegun() }
    }

    /// Takes back all that no slot has taken.
    pub(crate) fn take_back_unbegun(&mut self) -> Vec<Delivery> {
        let unbegun = self.held.extract_if(.., |held| held.started.is_none()).collect();
        self.refresh();
        unbegun
    }

    /// Takes back everything.
    pub(crate) fn take_back_all(&mut self) -> Vec<Delivery> {
        let all = std::mem::take(&mut self.held);
        self.refresh();
        all
    }

    pub(crate) fn license(&mut self, licence: Licence) {
        self.licence = licence;
    }

    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    pub(crate) fn measure_round_trip(&mut self, least: Duration) {
        self.measured.round_trip_s = Some(least.as_secs_f64());
    }

    /// What it held, and what to remember of it.
    pub(crate) fn dismiss(self) -> (String, Vec<Delivery>, Measured) {
        (self.name, self.held, self.measured)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn held(&self) -> &[Delivery] {
        &self.held
    }

    pub(crate) fn last_assigned(&self) -> u64 {
        self.last_assigned
    }

    pub(crate) fn licence(&self) -> Licence {
        self.licence
    }

    /// Whether it may get new images, now or when its credit allows.
    pub(crate) fn is_open(&self) -> bool {
        let licensed = matches!(self.licence, Licence::Full | Licence::Trial);
        licensed && !self.draining && self.sound_slots() > 0
    }

    /// Whether it may get new images that need this model, now or when its credit allows.
    pub(crate) fn serves(&self, need: Option<&ModelDigest>) -> bool {
        self.is_open() && need.is_none_or(|model| self.models.contains(model))
    }

    /// What it may be given now.
    pub(crate) fn room(&self, prior_s: f64) -> Room {
        match self.has_credit(prior_s) {
            false => Room::None,
            true if self.is_idle() => Room::Idle,
            true => Room::Some,
        }
    }

    /// The digests of the models that it holds.
    pub(crate) fn models(&self) -> &[ModelDigest] {
        &self.models
    }

    /// The model that it answers with.
    pub(crate) fn model(&self) -> Option<ModelDigest> {
        self.models.first().copied()
    }

    /// The smoothed service time, once measured.
    pub(crate) fn service(&self) -> Option<Duration> {
        self.measured.service_s.map(Duration::from_secs_f64)
    }

    pub(crate) fn service_s(&self) -> Option<f64> {
        self.measured.service_s
    }

    /// Whether it has a slot that nothing is meant for, and may take over what another worker has.
    fn is_idle(&self) -> bool {
        self.licence == Licence::Full && !self.draining && self.held.len() < self.sound_slots() as usize
    }

    /// Whether one more may be assigned now: by number, and, beyond what the slots need next, by bytes.
    fn has_credit(&self, prior_s: f64) -> bool {
        let ahead = self.held.len() > self.sound_slots() as usize;
        !self.draining && self.held.len() < self.credit(prior_s) && !(ahead && self.held_bytes >= AHEAD_BYTES)
    }

    /// The most that may be with it: what its slots work at, what is on the way there and back while they do, and one
    /// more so that a slot never waits for the manager. By Little's law `slots * round trip / service` are on the way.
    /// More would only be kept from workers that may be sooner.
    fn credit(&self, prior_s: f64) -> usize {
        let slots = self.sound_slots();
        if slots == 0 {
            return 0;
        }
        let on_the_way = (f64::from(slots) * self.round_trip_s() / self.service_or(prior_s)).round();
        let useful = match self.licence {
            Licence::Full => slots as usize + 1 + on_the_way as usize,
            Licence::Trial => 1,
            Licence::Suspended | Licence::Condemned => 0,
        };
        useful.min((self.window as usize).saturating_sub(self.measured.stuck.len()))
    }

    fn find(&mut self, image: ImageId, attempt: Attempt) -> Option<&mut Delivery> {
        self.held.iter_mut().find(|held| (held.image, held.attempt) == (image, attempt))
    }

    /// Not of a delivery that was made before the round trip was known: what that explains would be taken for the way's, and
    /// count twice from the round trip's measurement on.
    fn measure_turnaround(&mut self, delivery: &Delivery, now: Instant) {
        if let Some(explained) = delivery.explained {
            let turnaround_s = now.saturating_duration_since(delivery.assigned).as_secs_f64();
            self.measured.transfer.measure(&explained, turnaround_s);
        }
    }

    fn sound_slots(&self) -> u32 {
        self.slots.saturating_sub(u32::try_from(self.measured.stuck.len()).unwrap_or(u32::MAX))
    }

    fn refresh(&mut self) {
        self.first_expected = self.held.iter().map(|held| held.expected).min();
        self.held_bytes = self.held.iter().map(|held| held.bytes).sum();
        self.unbegun = self.held.iter().filter(|held| held.started.is_none()).count();
    }
}
