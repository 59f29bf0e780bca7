//! The star: a manager's machine, a client's and the workers', each joined to the manager's by a cable of its own.

use anyhow::{Context, bail};

use crate::cable::{Cable, CutEnds};
use crate::machine::Machine;

/// More workers than this are refused: the studies have 32, and each machine costs two namespaces and a process.
pub const MOST_WORKERS: u8 = 64;

/// The client's place on the star. The workers' begin with 1.
pub const CLIENT: u8 = 0;

/// What the cables of a star are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cables {
    /// Perfect ones.
    Whole,
    /// Each cut in the middle, in the wire room. Nothing passes until something there carries it.
    Cut,
}

/// Machines on a star. They end when it is dropped, and with this process.
pub struct Star {
    /// Dropped first, as it would be with cables that are cut: at both ends at once.
    room: Option<Machine>,
    manager: Machine,
    client: Machine,
    workers: Vec<Machine>,
}

impl Star {
    /// Builds the machines and lays the cables. Nothing runs on them yet.
    ///
    /// # Errors
    /// There are to be no workers, or more than [`MOST_WORKERS`]; or this system does not let us.
    pub fn build(workers: u8, cables: Cables) -> anyhow::Result<Self> {
        if !(1..=MOST_WORKERS).contains(&workers) {
            bail!("a star has 1 to {MOST_WORKERS} workers, not {workers}");
        }
        let machine = |what: &str| Machine::new("true").with_context(|| format!("failed to build {what}"));
        let star = Self {
            room: if cables == Cables::Cut { Some(machine("the wire room")?) } else { None },
            manager: machine("the manager's machine")?,
            client: machine("the client's machine")?,
            workers: (1..=workers)
                .map(|place| machine(&format!("worker {place}'s machine")))
                .collect::<Result<_, _>>()?,
        };
        for place in star.places() {
            star.lay(place).with_context(|| format!("failed to lay the cable in place {place}"))?;
        }
        Ok(star)
    }

    /// The manager's machine.
    pub fn manager(&self) -> &Machine {
        &self.manager
    }

    /// The machine in a place: the client's in [`CLIENT`], a worker's in the others.
    ///
    /// # Errors
    /// There is no such place.
    pub fn machine(&self, place: u8) -> anyhow::Result<&Machine> {
        let worker = place.checked_sub(1).map(|worker| self.workers.get(usize::from(worker)));
        worker.unwrap_or(Some(&self.client)).with_context(|| format!("there is no worker {place} on the star"))
    }

    /// The places of all cables: the client's, then the workers' in order.
    pub fn places(&self) -> impl Iterator<Item = u8> + use<> {
        (CLIENT..).take(self.workers.len() + 1)
    }

    /// Where the cables are cut, if they are: in this machine, at these devices, in the order of their places.
    pub fn wire_room(&self) -> Option<(&Machine, Vec<CutEnds>)> {
        let room = self.room.as_ref()?;
        Some((room, self.places().map(|place| Cable(place).cut_ends()).collect()))
    }

    fn lay(&self, place: u8) -> anyhow::Result<()> {
        let other = self.machine(place)?;
        match &self.room {
            Some(room) => Cable(place).lay_through(room, &self.manager, other),
            None => Cable(place).lay(&self.manager, other),
        }
    }
}
