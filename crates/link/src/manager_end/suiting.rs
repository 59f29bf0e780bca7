//! Gives a connection's path what it wants: a congestion control, and a worker that comes by another transport. What a path wants is
//! [`path`](super::path)'s to say; here it is looked at, and acted upon.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use manyeyes_protocol::manager_session::ManagerSession;

use super::path::{Moves, Path, Sounding, wanted};
use crate::paths::{EXPECTED, Paths};
use crate::transport::{Transport, Transports};
use crate::wire::Wire;

/// How often the transport is asked what it knows of the connection.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is while images are on their way over a connection whose congestion control may have to be changed, and while the path is
/// sounded.
const LOOK_CLOSELY: Duration = Duration::from_millis(50);

/// One connection's.
#[derive(Debug)]
pub(super) struct Suiting {
    looked: Instant,
    /// What was measured of the path.
    path: Path,
    /// How often this worker was asked to move, over whatever connection.
    moves: Arc<Mutex<Moves>>,
    /// The congestion control is ours to choose, and over TCP to change.
    chooses: bool,
    steers: bool,
    paths: Arc<Paths>,
    address: IpAddr,
    /// When the worker was asked to move, over this connection.
    asked_to_move: Option<Instant>,
    /// As long as the path of a worker that may be asked is sounded.
    sounding: Option<Sounding>,
}

impl Suiting {
    /// Of a connection from this address, whose worker is not known yet.
    pub(super) fn new(paths: Arc<Paths>, address: IpAddr, now: Instant) -> Self {
        Self {
            looked: now,
            path: Path::default(),
            moves: Arc::default(),
            chooses: false,
            steers: false,
            paths,
            address,
            asked_to_move: None,
            sounding: None,
        }
    }

    /// The worker is known, and whether the congestion control is ours to choose. Says whether it is so over TCP; over QUIC it changes
    /// by itself.
    pub(super) fn begin(&mut self, wire: &mut Wire, moves: Arc<Mutex<Moves>>, chooses: bool) -> bool {
        self.moves = moves;
        self.chooses = chooses;
        self.steers = chooses && wire.transport() == Transport::Tcp;
        if chooses {
            let found_losses = self.moves().found_losses();
            wire.steer(found_losses);
        } else {
            wire.leave_to_the_system();
        }
        self.steers
    }

    /// The worker may be asked to move: its path is sounded, unless the worker tells by itself what is lost.
    pub(super) fn sound(&mut self, wire: &Wire, now: Instant) {
        let sounds = wire.transport() != Transport::Coded;
        self.set_sounding(wire, sounds.then(|| Sounding::new(now)));
    }

    /// When to look again, if nothing happens before. `None`: there is no hurry.
    pub(super) fn next_look(&self, in_flight: usize) -> Option<Instant> {
        let look_at = self.looks_closely(in_flight).then(|| self.looked + LOOK_CLOSELY);
        let sound_at = self.sounding.filter(|_| in_flight == 0).map(|sounding| sounding.next());
        look_at.into_iter().chain(sound_at).min()
    }

    /// Looks at the path, if it is time, and does what it wants.
    pub(super) fn look(&mut self, wire: &mut Wire, session: &mut ManagerSession, there_are: Transports, now: Instant) {
        let pause = if self.looks_closely(session.in_flight()) { LOOK_CLOSELY } else { LOOK_EVERY };
        if now >= self.looked + pause {
            self.looked = now;
            self.path.note(&wire.observe());
            self.change(wire, session, there_are, now);
        }
        // Images tell more than pings do.
        if session.in_flight() == 0 {
            self.say_sounding(wire, session, now);
        }
    }

    /// Whether the end of the connection is that of a worker which has come by another one.
    pub(super) fn is_moving(&self, now: Instant) -> bool {
        self.asked_to_move.is_some_and(|asked| now.saturating_duration_since(asked) < EXPECTED)
    }

    /// The connection has ended. One that coded will come again as it was.
    pub(super) fn end(&mut self, wire: &Wire, session: &ManagerSession, now: Instant) {
        self.set_sounding(wire, None);
        if wire.transport() == Transport::Coded {
            self.expect(session, now);
        }
    }

    /// The worker will come by another connection, coded.
    fn expect(&self, session: &ManagerSession, now: Instant) {
        if let (true, Some(round_trip)) = (self.chooses, session.least_round_trip()) {
            self.paths.expect(self.address, round_trip, now);
        }
    }

    /// Changes the congestion control, if the path wants it, and asks the worker to come by the transport that it wants, if that is
    /// another one.
    fn change(&mut self, wire: &mut Wire, session: &mut ManagerSession, there_are: Transports, now: Instant) {
        if self.steers && self.path.loses_many() {
            self.steers = false;
            wire.steer(true);
        }
        let over = wire.transport();
        // What is not known yet may be long.
        let round_trip = session.least_round_trip().unwrap_or(Duration::MAX);
        let to = wanted(over, &self.path, round_trip);
        let mut moves = self.moves();
        if to == over || !there_are.include(to) {
            return moves.suits();
        }
        if moves.may(session.in_flight() == 0, now) && session.move_over(to.number()) {
            moves.note(to, now);
            drop(moves);
            self.asked_to_move = Some(now);
            self.expect(session, now);
            tracing::info!(%to, path = ?self.path, ?round_trip, "a worker is asked to come by another transport");
        }
    }

    /// Says the next ping, as long as too little is known of the path.
    fn say_sounding(&mut self, wire: &Wire, session: &mut ManagerSession, now: Instant) {
        let Some(sounding) = &mut self.sounding else {
            return;
        };
        let is_due = sounding.is_due(now);
        // Of one that has been asked over, the path is not settled before it has come.
        if sounding.is_over(&self.path, now) && !self.is_moving(now) {
            self.set_sounding(wire, None);
        } else if is_due {
            session.ping(now);
        }
    }

    fn set_sounding(&mut self, wire: &Wire, sounding: Option<Sounding>) {
        wire.counters().sounding.store(sounding.is_some(), Ordering::Relaxed);
        self.sounding = sounding;
    }

    /// Whether what is lost now may change how the rest is sent.
    fn looks_closely(&self, in_flight: usize) -> bool {
        if in_flight > 0 { self.steers } else { self.sounding.is_some() }
    }

    fn moves(&self) -> MutexGuard<'_, Moves> {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
