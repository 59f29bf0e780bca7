//! Managers and workers to play with, over any transport.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
pub(crate) use manyeyes_link::Transport as Over;
use manyeyes_link::{
    Assigned, Assignment, Departure, Encryption, FromManager, FromWorker, Identity, Keys, ManagerEnd, ManagerSettings,
    ModelDescription, Reach, TimerSettings, Transports, Trust, WireUse, WorkerEnd, WorkerProfile, WorkerSettings,
};
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, InstanceId, ModelDigest, WorkerId};
use manyeyes_protocol::result::{Answer, Label, WorkerTiming};
use quinn::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, Join};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::quic;

/// How long to wait for what must come. Long, so that a busy machine does not fail a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const MODEL: ModelDigest = ModelDigest([7; 32]);

/// A way to travel. The promises are the same for each.
pub(crate) trait Transport {
    /// Which.
    const OVER: Over;
    /// Whether TCP is encrypted, and the manager known by its key.
    const ENCRYPTED: bool = false;
    /// How a worker departs whose line is cut: whether the other end of a connection hears of it.
    const CUT: Departure;
    /// A connection of someone who is no worker, or a strange one: what it says first, and hears first.
    type Stranger: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    async fn stranger(manager: SocketAddr) -> Self::Stranger;
}

pub(crate) struct Tcp;

impl Transport for Tcp {
    const OVER: Over = Over::Tcp;
    const CUT: Departure = Departure::Disconnected;
    type Stranger = TcpStream;

    async fn stranger(manager: SocketAddr) -> TcpStream {
        TcpStream::connect(manager).await.unwrap()
    }
}

/// TCP, encrypted.
pub(crate) struct Tls;

impl Transport for Tls {
    const OVER: Over = Over::Tcp;
    const ENCRYPTED: bool = true;
    const CUT: Departure = Departure::Disconnected;
    type Stranger = TlsStream<TcpStream>;

    async fn stranger(manager: SocketAddr) -> Self::Stranger {
        let connector = TlsConnector::from(Arc::new(quic::client(quic::PROTOCOL)));
        let stream = TcpStream::connect(manager).await.unwrap();
        connector.connect("manyeyes".try_into().unwrap(), stream).await.unwrap()
    }
}

/// The key of every manager that has to be known by one.
pub(crate) static IDENTITY: LazyLock<Identity> = LazyLock::new(new_identity);

pub(crate) fn new_identity() -> Identity {
    Identity::of_key(&Identity::new_key().unwrap()).unwrap()
}

/// Lets in who shows this.
pub(crate) fn only(token: &'static str) -> Option<Keys> {
    Some(Keys::new(move |shown| match shown {
        None => Err("a token is wanted".to_owned()),
        Some(shown) if shown == token => Ok(()),
        Some(_) => Err("the token is a wrong one".to_owned()),
    }))
}

pub(crate) struct Quic;

impl Transport for Quic {
    const OVER: Over = Over::Quic;
    const CUT: Departure = Departure::Silent;
    type Stranger = Join<RecvStream, SendStream>;

    async fn stranger(manager: SocketAddr) -> Self::Stranger {
        let (said, heard) = quic::connect(manager, quic::PROTOCOL).await.unwrap().open_bi().await.unwrap();
        tokio::io::join(heard, said)
    }
}

/// Strangers are those of QUIC: a manager takes both at one port.
pub(crate) struct Coded;

impl Transport for Coded {
    const OVER: Over = Over::Coded;
    const CUT: Departure = Departure::Silent;
    type Stranger = Join<RecvStream, SendStream>;

    async fn stranger(manager: SocketAddr) -> Self::Stranger {
        Quic::stranger(manager).await
    }
}

pub(crate) struct Manager {
    pub(crate) end: ManagerEnd,
    pub(crate) events: Receiver<FromWorker>,
    /// Over which connection each worker joined last.
    pub(crate) connections: HashMap<WorkerId, u32>,
}

pub(crate) struct Worker {
    pub(crate) end: WorkerEnd,
    pub(crate) events: Receiver<FromManager>,
}

/// Timers short enough to see, long enough for a busy machine to keep them.
pub(crate) fn quick_timers() -> TimerSettings {
    TimerSettings {
        heartbeat: Duration::from_millis(100),
        silence: Duration::from_secs(1),
        handshake: Duration::from_secs(1),
        reconnect_floor: Duration::from_millis(10),
        reconnect_ceiling: Duration::from_millis(100),
        ..TimerSettings::default()
    }
}

pub(crate) fn manager_settings() -> ManagerSettings {
    ManagerSettings { timers: quick_timers(), ..ManagerSettings::new(BooksId([1; 16])) }
}

/// `number` makes the process, `name` is what it calls itself.
pub(crate) fn worker_settings(name: &str, number: u8, manager: SocketAddr) -> WorkerSettings {
    WorkerSettings {
        manager: manager.to_string(),
        reach: Reach::default(),
        name: name.to_owned(),
        instance: InstanceId([number; 16]),
        slots: 2,
        window: 8,
        models: vec![ModelDescription {
            digest: MODEL,
            name: "test".to_owned(),
            verified: true,
            notice: None,
            input: None,
        }],
        token: None,
        encryption: Encryption::default(),
        trust: Trust::default(),
        identity: None,
        software: "manyeyes test".to_owned(),
        timers: quick_timers(),
    }
}

impl Manager {
    pub(crate) fn start<T: Transport>() -> Self {
        Self::start_with::<T>(manager_settings())
    }

    pub(crate) fn start_with<T: Transport>(settings: ManagerSettings) -> Self {
        let transports = match T::OVER {
            Over::Tcp => Transports::Tcp,
            Over::Quic | Over::Coded => Transports::Quic,
        };
        let settings = ManagerSettings { transports, ..settings };
        Self::listen(if T::ENCRYPTED {
            ManagerSettings { encryption: Encryption::Always, identity: Some(IDENTITY.clone()), ..settings }
        } else {
            settings
        })
    }

    /// For whatever the settings say.
    pub(crate) fn listen(settings: ManagerSettings) -> Self {
        let (end, events) = ManagerEnd::bind("127.0.0.1:0".parse().unwrap(), settings).unwrap();
        Self { end, events, connections: HashMap::new() }
    }

    pub(crate) async fn next(&mut self) -> FromWorker {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time");
            match event.expect("a manager's end that is up") {
                FromWorker::RoundTrip { .. } => {}
                FromWorker::Joined { worker, profile } => {
                    self.connections.insert(worker, profile.connection);
                    return FromWorker::Joined { worker, profile };
                }
                event => return event,
            }
        }
    }

    pub(crate) async fn joined(&mut self) -> (WorkerId, WorkerProfile) {
        match self.next().await {
            FromWorker::Joined { worker, profile } => (worker, profile),
            other => panic!("expected Joined, got {other:?}"),
        }
    }

    /// The next answer; passes over `Started`.
    pub(crate) async fn answered(&mut self) -> (ImageId, Attempt, Answer) {
        loop {
            match self.next().await {
                FromWorker::Answered { image, attempt, answer, .. } => return (image, attempt, answer),
                FromWorker::Started { .. } => {}
                other => panic!("expected Answered, got {other:?}"),
            }
        }
    }

    /// What the wire carried for the next answer; passes over `Started`.
    pub(crate) async fn used(&mut self) -> Option<WireUse> {
        loop {
            match self.next().await {
                FromWorker::Answered { used, .. } => return used.map(|used| *used),
                FromWorker::Started { .. } => {}
                other => panic!("expected Answered, got {other:?}"),
            }
        }
    }

    pub(crate) fn assign(&self, worker: WorkerId, image: u64, attempt: u32, payload: impl Into<Bytes>) {
        let deadline = Duration::from_secs(60);
        self.assign_within(deadline, worker, image, attempt, payload);
    }

    pub(crate) fn assign_within(
        &self,
        deadline: Duration,
        worker: WorkerId,
        image: u64,
        attempt: u32,
        payload: impl Into<Bytes>,
    ) {
        let (image, attempt, payload) = (ImageId(image), Attempt(attempt), payload.into());
        let connection = self.connections[&worker];
        self.end.assign(worker, connection, Assignment { image, attempt, model: MODEL, deadline, payload });
    }
}

impl Worker {
    pub(crate) fn start<T: Transport>(name: &str, number: u8, manager: SocketAddr) -> Self {
        Self::start_with::<T>(worker_settings(name, number, manager))
    }

    pub(crate) fn start_with<T: Transport>(settings: WorkerSettings) -> Self {
        let mut settings = WorkerSettings { reach: Reach::Only(T::OVER), ..settings };
        if T::ENCRYPTED {
            settings.trust = Trust::Key(IDENTITY.fingerprint());
        }
        Self::come(settings)
    }

    /// As the settings say.
    pub(crate) fn come(settings: WorkerSettings) -> Self {
        let (end, events) = WorkerEnd::connect(settings);
        Self { end, events }
    }

    pub(crate) async fn next(&mut self) -> FromManager {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a link that is up")
    }

    pub(crate) async fn connected(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, FromManager::Connected { .. }), "expected Connected, got {event:?}");
    }

    pub(crate) async fn assigned(&mut self) -> Assigned {
        match self.next().await {
            FromManager::Assigned(assigned) => assigned,
            other => panic!("expected Assigned, got {other:?}"),
        }
    }

    /// Passes over failed tries to connect.
    pub(crate) async fn reconnected(&mut self) {
        loop {
            match self.next().await {
                FromManager::Connected { .. } => return,
                FromManager::Disconnected { .. } => {}
                other => panic!("expected Connected, got {other:?}"),
            }
        }
    }

    pub(crate) async fn disconnected(&mut self) -> String {
        match self.next().await {
            FromManager::Disconnected { reason, .. } => reason,
            other => panic!("expected Disconnected, got {other:?}"),
        }
    }

    pub(crate) fn answer(&self, assigned: &Assigned) {
        self.end.started(assigned.image, assigned.attempt);
        self.end.report(assigned.image, assigned.attempt, Ok(answer_to(assigned.image)));
    }
}

pub(crate) fn answer_to(image: ImageId) -> Answer {
    let index = u32::try_from(image.0).unwrap();
    Answer {
        labels: vec![Label { index, name: format!("class {index}"), probability: 0.75 }],
        timing: WorkerTiming { inference: Duration::from_micros(20), ..WorkerTiming::default() },
    }
}
