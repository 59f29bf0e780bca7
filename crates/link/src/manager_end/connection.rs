//! One worker's connection: a task that carries its session. What to do is the session's to say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use manyeyes_protocol::frame::{Hello, ManagerFrame, WorkerFrame};
use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};
use manyeyes_protocol::manager_session::{Assignment, Ending, ManagerEvent, ManagerSession};
use tokio::io;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::roster::Seat;
use super::suiting::Suiting;
use super::{Departure, FromWorker, Shared};
use crate::transport::Transport;
use crate::wire::{CATCH_UP_READS, Traffic, Wire};

/// How many commands may wait for a connection: several for each image of the largest window. More means that the
/// connection's task does not get to run, and the connection is given up: its images go to others.
const MAX_COMMANDS: usize = 16 * 1024;

/// What the congestion control of a connection by TCP is called that is changed as the path wants it.
const STEERED: &str = "auto";

/// What the owner wants of a worker.
#[derive(Debug)]
pub(super) enum Command {
    Assign { assignment: Assignment, at: Instant },
    Cancel { image: ImageId, attempt: Attempt },
    Acknowledge { image: ImageId, attempt: Attempt },
    Drain,
}

/// How to reach a connection.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) commands: mpsc::Sender<Command>,
    /// Tells the connection to end at once.
    pub(super) hang_up: CancellationToken,
    /// Cancelled when the owner has been told that the worker has left.
    pub(super) ended: CancellationToken,
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.commands.same_channel(&other.commands)
    }
}

/// What wakes the task.
enum Happening {
    Traffic(Traffic),
    Command(Option<Command>),
    Timeout,
    HungUp,
    Shutdown,
}

/// A connection that has come and has said nothing yet.
pub(super) struct Arrival {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Its number in the hall.
    number: u64,
    /// From when its Hello is waited for.
    at: Instant,
    line: Line,
    commands: mpsc::Receiver<Command>,
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    address: SocketAddr,
    session: ManagerSession,
    wire: Wire,
    commands: mpsc::Receiver<Command>,
    line: Line,
    /// Its number in the hall.
    arrival: u64,
    /// Among the connections of workers, once it has said Hello.
    place: Option<OwnedSemaphorePermit>,
    worker: Option<WorkerId>,
    suiting: Suiting,
}

impl Arrival {
    /// Enters the hall. If another has to go for it, that is hung up.
    pub(super) fn new(shared: Arc<Shared>, address: SocketAddr) -> Self {
        let (sender, commands) = mpsc::channel(MAX_COMMANDS);
        let line = Line { commands: sender, hang_up: CancellationToken::new(), ended: CancellationToken::new() };
        let (number, driven_out) = shared.hall().enter(address.ip(), line.hang_up.clone());
        if let Some(hang_up) = driven_out {
            hang_up.cancel();
        }
        Self { shared, address, number, at: Instant::now(), line, commands }
    }

    /// Waits for what makes a wire of it, while nothing else ends it. If there is none, it has left the hall.
    pub(super) async fn prepare(self, wire: impl Future<Output = io::Result<Wire>>) -> Option<Connection> {
        let limit = self.shared.session.timers.handshake;
        let prepared = tokio::select! {
            wire = tokio::time::timeout_at((self.at + limit).into(), wire) => wire,
            () = self.line.hang_up.cancelled() => return self.leave("another came, and there was no room for both"),
            () = self.shared.shutdown.cancelled() => return self.leave("the manager is going down"),
        };
        match prepared {
            Ok(Ok(wire)) => Some(Connection::new(self, wire)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => self.refused(&error).await,
            Ok(Err(error)) => self.leave(&error.to_string()),
            Err(_) => self.leave("it was not made in time"),
        }
    }

    /// One end is not who it should be to the other. Whoever reaches the port can be that, so what is told of it has bounds.
    async fn refused(self, error: &io::Error) -> Option<Connection> {
        let reason = error.to_string();
        if let Some(passed_over) = self.shared.complaints.one_more(Instant::now()) {
            tracing::warn!(address = %self.address, reason, passed_over, "a worker was refused");
            let name = self.address.to_string();
            tell(&self.shared, FromWorker::Refused { name, reason: reason.clone() }).await;
        }
        self.leave(&reason)
    }

    fn leave(self, reason: &str) -> Option<Connection> {
        self.shared.hall().leave(self.number);
        tracing::debug!(address = %self.address, reason, "a connection ended before it began");
        None
    }
}

impl Connection {
    pub(super) fn new(arrival: Arrival, wire: Wire) -> Self {
        let Arrival { shared, address, number, at, line, commands } = arrival;
        let settings = shared.roster().session_settings(&shared.session);
        let session = ManagerSession::new(settings, at);
        let suiting = Suiting::new(Arc::clone(&shared.paths), address.ip(), at);
        Self { shared, address, session, wire, commands, line, arrival: number, place: None, worker: None, suiting }
    }

    /// Carries the session to its end.
    pub(super) async fn run(mut self) {
        // Also when this task panics: a connection that takes its place waits for it.
        let ended = self.line.ended.clone().drop_guard();
        let departure = match self.carry().await {
            Departure::Disconnected if self.suiting.is_moving(Instant::now()) => Departure::Moved,
            departure => departure,
        };
        self.shared.hall().leave(self.arrival);
        self.suiting.end(&self.wire, &self.session, Instant::now());
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
        self.suiting.look(&mut self.wire, &mut self.session, self.shared.transports, now);
        None
    }

    fn handle_bytes(&mut self, now: Instant) {
        self.session.handle_bytes(now);
        while !self.session.is_closed() {
            match self.wire.next_of_worker() {
                Ok(Some(frame)) => {
                    if matches!(frame, WorkerFrame::Hello(_)) && !self.find_place() {
                        return self.session.turn_away();
                    }
                    self.session.handle_frame(frame, now);
                }
                Ok(None) => return,
                Err(error) => self.session.handle_garbage(&error),
            }
        }
    }

    /// Leaves the hall for a place among the workers, if there is one.
    fn find_place(&mut self) -> bool {
        self.shared.hall().leave(self.arrival);
        if self.place.is_none() {
            self.place = Arc::clone(&self.shared.connections).try_acquire_owned().ok();
        }
        self.place.is_some()
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
        while let Some(frame) = self.next_to_say(now) {
            self.wire.push_to_worker(&frame);
        }
    }

    fn next_to_say(&mut self, now: Instant) -> Option<ManagerFrame> {
        if self.wire.has_room_for_files() {
            self.session.poll_frame(now)
        } else if self.wire.has_room() {
            self.session.poll_small_frame(now)
        } else {
            None
        }
    }

    fn set(&self, alarm: std::pin::Pin<&mut Sleep>) {
        let look_at = self.suiting.next_look(self.session.in_flight());
        if let Some(timeout) = self.session.poll_timeout().into_iter().chain(look_at).min()
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
                    self.complain(&ending);
                    return Some(Departure::of(ending));
                }
                event => {
                    if let ManagerEvent::RoundTrip { smoothed, .. } = event {
                        self.wire.counters().smoothed_round_trip.set(smoothed);
                    }
                    let used = match &event {
                        ManagerEvent::Answered { image, attempt, .. } | ManagerEvent::Failed { image, attempt, .. } => {
                            self.wire.settle((*image, *attempt))
                        }
                        _ => None,
                    };
                    if let Some(told) = self.worker.and_then(|worker| FromWorker::of(worker, event, used)) {
                        self.tell(told).await;
                    }
                }
            }
        }
        None
    }

    /// Says whether there was one: of two first workers that come at the same moment with different models, the second
    /// is hung up, and is refused when it comes again.
    async fn take_seat(&mut self, hello: Hello) -> bool {
        // Who leaves it to us by what to come leaves that to us too, unless a person has chosen.
        let chooses = hello.moves && !self.shared.has_chosen_congestion;
        let moves_over = hello.moves && self.shared.transports.include(Transport::Coded);
        let wanted = self.shared.session.model;
        let Some(seat) = self.shared.roster().join(hello, wanted, self.address, self.line.clone()) else {
            return false;
        };
        let Seat { worker, mut profile, counters, moves, before } = seat;
        let is_steered = self.suiting.begin(&mut self.wire, moves, chooses);
        profile.congestion_control = if is_steered { Some(STEERED.to_owned()) } else { self.wire.congestion_control() };
        if let Some(before) = before {
            before.hang_up.cancel();
            before.ended.cancelled().await;
        }
        self.wire.count_in(counters);
        if moves_over {
            self.suiting.sound(&self.wire, Instant::now());
        }
        self.worker = Some(worker);
        self.tell(FromWorker::Joined { worker, profile }).await;
        true
    }

    async fn tell(&self, event: FromWorker) {
        tell(&self.shared, event).await;
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

    /// Says in the log who broke the protocol or was refused, within bounds.
    fn complain(&self, ending: &Ending) {
        let (name, how) = match ending {
            Ending::Misbehaved(how) => (None, how),
            Ending::Refused { sentence, name, .. } => (Some(name), sentence),
            Ending::Goodbye | Ending::Silent | Ending::Shutdown => return,
        };
        let Some(passed_over) = self.shared.complaints.one_more(Instant::now()) else {
            return;
        };
        let address = self.address;
        match name {
            None => {
                tracing::warn!(%address, how, passed_over, "a connection to the workers' port broke the protocol");
            }
            Some(name) => tracing::warn!(%address, name, reason = how, passed_over, "a worker was refused"),
        }
    }
}

/// Waits for room with the owner, which slows this worker down and nobody else; not when all is being shut down.
async fn tell(shared: &Shared, event: FromWorker) {
    tokio::select! {
        biased;
        permit = shared.events.reserve() => {
            if let Ok(permit) = permit {
                permit.send(event);
            }
        }
        () = shared.shutdown.cancelled() => {}
    }
}
