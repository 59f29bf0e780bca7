//! The worker's end of its session with the manager: one for the life of the process, across all its connections.
//!
//! The owner connects when [`WorkerEvent::Connect`] says so and tells what came of it (`handle_connected`,
//! `handle_disconnected`), tells what comes in and what the slots do (`started`, `report`), and after each of these asks
//! `poll_event` and `poll_frame` until they have nothing more, `poll_timeout` for when to call `handle_timeout`, and
//! `is_closing` for whether to close the connection.
//!
//! ```text
//!             Connect                 connected                Welcome
//! waiting ----------------> connecting ----------> greeting ------------> welcomed
//!    ^                          |                     |                      |
//!    +--------------------------+---------------------+----------------------+
//!      disconnected: Timer::Reconnect, longer each time, with jitter
//!
//! over: after the worker's Goodbye, or a refusal that cannot mend
//! ```

mod event;
mod in_hand;
mod memory;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::MAX_UNSAID;
use crate::frame::{DecodeError, Hello, ManagerFrame, Refusal, Stage, Welcome, WorkerFrame};
use crate::id::{Attempt, BooksId, ImageId};
use crate::result::{Answer, Failure, FailureCode};
use crate::timer::{Timer, TimerSettings, TimerTable};
pub use event::{Assigned, WorkerEvent};
use in_hand::Task;
use memory::Memory;

/// The shortest heartbeat that a worker agrees to, whatever the Welcome says: a manager shall not make it spin.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(10);

/// The worker's end.
#[derive(Debug)]
pub struct WorkerSession {
    hello: Hello,
    settings: TimerSettings,
    phase: Phase,
    timers: TimerTable,
    heartbeat: Duration,
    silence: Duration,
    said_since_heartbeat: bool,
    failed_connects: u32,
    welcomed_at: Option<Instant>,
    books: Option<BooksId>,
    in_hand: BTreeMap<ImageId, Task>,
    memory: Memory,
    draining: bool,
    small: VecDeque<WorkerFrame>,
    events: VecDeque<WorkerEvent>,
    next_nonce: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Until [`Timer::Reconnect`].
    Waiting,
    /// The owner is connecting.
    Connecting,
    /// The Hello is said.
    Greeting,
    /// Let in.
    Welcomed,
    /// The connection is to be closed, for this reason; the owner will say `handle_disconnected`.
    Closing(String),
    /// For good.
    Over,
}

impl WorkerSession {
    /// A session that wants to connect.
    #[must_use]
    pub fn new(hello: Hello, settings: TimerSettings) -> Self {
        Self {
            hello,
            phase: Phase::Connecting,
            timers: TimerTable::default(),
            heartbeat: settings.heartbeat,
            silence: settings.silence,
            settings,
            said_since_heartbeat: false,
            failed_connects: 0,
            welcomed_at: None,
            books: None,
            in_hand: BTreeMap::new(),
            memory: Memory::default(),
            draining: false,
            small: VecDeque::new(),
            events: VecDeque::from([WorkerEvent::Connect]),
            next_nonce: 0,
        }
    }

    /// The connection is made.
    pub fn handle_connected(&mut self, now: Instant) {
        if self.phase == Phase::Connecting {
            self.phase = Phase::Greeting;
            self.small = VecDeque::from([WorkerFrame::Hello(self.hello.clone())]);
            self.timers.set(Timer::Handshake, now + self.settings.handshake);
        }
    }

    /// The connection could not be made, was lost, or was closed because of [`Self::is_closing`]. `dice` is a number drawn
    /// evenly from all of `u32`: workers that lose their manager together shall not come back together.
    pub fn handle_disconnected(&mut self, reason: &str, dice: u32, now: Instant) {
        if self.phase == Phase::Over {
            return;
        }
        for timer in [Timer::Handshake, Timer::Heartbeat, Timer::Silent] {
            self.timers.stop(timer);
        }
        self.small.clear();
        let reason = match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Closing(ours) => ours,
            Phase::Waiting | Phase::Connecting | Phase::Greeting | Phase::Welcomed | Phase::Over => reason.to_owned(),
        };
        self.drop_unstarted();
        if self.is_done() {
            return self.end();
        }
        // One that is lost as soon as it is made is no better than one that cannot be made.
        if self
            .welcomed_at
            .take()
            .is_some_and(|at| now.saturating_duration_since(at) >= self.settings.reconnect_ceiling)
        {
            self.failed_connects = 0;
        }
        let retry_in = backoff(self.failed_connects, dice, &self.settings);
        self.failed_connects = self.failed_connects.saturating_add(1);
        self.timers.set(Timer::Reconnect, now + retry_in);
        self.events.push_back(WorkerEvent::Disconnected { reason, retry_in });
    }

    /// Another connection has been made while there was one, as [`WorkerEvent::Move`] asked, and takes its place: the old one is
    /// to be dropped. What waits for a slot is dropped with it, what runs goes on. False when there was none to take the place of:
    /// then the new one is to be dropped.
    pub fn handle_moved(&mut self, now: Instant) -> bool {
        if self.phase != Phase::Welcomed {
            return false;
        }
        for timer in [Timer::Heartbeat, Timer::Silent] {
            self.timers.stop(timer);
        }
        self.phase = Phase::Connecting;
        self.drop_unstarted();
        self.handle_connected(now);
        true
    }

    /// Bytes have come, if only a part of a frame: the manager is there.
    pub fn handle_bytes(&mut self, now: Instant) {
        if self.phase == Phase::Welcomed {
            self.timers.set(Timer::Silent, now + self.silence);
        }
    }

    /// A whole frame has come, which took `received_in` from its first byte to its last.
    pub fn handle_frame(&mut self, frame: ManagerFrame, received_in: Duration, now: Instant) {
        match self.phase {
            Phase::Greeting => self.handle_answer_to_hello(frame, now),
            Phase::Welcomed => self.handle_welcomed(frame, received_in),
            Phase::Waiting | Phase::Connecting | Phase::Closing(_) | Phase::Over => {}
        }
    }

    /// What came was no frame.
    pub fn handle_garbage(&mut self, error: &DecodeError) {
        self.close(format!("the manager sent {error}"));
    }

    /// `poll_timeout` has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Handshake => self.close("the manager did not answer our Hello".to_owned()),
                Timer::Silent => {
                    self.close(format!("not a byte from the manager for {:.1} s", self.silence.as_secs_f64()));
                }
                Timer::Heartbeat => self.beat(now),
                Timer::Reconnect => {
                    self.phase = Phase::Connecting;
                    self.events.push_back(WorkerEvent::Connect);
                }
                Timer::Grace => self.leave(),
                Timer::Resend(_) | Timer::Deadline(_) | Timer::Standstill => {}
            }
        }
    }

    /// A slot has taken the image.
    pub fn started(&mut self, image: ImageId, attempt: Attempt) {
        if let Some(task) = self.in_hand.get_mut(&image).filter(|task| task.delivered == attempt) {
            task.started = true;
            let progress = WorkerFrame::Progress { image, attempt: task.attempt, stage: Stage::Started };
            if !task.orphan {
                self.say(progress);
            }
        }
    }

    /// What came of the image. Of one that was cancelled, nobody wants to know.
    pub fn report(&mut self, image: ImageId, attempt: Attempt, outcome: Result<Answer, Failure>) {
        if self.in_hand.get(&image).is_some_and(|task| task.delivered == attempt)
            && let Some(task) = self.in_hand.remove(&image)
        {
            if needs_acknowledgement(&outcome) {
                self.memory.keep(image, task.attempt, task.model, outcome.clone());
            }
            self.say_outcome(image, task.attempt, outcome);
            self.leave_if_done();
        }
    }

    /// Takes nothing new; says Goodbye when what is running has been reported and acknowledged, or after `grace`.
    pub fn goodbye(&mut self, grace: Duration, now: Instant) {
        self.draining = true;
        self.timers.set(Timer::Grace, now + grace);
        for (image, attempt) in self.drop_unstarted() {
            self.fail(image, attempt, FailureCode::ShuttingDown, "the worker is going");
        }
        self.leave_if_done();
    }

    /// The next frame to write.
    pub fn poll_frame(&mut self) -> Option<WorkerFrame> {
        let frame = self.small.pop_front();
        self.said_since_heartbeat |= frame.is_some();
        frame
    }

    /// What the owner should know next.
    pub fn poll_event(&mut self) -> Option<WorkerEvent> {
        self.events.pop_front()
    }

    /// When to call `handle_timeout`, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// Whether the connection is to be closed once all frames are written.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing(_) | Phase::Over)
    }

    /// Whether the session is over for good. Frames may still be to be written.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether nothing that the manager has assigned is in hand.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_hand.is_empty()
    }

    /// The timers that are set.
    pub fn timers(&self) -> impl Iterator<Item = Timer> + '_ {
        self.timers.iter()
    }

    /// Whose outcomes wait for their acknowledgement.
    pub fn unacknowledged(&self) -> impl Iterator<Item = (ImageId, Attempt)> + '_ {
        self.memory.deliveries()
    }

    fn handle_answer_to_hello(&mut self, frame: ManagerFrame, now: Instant) {
        match frame {
            ManagerFrame::Welcome(welcome) => self.welcomed(&welcome, now),
            ManagerFrame::Refused(refusal) => self.refused(refusal),
            ManagerFrame::Assign(_)
            | ManagerFrame::Cancel { .. }
            | ManagerFrame::ResultAck { .. }
            | ManagerFrame::Drain
            | ManagerFrame::Move { .. }
            | ManagerFrame::Ping { .. }
            | ManagerFrame::Pong { .. }
            | ManagerFrame::Goodbye => self.close("the manager did not answer our Hello as it should".to_owned()),
        }
    }

    fn welcomed(&mut self, welcome: &Welcome, now: Instant) {
        if !(self.hello.versions.min..=self.hello.versions.max).contains(&welcome.version) {
            return self.close(format!("the manager chose version {}, which we did not offer", welcome.version));
        }
        if self.books.replace(welcome.books).is_some_and(|before| before != welcome.books) {
            self.forget_everything();
        }
        self.phase = Phase::Welcomed;
        self.welcomed_at = Some(now);
        self.heartbeat = welcome.heartbeat.max(SHORTEST_HEARTBEAT);
        self.silence = welcome.silence.max(2 * self.heartbeat);
        self.timers.stop(Timer::Handshake);
        self.timers.set(Timer::Silent, now + self.silence);
        self.timers.set(Timer::Heartbeat, now + self.heartbeat);
        self.events.push_back(WorkerEvent::Connected);
        let unacknowledged: Vec<_> = self.memory.unacknowledged().collect();
        for (image, attempt, outcome) in unacknowledged {
            self.say_outcome(image, attempt, outcome);
        }
        self.leave_if_done();
    }

    fn handle_welcomed(&mut self, frame: ManagerFrame, received_in: Duration) {
        match frame {
            ManagerFrame::Assign(assign) => self.assigned(assign, received_in),
            ManagerFrame::Cancel { image, attempt } => self.cancelled(image, attempt),
            ManagerFrame::ResultAck { image, attempt } => {
                self.memory.acknowledge(image, attempt);
                self.leave_if_done();
            }
            ManagerFrame::Drain => self.events.push_back(WorkerEvent::Drain),
            ManagerFrame::Move { to } => self.events.push_back(WorkerEvent::Move { to }),
            ManagerFrame::Ping { nonce } => self.say(WorkerFrame::Pong { nonce }),
            ManagerFrame::Pong { .. } => {}
            ManagerFrame::Goodbye => self.close("the manager went down".to_owned()),
            // What let us in is good no more.
            ManagerFrame::Refused(refusal) => self.refused(refusal),
            ManagerFrame::Welcome(_) => self.close("the manager answered our Hello twice".to_owned()),
        }
    }

    fn refused(&mut self, Refusal { code, sentence }: Refusal) {
        if code.may_mend() {
            self.close(format!("refused for now: {sentence}"));
        } else {
            self.end();
            self.events.push_back(WorkerEvent::Refused { reason: sentence });
        }
    }

    fn beat(&mut self, now: Instant) {
        if !self.said_since_heartbeat {
            let nonce = self.next_nonce;
            self.next_nonce += 1;
            self.say(WorkerFrame::Ping { nonce });
        }
        self.said_since_heartbeat = false;
        self.timers.set(Timer::Heartbeat, now + self.heartbeat);
    }

    fn say_outcome(&mut self, image: ImageId, attempt: Attempt, outcome: Result<Answer, Failure>) {
        self.say(match outcome {
            Ok(answer) => WorkerFrame::Result { image, attempt, answer, extensions: Default::default() },
            Err(failure) => WorkerFrame::Failed { image, attempt, failure },
        });
    }

    fn fail(&mut self, image: ImageId, attempt: Attempt, code: FailureCode, message: &str) {
        let failure = Failure { code, message: message.to_owned() };
        self.say(WorkerFrame::Failed { image, attempt, failure });
    }

    /// Says it if there is a manager that listens; what must not be lost is in the memory too.
    fn say(&mut self, frame: WorkerFrame) {
        if self.phase != Phase::Welcomed {
            return;
        }
        if self.small.len() >= MAX_UNSAID {
            self.small.clear();
            return self.close("the manager does not read what we say".to_owned());
        }
        self.small.push_back(frame);
    }

    fn leave_if_done(&mut self) {
        if self.draining && self.is_done() {
            self.leave();
        }
    }

    /// Whether a worker that goes has nothing left to do.
    fn is_done(&self) -> bool {
        self.draining && self.in_hand.is_empty() && !self.memory.has_unacknowledged()
    }

    fn leave(&mut self) {
        self.say(WorkerFrame::Goodbye);
        self.end();
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.timers.stop_all();
    }

    fn close(&mut self, reason: String) {
        if matches!(self.phase, Phase::Greeting | Phase::Welcomed) {
            for timer in [Timer::Handshake, Timer::Heartbeat, Timer::Silent] {
                self.timers.stop(timer);
            }
            self.phase = Phase::Closing(reason);
        }
    }
}

/// Answers and faults of the image are said until the manager has them safe. What a worker announces of itself is not:
/// when the connection is lost, the manager gives the image to others anyway.
fn needs_acknowledgement(outcome: &Result<Answer, Failure>) -> bool {
    outcome.as_ref().err().is_none_or(|failure| !failure.code.is_announced())
}

/// Doubles from the floor to the ceiling; of that, the first half is certain and the second is left to the dice.
fn backoff(failed_connects: u32, dice: u32, settings: &TimerSettings) -> Duration {
    let doubled = settings.reconnect_floor.saturating_mul(1 << failed_connects.min(16));
    let half = doubled.min(settings.reconnect_ceiling) / 2;
    half + half.mul_f64(f64::from(dice) / f64::from(u32::MAX))
}
