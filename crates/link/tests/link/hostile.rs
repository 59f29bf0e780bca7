//! What comes to the workers' port and is no worker, or a strange one.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use manyeyes_link::{Departure, FromWorker, ManagerSettings, TimerSettings};
use manyeyes_protocol::frame::{
    Hello, MAX_SMALL_FRAME, ManagerFrame, RefusalCode, Split, Stage, VersionRange, WorkerFrame, split_frame,
};
use manyeyes_protocol::id::{Attempt, ImageId, InstanceId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::stage::{Coded, Manager, Quic, Tcp, Tls, Transport, Worker, answer_to, manager_settings, quick_timers};

const PATIENCE: Duration = Duration::from_secs(20);

promises!(tcp over Tcp, tls over Tls:
    garbage_is_hung_up_on_and_the_neighbour_keeps_working,
    half_a_hello_held_open_is_hung_up_on,
    a_frame_over_the_limit_ends_the_connection_before_it_is_read,
    a_worker_of_another_version_is_told_so,
    a_worker_without_a_name_or_slots_is_told_so,
    a_worker_that_never_stops_talking_is_timed_nevertheless,
    a_manager_that_was_stopped_hears_what_was_said_meanwhile,
    what_a_worker_said_before_its_connection_broke_is_heard,
    connections_that_say_nothing_keep_no_worker_out,
);

// Not that what was said before a connection broke is heard: QUIC has not promised it to one who does not wait until it is
// acknowledged.
promises!(quic over Quic, coded over Coded:
    garbage_is_hung_up_on_and_the_neighbour_keeps_working,
    half_a_hello_held_open_is_hung_up_on,
    a_frame_over_the_limit_ends_the_connection_before_it_is_read,
    a_worker_of_another_version_is_told_so,
    a_worker_without_a_name_or_slots_is_told_so,
    a_worker_that_never_stops_talking_is_timed_nevertheless,
    a_manager_that_was_stopped_hears_what_was_said_meanwhile,
    connections_that_say_nothing_keep_no_worker_out,
);

async fn garbage_is_hung_up_on_and_the_neighbour_keeps_working<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice();
    for garbage in [get, &[0; 64], &[255; 64], &[0, 0, 0, 1, 99]] {
        let mut stranger = T::stranger(manager.end.local_addr()).await;
        stranger.write_all(garbage).await.unwrap();
        until_closed(&mut stranger).await;
    }
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    manager.answered().await;
}

async fn half_a_hello_held_open_is_hung_up_on<T: Transport>() {
    let manager = Manager::start::<T>();
    let mut stranger = T::stranger(manager.end.local_addr()).await;
    let hello = WorkerFrame::Hello(hello()).encode().head;
    stranger.write_all(&hello[..hello.len() / 2]).await.unwrap();
    until_closed(&mut stranger).await;
}

async fn a_frame_over_the_limit_ends_the_connection_before_it_is_read<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut stranger = greeted::<T>(manager.end.local_addr()).await;
    let (id, _) = manager.joined().await;
    let claim = u32::try_from(MAX_SMALL_FRAME + 1).unwrap().to_be_bytes();
    stranger.write_all(&claim).await.unwrap();
    let departure = Departure::Misbehaved("a frame of 65537 bytes, the limit here is 65536".to_owned());
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure });
    until_closed(&mut stranger).await;
}

async fn a_worker_of_another_version_is_told_so<T: Transport>() {
    let manager = Manager::start::<T>();
    let mut stranger = T::stranger(manager.end.local_addr()).await;
    let newer = Hello { versions: VersionRange { min: 7, max: 9 }, ..hello() };
    stranger.write_all(&WorkerFrame::Hello(newer).encode().head).await.unwrap();
    let ManagerFrame::Refused(refusal) = next_frame(&mut stranger).await else { panic!("let in") };
    assert_eq!(refusal.code, RefusalCode::Version);
    assert!(refusal.sentence.contains("1 to 1, the worker 7 to 9"), "{}", refusal.sentence);
    until_closed(&mut stranger).await;
}

async fn a_worker_without_a_name_or_slots_is_told_so<T: Transport>() {
    let manager = Manager::start::<T>();
    let nameless = Hello { name: String::new(), ..hello() };
    let idle = Hello { slots: 0, ..hello() };
    let narrow = Hello { slots: 4, window: 2, ..hello() };
    for senseless in [nameless, idle, narrow] {
        let mut stranger = T::stranger(manager.end.local_addr()).await;
        stranger.write_all(&WorkerFrame::Hello(senseless).encode().head).await.unwrap();
        let ManagerFrame::Refused(refusal) = next_frame(&mut stranger).await else { panic!("let in") };
        assert_eq!(refusal.code, RefusalCode::Hello);
    }
}

async fn a_worker_that_never_stops_talking_is_timed_nevertheless<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut stranger = greeted::<T>(manager.end.local_addr()).await;
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

/// What was said meanwhile waits in the socket: it must not be taken for silence.
async fn a_manager_that_was_stopped_hears_what_was_said_meanwhile<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let address = manager.end.local_addr();
    let (stopping, stops) = std::sync::mpsc::channel();
    let (said, all_is_said) = std::sync::mpsc::channel();
    let talking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(talk_during_a_stop::<T>(address, stops, said));
    });
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "file");
    while manager.end.wire(id).unwrap().payload_bytes == 0 {
        tokio::task::yield_now().await;
    }
    stopping.send(()).unwrap();
    // It stops all of the manager, whose tasks have no other thread.
    all_is_said.recv().unwrap();
    let (image, attempt) = (ImageId(1), Attempt(1));
    assert_eq!(manager.next().await, FromWorker::Started { worker: id, image, attempt });
    manager.end.shutdown().await;
    talking.join().unwrap();
}

/// Says something now and then, for longer than silence while the manager is stopped, and then what it is to hear.
async fn talk_during_a_stop<T: Transport>(
    manager: SocketAddr,
    stops: std::sync::mpsc::Receiver<()>,
    said: std::sync::mpsc::Sender<()>,
) {
    let mut stranger = greeted::<T>(manager).await;
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    let mut beats_of_the_stop = (quick_timers().silence * 3 / 2).div_duration_f64(beat.period()).ceil();
    let mut is_stopped = false;
    while beats_of_the_stop > 0.0 {
        beat.tick().await;
        stranger.write_all(&WorkerFrame::Ping { nonce: 1 }.encode().head).await.unwrap();
        is_stopped |= stops.try_recv().is_ok();
        beats_of_the_stop -= f64::from(u8::from(is_stopped));
    }
    let started = WorkerFrame::Progress { image: ImageId(1), attempt: Attempt(1), stage: Stage::Started };
    stranger.write_all(&started.encode().head).await.unwrap();
    said.send(()).unwrap();
    until_closed(&mut stranger).await;
}

async fn what_a_worker_said_before_its_connection_broke_is_heard<T: Transport>() {
    const ANSWERS: u64 = 100;
    let mut manager = Manager::start::<T>();
    for _ in 0..8 {
        let mut stranger = greeted::<T>(manager.end.local_addr()).await;
        let (id, _) = manager.joined().await;
        // More than the system takes, so that the manager is writing when the connection breaks.
        manager.assign(id, 0, 1, vec![7; 16_000_000]);
        stranger.read_u8().await.unwrap();
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

/// A thousand of them that said nothing, and came again each time they were hung up on, had all places of the workers.
async fn connections_that_say_nothing_keep_no_worker_out<T: Transport>() {
    let timers = TimerSettings { handshake: Duration::from_secs(600), ..quick_timers() };
    let settings = ManagerSettings { max_connections: 1, max_ungreeted: 4, timers, ..manager_settings() };
    let mut manager = Manager::start_with::<T>(settings);
    let mut strangers = Vec::new();
    for _ in 0..40 {
        strangers.push(T::stranger(manager.end.local_addr()).await);
    }
    for stranger in &mut strangers[..36] {
        until_closed(stranger).await;
    }
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    for _ in 0..40 {
        strangers.push(T::stranger(manager.end.local_addr()).await);
    }
    until_closed(&mut strangers[70]).await;
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    manager.answered().await;
}

async fn greeted<T: Transport>(manager: SocketAddr) -> T::Stranger {
    let mut stranger = T::stranger(manager).await;
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
        moves: false,
    }
}

async fn next_frame(stream: &mut (impl AsyncRead + Unpin)) -> ManagerFrame {
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

async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("hung up on in time");
    // What was sent and not read makes it a reset, QUIC says that there is no connection any more, and TLS that nobody has said goodbye: as good
    // an end as any.
    let ends = [ErrorKind::ConnectionReset, ErrorKind::NotConnected, ErrorKind::UnexpectedEof];
    assert!(read.is_ok() || read.is_err_and(|error| ends.contains(&error.kind())));
}
