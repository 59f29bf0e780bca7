//! The manager's ends of the sessions with workers, over pipes instead of sockets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;
use manyeyes_link::manager_end::roster::Seat;
use manyeyes_link::{Assignment, Departure, FromWorker};
use manyeyes_protocol::frame::Hello;
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, WorkerId};
use manyeyes_protocol::manager_session::{ManagerEvent, ManagerSession, ManagerSessionSettings};

use super::manager::SeatFacts;
use super::wires::{ConnId, Way, of_worker};
use super::{Event, World};

/// A connection, as the manager has it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) session: ManagerSession,
    inbox: BytesMut,
    pub(super) worker: Option<WorkerId>,
    commands: VecDeque<Command>,
    armed: Option<Instant>,
}

/// What the desk has ordered of a connection.
#[derive(Debug)]
pub(super) enum Command {
    Assign(Assignment),
    Cancel(ImageId, Attempt),
    Acknowledge(ImageId, Attempt),
}

impl World {
    /// A connection has been accepted.
    pub(super) fn accept(&mut self, id: ConnId) {
        let now = self.now;
        let settings = ManagerSessionSettings {
            books: BooksId([1; 16]),
            keys: None,
            model: None,
            model_name: None,
            timers: self.plan.timers.clone(),
        };
        let Some(manager) = &mut self.manager else {
            return;
        };
        let session = ManagerSession::new(manager.roster.session_settings(&settings), now);
        let link = Link { session, inbox: BytesMut::new(), worker: None, commands: VecDeque::new(), armed: None };
        manager.links.insert(id, link);
        self.after_link(id);
    }

    pub(super) fn manager_reads(&mut self, id: ConnId, bytes: &[u8]) {
        let now = self.now;
        let Some(link) = self.manager.as_mut().and_then(|manager| manager.links.get_mut(&id)) else {
            return;
        };
        link.inbox.extend_from_slice(bytes);
        link.session.handle_bytes(now);
        while !link.session.is_closed() {
            match of_worker(&mut link.inbox) {
                Ok(Some(frame)) => link.session.handle_frame(frame, now),
                Ok(None) => break,
                Err(error) => link.session.handle_garbage(&error),
            }
        }
        self.after_link(id);
    }

    pub(super) fn manager_lost_link(&mut self, id: ConnId) {
        self.end_link(id, Departure::Disconnected);
    }

    pub(super) fn link_timer(&mut self, id: ConnId) {
        let now = self.now;
        let Some(link) = self.link(id) else {
            return;
        };
        if link.armed.is_some_and(|armed| armed <= now) {
            link.armed = None;
        }
        if link.session.poll_timeout().is_some_and(|at| at <= now) {
            link.session.handle_timeout(now);
        }
        self.after_link(id);
    }

    pub(super) fn link_obeys(&mut self, id: ConnId) {
        let now = self.now;
        let Some(link) = self.link(id) else {
            return;
        };
        while let Some(command) = link.commands.pop_front() {
            match command {
                Command::Assign(assignment) => link.session.assign(assignment, now),
                Command::Cancel(image, attempt) => link.session.cancel(image, attempt),
                Command::Acknowledge(image, attempt) => link.session.acknowledge(image, attempt),
            }
        }
        self.after_link(id);
    }

    /// Tells the desk what the session says, and the worker what it wants said.
    pub(super) fn after_link(&mut self, id: ConnId) {
        loop {
            let now = self.now;
            let Some(link) = self.link(id) else {
                return;
            };
            if let Some(event) = link.session.poll_event() {
                match event {
                    ManagerEvent::Joined(hello) => self.take_seat(id, hello),
                    ManagerEvent::Closed(ending) => {
                        self.say_last_words(id);
                        return self.end_link(id, Departure::of(ending));
                    }
                    event => {
                        let told = link.worker.and_then(|worker| FromWorker::of(worker, event, None));
                        told.into_iter().for_each(|told| self.hear(told));
                    }
                }
                continue;
            }
            if self.conns.get(&id).is_some_and(|conn| conn.down.has_room())
                && let Some(frame) = self.link(id).and_then(|link| link.session.poll_frame(now))
            {
                self.send(id, Way::Down, frame.encode());
                continue;
            }
            return self.arm_link(id);
        }
    }

    fn say_last_words(&mut self, id: ConnId) {
        let now = self.now;
        while let Some(frame) = self.link(id).and_then(|link| link.session.poll_frame(now)) {
            self.send(id, Way::Down, frame.encode());
        }
        let has_timers = self.link(id).is_some_and(|link| link.session.poll_timeout().is_some());
        if has_timers {
            self.history.violation("a closed session of the manager's still waits for something".to_owned());
        }
    }

    fn take_seat(&mut self, id: ConnId, hello: Hello) {
        let address = SocketAddr::from(([10, 0, 0, hello.instance.0[0]], 1));
        let (machine, window) = (usize::from(hello.instance.0[0]), hello.window as usize);
        let Some(manager) = &mut self.manager else {
            return;
        };
        let Some(Seat { worker, profile, before, .. }) = manager.roster.join(hello, None, address, id) else {
            return self.end_link(id, Departure::Disconnected);
        };
        if let Some(before) = before {
            self.end_link(before, Departure::Disconnected);
        }
        if let Some(manager) = &mut self.manager {
            manager.seats.insert(worker, SeatFacts { window, machine });
            if let Some(link) = manager.links.get_mut(&id) {
                link.worker = Some(worker);
            }
        }
        self.say(|_| format!("{} joins as {worker:?}", profile.id));
        self.hear(FromWorker::Joined { worker, profile });
    }

    /// The connection is over for the manager: closed at its end, and the desk is told.
    fn end_link(&mut self, id: ConnId, departure: Departure) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        let Some(link) = manager.links.remove(&id) else {
            return;
        };
        if let Some(worker) = link.worker {
            manager.roster.leave(worker, &id, &departure);
            self.say(|_| format!("{worker:?} has left: {departure:?}"));
            self.hear(FromWorker::Left { worker, departure });
        }
        self.close(id, Way::Down);
    }

    pub(super) fn command(&mut self, worker: WorkerId, command: Command) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        let Some(id) = manager.roster.line(worker).copied() else {
            return;
        };
        if let Some(link) = manager.links.get_mut(&id) {
            link.commands.push_back(command);
            let after = self.chance.ms(0, 1);
            self.at(after, Event::LinkObeys(id));
        }
    }

    pub(super) fn link(&mut self, id: ConnId) -> Option<&mut Link> {
        self.manager.as_mut()?.links.get_mut(&id)
    }

    fn arm_link(&mut self, id: ConnId) {
        let Some(link) = self.link(id) else {
            return;
        };
        if let Some(at) = link.session.poll_timeout()
            && link.armed.is_none_or(|armed| armed > at)
        {
            link.armed = Some(at);
            self.at_time(at, Event::LinkTimer(id));
        }
    }
}
