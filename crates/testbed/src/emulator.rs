//! What happens to packets between the two ends of a link, where the kernel's own emulator (`tc netem`) is missing or not wanted.
//!
//! Each cable is cut in the middle, and both cut ends lie in one network that nobody else uses. The emulator reads frames from one
//! end and gives them to the other when their time has come, in both directions, each under its own [`Conditions`]. Who sends and
//! who receives is the kernel: real TCP meets real loss.
//!
//! The file's rooms: `fate` (chance), `shaper` (queue, rate, delay) and `lane` (both for a direction) decide, without sockets and
//! clocks; `port` (a cut end) and `carrier` (the one thread) only carry; `carried` counts.

mod carried;
mod carrier;
mod fate;
mod lane;
mod port;
mod punctual;
mod shaper;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};

use self::carrier::{Carrier, Order};
use crate::conditions::{BadConditions, Conditions};

pub use self::carried::{Carried, Faults};
pub use self::port::Port;
pub use self::punctual::Punctuality;

/// The links of an emulator at most. One thread carries them all.
pub const MOST_LINKS: usize = 64;

/// A direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the near end, the manager's, to the far one.
    Down,
    /// From the far end to the near one.
    Up,
}

/// The two cut ends of a link.
#[derive(Debug)]
pub struct LinkEnds {
    /// The device whose cable leads to the manager.
    pub near: Port,
    /// The device whose cable leads to the other machine.
    pub far: Port,
}

/// Carries packets until it is dropped. Links begin perfect.
///
/// A link is named by its place in the list that the emulator was started with; another one is the caller's bug, and panics.
#[derive(Debug)]
pub struct Emulator {
    orders: Sender<Order>,
    bell: Arc<OwnedFd>,
    thread: Option<JoinHandle<io::Result<()>>>,
    links: usize,
    punctuality: Punctuality,
}

impl Emulator {
    /// Begins to carry.
    ///
    /// # Errors
    ///
    /// Where there are more than [`MOST_LINKS`] links, or the system gives no thread, timer or epoll.
    pub fn start(links: Vec<LinkEnds>) -> io::Result<Self> {
        let count = links.len();
        if count > MOST_LINKS {
            return Err(io::Error::other(format!("{count} links are more than the {MOST_LINKS} of one emulator")));
        }
        let ports = links.into_iter().flat_map(|link| [link.near, link.far]).collect();
        let bell = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let (orders, received) = channel();
        let carrier = Carrier::new(ports, received, Arc::clone(&bell))?;
        let (say, said) = sync_channel(1);
        let thread = std::thread::Builder::new().name("emulator".to_owned()).spawn(move || {
            // Whoever started us waits for it.
            let _ = say.send(Punctuality::take());
            carrier.carry()
        })?;
        let punctuality = said.recv().map_err(io::Error::other)?;
        Ok(Self { orders, bell, thread: Some(thread), links: count, punctuality })
    }

    /// How many links there are.
    pub fn links(&self) -> usize {
        self.links
    }

    /// By what means it is punctual here.
    pub fn punctuality(&self) -> Punctuality {
        self.punctuality
    }

    /// What a direction does from now on. The next packet is its packet 0; `seed`, the link, the direction and a packet's number say
    /// what becomes of it. What is on its way arrives as it was to.
    ///
    /// # Errors
    ///
    /// Where no link can be like that.
    pub fn set(
        &self,
        link: usize,
        direction: Direction,
        conditions: &Conditions,
        seed: u64,
    ) -> Result<(), BadConditions> {
        conditions.check()?;
        let (lane, conditions) = (self.lane(link, direction), *conditions);
        self.ask(|done| Order::Set { lane, conditions, seed, done });
        Ok(())
    }

    /// Cuts a link: what is on its way and what enters is lost, and counted apart.
    pub fn cut(&self, link: usize) {
        let link = self.lane(link, Direction::Down) / 2;
        self.ask(|done| Order::Cut { link, is_cut: true, done });
    }

    /// Mends a link: its directions go on where they were.
    pub fn mend(&self, link: usize) {
        let link = self.lane(link, Direction::Down) / 2;
        self.ask(|done| Order::Cut { link, is_cut: false, done });
    }

    /// What a direction did since [`Self::reset`].
    pub fn carried(&self, link: usize, direction: Direction) -> Carried {
        let lane = self.lane(link, direction);
        self.ask(|told| Order::Tell { lane, told })
    }

    /// Counts from nothing, everywhere. Fates and conditions stay.
    pub fn reset(&self) {
        self.ask(|done| Order::Forget { done });
    }

    fn lane(&self, link: usize, direction: Direction) -> usize {
        assert!(link < self.links, "link {link} of {}", self.links);
        2 * link + usize::from(direction == Direction::Up)
    }

    fn ask<T>(&self, order: impl FnOnce(SyncSender<T>) -> Order) -> T {
        let (answer, answered) = sync_channel(1);
        self.give(order(answer));
        answered.recv().expect("the carrying thread lives as long as the emulator")
    }

    fn give(&self, order: Order) {
        // It fails only when the thread is gone, which whoever asks notices.
        let _ = self.orders.send(order);
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.give(Order::Stop);
        // What it ended with, nobody is left to hear.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
