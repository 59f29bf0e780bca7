//! The thread that carries: it waits for frames, for times and for orders, and does what the lanes decide.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use super::carried::Carried;
use super::lane::{Lane, Passage};
use super::port::{HEADER_BYTES, MOST_FRAME_BYTES, Port, Seen};
use crate::conditions::Conditions;

/// Frames read from a port before others have their turn, and before what is due is sent: a third of a millisecond at what a frame
/// takes here.
const AT_ONCE: usize = 32;

/// Buffers kept for use again. What is on its way beyond that is allocated and freed.
const MOST_SPARE: usize = 4096;

/// What the emulator's owner may ask. Each order is answered when it is done.
pub(super) enum Order {
    /// A lane's new conditions.
    Set { lane: usize, conditions: Conditions, seed: u64, done: SyncSender<()> },
    /// Both lanes of a link, cut or mended.
    Cut { link: usize, is_cut: bool, done: SyncSender<()> },
    /// What a lane has done.
    Tell { lane: usize, told: SyncSender<Carried> },
    /// All counting begins again.
    Forget { done: SyncSender<()> },
    /// The end.
    Stop,
}

/// Port `n` and lane `n` belong together: the lane carries what enters there to the port's other end, which is port `n ^ 1`.
pub(super) struct Carrier {
    ports: Vec<Port>,
    lanes: Vec<Lane>,
    /// What is on its way, the next first.
    on_the_way: BinaryHeap<Reverse<Parcel>>,
    /// Parcels so far: among those of one time, the first goes first.
    parcels: u64,
    spare: Vec<Vec<u8>>,
    orders: Receiver<Order>,
    epoll: OwnedFd,
    bell: Arc<OwnedFd>,
    timer: OwnedFd,
    /// When the timer rings; `None`: it does not.
    rings_at_ns: Option<u64>,
}

/// A frame with its header, on its way. Ordered by the time, then by the number, which no two share.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Parcel {
    at_ns: u64,
    number: u64,
    lane: usize,
    frame: Vec<u8>,
}

/// What epoll says of the bell and of the timer; a port's number otherwise.
const BELL: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// No time that a frame is due at: the timer has rung, and must be set or stopped so that it does not ring on.
const RUNG: u64 = 0;

impl Carrier {
    /// Takes the ports in pairs, one a link. `bell` is rung when there is an order.
    pub(super) fn new(ports: Vec<Port>, orders: Receiver<Order>, bell: Arc<OwnedFd>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        for (number, port) in ports.iter().enumerate() {
            epoll::add(&epoll, port, EventData::new_u64(number as u64), EventFlags::IN)?;
        }
        let lanes = (0..ports.len()).map(Lane::new).collect();
        let (on_the_way, spare) = (BinaryHeap::new(), Vec::new());
        Ok(Self { ports, lanes, on_the_way, parcels: 0, spare, orders, epoll, bell, timer, rings_at_ns: None })
    }

    /// Until it is told to stop, or its owner is gone.
    pub(super) fn carry(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(self.ports.len() + 2);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
            for event in &events {
                match event.data.u64() {
                    BELL => {
                        if !self.follow() {
                            return Ok(());
                        }
                    }
                    // What is due is sent below, and the timer set anew.
                    TIMER => self.rings_at_ns = Some(RUNG),
                    port => self.take_in(port as usize),
                }
            }
            self.send_what_is_due();
            self.set_timer()?;
        }
    }

    /// Does what was ordered. False at the end.
    fn follow(&mut self) -> bool {
        // How often it was rung says nothing: all orders are taken.
        let _ = rustix::io::read(&*self.bell, &mut [MaybeUninit::<u8>::uninit(); 8]);
        loop {
            // An owner that no longer waits for an answer needs none.
            let _ = match self.orders.try_recv() {
                Ok(Order::Set { lane, conditions, seed, done }) => {
                    self.lanes[lane].set(&conditions, seed);
                    done.send(())
                }
                Ok(Order::Cut { link, is_cut, done }) => {
                    self.lanes[2 * link].cut(is_cut);
                    self.lanes[2 * link + 1].cut(is_cut);
                    done.send(())
                }
                Ok(Order::Tell { lane, told }) => {
                    self.count_unread(lane);
                    let _ = told.send(self.lanes[lane].carried());
                    Ok(())
                }
                Ok(Order::Forget { done }) => {
                    for lane in 0..self.lanes.len() {
                        self.count_unread(lane);
                        self.lanes[lane].tally.forget();
                    }
                    done.send(())
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => return true,
                Ok(Order::Stop) | Err(std::sync::mpsc::TryRecvError::Disconnected) => return false,
            };
        }
    }

    fn count_unread(&mut self, lane: usize) {
        self.lanes[lane].tally.counts.faults.unread += self.ports[lane].unread();
    }

    fn take_in(&mut self, lane: usize) {
        // A frame that arrived long before it was read is to leave as if it had been read at once.
        let wall_to_monotonic = now_ns(ClockId::Monotonic).wrapping_sub(now_ns(ClockId::Realtime));
        for _ in 0..AT_ONCE {
            let mut frame = self.spare.pop().unwrap_or_else(|| vec![0; HEADER_BYTES + MOST_FRAME_BYTES + 1]);
            match self.ports[lane].receive(&mut frame) {
                Ok(Seen::Frame { bytes, arrived_ns }) => {
                    let passage = self.lanes[lane].enter(arrived_ns.wrapping_add(wall_to_monotonic), bytes);
                    self.dispatch(lane, passage, frame, HEADER_BYTES + bytes);
                }
                Ok(Seen::TooLong) => {
                    self.lanes[lane].tally.counts.faults.too_long += 1;
                    self.keep(frame);
                }
                // A device that went down says so once; what was sent into it meanwhile is lost as with a cable that is pulled.
                Ok(Seen::Nothing) | Err(_) => return self.keep(frame),
            }
        }
    }

    fn dispatch(&mut self, lane: usize, passage: Passage, frame: Vec<u8>, bytes: usize) {
        match passage {
            Passage::Never => self.keep(frame),
            Passage::Once(at_ns) => self.post(at_ns, lane, frame, bytes),
            Passage::Twice(at_ns) => {
                self.post(at_ns, lane, frame.clone(), bytes);
                self.post(at_ns, lane, frame, bytes);
            }
        }
    }

    fn post(&mut self, at_ns: u64, lane: usize, mut frame: Vec<u8>, bytes: usize) {
        frame.truncate(bytes);
        self.parcels += 1;
        self.on_the_way.push(Reverse(Parcel { at_ns, number: self.parcels, lane, frame }));
    }

    fn keep(&mut self, mut frame: Vec<u8>) {
        if self.spare.len() < MOST_SPARE {
            frame.resize(HEADER_BYTES + MOST_FRAME_BYTES + 1, 0);
            self.spare.push(frame);
        }
    }

    fn send_what_is_due(&mut self) {
        let mut now = now_ns(ClockId::Monotonic);
        while self.on_the_way.peek().is_some_and(|Reverse(parcel)| parcel.at_ns <= now) {
            let Some(Reverse(Parcel { at_ns, lane, frame, .. })) = self.on_the_way.pop() else { return };
            if self.lanes[lane].leave() {
                let sent = self.ports[lane ^ 1].send(&frame);
                now = now_ns(ClockId::Monotonic);
                let tally = &mut self.lanes[lane].tally;
                match sent {
                    Ok(()) => tally.delivered(now - at_ns),
                    Err(_) => tally.counts.faults.unsent += 1,
                }
            }
            self.keep(frame);
        }
    }

    fn set_timer(&mut self) -> io::Result<()> {
        let next = self.on_the_way.peek().map(|Reverse(parcel)| parcel.at_ns);
        if next != self.rings_at_ns {
            // A time of zero stops it, and takes back that it has rung.
            let at_ns = next.unwrap_or(0);
            let at = Timespec { tv_sec: (at_ns / 1_000_000_000) as i64, tv_nsec: (at_ns % 1_000_000_000) as i64 };
            let never_again = Timespec { tv_sec: 0, tv_nsec: 0 };
            let timer = Itimerspec { it_interval: never_again, it_value: at };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &timer)?;
            self.rings_at_ns = next;
        }
        Ok(())
    }
}

fn now_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
