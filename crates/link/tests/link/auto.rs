//! Workers that may come by either transport: which one they take, and how they change over.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use manyeyes_link::{
    Departure, FromManager, FromWorker, ManagerSettings, Reach, TimerSettings, Transports, WorkerEnd, WorkerSettings,
};
use manyeyes_protocol::frame::{ManagerFrame, TransportNumber, Welcome};
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, WorkerId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::quic;
use crate::relay::{Harm, Relay};
use crate::stage::{Manager, Over, PATIENCE, Quic, Worker, manager_settings, quick_timers, worker_settings};

/// Long enough for QUIC to be waited for while TCP is there.
fn patient_timers() -> TimerSettings {
    TimerSettings { handshake: Duration::from_secs(4), silence: Duration::from_secs(5), ..quick_timers() }
}

fn listening(transports: Transports) -> Manager {
    Manager::listen(ManagerSettings { transports, timers: patient_timers(), ..manager_settings() })
}

fn choosing(manager: &Manager) -> Worker {
    choosing_by(manager.end.local_addr())
}

/// A way to the manager by UDP; by TCP nobody listens there.
async fn relay_without_tcp(manager: &Manager) -> Relay {
    loop {
        let relay = Relay::to::<Quic>(manager.end.local_addr()).await;
        if TcpListener::bind(relay.address).await.is_ok() {
            return relay;
        }
    }
}

fn choosing_by(address: SocketAddr) -> Worker {
    let settings = worker_settings("eye", 1, address);
    let (end, events) = WorkerEnd::connect(WorkerSettings { reach: Reach::Auto, timers: patient_timers(), ..settings });
    Worker { end, events }
}

async fn by(worker: &mut Worker) -> Over {
    match worker.next().await {
        FromManager::Connected { transport, .. } => transport,
        other => panic!("expected Connected, got {other:?}"),
    }
}

#[tokio::test]
async fn a_worker_that_may_choose_comes_by_tcp_at_first_and_leaves_the_congestion_control_to_its_manager() {
    let mut manager = listening(Transports::Both);
    let mut worker = choosing(&manager);
    assert_eq!(by(&mut worker).await, Over::Tcp);
    let (id, profile) = manager.joined().await;
    assert_eq!(profile.congestion_control.as_deref(), Some("auto"));
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    manager.answered().await;
}

/// A manager of whom only the beginning is played: it lets a worker in by TCP, and asks it over to QUIC at once, twice.
/// Gives the socket of the same port for UDP too.
async fn asking_for_quic() -> (UdpSocket, tokio::task::JoinHandle<TcpStream>) {
    let (listener, by_udp) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // The port may be somebody's.
        if let Ok(by_udp) = UdpSocket::bind(listener.local_addr().unwrap()) {
            break (listener, by_udp);
        }
    };
    let asking = tokio::spawn(async move {
        let (mut worker, _) = listener.accept().await.unwrap();
        let (books, heartbeat) = (BooksId([1; 16]), Duration::from_millis(100));
        let welcome = Welcome { version: 1, books, heartbeat, silence: PATIENCE };
        worker.write_all(&ManagerFrame::Welcome(welcome).encode().head).await.unwrap();
        for _ in 0..2 {
            let asked = ManagerFrame::Move { to: TransportNumber(2) };
            worker.write_all(&asked.encode().head).await.unwrap();
        }
        worker
    });
    (by_udp, asking)
}

#[tokio::test]
async fn where_udp_is_blocked_a_worker_that_is_asked_for_quic_stays_with_tcp_and_says_so_once() {
    // What comes there is read by nobody, and nobody says so.
    let (nobody, asking) = asking_for_quic().await;
    let address = nobody.local_addr().unwrap();
    let timers = TimerSettings { handshake: Duration::from_millis(500), ..quick_timers() };
    let settings = WorkerSettings { reach: Reach::Auto, timers, ..worker_settings("eye", 1, address) };
    let (end, events) = WorkerEnd::connect(settings);
    let mut worker = Worker { end, events };
    assert_eq!(by(&mut worker).await, Over::Tcp);
    assert_eq!(worker.next().await, FromManager::WithoutQuic);
    let mut manager = asking.await.unwrap();
    for frame in [ManagerFrame::Move { to: TransportNumber(2) }, ManagerFrame::Drain] {
        manager.write_all(&frame.encode().head).await.unwrap();
    }
    assert_eq!(worker.next().await, FromManager::Drain, "it is still there, and does not say it again");
}

#[tokio::test]
async fn a_worker_that_is_asked_for_quic_says_hello_by_it_and_leaves_tcp() {
    let (by_udp, asking) = asking_for_quic().await;
    let settings = worker_settings("eye", 1, by_udp.local_addr().unwrap());
    let endpoint = quic::listen_on(by_udp, quic::PROTOCOL);
    let (_end, _events) =
        WorkerEnd::connect(WorkerSettings { reach: Reach::Auto, timers: patient_timers(), ..settings });
    let connection = endpoint.accept().await.unwrap().await.unwrap();
    let (_said, mut heard) = connection.accept_bi().await.unwrap();
    heard.read_u8().await.unwrap();
    let mut by_tcp = asking.await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, by_tcp.read_to_end(&mut rest)).await.expect("it has left TCP");
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_manager_that_listens_by_quic_only_is_found() {
    let mut manager = listening(Transports::Quic);
    let mut worker = choosing(&manager);
    assert_eq!(by(&mut worker).await, Over::Quic);
    manager.joined().await;
}

#[tokio::test]
async fn where_nobody_listens_both_ways_are_told() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let timers = TimerSettings { handshake: Duration::from_millis(200), ..quick_timers() };
    let settings = WorkerSettings { reach: Reach::Auto, timers, ..worker_settings("eye", 1, nobody) };
    let (end, events) = WorkerEnd::connect(settings);
    let reason = Worker { end, events }.disconnected().await;
    assert!(reason.contains("by TCP: ") && reason.contains("by QUIC: nobody answers there"), "{reason}");
}

/// Over a short path that loses nothing, TCP costs less, and tells at once when a process has died.
#[tokio::test]
async fn a_worker_on_a_short_clean_path_is_asked_over_to_tcp_and_nothing_is_lost() {
    let mut manager = listening(Transports::Both);
    // At first there is no TCP to come by.
    let relay = relay_without_tcp(&manager).await;
    let mut worker = choosing_by(relay.address);
    assert_eq!(by(&mut worker).await, Over::Quic);
    let (id, _) = manager.joined().await;
    tokio::spawn(forward(TcpListener::bind(relay.address).await.unwrap(), manager.end.local_addr()));
    // Small ones: a burst runs over the relay's buffers, which are the system's.
    for image in 1..=40 {
        manager.assign(id, image, 1, vec![7; 20_000]);
        let assigned = worker.assigned().await;
        worker.answer(&assigned);
        assert_eq!(manager.answered().await.0, ImageId(image));
        // The first is not acknowledged.
        if image > 1 {
            manager.end.acknowledge(id, ImageId(image), Attempt(1));
        }
    }
    assert_eq!(by(&mut worker).await, Over::Tcp);
    let again = moved(&mut manager, id).await;
    assert_eq!(again, Some(ImageId(1)), "what was not acknowledged is said again");
    manager.assign(id, 41, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    assert_eq!(manager.answered().await.0, ImageId(41));
}

/// The losses are found by pings alone: whoever chooses is not to pay for them with the first images.
#[tokio::test]
async fn a_worker_whose_path_loses_packets_is_asked_to_code_before_it_is_given_an_image() {
    let mut manager = listening(Transports::Both);
    let relay = relay_without_tcp(&manager).await;
    relay.harm(Harm { one_lost_of: Some(6), ..Harm::default() });
    let mut worker = choosing_by(relay.address);
    assert_eq!(by(&mut worker).await, Over::Quic);
    let (id, _) = manager.joined().await;
    assert!(manager.end.wire(id).unwrap().sounding);
    assert_eq!(by(&mut worker).await, Over::Coded);
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::Moved });
    let (again, profile) = manager.joined().await;
    assert_eq!((again, profile.congestion_control.as_deref()), (id, Some("coded quic auto")));
    assert!(!manager.end.wire(id).unwrap().sounding);
    manager.assign(id, 1, 1, vec![7; 100_000]);
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    assert_eq!(manager.answered().await.0, ImageId(1));
}

async fn forward(listener: TcpListener, target: SocketAddr) {
    while let Ok((mut client, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut server = TcpStream::connect(target).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// Waits until the worker has come again, and has said what it said before.
async fn moved(manager: &mut Manager, id: WorkerId) -> Option<ImageId> {
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::Moved });
    let (again, profile) = manager.joined().await;
    assert_eq!((again, profile.returning, profile.connection), (id, true, 2));
    assert_ne!(profile.congestion_control.as_deref(), Some("quic auto"));
    match manager.next().await {
        FromWorker::Answered { image, .. } => Some(image),
        _ => None,
    }
}

#[tokio::test]
async fn one_that_was_told_its_transport_is_never_asked_to_move() {
    let mut manager = listening(Transports::Both);
    let mut worker = Worker::start::<Quic>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    let mut image = 0;
    // For longer than the path is looked at.
    let begin = std::time::Instant::now();
    while begin.elapsed() < Duration::from_millis(2_500) {
        image += 1;
        manager.assign(id, image, 1, vec![7; 200_000]);
        let assigned = worker.assigned().await;
        worker.answer(&assigned);
        manager.answered().await;
        manager.end.acknowledge(id, ImageId(image), Attempt(1));
    }
}
