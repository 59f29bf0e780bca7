//! The socket under QUIC's endpoint, which codes what goes to those who do too. It carries; what is sent and handed over is decided by
//! [`Sender`] and [`Receiver`].

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Sleep, sleep_until};

use super::packet;
use super::receiver::Receiver;
use super::sender::Sender;

/// The most peers of whom something is remembered. For one more, the one is forgotten that was heard of longest ago; if it is there
/// still, both ends begin to count again.
const MOST_PEERS: usize = 4_096;

/// After so long without a word from or to it a peer is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// To whom a socket codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::quic) enum Codes {
    /// To everyone: a worker's, which has one peer.
    ToAll,
    /// To those who do: a manager's.
    ToThoseWhoDo,
}

/// What QUIC does not know of.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::quic) struct Beside {
    /// Sent, beside QUIC's own datagrams.
    pub(in crate::quic) bytes: u64,
    /// The share of datagrams that the peer misses, if it has said so.
    pub(in crate::quic) told_loss: Option<f64>,
}

/// How a connection's datagrams go, for as long as it is there.
#[derive(Debug)]
pub(in crate::quic) enum Coding {
    /// As QUIC makes them.
    Plain,
    /// The same, from a manager, which believes nobody meanwhile who codes from the worker's address.
    KeptPlain(#[expect(dead_code, reason = "it is there until it goes")] KeptPlain),
    /// Coded, by this socket.
    Coded(Arc<CodedSocket>),
}

/// While it is there, nothing that is coded is taken from this address. Otherwise one packet with a forged sender would be enough to
/// have a worker be sent what it cannot read.
#[derive(Debug)]
pub(in crate::quic) struct KeptPlain {
    socket: Arc<CodedSocket>,
    peer: SocketAddr,
}

/// A socket that codes.
#[derive(Debug)]
pub(in crate::quic) struct CodedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    codes: Codes,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    peers: HashMap<SocketAddr, Peer>,
    /// Those who do not code, as long as they have so many connections.
    plain: HashMap<SocketAddr, usize>,
    /// What is to be handed over to QUIC.
    ready: VecDeque<(Origin, Bytes)>,
    /// Not before this is anything to be done that nothing comes for.
    due: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

/// Whence, and to which of our addresses.
#[derive(Clone, Copy, Debug)]
struct Origin {
    from: SocketAddr,
    to: Option<IpAddr>,
}

#[derive(Debug)]
struct Peer {
    sender: Sender,
    receiver: Receiver,
    /// Our address to it.
    ours: Option<IpAddr>,
    last_used: Instant,
    /// Bytes of sums, heads, and all that was sent beside QUIC's own datagrams.
    added: u64,
}

impl CodedSocket {
    /// Must be called within a tokio runtime.
    pub(in crate::quic) fn new(inner: Arc<dyn AsyncUdpSocket>, codes: Codes) -> Arc<Self> {
        let alarm = Box::pin(sleep_until((Instant::now() + FORGOTTEN_AFTER).into()));
        let state = State { peers: HashMap::new(), plain: HashMap::new(), ready: VecDeque::new(), due: None, alarm };
        Arc::new(Self { inner, codes, state: Mutex::new(state) })
    }

    /// How a connection goes that this peer begins now: as its first datagram came.
    pub(in crate::quic) fn with(self: &Arc<Self>, peer: SocketAddr) -> Coding {
        let mut state = self.state();
        if state.peers.contains_key(&peer) {
            return Coding::Coded(Arc::clone(self));
        }
        *state.plain.entry(peer).or_default() += 1;
        Coding::KeptPlain(KeptPlain { socket: Arc::clone(self), peer })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the socket's state in hand")
    }

    /// Sends a datagram to a peer that codes, and the sums that are due. An error means that it was not sent.
    fn send(&self, state: &mut State, to: SocketAddr, datagram: &[u8], ours: Option<IpAddr>) -> io::Result<()> {
        let now = Instant::now();
        let peer = state.peer(to, now);
        peer.ours = ours;
        let lost = peer.receiver.lost();
        let packet = peer.sender.original(datagram, lost);
        self.inner.try_send(&transmit(to, ours, &packet))?;
        peer.added += (packet.len() - datagram.len()) as u64;
        peer.sender.sent(datagram, now);
        while let Some(sum) = peer.sender.between(lost) {
            self.send_sum(to, peer, &sum);
        }
        let quiet_at = peer.sender.quiet_at();
        state.wake_at(quiet_at);
        Ok(())
    }

    /// One that the system does not take is one that is lost.
    fn send_sum(&self, to: SocketAddr, peer: &mut Peer, sum: &Bytes) {
        if self.inner.try_send(&transmit(to, peer.ours, sum)).is_ok() {
            peer.added += sum.len() as u64;
        }
    }

    /// Does what time has come for.
    fn act(&self, state: &mut State, now: Instant) {
        if state.due.is_none_or(|due| now < due) {
            return;
        }
        let State { peers, ready, .. } = &mut *state;
        peers.retain(|_, peer| now.saturating_duration_since(peer.last_used) < FORGOTTEN_AFTER);
        for (address, peer) in peers.iter_mut() {
            let lost = peer.receiver.lost();
            for sum in peer.sender.after(lost, now) {
                self.send_sum(*address, peer, &sum);
            }
            peer.receiver.give_up(now);
            peer.hand_over(Origin { from: *address, to: peer.ours }, ready);
        }
        state.due = None;
        let next = state.peers.values().filter_map(Peer::due).min();
        state.wake_at(next);
    }
}

impl Coding {
    pub(in crate::quic) fn is_coded(&self) -> bool {
        matches!(self, Self::Coded(_))
    }

    /// What there is about this peer beside QUIC's own datagrams.
    pub(in crate::quic) fn beside(&self, peer: SocketAddr) -> Beside {
        match self {
            Self::Plain | Self::KeptPlain(_) => Beside::default(),
            Self::Coded(socket) => socket.state().peers.get(&peer).map(Peer::beside).unwrap_or_default(),
        }
    }
}

impl Drop for KeptPlain {
    fn drop(&mut self) {
        let mut state = self.socket.state();
        if let Entry::Occupied(mut connections) = state.plain.entry(self.peer) {
            *connections.get_mut() -= 1;
            if *connections.get() == 0 {
                connections.remove();
            }
        }
    }
}

impl State {
    fn peer(&mut self, address: SocketAddr, now: Instant) -> &mut Peer {
        if self.peers.len() >= MOST_PEERS && !self.peers.contains_key(&address) {
            let oldest = self.peers.iter().min_by_key(|(_, peer)| peer.last_used).map(|(address, _)| *address);
            oldest.and_then(|oldest| self.peers.remove(&oldest));
        }
        let peer = self.peers.entry(address).or_insert_with(|| Peer {
            sender: Sender::new(epoch()),
            receiver: Receiver::default(),
            ours: None,
            last_used: now,
            added: 0,
        });
        peer.last_used = now;
        peer
    }

    fn wake_at(&mut self, at: Option<Instant>) {
        let Some(at) = at.filter(|at| self.due.is_none_or(|due| *at < due)) else {
            return;
        };
        self.due = Some(at);
        self.alarm.as_mut().reset(at.into());
    }

    /// What QUIC's socket was given: so many datagrams of these lengths. Says whether it is all QUIC's own, and can be left where it is.
    fn take(&mut self, came: &[IoSliceMut<'_>], of: &[RecvMeta], codes: Codes) -> bool {
        let datagrams = || {
            came.iter().zip(of).flat_map(|(came, of)| came[..of.len].chunks(of.stride.max(1)).map(move |one| (of, one)))
        };
        if datagrams().all(|(_, datagram)| !packet::is_coded(datagram)) {
            return true;
        }
        let now = Instant::now();
        for (of, datagram) in datagrams() {
            let origin = Origin { from: of.addr, to: of.dst_ip };
            let datagram = Bytes::copy_from_slice(datagram);
            if !packet::is_coded(&datagram) {
                self.ready.push_back((origin, datagram));
                continue;
            }
            let known = match codes {
                Codes::ToAll => self.peers.contains_key(&of.addr),
                Codes::ToThoseWhoDo => !self.plain.contains_key(&of.addr),
            };
            if let Some((head, packet)) = packet::read(&datagram).filter(|_| known) {
                let peer = self.peer(of.addr, now);
                peer.ours = of.dst_ip;
                peer.sender.hear(head.lost);
                peer.receiver.take(head.epoch, packet, now);
                let due = peer.due();
                let Self { peers, ready, .. } = &mut *self;
                if let Some(peer) = peers.get_mut(&of.addr) {
                    peer.hand_over(origin, ready);
                }
                self.wake_at(due);
            }
        }
        false
    }

    /// Hands over what is ready, as far as there is room.
    fn hand_over(&mut self, into: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let mut filled = 0;
        for (into, meta) in into.iter_mut().zip(meta) {
            let Some((origin, datagram)) = self.ready.pop_front() else {
                break;
            };
            // Longer than any that QUIC takes is none that QUIC has sent.
            let len = datagram.len().min(into.len());
            into[..len].copy_from_slice(&datagram[..len]);
            *meta = RecvMeta { addr: origin.from, len, stride: len, ecn: None, dst_ip: origin.to };
            filled += 1;
        }
        filled
    }
}

impl Peer {
    fn beside(&self) -> Beside {
        Beside { bytes: self.added, told_loss: self.sender.told_loss() }
    }

    fn due(&self) -> Option<Instant> {
        [self.sender.quiet_at(), self.receiver.hopeless_at()].into_iter().flatten().min()
    }

    fn hand_over(&mut self, origin: Origin, ready: &mut VecDeque<(Origin, Bytes)>) {
        ready.extend(std::iter::from_fn(|| self.receiver.next()).map(|datagram| (origin, datagram)));
    }
}

impl AsyncUdpSocket for CodedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmitted: &Transmit<'_>) -> io::Result<()> {
        let to = transmitted.destination;
        let mut state = self.state();
        if self.codes == Codes::ToThoseWhoDo && !state.peers.contains_key(&to) {
            drop(state);
            return self.inner.try_send(transmitted);
        }
        let size = transmitted.segment_size.unwrap_or(transmitted.contents.len()).max(1);
        for (place, datagram) in transmitted.contents.chunks(size).enumerate() {
            match self.send(&mut state, to, datagram, transmitted.src_ip) {
                // What follows is lost like what the path loses: it would otherwise be sent again from its beginning.
                Err(error) if place > 0 && error.kind() == ErrorKind::WouldBlock => break,
                sent => sent?,
            }
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        into: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut guard = self.state();
        let state = &mut *guard;
        loop {
            self.act(state, Instant::now());
            let filled = state.hand_over(into, meta);
            if filled > 0 {
                return Poll::Ready(Ok(filled));
            }
            match self.inner.poll_recv(context, into, meta) {
                Poll::Ready(Ok(came)) => {
                    if state.take(&into[..came], &meta[..came], self.codes) {
                        return Poll::Ready(Ok(came));
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => match state.alarm.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => state.alarm.as_mut().reset((Instant::now() + FORGOTTEN_AFTER).into()),
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

fn transmit(destination: SocketAddr, src_ip: Option<IpAddr>, contents: &Bytes) -> Transmit<'_> {
    Transmit { destination, ecn: None, contents, segment_size: None, src_ip }
}

/// What no earlier process at this address has likely begun with.
fn epoch() -> u16 {
    let mut drawn = [0; 2];
    // Without chance it is the same each time, and the peer's word of the path is lost by that until the numbers have passed.
    getrandom::fill(&mut drawn).map_or(0, |()| u16::from_be_bytes(drawn))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use quinn::{Runtime, TokioRuntime};
    use tokio::net::UdpSocket;

    use super::*;
    use crate::quic::coded::packet::{Head, original};

    /// A manager's socket, and somebody who sends to it.
    struct Door {
        socket: Arc<CodedSocket>,
        somebody: UdpSocket,
    }

    impl Door {
        async fn new() -> Self {
            let inner = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let socket = CodedSocket::new(TokioRuntime.wrap_udp_socket(inner).unwrap(), Codes::ToThoseWhoDo);
            let somebody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            somebody.connect(socket.local_addr().unwrap()).await.unwrap();
            Self { socket, somebody }
        }

        fn from(&self) -> SocketAddr {
            self.somebody.local_addr().unwrap()
        }

        async fn send_coded(&self, datagram: &[u8]) {
            self.somebody.send(&original(Head { lost: 0, epoch: 1 }, 0, datagram)).await.unwrap();
        }

        /// The next datagram that QUIC gets to see.
        async fn handed_over(&self) -> Vec<u8> {
            let (mut into, mut meta) = (vec![0; 2_000], [RecvMeta::default()]);
            poll_fn(|context| self.socket.poll_recv(context, &mut [IoSliceMut::new(&mut into)], &mut meta))
                .await
                .unwrap();
            into[..meta[0].len].to_vec()
        }
    }

    #[tokio::test]
    async fn to_one_who_codes_it_is_coded() {
        let door = Door::new().await;
        door.send_coded(b"\xc0hello").await;
        assert_eq!(door.handed_over().await, b"\xc0hello");
        assert!(door.socket.with(door.from()).is_coded());
    }

    /// What is forged comes from the address of a worker that does not code, which could not read what it would be sent then.
    #[tokio::test]
    async fn a_forged_packet_does_not_make_a_connection_coded_that_is_not() {
        let door = Door::new().await;
        door.somebody.send(b"\xc0hello").await.unwrap();
        assert_eq!(door.handed_over().await, b"\xc0hello");
        let [one, other] = [door.socket.with(door.from()), door.socket.with(door.from())];
        assert!(!one.is_coded() && !other.is_coded());
        drop(one);
        door.send_coded(b"\xc0forged").await;
        door.somebody.send(b"\x40more").await.unwrap();
        assert_eq!(door.handed_over().await, b"\x40more", "and the forged one is not handed over");
        door.socket.try_send(&transmit(door.from(), None, &Bytes::from_static(b"\x40answer"))).unwrap();
        let mut came = [0; 100];
        let length = door.somebody.recv(&mut came).await.unwrap();
        assert_eq!(&came[..length], b"\x40answer");
        drop(other);
        door.send_coded(b"\xc0again").await;
        assert_eq!(door.handed_over().await, b"\xc0again", "when the connections have gone, another may begin");
        assert!(door.socket.with(door.from()).is_coded());
    }
}
