//! A middleman between worker and manager, whose connections can be cut, frozen and led elsewhere.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    /// Each change ends the connections of before.
    generation: watch::Sender<u64>,
    frozen: watch::Sender<bool>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(Some(target)));
        let (generation, generations) = watch::channel(0);
        let (frozen, freezing) = watch::channel(false);
        tokio::spawn(accept(listener, Arc::clone(&target), generations, freezing));
        Self {
            address,
            target,
            generation,
            frozen,
        }
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

async fn accept(
    listener: TcpListener,
    target: Arc<Mutex<Option<SocketAddr>>>,
    generations: watch::Receiver<u64>,
    freezing: watch::Receiver<bool>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let target = *target.lock().unwrap();
        let Some(target) = target else { continue };
        let (mut generations, mut freezing) = (generations.clone(), freezing.clone());
        generations.mark_unchanged();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else {
                return;
            };
            tokio::select! {
                () = carry(client, server, &mut freezing) => {}
                _ = generations.changed() => {}
            }
        });
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, freezing: &mut watch::Receiver<bool>) {
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
        _ = freezing.wait_for(|frozen| *frozen) => {}
    }
    std::future::pending::<()>().await;
}
