//! The task that carries the worker's session over one connection after another.

use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use manyeyes_protocol::frame::{Hello, VERSIONS};
use manyeyes_protocol::id::{Attempt, ImageId};
use manyeyes_protocol::result::{Answer, Failure};
use manyeyes_protocol::worker_session::{WorkerEvent, WorkerSession};
use tokio::io;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{FromManager, WorkerSettings};
use crate::transport::Transport;
use crate::wire::{CATCH_UP_READS, Traffic, Wire};
use crate::{quic, tcp};

/// What the owner wants.
#[derive(Debug)]
pub(super) enum Command {
    /// `said` is dropped when the system has it, or cannot be given it now.
    Started {
        image: ImageId,
        attempt: Attempt,
        said: Sender<()>,
    },
    Report {
        image: ImageId,
        attempt: Attempt,
        outcome: Result<Answer, Failure>,
    },
    HangUp,
    CutOff,
    Goodbye {
        grace: Duration,
    },
}

/// What came of connecting: the connection, and with whom.
type Connected = io::Result<(Wire, SocketAddr)>;

/// What wakes the task.
enum Happening {
    Connected(Connected),
    Traffic(Traffic),
    Command(Command),
    Timeout,
    OwnerGone,
}

/// The connection, as far as there is one.
enum Line {
    Down,
    Connecting(Pin<Box<dyn Future<Output = Connected> + Send>>),
    Up(Box<Wire>, SocketAddr),
}

/// Where to connect to, and as what.
#[derive(Clone)]
struct Destination {
    /// `HOST:PORT`.
    manager: String,
    transport: Transport,
    /// How long it may take.
    limit: Duration,
    slots: u32,
    window: u32,
}

pub(super) struct Runner {
    destination: Destination,
    session: WorkerSession,
    line: Line,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<FromManager>,
    /// Of those who wait for what is in the outbox.
    unsaid: Vec<Sender<()>>,
    /// The owner waits in `goodbye` and may not be receiving.
    leaving: CancellationToken,
    /// No connection is made any more.
    cut_off: bool,
}

impl Runner {
    pub(super) fn new(
        settings: WorkerSettings,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<FromManager>,
        leaving: CancellationToken,
    ) -> Self {
        let WorkerSettings { manager, transport, name, instance, slots, window, models, token, software, timers } =
            settings;
        let hello = Hello { versions: VERSIONS, instance, slots, window, name, software, token, models };
        let destination = Destination { manager, transport, limit: timers.handshake, slots, window };
        let session = WorkerSession::new(hello, timers);
        let (line, unsaid, cut_off) = (Line::Down, Vec::new(), false);
        Self { destination, session, line, commands, events, unsaid, leaving, cut_off }
    }

    /// Carries the session to its end.
    pub(super) async fn run(mut self) {
        let mut alarm = std::pin::pin!(sleep_until(Instant::now().into()));
        loop {
            self.tell_events().await;
            self.fill_outbox();
            if !self.unsaid.is_empty() {
                if let Line::Up(wire, _) = &mut self.line {
                    wire.write_ready().await;
                }
                self.unsaid.clear();
            }
            if self.session.is_closing() {
                self.hang_up().await;
                if self.session.is_over() {
                    return self.tell_events().await;
                }
                continue;
            }
            let timed = self.set(alarm.as_mut());
            let happening = tokio::select! {
                happening = self.line.happening() => happening,
                Some(command) = self.commands.recv() => Happening::Command(command),
                () = alarm.as_mut(), if timed => Happening::Timeout,
                () = self.events.closed() => Happening::OwnerGone,
            };
            if let Happening::Timeout = happening {
                self.catch_up().await;
            }
            self.handle(happening);
        }
    }

    /// Reads what is there before it is said to be late: a process that was stopped, or a busy machine, must not take what
    /// waits in the socket for silence. Not without end: a peer that never stops talking stops no timer.
    async fn catch_up(&mut self) {
        for _ in 0..CATCH_UP_READS {
            let Line::Up(wire, _) = &mut self.line else {
                return;
            };
            let Some(traffic) = wire.read_ready().await else {
                return;
            };
            self.handle(Happening::Traffic(traffic));
            self.tell_events().await;
        }
    }

    fn handle(&mut self, happening: Happening) {
        let now = Instant::now();
        match happening {
            Happening::Connected(Ok((wire, manager))) => {
                self.line = Line::Up(Box::new(wire), manager);
                self.session.handle_connected(now);
            }
            Happening::Connected(Err(error)) => self.disconnected(&error.to_string(), now),
            Happening::Traffic(Traffic::Read) => self.handle_bytes(now),
            Happening::Traffic(Traffic::Wrote) => {}
            Happening::Traffic(Traffic::Ended(reason)) => self.disconnected(&reason, now),
            Happening::Command(command) => {
                let mut next = Some(command);
                while let Some(command) = next {
                    self.obey(command, now);
                    next = self.commands.try_recv().ok();
                }
            }
            Happening::Timeout => self.session.handle_timeout(now),
            Happening::OwnerGone => self.session.goodbye(Duration::ZERO, now),
        }
        if self.events.is_closed() {
            // Nobody is left to report anything: the grace is over at once.
            self.session.handle_timeout(now);
        }
    }

    fn handle_bytes(&mut self, now: Instant) {
        self.session.handle_bytes(now);
        let Line::Up(wire, _) = &mut self.line else {
            return;
        };
        while !self.session.is_closing() {
            match wire.next_of_manager() {
                Ok(Some((frame, received_in))) => self.session.handle_frame(frame, received_in, now),
                Ok(None) => return,
                Err(error) => self.session.handle_garbage(&error),
            }
        }
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Started { image, attempt, said } => {
                self.session.started(image, attempt);
                self.unsaid.push(said);
            }
            Command::Report { image, attempt, outcome } => self.session.report(image, attempt, outcome),
            Command::HangUp if matches!(self.line, Line::Up(..)) => self.disconnected("told to hang up", now),
            // There is nothing to hang up.
            Command::HangUp => {}
            Command::CutOff => {
                self.cut_off = true;
                self.disconnected("cut off for good", now);
            }
            // An answer that cannot be told is not worth waiting for.
            Command::Goodbye { .. } if self.cut_off => self.session.goodbye(Duration::ZERO, now),
            Command::Goodbye { grace } => self.session.goodbye(grace, now),
        }
    }

    fn fill_outbox(&mut self) {
        let Line::Up(wire, _) = &mut self.line else {
            return;
        };
        while wire.has_room()
            && let Some(frame) = self.session.poll_frame()
        {
            wire.push_to_manager(&frame);
        }
    }

    async fn hang_up(&mut self) {
        if let Line::Up(wire, _) = std::mem::replace(&mut self.line, Line::Down) {
            wire.close().await;
        }
        self.disconnected("", Instant::now());
    }

    fn disconnected(&mut self, reason: &str, now: Instant) {
        self.line = Line::Down;
        // Without random numbers all workers would come back in step: worse, but no reason not to come back.
        let dice = getrandom::u32().unwrap_or(u32::MAX / 2);
        self.session.handle_disconnected(reason, dice, now);
    }

    async fn tell_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            let event = match event {
                WorkerEvent::Connect | WorkerEvent::Disconnected { .. } if self.cut_off => continue,
                WorkerEvent::Connect => {
                    self.line = Line::Connecting(Box::pin(self.destination.clone().connect()));
                    continue;
                }
                WorkerEvent::Connected => match &self.line {
                    Line::Up(_, manager) => FromManager::Connected { manager: *manager },
                    Line::Down | Line::Connecting(_) => continue,
                },
                WorkerEvent::Assigned(assigned) => FromManager::Assigned(assigned),
                WorkerEvent::Cancelled { image, attempt } => FromManager::Cancelled { image, attempt },
                WorkerEvent::Drain => FromManager::Drain,
                WorkerEvent::Disconnected { reason, retry_in } => FromManager::Disconnected { reason, retry_in },
                WorkerEvent::Refused { reason } => FromManager::Refused { reason },
            };
            self.tell(event).await;
        }
    }

    /// Waits for room with the owner; not when it waits in `goodbye`. An owner that is gone is found out by the loop.
    async fn tell(&mut self, event: FromManager) {
        tokio::select! {
            biased;
            permit = self.events.reserve() => {
                if let Ok(permit) = permit {
                    permit.send(event);
                }
            }
            () = self.leaving.cancelled() => {}
        }
    }

    /// Whether there is anything to wait for.
    fn set(&self, alarm: Pin<&mut Sleep>) -> bool {
        let Some(timeout) = self.session.poll_timeout() else {
            return false;
        };
        if alarm.deadline() != timeout.into() {
            alarm.reset(timeout.into());
        }
        true
    }
}

impl Line {
    async fn happening(&mut self) -> Happening {
        match self {
            Self::Down => pending().await,
            Self::Connecting(connecting) => Happening::Connected(connecting.await),
            Self::Up(wire, _) => Happening::Traffic(wire.traffic().await),
        }
    }
}

impl Destination {
    async fn connect(self) -> Connected {
        let Self { manager, transport, limit, slots, window } = self;
        match transport {
            Transport::Tcp => {
                let (wire, manager) = tcp::connect(manager, limit).await?;
                Ok((Wire::Tcp(Box::new(wire)), manager))
            }
            Transport::Quic => {
                let (wire, manager) = quic::connect(&manager, limit, slots, window).await?;
                Ok((Wire::Quic(Box::new(wire)), manager))
            }
        }
    }
}
