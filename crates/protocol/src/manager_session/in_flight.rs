//! The assignments that are with the worker, or waiting to be written to it. The life of one:
//!
//! ```text
//! waiting -> sent -> received -> started -> (answered, failed, cancelled or stalled: forgotten)
//!    ^        |         |
//!    +--------+---------+   the worker does not know it: the whole is sent again
//! ```
//!
//! From `sent` on, [`Timer::Resend`] is set: when it fires, the worker is asked what has become of the image. The wait
//! follows the turnaround that was measured, doubles with each asking, and allows for the bytes that are on the way.
//! From `started` on, [`Timer::Deadline`] is set too. While anything is in flight, [`Timer::Standstill`] is: a worker that
//! says that it is there and begins nothing must not keep images for ever.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Assignment;
use super::delivery_rate::DeliveryRate;
use crate::frame::{Assign, Extensions, ManagerFrame, Stage};
use crate::id::{Attempt, ImageId};
use crate::smoothed::Smoothed;
use crate::timer::{Timer, TimerSettings, TimerTable};

/// How often the whole of an image is sent to a worker that says it does not know it, before that is a failure: it
/// should never happen once.
const MAX_WHOLE: u32 = 3;

/// The wait for the first answer of a session, when nothing has been measured: about an inference on a slow machine.
const FIRST_TURNAROUND: Duration = Duration::from_secs(3);

/// The bytes per second that a link is taken to carry until it has been measured: a slow home uplink.
const FIRST_RATE: f64 = 125_000.0;

/// How many deadlines may pass before a worker that begins nothing is given up: one more than after which it should have
/// found out by itself that its slots hang.
const STANDSTILL_DEADLINES: u32 = 4;

/// The slowest link that a worker may have, in bytes per second: 64 kbit/s. On a slower one an image of some megabytes is
/// taken for one that never arrives.
const SLOWEST_LINK: f64 = 8_000.0;

#[derive(Debug)]
pub(super) struct InFlight {
    resend_floor: Duration,
    resend_ceiling: Duration,
    deliveries: HashMap<ImageId, Delivery>,
    waiting: VecDeque<ImageId>,
    turnaround: Smoothed,
    rate: DeliveryRate,
    bytes_on_the_way: usize,
    /// When a delivery last came a step further at the worker, or the first one was added.
    moved: Option<Instant>,
}

#[derive(Debug)]
struct Delivery {
    assignment: Assignment,
    assigned: Instant,
    state: State,
    asked: u32,
    sent_whole: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Sent { at: Instant },
    Received,
    Started,
}

/// A delivery that was made over this connection, as it is known when it has been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) since_assigned: Duration,
    pub(super) form_bytes: u64,
}

impl InFlight {
    pub(super) fn new(timers: &TimerSettings) -> Self {
        Self {
            resend_floor: timers.resend_floor,
            resend_ceiling: timers.resend_ceiling,
            deliveries: HashMap::new(),
            waiting: VecDeque::new(),
            turnaround: Smoothed::default(),
            rate: DeliveryRate::default(),
            bytes_on_the_way: 0,
            moved: None,
        }
    }

    pub(super) fn add(&mut self, assignment: Assignment, now: Instant, timers: &mut TimerTable) {
        let image = assignment.image;
        self.remove(image, timers);
        if self.deliveries.is_empty() {
            self.moved = Some(now);
            timers.set(Timer::Standstill, now + assignment.deadline * STANDSTILL_DEADLINES);
        }
        self.waiting.push_back(image);
        let delivery = Delivery { assignment, assigned: now, state: State::Waiting, asked: 0, sent_whole: 0 };
        self.deliveries.insert(image, delivery);
    }

    /// The next assignment, whole.
    pub(super) fn send_next(&mut self, now: Instant, timers: &mut TimerTable) -> Option<ManagerFrame> {
        let image = self.waiting.pop_front()?;
        let delivery = self.deliveries.get_mut(&image).expect("what waits is in flight: remove() takes it from both");
        delivery.state = State::Sent { at: now };
        delivery.sent_whole += 1;
        self.bytes_on_the_way += delivery.assignment.payload.len();
        let frame = frame(&delivery.assignment, false);
        timers.set(Timer::Resend(image), now + self.patience(0));
        Some(frame)
    }

    /// The question after an assignment whose answer is late.
    pub(super) fn ask(&mut self, image: ImageId, now: Instant, timers: &mut TimerTable) -> Option<ManagerFrame> {
        let delivery = self.deliveries.get_mut(&image)?;
        delivery.asked += 1;
        let (asked, question) = (delivery.asked, frame(&delivery.assignment, true));
        timers.set(Timer::Resend(image), now + self.patience(asked));
        Some(question)
    }

    /// The worker does not know the image: queues the whole of it again. False when that was done too often.
    pub(super) fn send_whole_again(&mut self, image: ImageId, timers: &mut TimerTable) -> bool {
        let Some(delivery) = self.deliveries.get_mut(&image) else {
            return false;
        };
        if delivery.sent_whole >= MAX_WHOLE {
            return false;
        }
        if delivery.state == State::Waiting {
            return true;
        }
        timers.stop(Timer::Resend(image));
        timers.stop(Timer::Deadline(image));
        if let State::Sent { .. } = delivery.state {
            self.bytes_on_the_way -= delivery.assignment.payload.len();
        }
        delivery.state = State::Waiting;
        self.waiting.push_back(image);
        true
    }

    /// Notes how far an image has come. True when it has just started.
    pub(super) fn progressed(
        &mut self,
        image: ImageId,
        attempt: Attempt,
        stage: Stage,
        round_trip: Duration,
        now: Instant,
        timers: &mut TimerTable,
    ) -> bool {
        let Some(delivery) = self.deliveries.get_mut(&image) else {
            return false;
        };
        if delivery.assignment.attempt != attempt || delivery.state == State::Waiting {
            return false;
        }
        let (before, asked) = (delivery.state, delivery.asked);
        let just_started = stage == Stage::Started && before != State::Started;
        let further = just_started || matches!(before, State::Sent { .. });
        delivery.state =
            if stage == Stage::Started || before == State::Started { State::Started } else { State::Received };
        if just_started {
            timers.set(Timer::Deadline(image), now + delivery.assignment.deadline);
        }
        if let State::Sent { at } = before {
            let bytes = delivery.assignment.payload.len();
            self.bytes_on_the_way -= bytes;
            self.rate.arrived(bytes, at, round_trip, now);
        }
        if further {
            self.moved = Some(now);
        }
        timers.set(Timer::Resend(image), now + self.patience(asked));
        just_started
    }

    /// The worker has no answer.
    pub(super) fn failed(&mut self, image: ImageId, now: Instant, timers: &mut TimerTable) {
        self.moved = Some(now);
        self.remove(image, timers);
    }

    /// The deadline has passed: forgets the delivery.
    pub(super) fn stalled(&mut self, image: ImageId, now: Instant, timers: &mut TimerTable) -> Option<Attempt> {
        self.moved = Some(now);
        self.remove(image, timers)
    }

    /// When to look again whether the worker stands still; or for how long it has, if that is too long: for some of
    /// the longest deadlines, and as long as the slowest link needs for what is on the way. One that has begun something does not
    /// stand still: that image's own deadline runs.
    pub(super) fn standstill(&self, now: Instant) -> Result<Instant, Duration> {
        let longest = self.deliveries.values().map(|delivery| delivery.assignment.deadline).max().unwrap_or_default();
        let limit =
            longest * STANDSTILL_DEADLINES + Duration::from_secs_f64(self.bytes_on_the_way as f64 / SLOWEST_LINK);
        let still_for = self.moved.map_or(Duration::ZERO, |moved| now.saturating_duration_since(moved));
        if self.deliveries.values().any(|delivery| delivery.state == State::Started) {
            return Ok(now + limit);
        }
        if still_for < limit { Ok(now + (limit - still_for)) } else { Err(still_for) }
    }

    /// Forgets an answered delivery; returns what is known of it, if it was made here.
    pub(super) fn answered(
        &mut self,
        image: ImageId,
        attempt: Attempt,
        now: Instant,
        timers: &mut TimerTable,
    ) -> Option<Made> {
        let delivery = self.deliveries.get(&image).filter(|delivery| delivery.assignment.attempt == attempt)?;
        let since_assigned = now.saturating_duration_since(delivery.assigned);
        // One that was asked after would teach patience its own impatience (Karn's rule, RFC 6298 section 3).
        if delivery.asked == 0 {
            self.turnaround.measure(since_assigned);
        }
        let form_bytes = delivery.assignment.payload.len() as u64;
        self.moved = Some(now);
        self.remove(image, timers);
        Some(Made { since_assigned, form_bytes })
    }

    /// Forgets a delivery that is not wanted. True when the worker should be told.
    pub(super) fn cancel(&mut self, image: ImageId, attempt: Attempt, timers: &mut TimerTable) -> bool {
        if !self.holds(image, attempt) {
            return true;
        }
        let never_sent = self.deliveries.get(&image).is_some_and(|delivery| delivery.sent_whole == 0);
        self.remove(image, timers);
        !never_sent
    }

    pub(super) fn remove(&mut self, image: ImageId, timers: &mut TimerTable) -> Option<Attempt> {
        let delivery = self.deliveries.remove(&image)?;
        timers.stop(Timer::Resend(image));
        timers.stop(Timer::Deadline(image));
        match delivery.state {
            State::Waiting => self.waiting.retain(|waiting| *waiting != image),
            State::Sent { .. } => self.bytes_on_the_way -= delivery.assignment.payload.len(),
            State::Received | State::Started => {}
        }
        if self.deliveries.is_empty() {
            timers.stop(Timer::Standstill);
        }
        Some(delivery.assignment.attempt)
    }

    pub(super) fn clear(&mut self) {
        self.deliveries.clear();
        self.waiting.clear();
        self.bytes_on_the_way = 0;
    }

    pub(super) fn holds(&self, image: ImageId, attempt: Attempt) -> bool {
        self.deliveries.get(&image).is_some_and(|delivery| delivery.assignment.attempt == attempt)
    }

    pub(super) fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Bytes of images that were sent and of which the worker has not said that it has them.
    pub(super) fn bytes_on_the_way(&self) -> usize {
        self.bytes_on_the_way
    }

    /// What the link delivers, bytes a second; `None` until that was measured.
    pub(super) fn bytes_per_s(&self) -> Option<f64> {
        self.rate.bytes_per_s()
    }

    /// How long to wait before asking for the `asked + 1`st time.
    fn patience(&self, asked: u32) -> Duration {
        let turnaround = self.turnaround.bound().unwrap_or(FIRST_TURNAROUND);
        let sending = Duration::from_secs_f64(self.bytes_on_the_way as f64 / self.bytes_per_s().unwrap_or(FIRST_RATE));
        let patience = turnaround.saturating_add(sending).max(self.resend_floor);
        patience.saturating_mul(1 << asked.min(16)).min(self.resend_ceiling)
    }
}

fn frame(assignment: &Assignment, resend: bool) -> ManagerFrame {
    ManagerFrame::Assign(Assign {
        image: assignment.image,
        attempt: assignment.attempt,
        model: assignment.model,
        deadline: assignment.deadline,
        resend,
        extensions: Extensions::default(),
        payload: if resend { Bytes::new() } else { assignment.payload.clone() },
    })
}
