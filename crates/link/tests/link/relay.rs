//! A middleman between worker and manager, whose connections can be cut, frozen and led elsewhere.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::stage::{Over, Transport};

mod datagrams;

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    /// Each change ends the connections of before.
    generation: watch::Sender<u64>,
    frozen: watch::Sender<bool>,
    bytes_per_second: watch::Sender<Option<u32>>,
    harm: watch::Sender<Harm>,
}

impl Relay {
    pub(crate) async fn to<T: Transport>(target: SocketAddr) -> Self {
        let target = Arc::new(Mutex::new(Some(target)));
        let (generation, generations) = watch::channel(0);
        let (frozen, freezing) = watch::channel(false);
        let (bytes_per_second, rates) = watch::channel(None);
        let (harm, harms) = watch::channel(Harm::default());
        let line = Line { target: Arc::clone(&target), generations, freezing, rates, harms };
        let address = match T::OVER {
            Over::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                tokio::spawn(accept(listener, line));
                address
            }
            Over::Quic | Over::Coded => datagrams::relay(line).await,
        };
        Self { address, target, generation, frozen, bytes_per_second, harm }
    }

    /// As if the line carried so many bytes a second to the worker, and as fast as it can to the manager.
    pub(crate) fn slow_down(&self, bytes_per_second: u32) {
        self.bytes_per_second.send_replace(Some(bytes_per_second));
    }

    /// Does this to datagrams on their way to the worker from here on.
    pub(crate) fn harm(&self, harm: Harm) {
        self.harm.send_replace(harm);
    }

    /// Ends all connections, and leads new ones nowhere until `lead_to`.
    pub(crate) fn cut(&self) {
        *self.target.lock().unwrap() = None;
        self.generation.send_modify(|generation| *generation += 1);
    }

    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = Some(target);
    }

    /// Carries nothing from here on, but closes nothing.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

/// What is done to datagrams.
#[derive(Clone, Copy, Default)]
pub(crate) struct Harm {
    /// Larger ones are lost, and nobody says so: a black hole.
    pub(crate) most_bytes: Option<usize>,
    /// In one of so many a byte is changed.
    pub(crate) one_changed_of: Option<u64>,
    /// One of so many is lost.
    pub(crate) one_lost_of: Option<u64>,
}

/// What a relay is told.
#[derive(Clone)]
struct Line {
    target: Arc<Mutex<Option<SocketAddr>>>,
    generations: watch::Receiver<u64>,
    freezing: watch::Receiver<bool>,
    rates: watch::Receiver<Option<u32>>,
    harms: watch::Receiver<Harm>,
}

async fn accept(listener: TcpListener, line: Line) {
    while let Ok((client, _)) = listener.accept().await {
        let Line { target, mut generations, mut freezing, rates, .. } = line.clone();
        let target = *target.lock().unwrap();
        let Some(target) = target else { continue };
        generations.mark_unchanged();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else {
                return;
            };
            tokio::select! {
                () = carry(client, server, &mut freezing, rates) => {}
                _ = generations.changed() => {}
            }
        });
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    freezing: &mut watch::Receiver<bool>,
    rates: watch::Receiver<Option<u32>>,
) {
    let (mut from_worker, mut to_worker) = client.split();
    let (mut from_manager, mut to_manager) = server.split();
    tokio::select! {
        _ = tokio::io::copy(&mut from_worker, &mut to_manager) => return,
        _ = copy_at(&rates, &mut from_manager, &mut to_worker) => return,
        _ = freezing.wait_for(|frozen| *frozen) => {}
    }
    std::future::pending::<()>().await;
}

/// Copies a hundred times a second what the rate allows.
async fn copy_at(
    rates: &watch::Receiver<Option<u32>>,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let rate = *rates.borrow();
        let room = rate.map_or(buffer.len(), |rate| buffer.len().min(rate as usize / 100));
        match from.read(&mut buffer[..room]).await? {
            0 => return Ok(()),
            bytes => to.write_all(&buffer[..bytes]).await?,
        }
        if rate.is_some() {
            beat.tick().await;
        }
    }
}
