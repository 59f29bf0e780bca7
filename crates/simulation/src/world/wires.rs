//! Connections: made, used in both directions, lost in every way.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use manyeyes_protocol::frame::{Encoded, MAX_FRAME, MAX_SMALL_FRAME, ManagerFrame, Split, WorkerFrame, split_frame};

use super::{Event, World};
use crate::pipe::{Chunk, Pipe};

/// Of a connection between a worker and the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnId(pub(super) u32);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the manager.
    Up,
    /// To the worker.
    Down,
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) machine: usize,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
}

impl World {
    /// A worker's try to connect arrives, if it does.
    pub(super) fn connects(&mut self, machine: usize, life: u32) {
        if self.process(machine, life).is_none() {
            return;
        }
        let unreachable = self.machines[machine].unreachable_until.is_some_and(|until| until > self.now);
        if unreachable || self.manager.is_none() {
            return self.worker_lost_link(machine, "nobody answers");
        }
        self.next_conn += 1;
        let id = ConnId(self.next_conn);
        self.say(|world| format!("{} connects ({id:?})", world.machines[machine].name));
        self.conns.insert(id, Conn { machine, up: Pipe::default(), down: Pipe::default() });
        self.accept(id);
        let now = self.now;
        if let Some(process) = &mut self.machines[machine].process {
            process.conn = Some(id);
            process.inbox = BytesMut::new();
            process.session.handle_connected(now);
        }
        self.after_worker(machine);
    }

    /// The next chunk of a pipe is there.
    pub(super) fn arrives(&mut self, id: ConnId, way: Way) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let machine = conn.machine;
        let pipe = if way == Way::Up { &mut conn.up } else { &mut conn.down };
        if let Some(until) = pipe.stalled_until.filter(|until| *until > self.now) {
            // Behind each other, as they came.
            return self.agenda.add(until, 0, Event::Arrives(id, way));
        }
        let Some(chunk) = pipe.pop() else {
            return;
        };
        match (way, chunk) {
            (Way::Up, Chunk::Bytes(bytes)) => self.manager_reads(id, &bytes),
            (Way::Up, Chunk::End) => self.manager_lost_link(id),
            (Way::Down, Chunk::Bytes(bytes)) => self.worker_reads(machine, id, &bytes),
            (Way::Down, Chunk::End) => {
                if self.machines[machine].process.as_ref().is_some_and(|process| process.conn == Some(id)) {
                    self.worker_lost_link(machine, "the connection was closed");
                }
            }
        }
    }

    /// Puts a frame on its way, in pieces now and then.
    pub(super) fn send(&mut self, id: ConnId, way: Way, frame: Encoded) {
        let mut bytes = frame.head;
        if !frame.payload.is_empty() {
            let mut all = BytesMut::with_capacity(bytes.len() + frame.payload.len());
            all.extend_from_slice(&bytes);
            all.extend_from_slice(&frame.payload);
            bytes = all.freeze();
        }
        if bytes.len() > 2 && self.chance.percent(4) {
            let rest = bytes.split_off(self.chance.below(bytes.len() - 1) + 1);
            self.push(id, way, Chunk::Bytes(bytes));
            bytes = rest;
        }
        self.push(id, way, Chunk::Bytes(bytes));
    }

    pub(super) fn push(&mut self, id: ConnId, way: Way, chunk: Chunk) {
        let Some(machine) = self.conns.get(&id).map(|conn| conn.machine) else {
            return;
        };
        let delay = self.delay(machine, way);
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let pipe = if way == Way::Up { &mut conn.up } else { &mut conn.down };
        if let Some(at) = pipe.push(chunk, delay, self.now) {
            // At the same moment as the one before, it must not overtake it: the pipe sees to that.
            self.at_time(at, Event::Arrives(id, way));
        }
    }

    /// Closes one side's end: what it said still arrives, and then the end.
    pub(super) fn close(&mut self, id: ConnId, way: Way) {
        self.push(id, way, Chunk::End);
    }

    fn delay(&mut self, machine: usize, way: Way) -> Duration {
        let at = &self.machines[machine];
        let base = if way == Way::Up { at.up } else { at.down };
        let micros = u64::try_from(base.as_micros()).unwrap_or(0);
        Duration::from_micros(micros + self.chance.between(20, 200 + micros / 4))
    }
}

/// Cuts whole frames from what has come, for a side that takes frames up to `limit`.
pub(super) fn next_frame<T>(
    inbox: &mut BytesMut,
    limit: usize,
    decode: impl FnOnce(Bytes) -> Result<T, manyeyes_protocol::frame::DecodeError>,
) -> Result<Option<T>, manyeyes_protocol::frame::DecodeError> {
    match split_frame(inbox, limit)? {
        Split::Frame(frame) => decode(frame).map(Some),
        Split::Missing(_) => Ok(None),
    }
}

pub(super) fn of_manager(inbox: &mut BytesMut) -> Result<Option<ManagerFrame>, manyeyes_protocol::frame::DecodeError> {
    next_frame(inbox, MAX_FRAME, ManagerFrame::decode)
}

pub(super) fn of_worker(inbox: &mut BytesMut) -> Result<Option<WorkerFrame>, manyeyes_protocol::frame::DecodeError> {
    next_frame(inbox, MAX_SMALL_FRAME, WorkerFrame::decode)
}
