//! What the emulator promises, between the ends of real kernels.

mod wired;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use manyeyes_testbed::{Cable, Conditions, Direction, Emulator, Loss, Machine};

use self::wired::{PATIENCE, Wired};

/// The next datagram, whatever signals come meanwhile: a child's end is one, and other tests have children.
fn hear(socket: &UdpSocket, buffer: &mut [u8]) -> usize {
    loop {
        match socket.recv(buffer) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            heard => return heard.expect("it arrives"),
        }
    }
}

/// The numbers that arrive of datagrams numbered from 0. Each is taken before the next is sent: a receiver that got no turn for a
/// while had its buffer of 256 overrun, and what the kernel lost there was taken for the emulator's.
fn arrived(emulator: &Emulator, [near, far]: [UdpSocket; 2], count: u32) -> Vec<u32> {
    let (mut numbers, mut buffer) = (Vec::new(), [0; 4]);
    for number in 0..count {
        let before = emulator.carried(0, Direction::Down);
        near.send(&number.to_be_bytes()).expect("a way");
        let now = || emulator.carried(0, Direction::Down);
        until(|| now().lost > before.lost || now().delivered > before.delivered);
        if now().delivered > before.delivered {
            hear(&far, &mut buffer);
            numbers.push(u32::from_be_bytes(buffer));
        }
    }
    numbers
}

/// Has `ip` do something in a machine.
fn ip(machine: &Machine, arguments: &str) {
    let run = || Ok(Command::new("ip").args(arguments.split(' ')).status()?);
    assert!(machine.inside(run).expect("ip is there").success(), "ip {arguments}");
}

fn until(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it did not come to hold");
        std::thread::yield_now();
    }
}

/// Sends bytes over TCP from the manager and gives what arrives.
fn through_tcp(wired: &Wired, bytes: &[u8]) -> Vec<u8> {
    let address = (Cable(0).other_address(), 0);
    let listener = wired.other(0).inside(|| Ok(TcpListener::bind(address)?)).expect("it has the address");
    let address = listener.local_addr().expect("it is bound");
    let receiver = std::thread::spawn(move || {
        let mut received = Vec::new();
        listener.accept().and_then(|(mut stream, _)| stream.read_to_end(&mut received)).map(|_| received)
    });
    let mut stream = wired.star.manager().inside(|| Ok(TcpStream::connect(address)?)).expect("there is a way");
    stream.write_all(bytes).expect("there is a way");
    drop(stream);
    receiver.join().expect("it did not panic").expect("there is a way")
}

fn some_bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| ((place * 2_654_435_761) >> 7) as u8).collect()
}

#[test]
fn the_same_seed_loses_the_same_datagrams_and_another_others() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!("NOT RUN without namespaces: the_same_seed_loses_the_same_datagrams_and_another_others");
    };
    let emulator = wired.emulator();
    let loss = Loss::Bursty { enter: 0.05, leave: 0.3, lost_in_good: 0.01, lost_in_bad: 0.9 };
    let conditions = Conditions { loss, ..Conditions::default() };
    let [first, again, other] = [7, 7, 8].map(|seed| {
        emulator.set(0, Direction::Down, &conditions, seed).expect("it is possible");
        arrived(&emulator, wired.sockets(0), 1000)
    });
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!((700..950).contains(&first.len()), "{} of 1000 arrived", first.len());
}

#[test]
fn a_seed_means_other_fates_on_another_link() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!("NOT RUN without namespaces: a_seed_means_other_fates_on_another_link");
    };
    let emulator = wired.emulator();
    let conditions = Conditions { loss: Loss::Independent { probability: 0.5 }, ..Conditions::default() };
    let sent = [0, 1].map(|link| {
        emulator.set(link, Direction::Up, &conditions, 7).expect("it is possible");
        let [_near, far] = wired.sockets(link);
        (0..64).for_each(|_| drop(far.send(&[1])));
        until(|| emulator.carried(link, Direction::Up).packets == 64);
        emulator.carried(link, Direction::Up).lost
    });
    assert!(sent.iter().all(|lost| (10..54).contains(lost)), "{sent:?}");
    assert_ne!(sent[0], sent[1], "by seed 7 these differ");
}

#[test]
fn tcp_gets_everything_across_a_link_that_does_everything_to_it() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!("NOT RUN without namespaces: tcp_gets_everything_across_a_link_that_does_everything_to_it");
    };
    let emulator = wired.emulator();
    let conditions = Conditions {
        delay_ms: 2.0,
        jitter_ms: 1.0,
        rate_bits_per_s: Some(50e6),
        queue_packets: 30,
        loss: Loss::Independent { probability: 0.01 },
        duplicate: 0.02,
        reorder: 0.02,
    };
    emulator.set(0, Direction::Down, &conditions, 1).expect("it is possible");
    emulator.set(0, Direction::Up, &conditions, 2).expect("it is possible");
    let bytes = some_bytes(1 << 20);
    assert_eq!(through_tcp(&wired, &bytes), bytes);
    let down = emulator.carried(0, Direction::Down);
    assert!(down.packets > 700 && down.lost > 0 && down.duplicated > 0, "{down:?}");
    assert_eq!(down.faults, manyeyes_testbed::Faults::default());
}

#[test]
fn nothing_arrives_before_its_delay_and_order_is_kept_in_jitter() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!("NOT RUN without namespaces: nothing_arrives_before_its_delay_and_order_is_kept_in_jitter");
    };
    let emulator = wired.emulator();
    let conditions = Conditions { delay_ms: 30.0, jitter_ms: 10.0, ..Conditions::default() };
    emulator.set(0, Direction::Down, &conditions, 1).expect("it is possible");
    let [near, far] = wired.sockets(0);
    let began = Instant::now();
    (0..100_u8).for_each(|number| drop(near.send(&[number])));
    let mut numbers = [0; 100];
    numbers.iter_mut().for_each(|number| assert_eq!(hear(&far, std::slice::from_mut(number)), 1));
    assert!(began.elapsed() >= Duration::from_millis(30), "the last after {:?}", began.elapsed());
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[test]
fn a_cut_link_carries_nothing_and_a_mended_one_goes_on() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!("NOT RUN without namespaces: a_cut_link_carries_nothing_and_a_mended_one_goes_on");
    };
    let emulator = wired.emulator();
    let [near, far] = wired.sockets(0);
    emulator.cut(0);
    (0..10).for_each(|_| drop(near.send(b"lost")));
    until(|| emulator.carried(0, Direction::Down).cut == 10);
    emulator.mend(0);
    near.send(b"here").expect("a way");
    let mut buffer = [0; 4];
    hear(&far, &mut buffer);
    assert_eq!((&buffer, emulator.carried(0, Direction::Down).delivered), (b"here", 1));
    emulator.reset();
    assert_eq!(emulator.carried(0, Direction::Down), manyeyes_testbed::Carried::default());
}

#[test]
fn frames_that_are_longer_than_a_wires_are_refused_and_make_a_measurement_void() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!(
            "NOT RUN without namespaces: frames_that_are_longer_than_a_wires_are_refused_and_make_a_measurement_void"
        );
    };
    let emulator = wired.emulator();
    let (room, cuts) = wired.star.wire_room().expect("the cables are cut");
    ip(room, &format!("link set dev {} mtu 9000", cuts[0].near));
    ip(wired.star.manager(), "link set dev cable0 mtu 9000");
    let [near, _far] = wired.sockets(0);
    near.send(&[0; 3000]).expect("there is a way");
    until(|| emulator.carried(0, Direction::Down).faults.too_long == 1);
    let down = emulator.carried(0, Direction::Down);
    assert_eq!(down.packets, 0);
    assert!(
        down.void(0.0).iter().any(|reason| reason.contains("longer than an Ethernet frame")),
        "{:?}",
        down.void(0.0)
    );
}

#[test]
fn frames_that_the_kernel_dropped_unread_are_counted_and_make_a_measurement_void() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!(
            "NOT RUN without namespaces: frames_that_the_kernel_dropped_unread_are_counted_and_make_a_measurement_void"
        );
    };
    let ends = wired.ends();
    // More than is kept for a port that nobody reads, while nobody does.
    let [near, _far] = wired.sockets(0);
    for _ in 0..20_000 {
        near.send(&[0; 1400]).expect("a way");
    }
    let emulator = Emulator::start(ends).expect("the emulator starts");
    let down = emulator.carried(0, Direction::Down);
    assert!(down.faults.unread > 0, "{down:?}");
    assert!(down.void(0.0).iter().any(|reason| reason.contains("faster than")), "{:?}", down.void(0.0));
}

#[test]
fn it_ends_though_its_devices_are_gone() -> io::Result<()> {
    let Some(wired) = Wired::new(1) else {
        eprintln!("NOT RUN without namespaces: it_ends_though_its_devices_are_gone");
        return Ok(());
    };
    let emulator = wired.emulator();
    let [near, _] = wired.sockets(0);
    ip(wired.other(0), "link delete dev cable");
    near.send(b"nobody is there")?;
    until(|| emulator.carried(0, Direction::Down).faults.unsent == 1);
    drop(emulator);
    Ok(())
}

#[test]
fn impossible_conditions_are_refused_with_what_would_be_right() {
    let Some(wired) = Wired::new(1) else {
        return eprintln!("NOT RUN without namespaces: impossible_conditions_are_refused_with_what_would_be_right");
    };
    let emulator = wired.emulator();
    let conditions = Conditions { loss: Loss::Independent { probability: 15.0 }, ..Conditions::default() };
    let refusal = emulator.set(0, Direction::Down, &conditions, 1).map_err(|why| why.to_string());
    assert_eq!(refusal, Err("loss.probability is 15: it must be 0 to 1".to_owned()));
}
