//! Both ends of a session whose peers say and do anything, in any order, while time passes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use manyeyes_protocol::TimerSettings;
use manyeyes_protocol::frame::{
    Assign, DecodeError, Extensions, Hello, ManagerFrame, ModelDescription, Refusal, RefusalCode, Stage,
    TransportNumber, VersionRange, Welcome, WorkerFrame,
};
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, InstanceId, ModelDigest};
use manyeyes_protocol::keys::Keys;
use manyeyes_protocol::manager_session::{Assignment, ManagerEvent, ManagerSession, ManagerSessionSettings};
use manyeyes_protocol::result::{Answer, Failure, FailureCode, Label, WorkerTiming};
use manyeyes_protocol::worker_session::{WorkerEvent, WorkerSession};

use crate::choices::Choices;

const MODEL: ModelDigest = ModelDigest([7; 32]);

/// How many frames and events may come of one step: a session that goes on for ever is caught.
const SAID_AT_MOST: usize = 20_000;

pub(crate) fn run(bytes: &[u8]) {
    let mut choices = Choices::of(bytes);
    let mut managed = Managed::new(&mut choices);
    let mut working = Working::new();
    while !choices.is_empty() {
        match choices.of_so_many(2) {
            0 => managed.step(&mut choices),
            _ => working.step(&mut choices),
        }
    }
}

fn only_secret(shown: Option<&str>) -> Result<(), String> {
    if shown == Some("secret") { Ok(()) } else { Err("no".to_owned()) }
}

/// The manager's end, before a worker that is none.
struct Managed {
    session: ManagerSession,
    now: Instant,
    closed: bool,
}

impl Managed {
    fn new(choices: &mut Choices<'_>) -> Self {
        let now = Instant::now();
        let settings = ManagerSessionSettings {
            books: BooksId([1; 16]),
            keys: (choices.of_so_many(4) == 1).then(|| Keys::new(only_secret)),
            model: (choices.of_so_many(2) == 1).then_some(MODEL),
            model_name: None,
            timers: TimerSettings::default(),
        };
        Self { session: ManagerSession::new(settings, now), now, closed: false }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let (session, now) = (&mut self.session, self.now);
        match choices.of_so_many(12) {
            0..=4 => session.handle_frame(of_worker(choices), now),
            5 => session.assign(assignment(choices), now),
            6 => session.cancel(image(choices), attempt(choices)),
            7 => session.acknowledge(image(choices), attempt(choices)),
            8 => {
                self.now += pause(choices);
                session.handle_timeout(self.now);
                let next = session.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now), "a timer that has passed is still set");
            }
            9 => session.handle_bytes(now),
            10 => match choices.of_so_many(4) {
                0 => session.drain(),
                1 => drop(session.move_over(TransportNumber(choices.byte()))),
                2 => session.turn_away(),
                _ => session.shutdown(),
            },
            _ => session.handle_garbage(&DecodeError::UnknownFrame(choices.byte())),
        }
        let mut said = 0;
        while let Some(event) = self.session.poll_event() {
            assert!(!self.closed, "{event:?} after the last event");
            self.closed = matches!(event, ManagerEvent::Closed(_));
            said += 1;
        }
        assert_eq!(self.closed, self.session.is_closed());
        while self.session.poll_frame(self.now).is_some() {
            said += 1;
            assert!(said < SAID_AT_MOST, "it never stops talking");
        }
    }
}

/// The worker's end, before a manager that is none.
struct Working {
    session: WorkerSession,
    now: Instant,
    /// What the owner was given, and has not been told that it is not wanted.
    given: HashSet<(ImageId, Attempt)>,
}

impl Working {
    fn new() -> Self {
        let session = WorkerSession::new(hello(), TimerSettings::default());
        Self { session, now: Instant::now(), given: HashSet::new() }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let (session, now) = (&mut self.session, self.now);
        match choices.of_so_many(12) {
            0..=4 => session.handle_frame(of_manager(choices), pause(choices), now),
            5 => session.handle_connected(now),
            6 => {
                let delivery = (image(choices), attempt(choices));
                session.report(delivery.0, delivery.1, outcome(choices));
            }
            7 => session.started(image(choices), attempt(choices)),
            8 => {
                self.now += pause(choices);
                session.handle_timeout(self.now);
                let next = session.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now), "a timer that has passed is still set");
            }
            9 => session.handle_disconnected("the cable was pulled", u32::from(choices.byte()) << 24, now),
            10 => match choices.of_so_many(4) {
                0 => drop(session.handle_moved(now)),
                1 => session.goodbye(pause(choices), now),
                _ => session.handle_bytes(now),
            },
            _ => session.handle_garbage(&DecodeError::UnknownFrame(choices.byte())),
        }
        let mut said = 0;
        while let Some(event) = self.session.poll_event() {
            match event {
                WorkerEvent::Assigned(assigned) => drop(self.given.insert((assigned.image, assigned.attempt))),
                WorkerEvent::Cancelled { image, attempt } => {
                    assert!(self.given.remove(&(image, attempt)), "what was never given is taken back");
                }
                WorkerEvent::Connect
                | WorkerEvent::Connected
                | WorkerEvent::Drain
                | WorkerEvent::Move { .. }
                | WorkerEvent::Disconnected { .. }
                | WorkerEvent::Refused { .. } => {}
            }
            said += 1;
        }
        while self.session.poll_frame().is_some() {
            said += 1;
            assert!(said < SAID_AT_MOST, "it never stops talking");
        }
    }
}

fn image(choices: &mut Choices<'_>) -> ImageId {
    ImageId(choices.of_so_many(4))
}

fn attempt(choices: &mut Choices<'_>) -> Attempt {
    Attempt(choices.of_so_many(4) as u32)
}

/// From nothing to two minutes.
fn pause(choices: &mut Choices<'_>) -> Duration {
    Duration::from_millis(1 << choices.of_so_many(18)) - Duration::from_millis(1)
}

fn hello() -> Hello {
    Hello {
        versions: VersionRange { min: 1, max: 1 },
        instance: InstanceId([3; 16]),
        slots: 2,
        window: 4,
        name: "worker".to_owned(),
        software: "made up".to_owned(),
        token: Some("secret".to_owned()),
        models: vec![ModelDescription {
            digest: MODEL,
            name: "googlenet".to_owned(),
            verified: true,
            notice: None,
            input: None,
        }],
        moves: true,
    }
}

fn assignment(choices: &mut Choices<'_>) -> Assignment {
    Assignment {
        image: image(choices),
        attempt: attempt(choices),
        model: MODEL,
        deadline: pause(choices),
        payload: Bytes::from_static(b"a picture"),
    }
}

fn outcome(choices: &mut Choices<'_>) -> Result<Answer, Failure> {
    if choices.of_so_many(2) == 0 {
        let code = FailureCode::ALL[choices.of_so_many(FailureCode::ALL.len() as u64) as usize];
        return Err(Failure { code, message: "made up".to_owned() });
    }
    let label = Label { index: 1, name: "cat".to_owned(), probability: f32::from(choices.byte()) / 255.0 };
    Ok(Answer { labels: vec![label], timing: WorkerTiming { receive: pause(choices), ..WorkerTiming::default() } })
}

fn of_worker(choices: &mut Choices<'_>) -> WorkerFrame {
    let (image, attempt) = (image(choices), attempt(choices));
    match choices.of_so_many(8) {
        0 => {
            let (slots, window) = (choices.of_so_many(4) as u32, choices.of_so_many(8) as u32);
            let token = (choices.of_so_many(2) == 0).then(|| "secret".to_owned());
            let versions = VersionRange { min: 1, max: choices.of_so_many(3) as u16 };
            WorkerFrame::Hello(Hello { slots, window, token, versions, moves: choices.of_so_many(2) == 0, ..hello() })
        }
        1 | 2 => match outcome(choices) {
            Ok(answer) => WorkerFrame::Result { image, attempt, answer, extensions: Extensions::default() },
            Err(failure) => WorkerFrame::Failed { image, attempt, failure },
        },
        3 => WorkerFrame::Progress { image, attempt, stage: Stage::Received },
        4 => WorkerFrame::Progress { image, attempt, stage: Stage::Started },
        5 => WorkerFrame::Ping { nonce: choices.of_so_many(4) },
        6 => WorkerFrame::Pong { nonce: choices.of_so_many(4) },
        _ => WorkerFrame::Goodbye,
    }
}

fn of_manager(choices: &mut Choices<'_>) -> ManagerFrame {
    let (image, attempt) = (image(choices), attempt(choices));
    match choices.of_so_many(10) {
        0 | 1 => ManagerFrame::Welcome(Welcome {
            version: choices.of_so_many(3) as u16,
            books: BooksId([choices.of_so_many(2) as u8; 16]),
            heartbeat: pause(choices),
            silence: pause(choices),
        }),
        2 => ManagerFrame::Refused(Refusal {
            code: if choices.of_so_many(2) == 0 { RefusalCode::Token } else { RefusalCode::Full },
            sentence: "made up".to_owned(),
        }),
        3 | 4 => ManagerFrame::Assign(Assign {
            image,
            attempt,
            model: if choices.of_so_many(4) == 0 { ModelDigest([8; 32]) } else { MODEL },
            deadline: pause(choices),
            resend: choices.of_so_many(3) == 0,
            extensions: Extensions::default(),
            payload: Bytes::from_static(b"a picture"),
        }),
        5 => ManagerFrame::Cancel { image, attempt },
        6 => ManagerFrame::ResultAck { image, attempt },
        7 => match choices.of_so_many(3) {
            0 => ManagerFrame::Drain,
            1 => ManagerFrame::Move { to: TransportNumber(choices.byte()) },
            _ => ManagerFrame::Goodbye,
        },
        8 => ManagerFrame::Ping { nonce: choices.of_so_many(4) },
        _ => ManagerFrame::Pong { nonce: choices.of_so_many(4) },
    }
}
