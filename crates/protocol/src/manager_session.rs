//! The manager's end of a session with one worker, over one connection.
//!
//! The owner tells it what happened (`handle_*`) and what to do (`assign`, `cancel`, ...), and after each of these asks
//! `poll_event` and `poll_frame` until they have nothing more, and `poll_timeout` for when to call `handle_timeout`.
//! Frames should be polled only when they can be written soon: small ones go before waiting assignments.
//!
//! It ends with its connection; what was in flight is then the owner's to give to others. For the life of one
//! assignment see `in_flight.rs`.

mod admission;
mod delivery_rate;
mod event;
mod in_flight;
mod least;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::MAX_UNSAID;
use crate::frame::{
    DecodeError, Extensions, Hello, MAX_PAYLOAD, MAX_WINDOW, ManagerFrame, Refusal, RefusalCode, Stage,
    TransportNumber, Welcome, WorkerFrame,
};
use crate::id::{Attempt, BooksId, ImageId, ModelDigest};
use crate::keys::Keys;
use crate::result::{Answer, Failure, FailureCode};
use crate::smoothed::Smoothed;
use crate::timer::{Timer, TimerSettings, TimerTable};
pub use event::{Ending, ManagerEvent};
use in_flight::InFlight;
use least::Least;

/// What a session needs to know of its manager.
#[derive(Clone, Debug)]
pub struct ManagerSessionSettings {
    /// The books that image numbers are of.
    pub books: BooksId,
    /// Who says which tokens let a worker in; `None`: none is asked for.
    pub keys: Option<Keys>,
    /// The model that a worker has to hold; `None`: any.
    pub model: Option<ModelDigest>,
    /// What that model is called, where that is known: a person who is told of a refusal knows it by its name.
    pub model_name: Option<String>,
    /// How long the timers run.
    pub timers: TimerSettings,
}

/// One delivery of an image to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which image.
    pub image: ImageId,
    /// Which delivery of it.
    pub attempt: Attempt,
    /// The model that shall recognise it.
    pub model: ModelDigest,
    /// How long the worker may take, from when a slot of it has begun.
    pub deadline: Duration,
    /// The image file's own bytes, or those of a smaller form of it.
    pub payload: Bytes,
}

/// What is known of an answer's way. How its time split on the wire is by the manager's clock: what neither `returning` nor the
/// worker's own times account for was spent on sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireTiming {
    /// From `assign` to the answer's arrival. For a delivery that another connection made (or another run of the
    /// manager) this is not known, and is the sum of the worker's own times and `returning`.
    pub since_assigned: Duration,
    /// Half the smoothed round trip; zero until one has been measured.
    pub returning: Duration,
    /// Bytes of the file that was sent for it, which may be a smaller form of the image's. `None`: another connection made the
    /// delivery, or another run of the manager.
    pub form_bytes: Option<u64>,
    /// What the link has delivered of late, in whole bytes a second; `None` until that was measured.
    pub bytes_per_s: Option<u64>,
}

/// The manager's end of a session.
#[derive(Debug)]
pub struct ManagerSession {
    settings: ManagerSessionSettings,
    phase: Phase,
    /// What the worker calls itself, and what it has shown to be let in.
    name: String,
    token: Option<String>,
    /// The worker may be asked to come by another transport.
    moves: bool,
    timers: TimerTable,
    in_flight: InFlight,
    small: VecDeque<ManagerFrame>,
    events: VecDeque<ManagerEvent>,
    round_trip: Smoothed,
    least_round_trip: Least,
    measuring: Option<Measuring>,
    next_nonce: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The Hello has not come.
    Greeting,
    /// Let in.
    Joined,
    /// Over.
    Closed,
}

/// The ping whose pong will tell the round trip.
#[derive(Clone, Copy, Debug)]
struct Measuring {
    nonce: u64,
    sent: Option<Instant>,
}

impl ManagerSession {
    /// The session of a connection just accepted.
    #[must_use]
    pub fn new(settings: ManagerSessionSettings, now: Instant) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::Handshake, now + settings.timers.handshake);
        Self {
            in_flight: InFlight::new(&settings.timers),
            settings,
            phase: Phase::Greeting,
            name: String::new(),
            token: None,
            moves: false,
            timers,
            small: VecDeque::new(),
            events: VecDeque::new(),
            round_trip: Smoothed::default(),
            least_round_trip: Least::default(),
            measuring: None,
            next_nonce: 0,
        }
    }

    /// Bytes have come, if only a part of a frame: the worker is there.
    pub fn handle_bytes(&mut self, now: Instant) {
        if self.phase == Phase::Joined {
            self.timers.set(Timer::Silent, now + self.settings.timers.silence);
        }
    }

    /// A whole frame has come.
    pub fn handle_frame(&mut self, frame: WorkerFrame, now: Instant) {
        match self.phase {
            Phase::Greeting => match frame {
                WorkerFrame::Hello(hello) => self.greet(hello, now),
                WorkerFrame::Result { .. }
                | WorkerFrame::Failed { .. }
                | WorkerFrame::Progress { .. }
                | WorkerFrame::Ping { .. }
                | WorkerFrame::Pong { .. }
                | WorkerFrame::Goodbye => self.misbehaved("its first frame was no Hello"),
            },
            Phase::Joined => self.handle_joined(frame, now),
            Phase::Closed => {}
        }
    }

    /// What came was no frame.
    pub fn handle_garbage(&mut self, error: &DecodeError) {
        self.misbehaved(&error.to_string());
    }

    /// `poll_timeout` has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Handshake | Timer::Silent => self.close(Ending::Silent),
                Timer::Heartbeat => {
                    self.look_at_the_token();
                    self.ping(now);
                }
                Timer::Resend(image) => {
                    if let Some(question) = self.in_flight.ask(image, now, &mut self.timers) {
                        self.say(question);
                    }
                }
                Timer::Deadline(image) => {
                    if let Some(attempt) = self.in_flight.stalled(image, now, &mut self.timers) {
                        self.events.push_back(ManagerEvent::Stalled { image, attempt });
                    }
                }
                Timer::Standstill => match self.in_flight.standstill(now) {
                    Ok(again) => self.timers.set(Timer::Standstill, again),
                    Err(still_for) => {
                        let seconds = still_for.as_secs();
                        self.misbehaved(&format!("for {seconds} s it has begun nothing of what it was given"));
                    }
                },
                Timer::Reconnect | Timer::Grace => {}
            }
        }
    }

    /// Hands an image to the worker. A newer delivery of an image that is in flight takes the older one's place.
    pub fn assign(&mut self, assignment: Assignment, now: Instant) {
        if self.phase != Phase::Joined {
            return;
        }
        let (image, attempt) = (assignment.image, assignment.attempt);
        let refuse =
            |code, message: String| ManagerEvent::Failed { image, attempt, failure: Failure { code, message } };
        if assignment.payload.len() > MAX_PAYLOAD {
            let sentence = format!("a file of more than {MAX_PAYLOAD} bytes cannot be sent to a worker");
            self.events.push_back(refuse(FailureCode::UnsupportedFormat, sentence));
        } else if self.in_flight.len() >= MAX_WINDOW as usize {
            let sentence = format!("{MAX_WINDOW} images are with this worker already");
            self.events.push_back(refuse(FailureCode::Busy, sentence));
        } else {
            self.in_flight.add(assignment, now, &mut self.timers);
        }
    }

    /// The answer is not wanted any more. It may come nevertheless.
    pub fn cancel(&mut self, image: ImageId, attempt: Attempt) {
        if self.in_flight.cancel(image, attempt, &mut self.timers) {
            self.say(ManagerFrame::Cancel { image, attempt });
        }
    }

    /// The answer (or failure) is safe, or not needed: the worker may forget it.
    pub fn acknowledge(&mut self, image: ImageId, attempt: Attempt) {
        self.say(ManagerFrame::ResultAck { image, attempt });
    }

    /// Asks the worker to finish what it has and go.
    pub fn drain(&mut self) {
        self.say(ManagerFrame::Drain);
    }

    /// Asks a worker to come by another transport, if it is one that does; says whether it was asked. It comes as a new connection,
    /// which ends this one.
    pub fn move_over(&mut self, to: TransportNumber) -> bool {
        let asks = self.moves && self.phase == Phase::Joined;
        if asks {
            self.say(ManagerFrame::Move { to });
        }
        asks
    }

    /// Says goodbye; the worker will try again later.
    pub fn shutdown(&mut self) {
        match self.phase {
            Phase::Greeting => self.refuse(RefusalCode::ShuttingDown, "the manager is going down", String::new()),
            Phase::Joined => {
                self.say(ManagerFrame::Goodbye);
                self.close(Ending::Shutdown);
            }
            Phase::Closed => {}
        }
    }

    /// There is no room for this worker, which has not been greeted yet; it will try again later.
    pub fn turn_away(&mut self) {
        if self.phase == Phase::Greeting {
            self.refuse(RefusalCode::Full, "the manager has as many connections as it takes", String::new());
        }
    }

    /// The next frame to write. What it says counts as said now.
    pub fn poll_frame(&mut self, now: Instant) -> Option<ManagerFrame> {
        self.poll_small_frame(now).or_else(|| self.in_flight.send_next(now, &mut self.timers))
    }

    /// The same, but nothing with a file: for a time when there is room for small frames only.
    pub fn poll_small_frame(&mut self, now: Instant) -> Option<ManagerFrame> {
        let frame = self.small.pop_front()?;
        if let (ManagerFrame::Ping { nonce }, Some(measuring)) = (&frame, &mut self.measuring)
            && measuring.nonce == *nonce
        {
            measuring.sent = Some(now);
        }
        Some(frame)
    }

    /// What the owner should know next.
    pub fn poll_event(&mut self) -> Option<ManagerEvent> {
        self.events.pop_front()
    }

    /// When to call `handle_timeout`, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether the handshake has been done, and the session is not over.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.phase == Phase::Joined
    }

    /// The least round trip from ping to pong of late; `None` until one was measured.
    #[must_use]
    pub fn least_round_trip(&self) -> Option<Duration> {
        self.least_round_trip.value()
    }

    /// The timers that are set: when nothing is in flight, none of an image.
    pub fn timers(&self) -> impl Iterator<Item = Timer> + '_ {
        self.timers.iter()
    }

    /// How many deliveries have no answer yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    fn greet(&mut self, hello: Hello, now: Instant) {
        let version = match admission::admit(&self.settings, &hello) {
            Ok(version) => version,
            Err((code, sentence)) => return self.refuse(code, &sentence, hello.name),
        };
        let timers = &self.settings.timers;
        let (heartbeat, silence) = (timers.heartbeat, timers.silence);
        self.phase = Phase::Joined;
        self.name.clone_from(&hello.name);
        self.token.clone_from(&hello.token);
        self.moves = hello.moves;
        self.timers.stop(Timer::Handshake);
        self.timers.set(Timer::Silent, now + silence);
        self.say(ManagerFrame::Welcome(Welcome { version, books: self.settings.books, heartbeat, silence }));
        self.events.push_back(ManagerEvent::Joined(hello));
        // Before any image is on the way, so that the first answer's time can be split.
        self.ping(now);
    }

    fn handle_joined(&mut self, frame: WorkerFrame, now: Instant) {
        match frame {
            WorkerFrame::Hello(_) => self.misbehaved("it said Hello twice"),
            WorkerFrame::Result { image, attempt, answer, extensions } => {
                self.answered(image, attempt, answer, &extensions, now);
            }
            WorkerFrame::Failed { image, attempt, failure } => self.failed(image, attempt, failure, now),
            WorkerFrame::Progress { image, attempt, stage } => self.progressed(image, attempt, stage, now),
            WorkerFrame::Ping { nonce } => self.say(ManagerFrame::Pong { nonce }),
            WorkerFrame::Pong { nonce } => self.measure_round_trip(nonce, now),
            WorkerFrame::Goodbye => self.close(Ending::Goodbye),
        }
    }

    fn answered(&mut self, image: ImageId, attempt: Attempt, answer: Answer, extensions: &Extensions, now: Instant) {
        let made = self.in_flight.answered(image, attempt, now, &mut self.timers);
        if let Some(kind) = extensions.not_understood() {
            let message =
                format!("the result has the critical extension {kind}, which this manager does not understand");
            let failure = Failure { code: FailureCode::NotUnderstood, message };
            return self.events.push_back(ManagerEvent::Failed { image, attempt, failure });
        }
        let returning = self.round_trip.mean().unwrap_or_default() / 2;
        let timing = &answer.timing;
        let at_the_worker = timing.receive + timing.queue + timing.decode + timing.inference;
        let wire = WireTiming {
            since_assigned: made.map_or(at_the_worker + returning, |made| made.since_assigned),
            returning,
            form_bytes: made.map(|made| made.form_bytes),
            bytes_per_s: self.in_flight.bytes_per_s().map(|rate| rate as u64),
        };
        self.events.push_back(ManagerEvent::Answered { image, attempt, answer, wire });
    }

    fn failed(&mut self, image: ImageId, attempt: Attempt, failure: Failure, now: Instant) {
        // A resend that crossed the end of its delivery finds nothing at the worker, and nobody here who would mind.
        let unknown = failure.code == FailureCode::Unknown;
        if unknown
            && (!self.in_flight.holds(image, attempt) || self.in_flight.send_whole_again(image, &mut self.timers))
        {
            return;
        }
        if self.in_flight.holds(image, attempt) {
            self.in_flight.failed(image, now, &mut self.timers);
        }
        self.events.push_back(ManagerEvent::Failed { image, attempt, failure });
    }

    fn progressed(&mut self, image: ImageId, attempt: Attempt, stage: Stage, now: Instant) {
        let round_trip = self.round_trip.mean().unwrap_or_default();
        if self.in_flight.progressed(image, attempt, stage, round_trip, now, &mut self.timers) {
            self.events.push_back(ManagerEvent::Started { image, attempt });
        }
    }

    /// Says that we are there, as the heartbeat does by itself; measures the round trip when no large frame would be measured with it.
    pub fn ping(&mut self, now: Instant) {
        if self.phase != Phase::Joined {
            return;
        }
        // Behind a large image on a slow link one is enough.
        if !self.small.iter().any(|frame| matches!(frame, ManagerFrame::Ping { .. })) {
            let nonce = self.next_nonce;
            self.next_nonce += 1;
            if self.measuring.is_none() && self.in_flight.bytes_on_the_way() == 0 {
                self.measuring = Some(Measuring { nonce, sent: None });
            }
            self.say(ManagerFrame::Ping { nonce });
        }
        self.timers.set(Timer::Heartbeat, now + self.settings.timers.heartbeat);
    }

    /// A token may expire or be revoked while its worker is here.
    fn look_at_the_token(&mut self) {
        let Some(keys) = &self.settings.keys else {
            return;
        };
        if let Err(sentence) = keys.admit(self.token.as_deref()) {
            self.refuse(RefusalCode::Token, &sentence, self.name.clone());
        }
    }

    fn measure_round_trip(&mut self, nonce: u64, now: Instant) {
        let Some(Measuring { nonce: expected, sent: Some(sent) }) = self.measuring else {
            return;
        };
        if nonce == expected {
            self.measuring = None;
            let round_trip = now.saturating_duration_since(sent);
            self.round_trip.measure(round_trip);
            let smoothed = self.round_trip.mean().unwrap_or_default();
            self.least_round_trip.measure(round_trip, now);
            let least = self.least_round_trip.value().unwrap_or_default();
            self.events.push_back(ManagerEvent::RoundTrip { smoothed, least });
        }
    }

    fn say(&mut self, frame: ManagerFrame) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.small.len() >= MAX_UNSAID {
            self.small.clear();
            return self.misbehaved("it does not read what we say");
        }
        self.small.push_back(frame);
    }

    fn refuse(&mut self, code: RefusalCode, sentence: &str, name: String) {
        self.say(ManagerFrame::Refused(Refusal { code, sentence: sentence.to_owned() }));
        self.close(Ending::Refused { code, sentence: sentence.to_owned(), name });
    }

    fn misbehaved(&mut self, how: &str) {
        self.close(Ending::Misbehaved(how.to_owned()));
    }

    fn close(&mut self, ending: Ending) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            self.timers.stop_all();
            self.in_flight.clear();
            self.events.push_back(ManagerEvent::Closed(ending));
        }
    }
}
