//! The machine: events in, actions out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, BatchId, ImageId, ModelDigest, WorkerId};
use manyeyes_protocol::result::FailureCode;

use crate::bound::Bound;
use crate::event::{Action, Departure, Event, Standing, Work};
use crate::image::{Image, Place};
use crate::lanes::{Lanes, Rank};
use crate::plan::{Plan, Trouble, plan};
use crate::roster::Roster;
use crate::settings::Settings;

/// Decides which worker has which image.
#[derive(Debug)]
pub struct Dispatch {
    settings: Settings,
    images: BTreeMap<ImageId, Image>,
    lanes: Lanes,
    roster: Roster,
    bound: Bound,
    /// When a pause or an image's patience ends.
    alarms: BTreeSet<(Instant, ImageId)>,
    /// When the last plan wants to be made again.
    reconsider: Option<Instant>,
    actions: VecDeque<Action>,
    assignments: u64,
}

impl Dispatch {
    /// Holds nothing and knows no worker.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            images: BTreeMap::new(),
            lanes: Lanes::default(),
            bound: Bound::default(),
            roster: Roster::new(settings.service_prior),
            alarms: BTreeSet::new(),
            reconsider: None,
            actions: VecDeque::new(),
            assignments: 0,
            settings,
        }
    }

    /// Takes what happened. Poll until `None` afterwards.
    pub fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Submitted(work) => self.submitted(work, now),
            Event::Cancelled { image } => self.end(image),
            Event::Joined { worker, capacity, name } => {
                self.left(worker, Departure::Disconnected);
                self.roster.join(worker, name, capacity, now);
            }
            Event::Started { worker, image, attempt } => {
                self.roster.change(worker, |worker, _| worker.start(image, attempt));
            }
            Event::Answered { worker, image, attempt, service } => {
                self.answered(worker, image, attempt, Some(service), now);
                if let Standing::Current(run) = self.standing(worker, image, attempt) {
                    self.settle(worker, image, run);
                }
            }
            Event::Failed { worker, image, attempt, code } => self.failed(worker, image, attempt, code, now),
            Event::Stalled { worker, image, attempt } => self.stalled(worker, image, attempt, now),
            Event::RoundTrip { worker, smoothed } => {
                self.roster.change(worker, |worker, _| worker.measure_round_trip(smoothed));
            }
            Event::Left { worker, departure } => self.left(worker, departure),
            Event::Crashed { worker } => self.crashed(worker, now),
            Event::Bound { batch, model } => self.bind(batch, model),
            Event::Draining { worker } => {
                self.roster.change(worker, |worker, _| worker.drain());
            }
        }
    }

    /// The next thing to do, or `None` when there is nothing before the next event or [`Self::poll_timeout`].
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        self.ring_alarms(now);
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        self.reconsider = None;
        let trouble = |image| self.images.get(&image).map_or(Trouble::default(), |image| image.trouble(now));
        match plan(&self.lanes, &self.roster, trouble, now) {
            Plan::Assign { image, worker } => Some(self.assign(image, worker, now)),
            Plan::Later(at) => {
                self.reconsider = Some(at);
                None
            }
            Plan::Nothing => None,
        }
    }

    /// When to poll again if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        alarm.into_iter().chain(self.reconsider).min()
    }

    /// How many images are with nobody.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.images.len() - self.roster.iter().map(|(_, worker)| worker.held().len()).sum::<usize>()
    }

    /// How many images are held, waiting or with a worker.
    #[must_use]
    pub fn held(&self) -> usize {
        self.images.len()
    }

    /// Whether an image has not ended.
    #[must_use]
    pub fn holds(&self, image: ImageId) -> bool {
        self.images.contains_key(&image)
    }

    /// What a worker's word on a delivery means for the image as it is now.
    #[must_use]
    pub fn standing(&self, worker: WorkerId, image: ImageId, attempt: Attempt) -> Standing {
        match self.images.get(&image) {
            None => Standing::Unknown,
            Some(image) if image.is_of_this_run(worker, attempt) => Standing::Current(image.run()),
            Some(_) => Standing::Earlier,
        }
    }

    /// The run in which an image is that has not ended.
    #[must_use]
    pub fn run(&self, image: ImageId) -> Option<u32> {
        self.images.get(&image).map(Image::run)
    }

    /// How many images are with a worker.
    #[must_use]
    pub fn in_flight(&self, worker: WorkerId) -> usize {
        self.roster.get(worker).map_or(0, |worker| worker.held().len())
    }

    /// The smoothed service time of a worker, once it has answered.
    #[must_use]
    pub fn service_time(&self, worker: WorkerId) -> Option<Duration> {
        self.roster.get(worker)?.service()
    }

    /// Who has an image.
    #[must_use]
    pub fn holder(&self, image: ImageId) -> Option<(WorkerId, Attempt)> {
        match self.images.get(&image)?.place {
            Place::With(worker, attempt) => Some((worker, attempt)),
            Place::Waiting(_) | Place::Paused(_) => None,
        }
    }

    fn submitted(&mut self, work: Work, now: Instant) {
        let (id, run) = (work.image, work.run);
        match self.run(id) {
            Some(held) if held >= run => return,
            Some(_) => self.end(id),
            None => {}
        }
        if self.images.len() >= self.settings.max_waiting {
            self.actions.push_back(Action::Full { image: id, run });
            return;
        }
        let model = work.model.or_else(|| self.bound.model_of(work.batch, run));
        let lane = self.lanes.key(work.batch, model);
        self.images.insert(id, Image::new(lane, work.bytes, work.attempts, run));
        self.lanes.push(lane, Rank::New, id);
        for worker in work.blamed {
            self.hold_against(id, worker, now);
        }
        self.give_up_if_poisonous(id);
    }

    fn answered(
        &mut self,
        worker: WorkerId,
        image: ImageId,
        attempt: Attempt,
        service: Option<Duration>,
        now: Instant,
    ) {
        self.roster.change(worker, |worker, _| worker.answer(image, attempt, service, now));
        self.roster.absolve(worker, image, attempt);
    }

    fn failed(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt, code: FailureCode, now: Instant) {
        let name = self.roster.name(worker).map(str::to_owned);
        let was_there = self.holder(image) == Some((worker, attempt));
        self.answered(worker, image, attempt, None, now);
        if code == FailureCode::ShuttingDown {
            self.roster.change(worker, |worker, _| worker.drain());
        }
        if self.standing(worker, image, attempt) == Standing::Earlier {
            return;
        }
        if code.is_final() {
            self.end(image);
        } else if code.blames_the_image() {
            if let Some(name) = name {
                self.blame(image, name, now);
            }
            if was_there {
                self.requeue(image);
            }
        } else if was_there {
            self.pause(image, worker, now);
        }
    }

    fn stalled(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt, now: Instant) {
        let Some(Some(stalled)) = self.roster.change(worker, |worker, _| worker.stall(image, attempt, now)) else {
            return;
        };
        // What a slot works at cannot be stopped. Not cancelled, it may still be answered: that shows the slot sound.
        if !stalled.started {
            self.actions.push_back(Action::Cancel { worker, image, attempt });
        } else if let Some(name) = self.roster.name(worker).map(str::to_owned) {
            self.blame(image, name, now);
        }
        self.requeue(image);
        let hopeless = self.roster.change(worker, |worker, _| worker.take_back_hopeless());
        for delivery in hopeless.into_iter().flatten() {
            self.actions.push_back(Action::Cancel { worker, image: delivery.image, attempt: delivery.attempt });
            self.requeue(delivery.image);
        }
    }

    fn left(&mut self, worker: WorkerId, departure: Departure) {
        for delivery in self.roster.leave(worker, departure) {
            self.requeue(delivery.image);
        }
    }

    fn crashed(&mut self, worker: WorkerId, now: Instant) {
        self.left(worker, Departure::Disconnected);
        let Some(departed) = self.roster.forget(worker) else {
            return;
        };
        for (image, attempt) in departed.started {
            if self.standing(worker, image, attempt) != Standing::Earlier {
                self.blame(image, departed.name.clone(), now);
            }
        }
    }

    fn assign(&mut self, id: ImageId, to: WorkerId, now: Instant) -> Action {
        let image = self.images.get_mut(&id).expect("the plan names an image that waits");
        let bytes = image.bytes;
        if let Place::Waiting(rank) = image.place {
            self.lanes.serve(image.lane, rank, id);
        }
        let attempt = image.deliver(to);
        self.assignments += 1;
        let turn = self.assignments;
        let service_s = self.roster.change(to, |worker, prior_s| {
            worker.assign((id, attempt), bytes, turn, prior_s, now);
            worker.service_or(prior_s)
        });
        let deadline = self.settings.deadline(service_s.unwrap_or_default());
        Action::Assign { worker: to, image: id, attempt, deadline }
    }

    /// Counts a crash or a stall against an image, which may end it.
    fn blame(&mut self, id: ImageId, worker: String, now: Instant) {
        if self.hold_against(id, worker.clone(), now) {
            self.actions.push_back(Action::Blame { image: id, worker });
        }
        self.give_up_if_poisonous(id);
    }

    /// Says whether it is the first time with this worker.
    fn hold_against(&mut self, id: ImageId, worker: String, now: Instant) -> bool {
        let Some(image) = self.images.get_mut(&id) else {
            return false;
        };
        let first = image.blame(worker, &self.settings, now);
        self.alarms.extend(image.patient_until().map(|until| (until, id)));
        if let Place::Waiting(rank) = image.place {
            self.lanes.remove(image.lane, rank, id);
            image.place = Place::Waiting(image.rank());
            self.lanes.push(image.lane, image.rank(), id);
        }
        first
    }

    fn give_up_if_poisonous(&mut self, id: ImageId) {
        let Some(image) = self.images.get(&id) else {
            return;
        };
        if image.blamed().len() >= self.settings.blame_limit as usize {
            let (run, workers) = (image.run(), image.blamed().to_vec());
            self.end(id);
            self.actions.push_back(Action::GiveUp { image: id, run, workers });
        }
    }

    /// An image that was with a worker waits again, at the front of its batch.
    fn requeue(&mut self, id: ImageId) {
        let Some(image) = self.images.get_mut(&id) else {
            return;
        };
        self.lanes.land(image.lane);
        image.lane = self.bound.lane_of(image, &mut self.lanes);
        image.place = Place::Waiting(image.rank());
        self.lanes.push(image.lane, image.rank(), id);
        self.actions.push_back(Action::Requeued { image: id });
    }

    /// An image that was with a worker waits for a moment before it is tried again.
    fn pause(&mut self, id: ImageId, failed_at: WorkerId, now: Instant) {
        let Some(image) = self.images.get_mut(&id) else {
            return;
        };
        let until = now + image.failed_at(failed_at, &self.settings);
        self.lanes.land(image.lane);
        image.lane = self.bound.lane_of(image, &mut self.lanes);
        image.place = Place::Paused(until);
        self.alarms.insert((until, id));
        self.actions.push_back(Action::Requeued { image: id });
    }

    /// An answer ends its image. To one that was run again it also says by which model its batch goes on.
    fn settle(&mut self, worker: WorkerId, image: ImageId, run: u32) {
        let batch = self.images.get(&image).map(|image| image.lane.batch());
        self.end(image);
        let model = self.roster.get(worker).and_then(|worker| worker.model());
        if run > 0
            && let (Some(batch), Some(model)) = (batch, model)
        {
            self.bind(batch, model);
        }
    }

    /// Everything of the batch that waits, waits for that model from now on; what is with a worker stays there.
    fn bind(&mut self, batch: BatchId, model: ModelDigest) {
        if !self.bound.bind(batch, model) {
            return;
        }
        for (id, image) in self.images.iter_mut().filter(|(_, image)| image.lane.batch() == batch) {
            match image.place {
                Place::Waiting(rank) => {
                    self.lanes.remove(image.lane, rank, *id);
                    image.lane = self.bound.lane_of(image, &mut self.lanes);
                    self.lanes.push(image.lane, rank, *id);
                }
                Place::Paused(_) => image.lane = self.bound.lane_of(image, &mut self.lanes),
                // Its lane counts it as in flight until it comes back.
                Place::With(..) => {}
            }
        }
    }

    fn ring_alarms(&mut self, now: Instant) {
        while let Some((at, id)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, id));
            if let Some(image) = self.images.get_mut(&id)
                && image.place == Place::Paused(at)
            {
                image.place = Place::Waiting(image.rank());
                self.lanes.push(image.lane, image.rank(), id);
            }
        }
    }

    /// Forgets an image, and takes it back from whoever still has it.
    fn end(&mut self, id: ImageId) {
        let Some(image) = self.images.remove(&id) else {
            return;
        };
        if let Some(until) = image.patient_until() {
            self.alarms.remove(&(until, id));
        }
        match image.place {
            Place::Waiting(rank) => self.lanes.remove(image.lane, rank, id),
            Place::Paused(until) => {
                self.alarms.remove(&(until, id));
            }
            Place::With(worker, attempt) => {
                self.lanes.land(image.lane);
                let taken_back = self.roster.change(worker, |worker, _| worker.take_back(id, attempt));
                if taken_back.flatten().is_some() {
                    self.actions.push_back(Action::Cancel { worker, image: id, attempt });
                }
            }
        }
    }
}
