//! Machines on a star hear each other over their cables, and nobody else.

#![expect(clippy::print_stderr, reason = "a test that is not run says so")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context;
use manyeyes_testbed::{Cable, Cables, Machine, Star};
use socket2::{Domain, Protocol, Socket, Type};

/// How long anything may take that should happen soon. Generous: a busy machine is no failure.
const SOON: Duration = Duration::from_secs(60);

/// So long what must not arrive is waited for, where nothing could hold it up.
const NEVER: Duration = Duration::from_millis(200);

/// `ETH_P_ALL` of `linux/if_ether.h`, in network order: frames of every kind.
const EVERY_KIND: i32 = (3_u16).to_be() as i32;

/// The longest Ethernet frame, without its check sequence: 14 bytes before 1,500.
const LONGEST: usize = 1514;

/// Whether a test may go on: namespaces can be made here.
fn is_possible(test: &str) -> bool {
    let is_possible = Machine::new("true").is_ok();
    if !is_possible {
        eprintln!("NOT RUN without namespaces: {test}");
    }
    is_possible
}

/// What arrives at `listener` when `from` says something to it.
fn said(listener: TcpListener, from: &Machine) -> anyhow::Result<String> {
    let address = listener.local_addr()?;
    from.inside(move || {
        let mut stream = TcpStream::connect_timeout(&address, SOON).context("failed to connect")?;
        stream.write_all(b"hello").context("failed to say it")
    })?;
    let mut heard = String::new();
    listener.accept()?.0.read_to_string(&mut heard)?;
    Ok(heard)
}

/// Whether the checksum of a datagram in an IPv4 packet without options is that of its bytes (RFC 768): the sum in ones'
/// complement of addresses, protocol, length and all of the datagram is then all ones.
fn is_sum_right(packet: &[u8]) -> bool {
    let (header, datagram) = packet.split_at(20);
    let pseudo = header[12..20].iter().copied().chain([0, header[9]]);
    let length = u16::try_from(datagram.len()).expect("a packet's length fits").to_be_bytes();
    let bytes: Vec<u8> = pseudo.chain(length).chain(datagram.iter().copied()).collect();
    let words = bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)));
    let folded = words.fold(0, |sum, word| (sum + word) % 0xffff);
    folded == 0
}

#[test]
fn every_machine_of_a_star_reaches_the_manager_and_is_reached() {
    if !is_possible("every_machine_of_a_star_reaches_the_manager_and_is_reached") {
        return;
    }
    let star = Star::build(2, Cables::Whole).expect("a star");
    for place in star.places() {
        let (cable, other) = (Cable(place), star.machine(place).expect("a machine in each place"));
        let at_manager =
            star.manager().inside(|| Ok(TcpListener::bind((cable.manager_address(), 0))?)).expect("a place");
        assert_eq!(said(at_manager, other).expect("a connection to the manager"), "hello", "from place {place}");
        let at_other = other.inside(|| Ok(TcpListener::bind((cable.other_address(), 0))?)).expect("a place");
        assert_eq!(said(at_other, star.manager()).expect("a connection to it"), "hello", "to place {place}");
    }
}

#[test]
fn a_worker_reaches_no_other_worker() {
    if !is_possible("a_worker_reaches_no_other_worker") {
        return;
    }
    let star = Star::build(2, Cables::Whole).expect("a star");
    let worker = |place| star.machine(place).expect("a worker");
    let at_second = worker(2).inside(|| Ok(UdpSocket::bind((Cable(2).other_address(), 0))?)).expect("a place");
    let to = at_second.local_addr().expect("an address");
    let sent = worker(1).inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?.send_to(b"hello", to)?));
    let why = sent.expect_err("there is no way").to_string();
    assert!(why.contains("unreachable"), "{why}");
}

/// Cables keep the order: what arrives first after a fault was not held up by it, so what was sent during it is lost.
#[test]
fn a_cable_loses_what_is_sent_during_a_fault_and_nothing_after_it() {
    if !is_possible("a_cable_loses_what_is_sent_during_a_fault_and_nothing_after_it") {
        return;
    }
    let star = Star::build(1, Cables::Whole).expect("a star");
    let (cable, manager, worker) = (Cable(1), star.manager(), star.machine(1).expect("a worker"));
    let socket = |machine: &Machine, address| machine.inside(|| Ok(UdpSocket::bind((address, 0))?)).expect("a socket");
    let near = socket(manager, cable.manager_address());
    let far = socket(worker, cable.other_address());
    near.connect(far.local_addr().expect("an address")).expect("a way");
    far.connect(near.local_addr().expect("an address")).expect("a way");
    let heard = |socket: &UdpSocket| {
        socket.set_read_timeout(Some(SOON)).expect("a patience");
        let mut byte = [0];
        socket.recv(&mut byte).map(|_| byte[0]).expect("something is heard")
    };

    cable.deafen(manager).expect("a fault");
    near.send(b"1").expect("it is sent, though lost");
    far.send(b"2").expect("it is sent");
    assert_eq!(heard(&near), b'2', "a deaf worker is no mute one");
    cable.undeafen(manager).expect("no fault");
    near.send(b"3").expect("it is sent");
    assert_eq!(heard(&far), b'3');

    cable.mute(worker).expect("a fault");
    far.send(b"4").expect("it is sent, though lost");
    near.send(b"5").expect("it is sent");
    assert_eq!(heard(&far), b'5', "a mute worker is no deaf one");
    cable.unmute(worker).expect("no fault");
    far.send(b"6").expect("it is sent");
    assert_eq!(heard(&near), b'6');

    cable.pull(worker).expect("a fault");
    // To a cable that is gone a kernel may refuse to send.
    let _ = (near.send(b"7"), far.send(b"8"));
    cable.mend(worker).expect("no fault");
    assert_eq!(said_until_heard(&near, &far, b'9'), b'9');
    assert_eq!(said_until_heard(&far, &near, b'0'), b'0');
}

/// What is heard first. A kernel takes a moment to see that a cable is back, and loses what is sent until then.
fn said_until_heard(from: &UdpSocket, to: &UdpSocket, byte: u8) -> u8 {
    to.set_read_timeout(Some(Duration::from_millis(20))).expect("a patience");
    let (deadline, mut heard) = (Instant::now() + SOON, [0]);
    loop {
        // Until then it may also refuse to send.
        let _ = from.send(&[byte]);
        if to.recv(&mut heard).is_ok() {
            return heard[0];
        }
        assert!(Instant::now() < deadline, "waited in vain for {byte}");
    }
}

/// Found by an experiment: with what a veth leaves to its card no frame has its checksum, and no TCP connects through an emulator.
#[test]
fn what_arrives_at_a_cut_end_could_be_on_a_wire() {
    if !is_possible("what_arrives_at_a_cut_end_could_be_on_a_wire") {
        return;
    }
    let star = Star::build(1, Cables::Cut).expect("a star");
    let (room, _) = star.wire_room().expect("a wire room");
    let tap =
        room.inside(|| Ok(Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(EVERY_KIND)))?)).expect("a tap");
    tap.set_read_timeout(Some(SOON)).expect("a patience");
    let (cable, payload) = (Cable(1), [7; 1472]);
    star.manager()
        .inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?.send_to(&payload, (cable.other_address(), 9))?))
        .expect("it is sent, whoever may hear it");
    let mut frame = vec![0; 1 << 16];
    let length = (&tap).read(&mut frame).expect("a frame");
    assert_eq!(length, LONGEST, "a datagram as long as the network takes");
    assert!(is_sum_right(&frame[14..length]), "its sum was left to a card");
    tap.set_read_timeout(Some(NEVER)).expect("a patience");
    assert!((&tap).read(&mut [0; 64]).is_err(), "something was on the wire that nobody has sent");
}
