//! A manager's session and a worker's, a link between them that can be slow, stopped or cut, and a clock that moves only
//! when told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::start;
use crate::TimerSettings;
use crate::frame::{
    Encoded, Hello, MAX_FRAME, ManagerFrame, ModelDescription, Split, VERSIONS, WorkerFrame, split_frame,
};
use crate::id::{Attempt, BooksId, ImageId, InstanceId, ModelDigest};
use crate::manager_session::{Assignment, Ending, ManagerEvent, ManagerSession, ManagerSessionSettings};
use crate::result::{Answer, Label, WorkerTiming};
use crate::worker_session::{Assigned, WorkerEvent, WorkerSession};

pub(super) const MODEL: ModelDigest = ModelDigest([7; 32]);
pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) settings: ManagerSessionSettings,
    /// `None`: there is no connection.
    pub(super) manager: Option<ManagerSession>,
    pub(super) worker: WorkerSession,
    pub(super) manager_events: VecDeque<ManagerEvent>,
    pub(super) worker_events: VecDeque<WorkerEvent>,
    /// How long a frame travels.
    pub(super) delay: Duration,
    /// Whether the manager can be reached by who connects.
    pub(super) reachable: bool,
    /// Carries nothing, but keeps what is on it.
    pub(super) frozen: bool,
    pub(super) to_worker: VecDeque<(Instant, ManagerFrame)>,
    pub(super) to_manager: VecDeque<(Instant, WorkerFrame)>,
    /// What was said since the test last looked.
    pub(super) said_to_worker: Vec<ManagerFrame>,
    pub(super) said_to_manager: Vec<WorkerFrame>,
}

impl Pair {
    /// Not connected yet.
    pub(super) fn new() -> Self {
        let books = BooksId([1; 16]);
        let timers = TimerSettings::default();
        Self {
            now: start(),
            settings: ManagerSessionSettings {
                books,
                keys: None,
                model: None,
                model_name: None,
                timers: timers.clone(),
            },
            manager: None,
            worker: WorkerSession::new(hello(), timers),
            manager_events: VecDeque::new(),
            worker_events: VecDeque::new(),
            delay: 10 * MS,
            reachable: true,
            frozen: false,
            to_worker: VecDeque::new(),
            to_manager: VecDeque::new(),
            said_to_worker: Vec::new(),
            said_to_manager: Vec::new(),
        }
    }

    /// Connected, welcomed, and all events of that read.
    pub(super) fn connected() -> Self {
        let mut pair = Self::new();
        pair.run_for(100 * MS);
        assert!(matches!(pair.manager_events.pop_front(), Some(ManagerEvent::Joined(_))));
        assert_eq!(pair.worker_events.pop_front(), Some(WorkerEvent::Connected));
        pair.forget_what_was_said();
        pair
    }

    pub(super) fn forget_what_was_said(&mut self) {
        self.said_to_worker.clear();
        self.said_to_manager.clear();
    }

    /// Lets time pass, with all that is due in it.
    pub(super) fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            self.settle();
            match self.next_moment().filter(|moment| *moment <= until) {
                Some(moment) => self.now = self.now.max(moment),
                None => break,
            }
            self.deliver();
            let now = self.now;
            if let Some(manager) = &mut self.manager {
                manager.handle_timeout(now);
            }
            self.worker.handle_timeout(now);
        }
        self.now = until;
    }

    /// Breaks the connection, with all that is on the way.
    pub(super) fn cut(&mut self) {
        self.to_worker.clear();
        self.to_manager.clear();
        self.frozen = false;
        if self.manager.take().is_some() {
            self.worker.handle_disconnected("cut", 0, self.now);
        }
        self.settle();
    }

    /// The worker comes by another connection; what is on the way over the old one is lost with it.
    pub(super) fn move_over(&mut self) {
        self.to_worker.clear();
        self.to_manager.clear();
        self.manager = Some(ManagerSession::new(self.settings.clone(), self.now));
        assert!(self.worker.handle_moved(self.now), "there was no connection to take the place of");
        self.settle();
    }

    pub(super) fn assign(&mut self, image: u64, attempt: u32) {
        self.assign_bytes(image, attempt, Bytes::from_static(b"file"));
    }

    pub(super) fn assign_bytes(&mut self, image: u64, attempt: u32, payload: Bytes) {
        let (image, attempt) = (ImageId(image), Attempt(attempt));
        let assignment = Assignment { image, attempt, model: MODEL, deadline: 10 * SECOND, payload };
        let now = self.now;
        self.manager().assign(assignment, now);
    }

    pub(super) fn acknowledge(&mut self, image: u64, attempt: u32) {
        self.manager().acknowledge(ImageId(image), Attempt(attempt));
    }

    pub(super) fn manager(&mut self) -> &mut ManagerSession {
        self.manager.as_mut().expect("a connection")
    }

    /// The next event but round trips.
    pub(super) fn manager_event(&mut self) -> Option<ManagerEvent> {
        self.manager_events.retain(|event| !matches!(event, ManagerEvent::RoundTrip { .. }));
        self.manager_events.pop_front()
    }

    pub(super) fn assigned(&mut self) -> Assigned {
        match self.worker_events.pop_front() {
            Some(WorkerEvent::Assigned(assigned)) => assigned,
            other => panic!("expected Assigned, got {other:?}"),
        }
    }

    pub(super) fn answered(&mut self) -> (ImageId, Attempt, Answer) {
        match self.manager_event() {
            Some(ManagerEvent::Answered { image, attempt, answer, .. }) => (image, attempt, answer),
            other => panic!("expected Answered, got {other:?}"),
        }
    }

    /// The worker's slot takes the image and answers it.
    pub(super) fn recognise(&mut self, assigned: &Assigned) {
        self.worker.started(assigned.image, assigned.attempt);
        self.worker.report(assigned.image, assigned.attempt, Ok(answer(assigned.image)));
    }

    /// Carries events to their owners and frames onto the link, until nobody has more to say.
    fn settle(&mut self) {
        let now = self.now;
        loop {
            let mut quiet = true;
            while let Some(event) = self.worker.poll_event() {
                quiet = false;
                match event {
                    WorkerEvent::Connect => self.connect(),
                    event => self.worker_events.push_back(event),
                }
            }
            while let Some(frame) = self.worker.poll_frame() {
                quiet = false;
                self.said_to_manager.push(frame.clone());
                self.to_manager.push_back((now + self.delay, frame));
            }
            if self.worker.is_closing() && self.manager.is_some() {
                quiet = false;
                self.hang_up();
            }
            if let Some(manager) = &mut self.manager {
                while let Some(frame) = manager.poll_frame(now) {
                    quiet = false;
                    self.said_to_worker.push(frame.clone());
                    self.to_worker.push_back((now + self.delay, frame));
                }
                while let Some(event) = manager.poll_event() {
                    quiet = false;
                    self.manager_events.push_back(event);
                }
                if manager.is_closed() && self.to_worker.is_empty() {
                    quiet = false;
                    self.cut();
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// The worker closes: what it said still arrives.
    fn hang_up(&mut self) {
        if !self.frozen {
            while let Some((_, frame)) = self.to_manager.pop_front() {
                self.hear_worker(frame);
            }
        }
        if let Some(mut manager) = self.manager.take() {
            while let Some(event) = manager.poll_event() {
                self.manager_events.push_back(event);
            }
        }
        self.to_worker.clear();
        self.to_manager.clear();
        self.frozen = false;
        self.worker.handle_disconnected("", 0, self.now);
    }

    fn connect(&mut self) {
        if self.reachable {
            self.manager = Some(ManagerSession::new(self.settings.clone(), self.now));
            self.worker.handle_connected(self.now);
        } else {
            self.worker.handle_disconnected("nobody answers", 0, self.now);
        }
    }

    fn next_moment(&self) -> Option<Instant> {
        let on_the_way = [self.to_worker.front().map(|(at, _)| *at), self.to_manager.front().map(|(at, _)| *at)];
        let timers = [self.manager.as_ref().and_then(ManagerSession::poll_timeout), self.worker.poll_timeout()];
        let on_the_way = on_the_way.into_iter().flatten().filter(|_| !self.frozen);
        on_the_way.chain(timers.into_iter().flatten()).min()
    }

    fn deliver(&mut self) {
        let now = self.now;
        let due = |front: Option<Instant>| front.is_some_and(|at| at <= now);
        while !self.frozen && due(self.to_worker.front().map(|(at, _)| *at)) {
            let Some((_, frame)) = self.to_worker.pop_front() else {
                return;
            };
            let frame = ManagerFrame::decode(through_the_wire(frame.encode())).unwrap();
            self.worker.handle_bytes(now);
            self.worker.handle_frame(frame, MS, now);
            self.settle();
        }
        while !self.frozen && due(self.to_manager.front().map(|(at, _)| *at)) {
            let Some((_, frame)) = self.to_manager.pop_front() else {
                return;
            };
            self.hear_worker(frame);
            self.settle();
        }
    }

    fn hear_worker(&mut self, frame: WorkerFrame) {
        let frame = WorkerFrame::decode(through_the_wire(frame.encode())).unwrap();
        if let Some(manager) = &mut self.manager {
            manager.handle_bytes(self.now);
            manager.handle_frame(frame, self.now);
        }
    }
}

/// How the manager's session ended, if that was its last event.
pub(super) fn ending(event: Option<ManagerEvent>) -> Option<Ending> {
    match event {
        Some(ManagerEvent::Closed(ending)) => Some(ending),
        _ => None,
    }
}

pub(super) fn hello() -> Hello {
    Hello {
        versions: VERSIONS,
        instance: InstanceId([1; 16]),
        slots: 2,
        window: 4,
        name: "eye".to_owned(),
        software: "test".to_owned(),
        token: None,
        models: vec![ModelDescription {
            digest: MODEL,
            name: "test".to_owned(),
            verified: true,
            notice: None,
            input: None,
        }],
        moves: false,
    }
}

pub(super) fn answer(image: ImageId) -> Answer {
    let index = u32::try_from(image.0).unwrap();
    Answer {
        labels: vec![Label { index, name: format!("class {index}"), probability: 0.5 }],
        timing: WorkerTiming { inference: 20 * MS, ..WorkerTiming::default() },
    }
}

fn through_the_wire(frame: Encoded) -> Bytes {
    let mut buffer = BytesMut::from(&[frame.head, frame.payload].concat()[..]);
    match split_frame(&mut buffer, MAX_FRAME) {
        Ok(Split::Frame(frame)) => frame,
        other => panic!("no frame: {other:?}"),
    }
}
