//! More is asked than there is room for: every limit has an answer in time, and a client at its limit costs no other its
//! place.

use std::time::{Duration, Instant};

use manyeyes_manager::api::Uploaded;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    PATIENCE, Running,
    http::{self, Answer, Client},
    jpeg,
    worker::Worker,
};

/// Sends one file to the batch.
async fn upload(client: &Client, batch: &str) -> Answer {
    client.post(&format!("/api/v1/batches/{batch}/images?name=a.jpg"), "image/jpeg", &jpeg(1)).await
}

/// What a client that was refused for want of a place is told; asserts that it is told when to come again.
fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let seconds: u32 = answer.headers["retry-after"].parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    answer.code()
}

/// Begins an upload, of which the manager has taken note when this returns.
async fn begun(client: &Client, batch: &str) -> TcpStream {
    let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
    let file = jpeg(1);
    let mut stream = client.with("Expect: 100-continue").begin("POST", &path, "image/jpeg", file.len()).await;
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n", "{}", String::from_utf8_lossy(&go_on));
    stream
}

#[tokio::test]
async fn more_images_than_may_wait_are_asked_to_come_again_and_a_new_client_finds_a_place() {
    let running = Running::with(|settings| settings.limits.waiting = 4).await;
    let batch = running.batch().await;
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|last| running.client.from(last));
    assert_eq!(upload(&first, &batch).await.status, 202);
    assert_eq!(upload(&first, &batch).await.status, 202);
    assert_eq!(refusal(&upload(&first, &batch).await), "too_many_from_you");
    assert_eq!(upload(&second, &batch).await.status, 202, "half of the places are left for the others");
    assert_eq!(refusal(&upload(&second, &batch).await), "too_many_from_you");
    assert_eq!(upload(&third, &batch).await.status, 202);
    assert_eq!(refusal(&upload(&fourth, &batch).await), "queue_full");
    assert_eq!(running.page(&batch).await.counts.total, 4, "what was refused left nothing");

    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    running.finished(&batch).await;
    for client in [&first, &fourth] {
        assert_eq!(upload(client, &batch).await.status, 202, "an image that has ended has given its place back");
    }
}

#[tokio::test]
async fn an_upload_without_a_place_is_refused_before_its_body_is_sent() {
    let running = Running::with(|settings| settings.limits.waiting = 1).await;
    let batch = running.batch().await;
    assert_eq!(upload(&running.client, &batch).await.status, 202);
    let client = running.client.with("Expect: 100-continue");
    for path in [format!("/api/v1/batches/{batch}/images"), "/api/v1/classify".to_owned()] {
        let mut stream = client.begin("POST", &path, "image/jpeg", 30_000_000).await;
        assert_eq!(refusal(&http::answer(&mut stream).await), "queue_full", "{path}");
    }
}

#[tokio::test]
async fn uploads_that_slip_past_the_door_together_stay_within_the_limit() {
    const WAITING: usize = 40;
    let running = Running::with(|settings| settings.limits.waiting = WAITING).await;
    let batch = running.batch().await;
    let (content_type, body) = http::multipart(&[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2)), ("c.jpg", &jpeg(3))]);
    let path = format!("/api/v1/batches/{batch}/images");
    // A client each, so that the limit in total is met and not that of one.
    let clients: Vec<Client> = (1..=30).map(|last| running.client.from(last)).collect();
    let answers = clients.iter().map(|client| client.post(&path, &content_type, &body));
    let answers = futures_util::future::join_all(answers).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        refusal(answer);
    }
    let counts = running.page(&batch).await.counts;
    assert_eq!(counts.total as usize, 3 * accepted, "a request is taken whole or not at all");
    assert!((1..=WAITING).contains(&(counts.total as usize)), "{counts:?}");
}

#[tokio::test]
async fn a_request_with_more_images_than_may_ever_wait_is_not_asked_to_come_again() {
    let running = Running::with(|settings| settings.limits.waiting = 4).await;
    let batch = running.batch().await;
    let answer = running.try_upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2)), ("c.jpg", &jpeg(3))]).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "request_too_large"));
    assert_eq!(running.page(&batch).await.counts.total, 0);
    running.upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]).await;
}

#[tokio::test]
async fn a_file_that_is_refused_takes_nobodys_place() {
    let running = Running::with(|settings| settings.limits.waiting = 2).await;
    let batch = running.batch().await;
    for _ in 0..5 {
        running.upload(&batch, &[("a.jpg", b"text"), ("b.jpg", b"more"), ("c.jpg", b"text")]).await;
    }
    running.upload(&batch, &[("d.jpg", &jpeg(1))]).await;
}

#[tokio::test]
async fn an_image_that_is_to_be_run_again_needs_a_place_too() {
    let running = Running::with(|settings| settings.limits.waiting = 2).await;
    let batch = running.batch().await;
    let ended = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0).id;
    running.change(&batch, "cancel", std::slice::from_ref(&ended)).await;
    let other = running.upload(&batch, &[("b.jpg", &jpeg(2))]).await.remove(0).id;
    let path = format!("/api/v1/batches/{batch}/images/{ended}/retry");
    assert_eq!(refusal(&running.client.post(&path, "", b"").await), "too_many_from_you");
    running.change(&batch, "delete", &[other]).await;
    assert_eq!(running.client.post(&path, "", b"").await.status, 202, "what was deleted has given its place back");
}

/// The same slow client would otherwise have kept everybody out for as long as it liked.
#[tokio::test]
async fn more_uploads_at_a_time_than_the_limit_are_asked_to_come_again() {
    let running = Running::with(|settings| settings.limits.uploads = 3).await;
    let batch = running.batch().await;
    let [one, other, third, fourth] = [1, 2, 3, 4].map(|last| running.client.from(last));
    let mut first = begun(&one, &batch).await;
    assert_eq!(refusal(&upload(&one, &batch).await), "too_many_from_you");
    assert_eq!(upload(&other, &batch).await.status, 202);
    let _held = [begun(&other, &batch).await, begun(&third, &batch).await];
    assert_eq!(refusal(&upload(&fourth, &batch).await), "busy");
    first.write_all(&jpeg(1)).await.unwrap();
    assert_eq!(http::answer(&mut first).await.json::<Uploaded>().images.len(), 1, "the slow one was not disturbed");
    assert_eq!(upload(&fourth, &batch).await.status, 202);
}

#[tokio::test]
async fn how_many_uploads_go_on_is_told_and_one_that_was_left_is_none() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let metrics = || async { running.client.get("/metrics").await.text() };
    assert!(metrics().await.contains("\nmanyeyes_uploads 0\n"));
    let left = begun(&running.client, &batch).await;
    assert!(metrics().await.contains("\nmanyeyes_uploads 1\n"));
    drop(left);
    let deadline = Instant::now() + PATIENCE;
    while !metrics().await.contains("\nmanyeyes_uploads 0\n") {
        assert!(Instant::now() < deadline, "the upload that was left has its place still");
    }
}

#[tokio::test]
async fn a_client_with_as_many_connections_as_it_may_have_is_told_so_and_others_are_served() {
    let running = Running::with(|settings| settings.limits.connections = 4).await;
    let greedy = running.client.from(1);
    let held = [greedy.connect().await, greedy.connect().await];
    let answer = greedy.get("/healthz").await;
    assert_eq!(refusal(&answer), "too_many_from_you");
    assert_eq!(running.client.from(2).get("/healthz").await.status, 200);
    drop(held);
    let deadline = Instant::now() + PATIENCE;
    while greedy.get("/healthz").await.status != 200 {
        assert!(Instant::now() < deadline, "its connections were closed");
    }
}

#[tokio::test]
async fn a_client_that_watches_as_much_as_it_may_costs_no_other_its_place() {
    let running = Running::with(|settings| settings.limits.subscribers = 2).await;
    let batch = running.batch().await;
    let request = format!(
        "GET /api/v1/batches/{batch}/events HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        running.client.address
    );
    let watch = |client: Client| {
        let request = request.clone();
        async move {
            let mut stream = client.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.unwrap();
            (stream, String::from_utf8(head.to_vec()).unwrap())
        }
    };
    let first = watch(running.client.from(1)).await;
    assert_eq!(first.1, "HTTP/1.1 101");
    assert_eq!(watch(running.client.from(1)).await.1, "HTTP/1.1 429");
    let second = watch(running.client.from(2)).await;
    assert_eq!(second.1, "HTTP/1.1 101");
    assert_eq!(watch(running.client.from(3)).await.1, "HTTP/1.1 429", "there are no more at all");
}

/// One byte every 29 s was within the longest pause, and held one of the places for an hour.
#[tokio::test]
async fn a_body_that_trickles_is_refused_and_its_neighbour_is_not() {
    let running = Running::with(|settings| {
        settings.limits.upload_rate = 1000;
        settings.limits.upload_rate_over = Duration::from_secs(2);
    })
    .await;
    let batch = running.batch().await;
    let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
    let stream = running.client.begin("POST", &path, "image/jpeg", 1_000_000).await;
    let (mut reader, mut writer) = stream.into_split();
    let trickle = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while writer.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    });
    running.upload(&batch, &[("b.jpg", &jpeg(2))]).await;
    let mut head = [0; 12];
    tokio::time::timeout(PATIENCE, reader.read_exact(&mut head)).await.expect("it is refused").unwrap();
    assert_eq!(&head, b"HTTP/1.1 408");
    drop(reader);
    trickle.await.unwrap();
    assert_eq!(running.page(&batch).await.counts.total, 1, "the neighbour is there, and nothing of the slow one");
}

#[tokio::test]
async fn a_question_whose_body_does_not_end_is_refused() {
    let running = Running::with(|settings| settings.limits.small_body_time = Duration::from_millis(50)).await;
    let batch = running.batch().await;
    let path = format!("/api/v1/batches/{batch}/known");
    let mut stream = running.client.begin("POST", &path, "application/json", 1000).await;
    stream.write_all(b"{\"sha256\":[").await.unwrap();
    let answer = http::answer(&mut stream).await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "too_slow"));
}

#[tokio::test]
async fn a_connection_that_is_kept_and_not_used_is_closed() {
    let running = Running::with(|settings| settings.limits.head_time = Duration::from_millis(50)).await;
    let mut stream = running.client.connect().await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", running.client.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the manager hangs up").unwrap();
    let all = String::from_utf8(all).unwrap();
    assert!(all.starts_with("HTTP/1.1 200") && all.ends_with("ok\n"), "answered first, and nothing said after: {all}");
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_ever_said_is_closed() {
    let running = Running::with(|settings| settings.limits.head_time = Duration::from_millis(50)).await;
    let mut stream = running.client.connect().await;
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the manager hangs up").unwrap();
}
