//! The links between given hosts: the kernel's emulator at both ends of each, where packets are to meet anything at all.

use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

use super::said::Order;
use super::{End, Hosts};
use crate::calibration::{Ends, Errand, Heard, Sent};
use crate::conditions::Conditions;
use crate::emulator::{Carried, Direction};
use crate::netem::{Counted, NOTHING_PASSES};
use crate::wires::Wires;

/// The links of a star of hosts: the client's, and those of its first workers.
pub struct HostWires {
    hosts: Arc<Hosts>,
    /// For each link what its two senders were told.
    told: Vec<[Mutex<Told>; 2]>,
}

/// What a sender was told last, and what it had counted when counting began.
#[derive(Default)]
struct Told {
    conditions: Conditions,
    before: Counted,
}

impl HostWires {
    pub(super) fn new(hosts: Arc<Hosts>, workers: usize) -> Self {
        Self { hosts, told: (0..=workers).map(|_| Default::default()).collect() }
    }

    fn told(&self, link: usize, direction: Direction) -> MutexGuard<'_, Told> {
        self.told[link][usize::from(direction == Direction::Up)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end that sends in this direction.
    fn sender(&self, link: usize, direction: Direction) -> &End {
        let link = &self.hosts.links[link];
        if direction == Direction::Down { &link.near } else { &link.far }
    }

    fn tell(&self, link: usize, direction: Direction, conditions: &Conditions) -> anyhow::Result<()> {
        let End { session, device, .. } = self.sender(link, direction);
        if self.hosts.is_taken(link) {
            session.ask(Order::Impair { device: device.clone(), conditions: *conditions })
        } else if *conditions == Conditions::default() {
            Ok(())
        } else {
            bail!("the link in place {link} is not taken, and so cannot be impaired")
        }
    }

    fn counted(&self, link: usize, direction: Direction) -> anyhow::Result<Counted> {
        let End { session, device, .. } = self.sender(link, direction);
        session.ask(Order::Count { device: device.clone() })
    }

    fn both(&self, act: impl Fn(Direction) -> anyhow::Result<()>) -> anyhow::Result<()> {
        act(Direction::Down).and_then(|()| act(Direction::Up))
    }
}

impl Wires for HostWires {
    fn links(&self) -> usize {
        self.told.len()
    }

    fn set(&self, link: usize, direction: Direction, conditions: &Conditions, _seed: u64) -> anyhow::Result<()> {
        conditions.check()?;
        self.told(link, direction).conditions = *conditions;
        self.tell(link, direction, conditions)
    }

    fn cut(&self, link: usize) -> anyhow::Result<()> {
        self.both(|direction| self.tell(link, direction, &NOTHING_PASSES))
    }

    fn mend(&self, link: usize) -> anyhow::Result<()> {
        self.both(|direction| {
            let conditions = self.told(link, direction).conditions;
            self.tell(link, direction, &conditions)
        })
    }

    fn carried(&self, link: usize, direction: Direction) -> anyhow::Result<Carried> {
        Ok(self.counted(link, direction)?.since(self.told(link, direction).before))
    }

    /// All at once: what is asked of a host takes a round trip to it.
    fn reset(&self) -> anyhow::Result<()> {
        let links = 0..self.links();
        let senders = links.flat_map(|link| [(link, Direction::Down), (link, Direction::Up)]);
        let counted = thread::scope(|scope| {
            let asked: Vec<_> = senders
                .map(|(link, direction)| (link, direction, scope.spawn(move || self.counted(link, direction))))
                .collect();
            let answers = asked.into_iter().map(|(link, direction, asked)| {
                Ok((link, direction, asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?))
            });
            answers.collect::<anyhow::Result<Vec<_>>>()
        })?;
        for (link, direction, counted) in counted {
            self.told(link, direction).before = counted;
        }
        Ok(())
    }
}

/// The ends of a link between two hosts, each with a socket there.
pub(super) struct HostEnds {
    near: End,
    far: End,
    /// By which both agents know their socket: the link's place.
    socket: u64,
}

impl HostEnds {
    /// Opens sockets at both ends of a link, and connects them.
    pub(super) fn open(hosts: &Hosts, link: usize) -> anyhow::Result<Self> {
        let (near, far) = (hosts.links[link].near.clone(), hosts.links[link].far.clone());
        let ends = Self { near, far, socket: link as u64 };
        let open = |end: &End| {
            let port = end.session.ask(Order::Open { socket: ends.socket, address: end.address })?;
            anyhow::Ok(SocketAddrV4::new(end.address, port))
        };
        let (near, far) = (open(&ends.near)?, open(&ends.far)?);
        for (end, to) in [(&ends.near, far), (&ends.far, near)] {
            let connected: anyhow::Result<()> = end.session.ask(Order::Connect { socket: ends.socket, to });
            connected.context("failed to open a socket for probes")?;
        }
        Ok(ends)
    }
}

impl Ends for HostEnds {
    fn probe(&self, errand: &Errand) -> io::Result<(Sent, Heard)> {
        fn ask<T: DeserializeOwned>(end: &End, order: Order) -> io::Result<T> {
            end.session.ask(order).map_err(io::Error::other)
        }
        let socket = self.socket;
        ask::<()>(&self.far, Order::Listen { socket })?;
        let sent = ask(&self.near, Order::Send { socket, errand: *errand });
        let heard = ask(&self.far, Order::Heard { socket })?;
        Ok((sent?, heard))
    }
}
