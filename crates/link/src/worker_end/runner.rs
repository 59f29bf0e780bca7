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
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::way::{Connected, Destination, Plan, Way};
use super::{FromManager, WorkerSettings};
use crate::transport::Transport;
use crate::wire::{CATCH_UP_READS, Traffic, Wire};

/// How long a connection that is to take the place of another waits until nothing is in hand. The manager waits for its Hello
/// meanwhile, and gives up after five seconds.
const QUIET: Duration = Duration::from_secs(2);

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

/// What wakes the task.
enum Happening {
    Connected(Connected, Plan),
    /// Of the connection that is to take the place of this one.
    Beside(Connected, Transport),
    /// It has waited long enough.
    MoveNow,
    Traffic(Traffic),
    Command(Command),
    Timeout,
    OwnerGone,
}

/// The connection, as far as there is one.
enum Line {
    Down,
    Connecting(Connecting, Plan),
    Up(Box<Wire>, SocketAddr),
}

type Connecting = Pin<Box<dyn Future<Output = Connected> + Send>>;

/// The connection that the manager has asked for, beside the one that there is.
enum Beside {
    Nothing,
    Connecting(Connecting, Transport),
    /// It is there, and takes the other's place when nothing is in hand, or then.
    Ready {
        wire: Box<Wire>,
        manager: SocketAddr,
        until: Pin<Box<Sleep>>,
    },
}

pub(super) struct Runner {
    destination: Destination,
    way: Way,
    session: WorkerSession,
    line: Line,
    beside: Beside,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<FromManager>,
    /// Of those who wait for what is in the outbox.
    unsaid: Vec<Sender<()>>,
    /// The owner waits in `goodbye` and may not be receiving.
    leaving: CancellationToken,
    /// No connection is made any more.
    cut_off: bool,
    /// The owner is to be told that there was no QUIC.
    without_quic: bool,
}

impl Runner {
    pub(super) fn new(
        settings: WorkerSettings,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<FromManager>,
        leaving: CancellationToken,
    ) -> Self {
        let WorkerSettings {
            manager,
            reach,
            name,
            instance,
            slots,
            window,
            models,
            token,
            encryption,
            trust,
            identity,
            software,
            timers,
        } = settings;
        let way = Way::new(reach);
        let moves = way.moves();
        let hello = Hello { versions: VERSIONS, instance, slots, window, name, software, token, models, moves };
        let destination = Destination { manager, limit: timers.handshake, slots, window, encryption, trust, identity };
        let session = WorkerSession::new(hello, timers);
        let (line, beside, unsaid, cut_off) = (Line::Down, Beside::Nothing, Vec::new(), false);
        Self {
            destination,
            way,
            session,
            line,
            beside,
            commands,
            events,
            unsaid,
            leaving,
            cut_off,
            without_quic: false,
        }
    }

    /// Carries the session to its end.
    pub(super) async fn run(mut self) {
        let mut alarm = std::pin::pin!(sleep_until(Instant::now().into()));
        loop {
            self.tell_events().await;
            if self.session.is_idle() {
                self.change_over(Instant::now());
            }
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
                happening = self.beside.happening() => happening,
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
            Happening::Connected(Ok((wire, manager)), plan) => {
                self.without_quic = self.way.made(plan, wire.transport(), now);
                self.line = Line::Up(Box::new(wire), manager);
                self.session.handle_connected(now);
            }
            Happening::Connected(Err(error), _) => self.disconnected(&error.to_string(), now),
            Happening::Beside(Ok((wire, manager)), _) => {
                let (wire, until) = (Box::new(wire), Box::pin(sleep_until((now + QUIET).into())));
                self.beside = Beside::Ready { wire, manager, until };
            }
            Happening::Beside(Err(error), to) => {
                self.beside = Beside::Nothing;
                self.without_quic = self.way.failed(to, now);
                tracing::info!(%to, %error, "the manager asks for another transport, which is not to be had: staying");
            }
            Happening::MoveNow => self.change_over(now),
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

    /// The connection beside this one, if there is one, takes its place. What was said over the old one and has not been heard is
    /// in the session's memory, and said again.
    fn change_over(&mut self, now: Instant) {
        match std::mem::replace(&mut self.beside, Beside::Nothing) {
            Beside::Ready { wire, manager, .. } => {
                if self.session.handle_moved(now) {
                    self.line = Line::Up(wire, manager);
                }
            }
            other => self.beside = other,
        }
    }

    /// Makes a connection by this transport, to take the place of the one that there is.
    fn move_over(&mut self, to: Option<Transport>) {
        let Line::Up(wire, _) = &self.line else {
            return;
        };
        let Some(to) = to.filter(|to| *to != wire.transport()) else {
            return;
        };
        if self.way.ask(to) && matches!(self.beside, Beside::Nothing) {
            let connecting = self.destination.clone().connect(Plan::Only(to));
            self.beside = Beside::Connecting(Box::pin(connecting), to);
        }
    }

    fn disconnected(&mut self, reason: &str, now: Instant) {
        self.line = Line::Down;
        self.beside = Beside::Nothing;
        // Without random numbers all workers would come back in step: worse, but no reason not to come back.
        let dice = getrandom::u32().unwrap_or(u32::MAX / 2);
        self.session.handle_disconnected(reason, dice, now);
    }

    async fn tell_events(&mut self) {
        if std::mem::take(&mut self.without_quic) {
            self.tell(FromManager::WithoutQuic).await;
        }
        while let Some(event) = self.session.poll_event() {
            let event = match event {
                WorkerEvent::Connect | WorkerEvent::Disconnected { .. } if self.cut_off => continue,
                WorkerEvent::Connect => {
                    let plan = self.way.plan(Instant::now());
                    self.line = Line::Connecting(Box::pin(self.destination.clone().connect(plan)), plan);
                    continue;
                }
                WorkerEvent::Connected => {
                    let Line::Up(wire, manager) = &self.line else { continue };
                    FromManager::Connected { manager: *manager, transport: wire.transport() }
                }
                WorkerEvent::Move { to } => {
                    self.move_over(Transport::numbered(to));
                    continue;
                }
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
            Self::Connecting(connecting, plan) => Happening::Connected(connecting.await, *plan),
            Self::Up(wire, _) => Happening::Traffic(wire.traffic().await),
        }
    }
}

impl Beside {
    async fn happening(&mut self) -> Happening {
        match self {
            Self::Nothing => pending().await,
            Self::Connecting(connecting, to) => Happening::Beside(connecting.await, *to),
            Self::Ready { until, .. } => {
                until.as_mut().await;
                Happening::MoveNow
            }
        }
    }
}
