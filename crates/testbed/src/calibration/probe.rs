//! The probes: datagrams of ours between two sockets at the ends of a link, timed by the kernel. The ends may be on two computers:
//! no time of one is ever subtracted from one of the other.

use std::collections::HashSet;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::MsgFlags;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::Probed;
use super::judged::Seen;
use crate::conditions::Conditions;
use crate::receiving;

/// Ethernet's, IP's and UDP's headers around a datagram.
const HEADERS_BYTES: usize = 42;

/// Round trips at most: their median is that of the fifteen in the middle even if a quarter is lost or late.
const ROUND_TRIPS: u32 = 31;

/// And at least, where a jitter makes each wait long for the one before: with fewer a median says little.
const LEAST_ROUND_TRIPS: u32 = 11;

/// Between two of them, so that each finds the processor at rest.
const ROUND_TRIP_EVERY: Duration = Duration::from_millis(5);

/// Round trips take no longer than this where that leaves enough of them.
const ROUND_TRIPS_TAKE: Duration = Duration::from_millis(600);

/// Packets are counted for so long.
const LOSSES_TAKE: Duration = Duration::from_millis(800);

/// All links together are given that many packets a second: half as many as in 300 Mbit/s of full frames with their answers.
const LOSSES_PER_S: usize = 16_000;

/// Packets for the count of losses at most: then 15 % of them are known to 2 %, with a chance of 99 %.
const MOST_LOSSES: u32 = 2000;

/// A flow that fills a link is so much faster than the rate.
const FILLS_BY: f64 = 1.05;

/// And so much of it goes in front, so that a sender without a turn does not let the queue run empty.
const FILLS_AHEAD_S: f64 = 0.03;

/// Frames of a flow at least: the rate is what lies between the first and the last, and one more or less of sixty is within its bound.
const LEAST_FILLING: f64 = 60.0;

/// How long a flow takes at least and at most: a packet that is a millisecond late at its end is then within its bound, and a very slow
/// link does not hold up the others.
const FILLS_FOR_S: (f64, f64) = (0.25, 1.5);

/// After so long without a datagram a listener looks whether it is over.
const SILENCE: Duration = Duration::from_millis(50);

/// The first byte of a datagram says what it is for.
const ASK: u8 = b'a';
const COUNT: u8 = b'c';
const FILL: u8 = b'f';

/// A small probe: what it is for, its number, and in an answer how long the other end held it.
const SMALL_BYTES: usize = 1 + 4 + 8;

/// What the near end of a link is to send.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Errand {
    /// Single packets, each of which is answered, then numbered ones that are counted.
    Times {
        /// What is asked of the link, from here on.
        down: Conditions,
        /// And back.
        up: Conditions,
        /// How many links are probed at the same time.
        links: usize,
    },
    /// A flow that is faster than the rate of the link.
    Fill {
        /// What is asked of it, from here on.
        down: Conditions,
        /// That rate.
        bits_per_s: f64,
    },
}

/// What the near end has sent, and what came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    round_trips_ms: Vec<f64>,
    counted: u32,
}

/// What the far end has heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    counted: HashSet<u32>,
    flow: Option<Flow>,
}

/// What arrived of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Flow {
    first_ns: u64,
    last_ns: u64,
    /// Of all frames but the first.
    bits: u64,
}

/// The two ends of a link, from which probes are sent.
pub trait Ends: Send + Sync {
    /// Has the near end send something while the far end listens and answers.
    ///
    /// # Errors
    /// A socket fails, or an end cannot be reached.
    fn probe(&self, errand: &Errand) -> io::Result<(Sent, Heard)>;
}

/// Both ends in this process.
#[derive(Debug)]
pub struct Sockets {
    /// A socket made in the manager's network, connected to the other end's.
    pub near: UdpSocket,
    /// The other end's, made in its network and connected to the manager's.
    pub far: UdpSocket,
}

impl Ends for Sockets {
    fn probe(&self, errand: &Errand) -> io::Result<(Sent, Heard)> {
        let listener = Listener::begin(self.far.try_clone()?)?;
        let sent = errand.carry_out(&self.near);
        let heard = listener.end();
        Ok((sent?, heard?))
    }
}

/// Round trips and losses of a link, one of `links` that are probed at the same time.
pub(super) fn times_and_losses(link: &Probed, links: usize) -> io::Result<Seen> {
    let (sent, heard) = link.ends.probe(&Errand::Times { down: link.down, up: link.up, links })?;
    let arrived = heard.counted.iter().filter(|&&number| number < sent.counted).count();
    let lost = u64::from(sent.counted).saturating_sub(arrived as u64);
    let frame_bytes = (SMALL_BYTES + HEADERS_BYTES) as u32;
    let round_trips_ms = sent.round_trips_ms;
    Ok(Seen { round_trips_ms, frame_bytes, rate_bits_per_s: None, probes: sent.counted.into(), lost })
}

/// What the down direction of a link lets through of a flow that is faster; `None` where too little arrives to say.
pub(super) fn rate(link: &Probed) -> io::Result<Option<f64>> {
    let Some(bits_per_s) = link.down.rate_bits_per_s else { return Ok(None) };
    let (_, heard) = link.ends.probe(&Errand::Fill { down: link.down, bits_per_s })?;
    let Some(Flow { first_ns, last_ns, bits }) = heard.flow else { return Ok(None) };
    let took_s = last_ns.saturating_sub(first_ns) as f64 / 1e9;
    Ok((took_s > 0.0).then(|| bits as f64 / took_s))
}

impl Errand {
    /// Sends it from a socket that is connected to the far end's, and does not come back before whatever comes of it has come.
    ///
    /// # Errors
    /// The socket fails.
    pub fn carry_out(&self, near: &UdpSocket) -> io::Result<Sent> {
        prepare(near)?;
        match self {
            Self::Times { down, up, links } => {
                let asked_ns = ask(near, down, up)?;
                let counted = count(near, down, *links)?;
                std::thread::sleep(longest(down) + longest(up));
                Ok(Sent { round_trips_ms: answers(near, &asked_ns)?, counted })
            }
            Self::Fill { down, bits_per_s } => {
                fill(near, *bits_per_s)?;
                std::thread::sleep(longest(down));
                Ok(Sent::default())
            }
        }
    }
}

/// The far end while it listens and answers, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Listener {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Heard>>,
}

impl Listener {
    /// Listens from now on, at a socket that is connected to the near end's.
    ///
    /// # Errors
    /// The socket fails, or there is no thread.
    pub(crate) fn begin(far: UdpSocket) -> io::Result<Self> {
        prepare(&far)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let also_is_over = Arc::clone(&is_over);
        let thread =
            std::thread::Builder::new().name("probes".to_owned()).spawn(move || listen(&far, &also_is_over))?;
        Ok(Self { is_over, thread })
    }

    /// Reads what has come, and tells it.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) fn end(self) -> io::Result<Heard> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the listener does not panic")
    }
}

fn prepare(socket: &UdpSocket) -> io::Result<()> {
    receiving::prepare(socket)?;
    socket.set_read_timeout(Some(SILENCE))
}

fn listen(socket: &UdpSocket, is_over: &AtomicBool) -> io::Result<Heard> {
    let mut heard = Heard::default();
    let mut buffer = [0; 2048];
    loop {
        let Some((bytes, arrived_ns)) = receiving::receive(socket, &mut buffer, MsgFlags::empty())? else {
            if is_over.load(Ordering::Relaxed) {
                return Ok(heard);
            }
            continue;
        };
        match buffer[..bytes] {
            [ASK, a, b, c, d, ..] => {
                let held_ns = wall_ns().saturating_sub(arrived_ns);
                socket.send(&small(ASK, u32::from_be_bytes([a, b, c, d]), held_ns))?;
            }
            [COUNT, a, b, c, d, ..] => drop(heard.counted.insert(u32::from_be_bytes([a, b, c, d]))),
            [FILL, ..] => {
                let bits = 8 * (bytes + HEADERS_BYTES) as u64;
                heard.flow = Some(match heard.flow {
                    None => Flow { first_ns: arrived_ns, last_ns: arrived_ns, bits: 0 },
                    Some(flow) => Flow { last_ns: arrived_ns, bits: flow.bits + bits, ..flow },
                });
            }
            // Another's, or what was on its way from before.
            _ => {}
        }
    }
}

/// Sends what is to be answered, and gives when each was sent.
fn ask(near: &UdpSocket, down: &Conditions, up: &Conditions) -> io::Result<Vec<u64>> {
    // Packets close behind each other wait for each other where there is jitter.
    let jitter = Duration::from_secs_f64(2.0 * down.jitter_ms.max(up.jitter_ms) / 1000.0);
    let every = ROUND_TRIP_EVERY.max(jitter);
    let fit = ROUND_TRIPS_TAKE.as_nanos() / every.as_nanos();
    let count = u32::try_from(fit).unwrap_or(u32::MAX).clamp(LEAST_ROUND_TRIPS, ROUND_TRIPS);
    let send = |number| {
        std::thread::sleep(every);
        let sent_ns = wall_ns();
        near.send(&small(ASK, number, 0)).map(|_| sent_ns)
    };
    (0..count).map(send).collect()
}

fn answers(socket: &UdpSocket, sent_ns: &[u64]) -> io::Result<Vec<f64>> {
    let mut round_trips_ms = vec![None; sent_ns.len()];
    let mut buffer = [0; SMALL_BYTES];
    while let Some((bytes, arrived_ns)) = receiving::receive(socket, &mut buffer, MsgFlags::empty())? {
        let (ASK, SMALL_BYTES) = (buffer[0], bytes) else { continue };
        let number = u32::from_be_bytes(buffer[1..5].try_into().expect("four bytes")) as usize;
        let held_ns = u64::from_be_bytes(buffer[5..].try_into().expect("eight bytes"));
        let Some(sent_ns) = sent_ns.get(number) else { continue };
        // Of two copies the first says how long it takes.
        let took_ns = arrived_ns.saturating_sub(*sent_ns).saturating_sub(held_ns);
        round_trips_ms[number].get_or_insert(took_ns as f64 / 1e6);
    }
    Ok(round_trips_ms.into_iter().flatten().collect())
}

/// Sends numbered packets, each so long after the last that none waits in a queue, and gives how many.
fn count(near: &UdpSocket, down: &Conditions, links: usize) -> io::Result<u32> {
    let bits = ((SMALL_BYTES + HEADERS_BYTES) * 8) as f64;
    let sending_s = down.rate_bits_per_s.map_or(0.0, |rate| 2.0 * bits / rate);
    let every = Duration::from_secs_f64(sending_s.max(links as f64 / LOSSES_PER_S as f64));
    let began = Instant::now();
    let mut sent = 0;
    while sent < MOST_LOSSES && began.elapsed() < LOSSES_TAKE {
        near.send(&small(COUNT, sent, 0))?;
        sent += 1;
        std::thread::sleep(every);
    }
    Ok(sent)
}

fn fill(near: &UdpSocket, bits_per_s: f64) -> io::Result<()> {
    let (least_s, most_s) = FILLS_FOR_S;
    let frame_bytes = (bits_per_s / 8.0 / LEAST_FILLING).clamp(100.0, 1514.0);
    let length_s = (LEAST_FILLING * frame_bytes * 8.0 / bits_per_s).clamp(least_s, most_s);
    let datagram = vec![FILL; frame_bytes as usize - HEADERS_BYTES];
    let began = Instant::now();
    let mut sent_bits = 0.0;
    loop {
        let elapsed_s = began.elapsed().as_secs_f64();
        if elapsed_s > length_s {
            break;
        }
        while sent_bits < bits_per_s * (FILLS_AHEAD_S + FILLS_BY * elapsed_s) {
            near.send(&datagram)?;
            sent_bits += frame_bytes * 8.0;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// How long a packet of ours is on its way at most in a direction, with what a flow has put before it.
fn longest(way: &Conditions) -> Duration {
    let ahead_s = FILLS_AHEAD_S + (FILLS_BY - 1.0) * FILLS_FOR_S.1;
    Duration::from_secs_f64(
        (way.delay_ms + way.jitter_ms) / 1000.0 + if way.rate_bits_per_s.is_some() { ahead_s } else { 0.0 },
    )
}

fn small(what: u8, number: u32, held_ns: u64) -> [u8; SMALL_BYTES] {
    let mut datagram = [what; SMALL_BYTES];
    datagram[1..5].copy_from_slice(&number.to_be_bytes());
    datagram[5..].copy_from_slice(&held_ns.to_be_bytes());
    datagram
}

fn wall_ns() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
