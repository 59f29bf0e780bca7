//! What comes to the workers' port and is no worker, or a strange one.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use manyeyes_link::{Departure, FromWorker};
use manyeyes_protocol::frame::{
    Hello, MAX_SMALL_FRAME, ManagerFrame, RefusalCode, Split, Stage, VersionRange, WorkerFrame, split_frame,
};
use manyeyes_protocol::id::{Attempt, ImageId, InstanceId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Manager, Tcp, Worker, answer_to};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn garbage_is_hung_up_on_and_the_neighbour_keeps_working() {
    let mut manager = Manager::start::<Tcp>().await;
    let mut worker = Worker::start::<Tcp>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice();
    for garbage in [get, &[0; 64], &[255; 64], &[0, 0, 0, 1, 99]] {
        let mut stranger = TcpStream::connect(manager.end.local_addr()).await.unwrap();
        stranger.write_all(garbage).await.unwrap();
        until_closed(&mut stranger).await;
    }
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    manager.answered().await;
}

#[tokio::test]
async fn half_a_hello_held_open_is_hung_up_on() {
    let manager = Manager::start::<Tcp>().await;
    let mut stranger = TcpStream::connect(manager.end.local_addr()).await.unwrap();
    let hello = WorkerFrame::Hello(hello()).encode().head;
    stranger.write_all(&hello[..hello.len() / 2]).await.unwrap();
    until_closed(&mut stranger).await;
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_connection_before_it_is_read() {
    let mut manager = Manager::start::<Tcp>().await;
    let mut stranger = greeted(manager.end.local_addr()).await;
    let (id, _) = manager.joined().await;
    let claim = u32::try_from(MAX_SMALL_FRAME + 1).unwrap().to_be_bytes();
    stranger.write_all(&claim).await.unwrap();
    let departure = Departure::Misbehaved("a frame of 65537 bytes, the limit here is 65536".to_owned());
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure });
    until_closed(&mut stranger).await;
}

#[tokio::test]
async fn a_worker_of_another_version_is_told_so() {
    let manager = Manager::start::<Tcp>().await;
    let mut stranger = TcpStream::connect(manager.end.local_addr()).await.unwrap();
    let newer = Hello { versions: VersionRange { min: 7, max: 9 }, ..hello() };
    stranger.write_all(&WorkerFrame::Hello(newer).encode().head).await.unwrap();
    let ManagerFrame::Refused(refusal) = next_frame(&mut stranger).await else { panic!("let in") };
    assert_eq!(refusal.code, RefusalCode::Version);
    assert!(refusal.sentence.contains("1 to 1, the worker 7 to 9"), "{}", refusal.sentence);
    until_closed(&mut stranger).await;
}

#[tokio::test]
async fn a_worker_without_a_name_or_slots_is_told_so() {
    let manager = Manager::start::<Tcp>().await;
    let nameless = Hello { name: String::new(), ..hello() };
    let idle = Hello { slots: 0, ..hello() };
    let narrow = Hello { slots: 4, window: 2, ..hello() };
    for senseless in [nameless, idle, narrow] {
        let mut stranger = TcpStream::connect(manager.end.local_addr()).await.unwrap();
        stranger.write_all(&WorkerFrame::Hello(senseless).encode().head).await.unwrap();
        let ManagerFrame::Refused(refusal) = next_frame(&mut stranger).await else { panic!("let in") };
        assert_eq!(refusal.code, RefusalCode::Hello);
    }
}

#[tokio::test]
async fn a_worker_that_never_stops_talking_is_timed_nevertheless() {
    let mut manager = Manager::start::<Tcp>().await;
    let mut stranger = greeted(manager.end.local_addr()).await;
    let (id, _) = manager.joined().await;
    manager.assign_within(Duration::from_millis(200), id, 1, 1, "file");
    let (image, attempt) = (ImageId(1), Attempt(1));
    let started = WorkerFrame::Progress { image, attempt, stage: Stage::Started }.encode().head;
    let chatter = WorkerFrame::Progress { image: ImageId(9), attempt, stage: Stage::Received }.encode().head;
    let chatter = chatter.repeat(1_000);
    let talking = tokio::spawn(async move {
        stranger.write_all(&started).await.unwrap();
        while stranger.write_all(&chatter).await.is_ok() {}
    });
    assert_eq!(manager.next().await, FromWorker::Started { worker: id, image, attempt });
    assert_eq!(manager.next().await, FromWorker::Stalled { worker: id, image, attempt });
    talking.abort();
}

#[tokio::test]
async fn what_a_worker_said_before_its_connection_broke_is_heard() {
    const ANSWERS: u64 = 100;
    let mut manager = Manager::start::<Tcp>().await;
    for _ in 0..8 {
        let mut stranger = greeted(manager.end.local_addr()).await;
        let (id, _) = manager.joined().await;
        // More than the system takes, so that the manager is writing when the connection breaks.
        manager.assign(id, 0, 1, vec![7; 16_000_000]);
        stranger.readable().await.unwrap();
        let answer = |image| {
            let answer = answer_to(ImageId(image));
            WorkerFrame::Result { image: ImageId(image), attempt: Attempt(1), answer, extensions: Default::default() }
        };
        let answers: Vec<u8> = (1..=ANSWERS).flat_map(|image| answer(image).encode().head).collect();
        stranger.write_all(&answers).await.unwrap();
        // With bytes unread, closing resets the connection.
        drop(stranger);
        for image in 1..=ANSWERS {
            assert_eq!(manager.answered().await.0, ImageId(image));
        }
        assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::Disconnected });
    }
}

async fn greeted(manager: SocketAddr) -> TcpStream {
    let mut stranger = TcpStream::connect(manager).await.unwrap();
    stranger.write_all(&WorkerFrame::Hello(hello()).encode().head).await.unwrap();
    let welcome = next_frame(&mut stranger).await;
    assert!(matches!(welcome, ManagerFrame::Welcome(_)), "{welcome:?}");
    stranger
}

fn hello() -> Hello {
    Hello {
        versions: VersionRange { min: 1, max: 1 },
        instance: InstanceId([3; 16]),
        slots: 1,
        window: 2,
        name: "stranger".to_owned(),
        software: "test".to_owned(),
        token: None,
        models: Vec::new(),
    }
}

async fn next_frame(stream: &mut TcpStream) -> ManagerFrame {
    let mut buffer = BytesMut::new();
    loop {
        if let Split::Frame(frame) = split_frame(&mut buffer, MAX_SMALL_FRAME).unwrap() {
            return ManagerFrame::decode(frame).unwrap();
        }
        // One byte at a time, so that none of the next frame is taken.
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("a frame in time").unwrap();
        buffer.extend_from_slice(&[byte]);
    }
}

async fn until_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("hung up on in time");
    // What was sent and not read makes it a reset: as good an end as any.
    assert!(read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
}
