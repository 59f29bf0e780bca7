//! One worker's connection: a task that carries its session. What to do is the session's to say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use manyeyes_protocol::frame::{Hello, MAX_SMALL_FRAME, WorkerFrame};
use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};
use manyeyes_protocol::manager_session::{Assignment, Ending, ManagerEvent, ManagerSession};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::roster::{Line, Seat};
use super::{Departure, FromWorker, Shared};
use crate::tcp::TcpWire;
use crate::wire::{CATCH_UP_READS, Traffic};

/// How many commands may wait for a connection: several for each image of the largest window. More means that the
/// connection's task does not get to run, and the connection is given up: its images go to others.
const MAX_COMMANDS: usize = 16 * 1024;

/// How often the system is asked what it knows of the connection.
const OBSERVE_EVERY: Duration = Duration::from_secs(1);

/// What the owner wants of a worker.
#[derive(Debug)]
pub(super) enum Command {
    Assign { assignment: Assignment, at: Instant },
    Cancel { image: ImageId, attempt: Attempt },
    Acknowledge { image: ImageId, attempt: Attempt },
    Drain,
}

/// What wakes the task.
enum Happening {
    Traffic(Traffic),
    Command(Option<Command>),
    Timeout,
    HungUp,
    Shutdown,
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    address: SocketAddr,
    session: ManagerSession,
    wire: TcpWire,
    commands: mpsc::Receiver<Command>,
    line: Line,
    worker: Option<WorkerId>,
    observed: Instant,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, address: SocketAddr, wire: TcpWire) -> Self {
        let now = Instant::now();
        let (sender, commands) = mpsc::channel(MAX_COMMANDS);
        let line = Line { commands: sender, hang_up: CancellationToken::new(), ended: CancellationToken::new() };
        let mut settings = shared.session.clone();
        if let Some(model) =
            shared.roster().model_here().filter(|here| settings.model.is_none_or(|it| it == here.digest))
        {
            (settings.model, settings.model_name) = (Some(model.digest), Some(model.name.clone()));
        }
        let session = ManagerSession::new(settings, now);
        Self { shared, address, session, wire, commands, line, worker: None, observed: now }
    }

    /// Carries the session to its end.
    pub(super) async fn run(mut self) {
        // Also when this task panics: a connection that takes its place waits for it.
        let ended = self.line.ended.clone().drop_guard();
        let departure = self.carry().await;
        tracing::debug!(address = %self.address, worker = ?self.worker, ?departure, "a worker's connection has ended");
        self.wire.observe();
        if let Some(worker) = self.worker {
            self.shared.roster().leave(worker, &self.line, &departure);
            self.tell(FromWorker::Left { worker, departure }).await;
        }
        drop(ended);
        if self.session.is_closed() {
            self.fill_outbox();
            self.wire.close().await;
        }
    }

    async fn carry(&mut self) -> Departure {
        let mut alarm = std::pin::pin!(sleep_until(Instant::now().into()));
        loop {
            if let Some(departure) = self.tell_events().await {
                return departure;
            }
            self.fill_outbox();
            self.set(alarm.as_mut());
            let happening = tokio::select! {
                traffic = self.wire.traffic() => Happening::Traffic(traffic),
                command = self.commands.recv() => Happening::Command(command),
                () = alarm.as_mut() => Happening::Timeout,
                () = self.line.hang_up.cancelled() => Happening::HungUp,
                () = self.shared.shutdown.cancelled() => Happening::Shutdown,
            };
            if let Happening::Timeout = happening
                && let Some(departure) = self.catch_up().await
            {
                return departure;
            }
            if let Some(departure) = self.handle(happening) {
                return departure;
            }
        }
    }

    /// Reads what is there before it is said to be late: a process that was stopped, or a busy machine, must not take what
    /// waits in the socket for silence. Not without end: a peer that never stops talking stops no timer.
    async fn catch_up(&mut self) -> Option<Departure> {
        for _ in 0..CATCH_UP_READS {
            let traffic = self.wire.read_ready().await?;
            if let Some(departure) = self.handle(Happening::Traffic(traffic)) {
                return Some(departure);
            }
            if let Some(departure) = self.tell_events().await {
                return Some(departure);
            }
        }
        None
    }

    /// Takes note of what happened; says when that is the connection's end.
    fn handle(&mut self, happening: Happening) -> Option<Departure> {
        let now = Instant::now();
        match happening {
            Happening::Traffic(Traffic::Read) => self.handle_bytes(now),
            Happening::Traffic(Traffic::Wrote) => {}
            Happening::Traffic(Traffic::Ended(_)) => return Some(Departure::Disconnected),
            Happening::Command(command) => {
                let mut next = command;
                while let Some(command) = next {
                    self.obey(command);
                    next = self.commands.try_recv().ok();
                }
            }
            Happening::Timeout => self.session.handle_timeout(now),
            Happening::HungUp => return Some(Departure::Disconnected),
            Happening::Shutdown => self.session.shutdown(),
        }
        if now.saturating_duration_since(self.observed) >= OBSERVE_EVERY {
            self.observed = now;
            self.wire.observe();
        }
        None
    }

    fn handle_bytes(&mut self, now: Instant) {
        self.session.handle_bytes(now);
        while !self.session.is_closed() {
            let frame = self.wire.next_frame(MAX_SMALL_FRAME);
            match frame.and_then(|found| found.map(|(bytes, _)| WorkerFrame::decode(bytes)).transpose()) {
                Ok(Some(frame)) => self.session.handle_frame(frame, now),
                Ok(None) => return,
                Err(error) => self.session.handle_garbage(&error),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Assign { assignment, at } => self.session.assign(assignment, at),
            Command::Cancel { image, attempt } => self.session.cancel(image, attempt),
            Command::Acknowledge { image, attempt } => self.session.acknowledge(image, attempt),
            Command::Drain => self.session.drain(),
        }
    }

    fn fill_outbox(&mut self) {
        let now = Instant::now();
        while self.wire.has_room()
            && let Some(frame) = self.session.poll_frame(now)
        {
            self.wire.push(frame.encode());
        }
    }

    fn set(&self, alarm: std::pin::Pin<&mut Sleep>) {
        if let Some(timeout) = self.session.poll_timeout()
            && alarm.deadline() != timeout.into()
        {
            alarm.reset(timeout.into());
        }
    }

    /// Passes the session's events on; returns how the worker departed once the session is over.
    async fn tell_events(&mut self) -> Option<Departure> {
        while let Some(event) = self.session.poll_event() {
            match event {
                ManagerEvent::Joined(hello) => {
                    if !self.take_seat(hello).await {
                        return Some(Departure::Disconnected);
                    }
                }
                ManagerEvent::Closed(ending) => {
                    if let Some(refused) = self.refused(&ending) {
                        self.tell(refused).await;
                    }
                    return Some(self.departure(ending));
                }
                ManagerEvent::RoundTrip { smoothed } => {
                    self.wire.counters().smoothed_round_trip.set(smoothed);
                    self.tell_of_worker(|worker| FromWorker::RoundTrip { worker, smoothed }).await;
                }
                ManagerEvent::Started { image, attempt } => {
                    self.tell_of_worker(|worker| FromWorker::Started { worker, image, attempt }).await;
                }
                ManagerEvent::Answered { image, attempt, answer, wire } => {
                    let answered = |worker| FromWorker::Answered { worker, image, attempt, answer, wire };
                    self.tell_of_worker(answered).await;
                }
                ManagerEvent::Failed { image, attempt, failure } => {
                    self.tell_of_worker(|worker| FromWorker::Failed { worker, image, attempt, failure }).await;
                }
                ManagerEvent::Stalled { image, attempt } => {
                    self.tell_of_worker(|worker| FromWorker::Stalled { worker, image, attempt }).await;
                }
            }
        }
        None
    }

    /// Says whether there was one: of two first workers that come at the same moment with different models, the second
    /// is hung up, and is refused when it comes again.
    async fn take_seat(&mut self, hello: Hello) -> bool {
        let wanted = self.shared.session.model;
        let Some(seat) = self.shared.roster().join(hello, wanted, self.address, self.line.clone()) else {
            return false;
        };
        let Seat { worker, profile, counters, before } = seat;
        if let Some(before) = before {
            before.hang_up.cancel();
            before.ended.cancelled().await;
        }
        self.wire.count_in(counters);
        self.worker = Some(worker);
        self.tell(FromWorker::Joined { worker, profile }).await;
        true
    }

    async fn tell_of_worker(&self, event: impl FnOnce(WorkerId) -> FromWorker) {
        if let Some(worker) = self.worker {
            self.tell(event(worker)).await;
        }
    }

    /// Waits for room with the owner, which slows this worker down and nobody else; not when all is being shut down.
    async fn tell(&self, event: FromWorker) {
        let events = &self.shared.events;
        tokio::select! {
            biased;
            permit = events.reserve() => {
                if let Ok(permit) = permit {
                    permit.send(event);
                }
            }
            () = self.shared.shutdown.cancelled() => {}
        }
    }

    /// What the owner hears of one that was turned away. One that will be let in later is no news.
    fn refused(&self, ending: &Ending) -> Option<FromWorker> {
        let Ending::Refused { code, sentence, name } = ending else {
            return None;
        };
        let mut name = name.replace(char::is_control, "");
        if name.is_empty() {
            name = self.address.to_string();
        }
        (!code.may_mend()).then(|| FromWorker::Refused { name, reason: sentence.clone() })
    }

    fn departure(&self, ending: Ending) -> Departure {
        match ending {
            Ending::Goodbye => Departure::Goodbye,
            Ending::Silent => Departure::Silent,
            Ending::Shutdown => Departure::ManagerShutdown,
            Ending::Misbehaved(how) => {
                if let Some(passed_over) = self.shared.complaints.one_more(Instant::now()) {
                    let address = self.address;
                    tracing::warn!(%address, how, passed_over, "a connection to the workers' port broke the protocol");
                }
                Departure::Misbehaved(how)
            }
            Ending::Refused { code, sentence, name } => {
                if let Some(passed_over) = self.shared.complaints.one_more(Instant::now()) {
                    tracing::warn!(address = %self.address, name, reason = sentence, passed_over, "a worker was refused");
                }
                Departure::Misbehaved(format!("refused: {code:?}"))
            }
        }
    }
}
