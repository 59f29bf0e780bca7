//! What the emulator is worth on this machine: how much of real TCP one link carries and how punctually, beside an idle and a busy
//! processor; and what probes find of every profile, on all links at once. Half a minute, as root:
//! `cargo run --release -p manyeyes-testbed --example capacity -- 3` (workers)

#![allow(clippy::print_stdout)]

#[path = "../tests/wired/mod.rs"]
mod wired;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use manyeyes_testbed::{Cable, Conditions, Direction, Emulator, Probed, Profile, Sockets, calibrate};

use self::wired::Wired;

/// How long a link carries in each of its conditions.
const LENGTH: Duration = Duration::from_secs(2);

fn main() {
    let workers = std::env::args().nth(1).map_or(1, |workers| workers.parse().expect("a number of workers"));
    let Some(wired) = Wired::new(workers) else {
        println!("NOT RUN without namespaces: capacity");
        return;
    };
    let emulator = wired.emulator();
    println!("punctuality: {:?}", emulator.punctuality());
    for (delay_ms, rate_mbit_per_s, busy) in
        [(0.0, None, 0), (10.0, None, 0), (10.0, Some(300.0), 0), (10.0, Some(100.0), 0), (10.0, Some(100.0), 2)]
    {
        let rate_bits_per_s = rate_mbit_per_s.map(|rate| rate * 1e6);
        let rate = rate_mbit_per_s.map_or("no limit".to_owned(), |rate| format!("{rate} Mbit/s"));
        println!("{delay_ms} ms, {rate}, {busy} busy loops");
        throughput(&wired, &emulator, &Conditions { delay_ms, rate_bits_per_s, ..Conditions::default() }, busy);
    }
    for (name, profile) in Profile::all() {
        println!("{name}");
        probes(&wired, &emulator, &profile);
    }
}

/// TCP through one link, beside so many threads that want the processor.
fn throughput(wired: &Wired, emulator: &Emulator, conditions: &Conditions, busy: usize) {
    for direction in [Direction::Down, Direction::Up] {
        emulator.set(0, direction, conditions, 1).expect("it is possible");
    }
    emulator.reset();
    let is_over = Arc::new(AtomicBool::new(false));
    for _ in 0..busy {
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || while !is_over.load(Ordering::Relaxed) {});
    }
    let began_s = processor_s();
    let bits_per_s = transfer(wired);
    let share = (processor_s() - began_s) / LENGTH.as_secs_f64();
    is_over.store(true, Ordering::Relaxed);
    println!("  {:.0} Mbit/s of TCP payload, {share:.2} of a core for the emulator", bits_per_s / 1e6);
    for direction in [Direction::Down, Direction::Up] {
        println!("  {direction:?}: {:?}", emulator.carried(0, direction));
    }
}

/// Payload bits a second from the manager to the other end.
fn transfer(wired: &Wired) -> f64 {
    let address = (Cable(0).other_address(), 0);
    let listener = wired.other(0).inside(|| Ok(TcpListener::bind(address)?)).expect("it has the address");
    let address = listener.local_addr().expect("it is bound");
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("someone comes");
        let (mut bytes, mut buffer) = (0_u64, vec![0; 1 << 18]);
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            bytes += read as u64;
        }
        bytes
    });
    let mut stream = wired.star.manager().inside(|| Ok(TcpStream::connect(address)?)).expect("there is a way");
    let (began, chunk) = (Instant::now(), vec![7; 1 << 16]);
    while began.elapsed() < LENGTH {
        stream.write_all(&chunk).expect("a way");
    }
    drop(stream);
    let bytes = receiver.join().expect("it did not panic");
    bytes as f64 * 8.0 / began.elapsed().as_secs_f64()
}

/// Processor time that the thread named emulator has used, seconds.
fn processor_s() -> f64 {
    let mut tasks = std::fs::read_dir("/proc/self/task").expect("there is /proc").flatten();
    let is_it = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "emulator")
    };
    let task = tasks.find(is_it).expect("the emulator runs");
    let statistics = std::fs::read_to_string(task.path().join("schedstat")).expect("the kernel counts");
    let ran_ns = statistics.split(' ').next().and_then(|ran| ran.parse::<f64>().ok());
    ran_ns.expect("the first number is the time that it ran") / 1e9
}

/// What probes find of a profile, on all links at once.
fn probes(wired: &Wired, emulator: &Emulator, profile: &Profile) {
    let probed = |link| {
        let [near, far] = wired.sockets(link);
        Probed { link, ends: Box::new(Sockets { near, far }), down: profile.down, up: profile.up }
    };
    let probed: Vec<_> = (0..emulator.links()).map(probed).collect();
    emulator.reset();
    let began = Instant::now();
    let found = calibrate(emulator, &probed, probed.len() as u64, 1).expect("they can be probed");
    let held = found.iter().filter(|link| link.holds).count();
    println!("  {held} of {} links hold, after {:.1} s", found.len(), began.elapsed().as_secs_f64());
    let told = found.iter().enumerate().filter(|(place, link)| *place == 0 || link.probed_again);
    told.for_each(|(place, link)| println!("  {place}: {link:?}"));
    let directions = (0..emulator.links()).flat_map(|link| [(link, Direction::Down), (link, Direction::Up)]);
    let late =
        directions.filter_map(|(link, direction)| emulator.carried(link, direction).late_p99_ms).fold(0.0, f64::max);
    println!("  the latest direction's p99: {late} ms");
}
