//! The streams of QUIC: what workers make of managers that order them as they like, or say on them what they should not, and
//! who meets whom.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use manyeyes_link::{
    CongestionControlError, FromManager, FromWorker, ListenError, ManagerEnd, ManagerSettings, Transports,
};
use manyeyes_protocol::frame::{
    Assign, Extensions, MAX_SMALL_FRAME, ManagerFrame, Split, Stage, Welcome, WorkerFrame, split_frame,
};
use manyeyes_protocol::id::{Attempt, BooksId, ImageId};
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;

use crate::quic;
use crate::stage::{MODEL, Manager, PATIENCE, Quic, Tcp, Worker, manager_settings};

#[tokio::test]
async fn a_file_that_overtakes_the_welcome_waits_for_it() {
    let (mut worker, mut manager) = met().await;
    manager.file(1, 5, 1).await;
    manager.welcome().await;
    worker.connected().await;
    assert_eq!(worker.assigned().await.image, ImageId(5));
}

#[tokio::test]
async fn a_file_that_overtakes_what_was_said_of_its_image_waits_for_it() {
    let (mut worker, mut manager) = met().await;
    manager.welcome().await;
    worker.connected().await;
    manager.file(3, 5, 2).await;
    manager.file(1, 6, 1).await;
    assert_eq!(worker.assigned().await.image, ImageId(6));
    for _ in 0..2 {
        manager.say(&ManagerFrame::ResultAck { image: ImageId(5), attempt: Attempt(1) }).await;
    }
    assert_eq!(worker.assigned().await.image, ImageId(5));
}

#[tokio::test]
async fn a_file_that_comes_after_its_cancel_is_dropped() {
    let (mut worker, mut manager) = met().await;
    manager.welcome().await;
    worker.connected().await;
    manager.say(&ManagerFrame::Cancel { image: ImageId(5), attempt: Attempt(1) }).await;
    manager.until_heard().await;
    manager.file(1, 5, 1).await;
    manager.file(1, 5, 2).await;
    let assigned = worker.assigned().await;
    assert_eq!((assigned.image, assigned.attempt), (ImageId(5), Attempt(2)));
}

#[tokio::test]
async fn a_question_finds_the_file_that_was_acknowledged_before_it_was_asked() {
    // Which of two streams that have something a worker looks at first is left to chance.
    for _ in 0..8 {
        ask_after_files_that_have_come().await;
    }
}

async fn ask_after_files_that_have_come() {
    const IMAGES: u64 = 5;
    let (mut worker, mut manager) = met().await;
    manager.welcome().await;
    worker.connected().await;
    // More than the worker's owner has room for: what comes now waits, and all of it is there when he goes on.
    for _ in 0..100 {
        manager.say(&ManagerFrame::Drain).await;
    }
    for image in 1..=IMAGES {
        manager.file(1, image, 1).await;
    }
    for image in 1..=IMAGES {
        manager.say(&ManagerFrame::Assign(Assign { resend: true, payload: Bytes::new(), ..assign(image, 1) })).await;
    }
    // When this has arrived, so has what was said before.
    manager.file(1, IMAGES + 1, 1).await;
    let mut assigned = 0;
    while assigned <= IMAGES {
        assigned += u64::from(matches!(worker.next().await, FromManager::Assigned(_)));
    }
    for _ in 0..=2 * IMAGES {
        let said = manager.next().await;
        // For each file and for each question, and not that it knows no such image.
        assert!(matches!(said, WorkerFrame::Progress { stage: Stage::Received, .. }), "{said:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_disturbs_no_other() {
    let (mut worker, mut manager) = met().await;
    manager.welcome().await;
    worker.connected().await;
    let whole = stream_of(1, &ManagerFrame::Assign(assign(5, 1)));
    let mut stream = manager.connection.open_uni().await.unwrap();
    stream.write_all(&whole[..whole.len() / 2]).await.unwrap();
    manager.until_heard().await;
    stream.reset(1_u8.into()).unwrap();
    manager.file(1, 6, 1).await;
    assert_eq!(worker.assigned().await.image, ImageId(6));
}

#[tokio::test]
async fn a_stream_that_holds_anything_but_one_file_ends_the_connection() {
    let file = stream_of(1, &ManagerFrame::Assign(assign(5, 1)));
    let question = Assign { resend: true, payload: Bytes::new(), ..assign(5, 1) };
    let none: &[u8] = &[];
    let wrong = [
        (none.to_vec(), "a frame that ends within its fence"),
        (file[..file.len() / 2].to_vec(), "a frame that ends within its file"),
        ([&file[..], &[0]].concat(), "1 bytes too many at a frame's end"),
        (stream_of(1, &ManagerFrame::Drain), "a frame whose stream is not valid"),
        (stream_of(1, &ManagerFrame::Assign(question)), "a frame whose stream is not valid"),
        ([&[0; 8][..], &[255; 8]].concat(), "a frame of 4294967295 bytes, the limit here is 67113012"),
    ];
    for (bytes, reason) in wrong {
        let (mut worker, mut manager) = met().await;
        manager.welcome().await;
        worker.connected().await;
        let mut stream = manager.connection.open_uni().await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.finish().unwrap();
        assert_eq!(worker.disconnected().await, format!("the manager sent {reason}"));
    }
}

#[tokio::test]
async fn a_file_among_the_small_frames_ends_the_connection() {
    let (mut worker, mut manager) = met().await;
    manager.welcome().await;
    worker.connected().await;
    manager.say(&ManagerFrame::Assign(assign(5, 1))).await;
    assert_eq!(worker.disconnected().await, "the manager sent a frame whose stream is not valid");
}

#[tokio::test]
async fn what_is_no_manager_and_speaks_quic_is_known_as_such() {
    let other = quic::listen(b"h3");
    let mut worker = Worker::start::<Quic>("eye", 1, other.local_addr().unwrap());
    let (ended, ()) = tokio::join!(worker.disconnected(), async {
        assert!(other.accept().await.unwrap().await.is_err());
    });
    assert_eq!(ended, "a program that is no manager answers there by QUIC");
}

#[tokio::test]
async fn a_worker_is_told_that_a_manager_without_quic_may_be_the_reason() {
    let manager = Manager::start::<Tcp>();
    let mut worker = Worker::start::<Quic>("eye", 1, manager.end.local_addr());
    let reason = worker.disconnected().await;
    assert!(reason.contains("UDP is blocked") && reason.contains("--transport tcp"), "{reason}");
}

#[tokio::test]
async fn a_manager_may_listen_for_both_and_each_worker_chooses() {
    let mut manager = Manager::listen(ManagerSettings { transports: Transports::Both, ..manager_settings() });
    let address = manager.end.local_addr();
    let mut by_tcp = Worker::start::<Tcp>("eye", 1, address);
    by_tcp.connected().await;
    let (_, profile) = manager.joined().await;
    assert!(!profile.congestion_control.is_some_and(|name| name.starts_with("quic")));
    let mut by_quic = Worker::start::<Quic>("ear", 2, address);
    by_quic.connected().await;
    assert_eq!(manager.joined().await.1.congestion_control.as_deref(), Some("quic cubic"));
}

#[tokio::test]
async fn a_connection_has_the_congestion_control_that_was_chosen_and_it_is_told_with_the_transport() {
    for name in ["cubic", "reno", "bbr"] {
        let settings = ManagerSettings { congestion_control: Some(name.to_owned()), ..manager_settings() };
        let mut manager = Manager::start_with::<Quic>(settings);
        let mut worker = Worker::start::<Quic>("eye", 1, manager.end.local_addr());
        worker.connected().await;
        let (id, profile) = manager.joined().await;
        assert_eq!(profile.congestion_control, Some(format!("quic {name}")));
        manager.assign(id, 1, 1, vec![7; 1_000_000]);
        assert_eq!(worker.assigned().await.payload.len(), 1_000_000);
    }
}

#[tokio::test]
async fn a_congestion_control_that_quic_does_not_have_is_refused_with_those_that_it_has() {
    let settings = ManagerSettings {
        transports: Transports::Quic,
        congestion_control: Some("vegas".to_owned()),
        ..manager_settings()
    };
    let Err(ListenError::CongestionControl(error)) = ManagerEnd::bind("127.0.0.1:0".parse().unwrap(), settings) else {
        panic!("taken");
    };
    assert!(matches!(&error, CongestionControlError::UnknownToQuic(name) if name == "vegas"), "{error:?}");
    assert!(error.to_string().contains("bbr, cubic and reno"), "{error}");
}

#[tokio::test]
async fn a_port_that_is_taken_by_udp_is_refused_as_such() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let settings = ManagerSettings { transports: Transports::Quic, ..manager_settings() };
    let refused = ManagerEnd::bind(taken.local_addr().unwrap(), settings);
    assert!(matches!(refused, Err(ListenError::Udp(_))), "{refused:?}");
}

#[tokio::test]
async fn datagrams_of_garbage_and_strangers_with_another_protocol_disturb_nobody() {
    let mut manager = Manager::start::<Quic>();
    let address = manager.end.local_addr();
    let mut worker = Worker::start::<Quic>("eye", 1, address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for garbage in [vec![], vec![0; 1200], vec![255; 1200], vec![0xc0; 40], b"GET / HTTP/1.1".to_vec()] {
        socket.send_to(&garbage, address).await.unwrap();
    }
    quic::connect(address, b"h3").await.unwrap_err();
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    assert_eq!(manager.answered().await.0, ImageId(1));
}

#[tokio::test]
async fn what_quic_knows_of_the_wire_is_told() {
    let mut manager = Manager::start::<Quic>();
    let mut worker = Worker::start::<Quic>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    worker.end.goodbye(Duration::ZERO).await;
    assert!(matches!(manager.next().await, FromWorker::Left { .. }));
    let wire = manager.end.wire(id).unwrap();
    assert!(wire.transport_rtt.is_some(), "{wire:?}");
}

/// A manager that says what the test wants.
struct Strange {
    connection: Connection,
    said: SendStream,
    heard: RecvStream,
    _endpoint: Endpoint,
}

/// A worker and the manager that it has greeted.
async fn met() -> (Worker, Strange) {
    let endpoint = quic::listen(quic::PROTOCOL);
    let worker = Worker::start::<Quic>("eye", 1, endpoint.local_addr().unwrap());
    let connection = endpoint.accept().await.unwrap().await.unwrap();
    let (said, heard) = connection.accept_bi().await.unwrap();
    let mut manager = Strange { connection, said, heard, _endpoint: endpoint };
    assert!(matches!(manager.next().await, WorkerFrame::Hello(_)));
    (worker, manager)
}

impl Strange {
    async fn welcome(&mut self) {
        let (heartbeat, silence) = (Duration::from_secs(10), Duration::from_secs(60));
        self.say(&ManagerFrame::Welcome(Welcome { version: 1, books: BooksId([1; 16]), heartbeat, silence })).await;
    }

    async fn say(&mut self, frame: &ManagerFrame) {
        let encoded = frame.encode();
        self.said.write_all(&[encoded.head, encoded.payload].concat()).await.unwrap();
    }

    /// Sends a file, until it is acknowledged.
    async fn file(&mut self, fence: u64, image: u64, attempt: u32) {
        let mut stream = self.connection.open_uni().await.unwrap();
        stream.write_all(&stream_of(fence, &ManagerFrame::Assign(assign(image, attempt)))).await.unwrap();
        stream.finish().unwrap();
        assert_eq!(stream.stopped().await, Ok(None));
    }

    /// Until all that was said has been heard.
    async fn until_heard(&mut self) {
        self.say(&ManagerFrame::Ping { nonce: 7 }).await;
        while self.next().await != (WorkerFrame::Pong { nonce: 7 }) {}
    }

    async fn next(&mut self) -> WorkerFrame {
        let mut buffer = BytesMut::new();
        loop {
            if let Split::Frame(frame) = split_frame(&mut buffer, MAX_SMALL_FRAME).unwrap() {
                return WorkerFrame::decode(frame).unwrap();
            }
            // One byte at a time, so that none of the next frame is taken.
            let byte = tokio::time::timeout(PATIENCE, self.heard.read_u8()).await.expect("a frame in time").unwrap();
            buffer.put_u8(byte);
        }
    }
}

fn assign(image: u64, attempt: u32) -> Assign {
    Assign {
        image: ImageId(image),
        attempt: Attempt(attempt),
        model: MODEL,
        deadline: Duration::from_secs(60),
        resend: false,
        extensions: Extensions::default(),
        payload: Bytes::from_static(b"the file"),
    }
}

fn stream_of(fence: u64, frame: &ManagerFrame) -> Vec<u8> {
    let encoded = frame.encode();
    [&fence.to_be_bytes()[..], &encoded.head, &encoded.payload].concat()
}
