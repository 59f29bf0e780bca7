//! The middleman for datagrams. It has no connections to end: what is cut is carried no further, and nobody is told.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::{Harm, Line};

/// More than any datagram of QUIC.
const DATAGRAM: usize = 64 * 1024;

pub(super) async fn relay(line: Line) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(carry(Arc::new(socket), line));
    address
}

/// Carries what workers send, each with a socket of its own towards the manager.
async fn carry(socket: Arc<UdpSocket>, line: Line) {
    let mut towards: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut cut_off = HashSet::new();
    let mut generations = line.generations.clone();
    let mut buffer = vec![0; DATAGRAM];
    while let Ok((bytes, worker)) = socket.recv_from(&mut buffer).await {
        if generations.has_changed().unwrap_or(true) {
            generations.mark_unchanged();
            cut_off.extend(towards.drain().map(|(worker, _)| worker));
        }
        let target = *line.target.lock().unwrap();
        let Some(target) = target else {
            cut_off.insert(worker);
            continue;
        };
        if *line.freezing.borrow() || cut_off.contains(&worker) {
            continue;
        }
        if let std::collections::hash_map::Entry::Vacant(entry) = towards.entry(worker) {
            let upstream = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            upstream.connect(target).await.unwrap();
            entry.insert(Arc::clone(&upstream));
            tokio::spawn(carry_back(upstream, Arc::clone(&socket), worker, line.clone()));
        }
        // A manager that has gone refuses it: lost, as on any line.
        let _ = towards[&worker].send(&buffer[..bytes]).await;
    }
}

/// Carries what the manager sends to one worker: of what the rate does not allow, the system keeps what fits its buffer.
async fn carry_back(upstream: Arc<UdpSocket>, socket: Arc<UdpSocket>, worker: SocketAddr, line: Line) {
    let Line { mut generations, freezing, rates, harms, .. } = line;
    generations.mark_unchanged();
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    let mut buffer = vec![0; DATAGRAM];
    let (mut allowed, mut number) = (0, 0_u64);
    loop {
        let received = tokio::select! {
            received = upstream.recv(&mut buffer) => received,
            _ = generations.changed() => return,
        };
        let Ok(bytes) = received else { continue };
        let rate = *rates.borrow();
        while let Some(rate) = rate
            && allowed < bytes
        {
            beat.tick().await;
            // What was not used in time is lost.
            allowed = (allowed + rate as usize / 100).min(bytes + rate as usize / 100);
        }
        allowed = allowed.saturating_sub(bytes);
        let Harm { most_bytes, one_changed_of, one_lost_of } = *harms.borrow();
        if most_bytes.is_some_and(|most| bytes > most) {
            continue;
        }
        number += 1;
        let is_one_of = |of: Option<u64>| of.is_some_and(|of| number.is_multiple_of(of));
        if is_one_of(one_lost_of) {
            continue;
        }
        if is_one_of(one_changed_of) {
            buffer[bytes / 2] ^= 1;
        }
        if !*freezing.borrow() && !generations.has_changed().unwrap_or(true) {
            let _ = socket.send_to(&buffer[..bytes], worker).await;
        }
    }
}
