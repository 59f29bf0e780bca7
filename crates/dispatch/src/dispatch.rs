//! The machine: events in, actions out.

mod conduct;
mod places;
mod takeover;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};
use manyeyes_protocol::result::FailureCode;

use crate::account::Account;
use crate::bound::Bound;
use crate::breaker::{Breakers, Conduct, Licence, Strike};
use crate::event::{Action, Departure, Event, Standing, Tally, Work};
use crate::foresight::Foresight;
use crate::image::{Image, Place};
use crate::lanes::{Lanes, Rank};
use crate::plan::{Plan, Trouble, plan};
use crate::roster::Roster;
use crate::settings::Settings;
use crate::stragglers::Stragglers;
use crate::worker::Worker;

/// Decides which worker has which image.
#[derive(Debug)]
pub struct Dispatch {
    settings: Settings,
    images: BTreeMap<ImageId, Image>,
    lanes: Lanes,
    roster: Roster,
    foresight: Foresight,
    stragglers: Stragglers,
    bound: Bound,
    breakers: Breakers,
    /// What may be spent on second deliveries.
    account: Account,
    /// When a pause or an image's patience ends.
    alarms: BTreeSet<(Instant, ImageId)>,
    /// When the last plan wants to be made again.
    reconsider: Option<Instant>,
    /// When something that is with a worker may have become late enough for another.
    look_again: Option<Instant>,
    actions: VecDeque<Action>,
    tally: Tally,
    closing: bool,
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
            foresight: Foresight::default(),
            stragglers: Stragglers::default(),
            alarms: BTreeSet::new(),
            breakers: Breakers::default(),
            account: Account::new(&settings.rescue),
            reconsider: None,
            look_again: None,
            actions: VecDeque::new(),
            tally: Tally::default(),
            closing: false,
            settings,
        }
    }

    /// Takes what happened. Poll until `None` afterwards.
    pub fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Submitted(work) => self.submitted(work, now),
            Event::Cancelled { image } => self.withdraw(image, now),
            Event::Joined { worker, capacity, name } => {
                self.left(worker, Departure::Disconnected, now);
                let licence = self.breakers.licence(&name);
                self.roster.join(worker, name, capacity, licence, now);
            }
            Event::Started { worker, image, attempt } => {
                self.roster.change(worker, now, |worker, _| worker.start(image, attempt, now));
            }
            Event::Answered { worker, image, attempt, service } => {
                self.answered(worker, image, attempt, Some(service), now);
                self.note(worker, Conduct::Answered, now);
                if let Standing::Current(run) = self.standing(worker, image, attempt) {
                    self.settle(worker, image, run, now);
                }
            }
            Event::Failed { worker, image, attempt, code } => self.failed(worker, image, attempt, code, now),
            Event::Stalled { worker, image, attempt } => self.stalled(worker, image, attempt, now),
            Event::RoundTrip { worker, least } => {
                self.roster.change(worker, now, |worker, _| worker.measure_round_trip(least));
            }
            Event::Left { worker, departure } => self.left(worker, departure, now),
            Event::Crashed { worker } => self.crashed(worker, now),
            Event::Bound { batch, model, heard } => self.bind(batch, model, heard),
            Event::Draining { worker } => {
                self.roster.change(worker, now, |worker, _| worker.drain());
            }
            Event::Condemned { worker } => self.note(worker, Conduct::Condemned, now),
            Event::Acquitted { worker } => self.note(worker, Conduct::Acquitted, now),
            Event::Closing => self.closing = true,
        }
    }

    /// The next thing to do, or `None` when there is nothing before the next event or [`Self::poll_timeout`].
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        self.ring_alarms(now);
        self.ring_breakers(now);
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        (self.reconsider, self.look_again) = (None, None);
        if self.closing {
            return None;
        }
        let trouble = |image| self.images.get(&image).map_or(Trouble::default(), |image| image.trouble(now));
        match plan(&self.lanes, &mut self.roster, &mut self.foresight, trouble, now) {
            Plan::Assign { image, worker } => return Some(self.assign(image, worker, now)),
            Plan::Later(at) => self.reconsider = Some(at),
            Plan::Nothing => {}
        }
        self.take_over(now)
    }

    /// When to poll again if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        alarm.into_iter().chain(self.breakers.next()).chain(self.reconsider).chain(self.look_again).min()
    }

    /// How many images are with nobody.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.images.values().filter(|image| image.holders().next().is_none()).count()
    }

    /// Whether nothing new is given to workers any more.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether nothing is with a worker, and nothing will be: it is closing, and what was out has come back.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing && self.roster.in_flight() == 0
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
            _ if self.is_condemned(worker) => Standing::Condemned,
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

    /// Whether a worker is given nothing for now because of what it did.
    #[must_use]
    pub fn is_set_aside(&self, worker: WorkerId) -> bool {
        let licence = self.roster.get(worker).map(Worker::licence);
        matches!(licence, Some(Licence::Suspended | Licence::Condemned))
    }

    /// Who has an image: nobody, one worker, or, while the image is hedged, two.
    pub fn holders(&self, image: ImageId) -> impl Iterator<Item = (WorkerId, Attempt)> {
        self.images.get(&image).into_iter().flat_map(Image::holders)
    }

    /// How many deliveries were made, of each kind.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn submitted(&mut self, work: Work, now: Instant) {
        let (id, run) = (work.image, work.run);
        match self.run(id) {
            Some(held) if held >= run => return,
            Some(_) => self.withdraw(id, now),
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
        self.give_up_if_poisonous(id, now);
    }

    fn answered(
        &mut self,
        worker: WorkerId,
        image: ImageId,
        attempt: Attempt,
        service: Option<Duration>,
        now: Instant,
    ) {
        self.roster.change(worker, now, |worker, _| worker.answer(image, attempt, service, now));
        self.roster.absolve(worker, image, attempt);
    }

    fn failed(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt, code: FailureCode, now: Instant) {
        let name = self.roster.name(worker).map(str::to_owned);
        self.answered(worker, image, attempt, None, now);
        if code == FailureCode::ShuttingDown {
            self.roster.change(worker, now, |worker, _| worker.drain());
        }
        if matches!(self.standing(worker, image, attempt), Standing::Current(_) | Standing::Unknown) {
            if code.is_final() {
                self.end(image, now);
            } else if code.blames_the_image() {
                if let Some(name) = name {
                    self.blame(image, name, now);
                }
                self.lose(image, worker, attempt);
            } else {
                self.lose_for_a_while(image, worker, attempt, now);
            }
        }
        if let Some(conduct) = Conduct::of_failure(code) {
            self.note(worker, conduct, now);
        }
    }

    fn stalled(&mut self, worker: WorkerId, image: ImageId, attempt: Attempt, now: Instant) {
        let Some(Some(stalled)) = self.roster.change(worker, now, |worker, _| worker.stall(image, attempt, now)) else {
            return;
        };
        let had_it = self.holders(image).any(|holder| holder == (worker, attempt));
        // What a slot works at cannot be stopped. Not cancelled, it may still be answered: that shows the slot sound.
        if stalled.started.is_none() {
            self.actions.push_back(Action::Cancel { worker, image, attempt });
        } else if let (true, Some(name)) = (had_it, self.roster.name(worker).map(str::to_owned)) {
            self.blame(image, name, now);
        }
        self.lose(image, worker, attempt);
        let hopeless = self.roster.change(worker, now, |worker, _| worker.take_back_hopeless());
        self.take_back(worker, hopeless);
        if stalled.started.is_some() {
            self.note(worker, Conduct::Struck(Strike::Stall), now);
        }
    }

    fn left(&mut self, worker: WorkerId, departure: Departure, now: Instant) {
        if self.roster.get(worker).is_none() {
            return;
        }
        for delivery in self.roster.leave(worker, departure, now) {
            self.lose(delivery.image, worker, delivery.attempt);
        }
        if departure != Departure::Goodbye {
            self.note(worker, Conduct::Struck(Strike::Departure), now);
        }
    }

    fn crashed(&mut self, worker: WorkerId, now: Instant) {
        self.left(worker, Departure::Disconnected, now);
        self.note(worker, Conduct::WasCrash, now);
        let Some(departed) = self.roster.forget(worker) else {
            return;
        };
        for (image, attempt) in departed.started {
            if self.standing(worker, image, attempt) != Standing::Earlier {
                self.blame(image, departed.name.clone(), now);
            }
        }
    }

    /// What waits is given to a worker.
    fn assign(&mut self, id: ImageId, to: WorkerId, now: Instant) -> Action {
        let image = self.images.get(&id).expect("the plan names an image that waits");
        if let Place::Waiting(rank) = image.place {
            self.lanes.serve(image.lane, rank, id);
        }
        self.tally.ordinary += 1;
        self.account.earn();
        self.deliver(id, to, now)
    }

    fn deliver(&mut self, id: ImageId, to: WorkerId, now: Instant) -> Action {
        // The worker would take the two deliveries for one, and answer the question of before.
        if let Some(attempt) = self.roster.get(to).and_then(|worker| worker.outlived(id)) {
            self.roster.change(to, now, |worker, _| worker.take_back(id, attempt));
            self.actions.push_back(Action::Cancel { worker: to, image: id, attempt });
        }
        let image = self.images.get_mut(&id).expect("only what is held is delivered");
        image.holders().for_each(|(holder, _)| self.roster.touch(holder));
        let (attempt, bytes) = (image.deliver(to), image.bytes);
        let turn = self.tally.ordinary + self.tally.steals + self.tally.hedges;
        let service_s = self.roster.change(to, now, |worker, prior_s| {
            worker.assign((id, attempt), bytes, turn, prior_s, now);
            worker.service_or(prior_s)
        });
        let deadline = self.settings.deadline(service_s.unwrap_or_default());
        self.actions.push_back(Action::Assign { worker: to, image: id, attempt, deadline });
        self.actions.pop_front().expect("there is one at least")
    }

    /// Counts a crash or a stall against an image, which may end it.
    fn blame(&mut self, id: ImageId, worker: String, now: Instant) {
        if self.hold_against(id, worker.clone(), now) {
            let attempts = self.images.get(&id).map_or(0, |image| image.attempts);
            self.actions.push_back(Action::Blame { image: id, worker, attempts });
        }
        self.give_up_if_poisonous(id, now);
    }

    /// Says whether it is the first time with this worker.
    fn hold_against(&mut self, id: ImageId, worker: String, now: Instant) -> bool {
        let Some(image) = self.images.get_mut(&id) else {
            return false;
        };
        // Its patience begins anew: the end of the one before is nothing to wake up for.
        if let Some(before) = image.patient_until().filter(|before| image.place != Place::Paused(*before)) {
            self.alarms.remove(&(before, id));
        }
        let first = image.blame(worker, &self.settings, now);
        image.holders().for_each(|(holder, _)| self.roster.touch(holder));
        self.alarms.extend(image.patient_until().map(|until| (until, id)));
        if let Place::Waiting(rank) = image.place {
            self.lanes.remove(image.lane, rank, id);
            image.place = Place::Waiting(image.rank());
            self.lanes.push(image.lane, image.rank(), id);
        }
        first
    }

    fn give_up_if_poisonous(&mut self, id: ImageId, now: Instant) {
        let Some(image) = self.images.get(&id) else {
            return;
        };
        if image.blamed().len() >= self.settings.blame_limit as usize {
            let (run, workers) = (image.run(), image.blamed().to_vec());
            self.end(id, now);
            self.actions.push_back(Action::GiveUp { image: id, run, workers });
        }
    }

    /// An answer ends its image. To one that was run again it also says by which model its batch goes on.
    fn settle(&mut self, worker: WorkerId, image: ImageId, run: u32, now: Instant) {
        let batch = self.images.get(&image).map(|image| image.lane.batch());
        self.end(image, now);
        let model = self.roster.get(worker).and_then(|worker| worker.model());
        if run > 0
            && let (Some(batch), Some(model)) = (batch, model)
        {
            self.bind(batch, model, now);
        }
    }
}
