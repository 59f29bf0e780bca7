//! Rules that hold for every address: parameters, methods, headers, connections.

use std::time::{Duration, Instant};

use manyeyes_manager::api::{BatchPage, Image, Uploaded};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{PATIENCE, Running, codes, http, jpeg, page::Page, worker::Worker};

/// A client that pages through a batch begins with `after=`: it was told that there is no such image.
#[tokio::test]
async fn a_parameter_without_a_value_is_one_that_is_not_given() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let batch = running.batch().await;
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]).await;
    let page = running.client.get(&format!("/api/v1/batches/{batch}?after=&limit=")).await;
    assert_eq!(page.json::<BatchPage>().images.len(), images.len());
    let answer = running.client.post("/api/v1/classify?timeout=&name=", "", &jpeg(3)).await;
    assert_eq!((answer.status, answer.json::<Image>().name.as_str()), (200, "unnamed"));
}

/// Behind a number that 63 bits cannot hold came the whole batch again, so that a client would page for ever.
#[tokio::test]
async fn a_page_begins_behind_any_number_and_has_at_least_one_image_and_at_most_the_limit() {
    let running = Running::with(|settings| settings.limits.page_images = 2).await;
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..3).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    running.upload(&batch, &files).await;
    for (query, images) in [("limit=0", 1), ("limit=5000", 2), ("after=0", 2), ("after=18446744073709551615", 0)] {
        let page = running.client.get(&format!("/api/v1/batches/{batch}?{query}")).await.json::<BatchPage>();
        assert_eq!(page.images.len(), images, "{query}");
    }
    for query in ["limit=-1", "limit=99999999999", "after=x", "after=-1", "after=1&after=2"] {
        let answer = running.client.get(&format!("/api/v1/batches/{batch}?{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{query}");
    }
}

#[tokio::test]
async fn a_timeout_that_is_no_time_is_refused_and_one_that_is_too_long_is_cut() {
    let running = Running::with(|settings| settings.limits.classify_wait = Duration::ZERO).await;
    for timeout in ["x", "nan", "inf", "-1", "1e400"] {
        let answer = running.client.post(&format!("/api/v1/classify?timeout={timeout}"), "", &jpeg(1)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{timeout}");
    }
    assert_eq!(running.client.post("/api/v1/classify?timeout=1e18", "", &jpeg(1)).await.status, 202);
}

#[tokio::test]
async fn a_request_with_more_files_than_its_address_takes_is_told_how_many_that_are() {
    let running = Running::start().await;
    let (content_type, body) = http::multipart(&[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]);
    let answer = running.client.post("/api/v1/classify", &content_type, &body).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "request_too_large"));
    assert!(answer.text().contains("which is 1"), "{}", answer.text());
}

/// Both were answered that there is no such image, though its batch shows it.
#[tokio::test]
async fn a_refused_file_has_neither_picture_nor_file_and_that_is_said() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let image = running.upload(&batch, &[("a.jpg", b"no image")]).await.remove(0);
    let path = format!("/api/v1/batches/{batch}/images/{}", image.id);
    for (address, code) in [("/thumbnail", "no_thumbnail"), ("/file", "no_file")] {
        let answer = running.client.get(&format!("{path}{address}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, code));
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let image = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0);
    let path = format!("/api/v1/batches/{batch}");
    let image = format!("{path}/images/{}", image.id);
    for path in ["/", "/healthz", "/readyz", "/metrics", &path, &image, &format!("{image}/file"), "/api/v1/none"] {
        let head = running.client.request("HEAD", path, "", b"").await;
        let get = running.client.get(path).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.headers.get("content-type"), get.headers.get("content-type"), "{path}");
    }
}

#[tokio::test]
async fn no_address_leads_out_of_the_page_s_own_files() {
    let running = Running::start().await;
    for path in [
        "/../package.json",
        "/../../Cargo.toml",
        "/assets/../../package.json",
        "/assets/../../../Cargo.toml",
        "//etc/passwd",
        "/%2e%2e/package.json",
        "/..%2fpackage.json",
        "/assets/..%2f..%2fpackage.json",
        "/..\\package.json",
        "/../data/token.txt",
    ] {
        let answer = running.client.get(path).await;
        let is_page = answer.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        assert!(answer.status == 404 || is_page, "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("devDependencies") && !answer.text().contains("root:"), "{path}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let running = Running::start().await;
    for path in ["/", "/healthz", "/api/v1/workers", "/api/v1/none"] {
        let headers = running.client.get(path).await.headers;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        let policy = &headers["content-security-policy"];
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{path}: {policy}");
    }
    let moment = running.client.get("/api/v1/workers").await;
    assert_eq!(moment.headers["cache-control"], "no-store", "a state that was kept would be shown as the present one");
}

#[tokio::test]
async fn addresses_and_localhost_with_any_port_are_answered_and_a_request_without_a_host_is_not() {
    let running = Running::start().await;
    for host in ["localhost", "localhost:8080", "[::1]:8080", "192.0.2.1"] {
        assert_eq!(running.client.with(&format!("Host: {host}")).get("/healthz").await.status, 200, "{host}");
    }
    for host in ["127.0.0.1.evil.example", "localhost.evil.example:8080", "evil@127.0.0.1", ""] {
        let answer = running.client.with(&format!("Host: {host}")).get("/healthz").await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "foreign_host"), "{host}");
    }
    for version in ["1.0", "1.1"] {
        let request = format!("GET /healthz HTTP/{version}\r\nConnection: close\r\n\r\n");
        assert_eq!(said(&running, &request).await.status, 403);
    }
}

#[tokio::test]
async fn old_clients_and_requests_sent_ahead_are_answered() {
    let running = Running::start().await;
    let address = running.client.address;
    assert_eq!(said(&running, &format!("GET /healthz HTTP/1.0\r\nHost: {address}\r\n\r\n")).await.text(), "ok\n");
    let ahead = format!(
        "GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n\
         GET /api/v1/none HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    );
    let both = said(&running, &ahead).await.text();
    assert!(both.starts_with("ok\nHTTP/1.1 404"), "{both}");
}

/// Sends bytes as they are, and reads until the manager closes.
async fn said(running: &Running, request: &str) -> http::Answer {
    let mut stream = TcpStream::connect(running.client.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    http::answer(&mut stream).await
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let running = Running::with(|settings| settings.limits.head_time = Duration::from_millis(50)).await;
    let mut stream = TcpStream::connect(running.client.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the manager hangs up");
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

/// One that asked for a large file and read nothing of it had its connection, one of a limited number, for ever.
#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
    let running = Running::with(|settings| {
        settings.limits.answer_pause = Duration::from_millis(100);
        settings.limits.connections = 1;
    })
    .await;
    let task = {
        // More than the buffers of both sockets hold.
        let (content_type, body) = http::multipart(&[("a.jpg", &[jpeg(1), vec![0; 30 << 20]].concat())]);
        let answer = running.client.post("/api/task", &content_type, &body).await;
        answer.json::<serde_json::Value>()["data"]["task_id"].as_str().unwrap().to_owned()
    };
    let lazy = running.client.begin("GET", &format!("/upload/{task}"), "", 0).await;
    let deadline = Instant::now() + PATIENCE;
    while running.client.get("/healthz").await.status != 200 {
        assert!(Instant::now() < deadline, "the only place is free again");
    }
    drop(lazy);
}

#[tokio::test]
async fn a_large_upload_without_the_token_is_told_so() {
    let running = Running::with(|settings| settings.listen = ([0, 0, 0, 0], 0).into()).await;
    let client = http::Client::new(([127, 0, 0, 1], running.manager.http_addr().port()).into());
    let answer = client.post("/api/v1/classify", "", &vec![0; 20 << 20]).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_needed"));
}

/// Such a client was told to go on, and sent all of a file that nobody wanted.
#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_refused_at_once() {
    let running = Running::start().await;
    let client = running.client.with("Expect: 100-continue");
    let mut stream = client.begin("POST", "/api/v1/batches/nonesuch/images", "image/jpeg", 100_000_000).await;
    let answer = http::answer(&mut stream).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "no_such_batch"));
}

#[tokio::test]
async fn metrics_are_in_the_text_format_of_prometheus() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    running.finished(&batch).await;
    let answer = running.client.get("/metrics").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    let mut family = "";
    let mut described = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap();
            assert!(described.insert(family), "{family} is described twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let expected = if family.ends_with("_total") { "counter" } else { "gauge" };
            assert_eq!(kind, format!("{family} {expected}"));
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(series.split('{').next().unwrap(), family, "{line}");
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
        }
    }
    assert!(text.ends_with('\n') && described.len() > 10, "{text}");
}

#[tokio::test]
async fn the_same_key_at_the_same_time_keeps_the_files_once() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let client = running.client.with("Idempotency-Key: once");
    let (content_type, body) = http::multipart(&[("a.jpg", &jpeg(1)), ("b.jpg", b"text")]);
    let path = format!("/api/v1/batches/{batch}/images");
    let same = std::iter::repeat_with(|| client.post(&path, &content_type, &body)).take(10);
    let answers = futures_util::future::join_all(same).await;
    let images: Vec<Vec<Image>> = answers.iter().map(|answer| answer.json::<Uploaded>().images).collect();
    assert!(images.iter().all(|each| codes(each) == ["", "not_an_image"]));
    assert!(images.iter().all(|each| each[0].id == images[0][0].id && each[1].id == images[0][1].id));
    assert_eq!(running.page(&batch).await.counts.total, 2);
    let other = running.batch().await;
    let elsewhere = client.post(&format!("/api/v1/batches/{other}/images"), &content_type, &body).await;
    assert_ne!(elsewhere.json::<Uploaded>().images[0].id, images[0][0].id, "a key is of one batch");
}

#[tokio::test]
async fn a_page_may_talk_little_and_is_cut_off_when_it_talks_much() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let mut page = Page::open(&running, &batch, None).await;
    page.say("hello").await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    page.until(|page| page.images.len() == 1).await;
    page.say(&"x".repeat(5000)).await;
    page.until_hung_up().await;
}
