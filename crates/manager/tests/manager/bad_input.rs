//! Bad input gets a clear answer, and its neighbours are untouched.

use std::time::Duration;

use manyeyes_manager::api::{ImageState, Uploaded};
use manyeyes_protocol::result::FailureCode;
use tokio::io::AsyncWriteExt;

use super::{
    Running, codes, http, jpeg, jpeg_of, states,
    worker::{Worker, answer, failure},
};

/// Uploads a file between two good ones: they are waiting, and it is rejected with the code.
async fn is_rejected(name: &str, file: &[u8], code: &str) {
    let running = Running::start().await;
    let batch = running.batch().await;
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1)), (name, file), ("b.jpg", &jpeg(2))]).await;
    assert_eq!(codes(&images), ["", code, ""]);
    assert_eq!(states(&images), [ImageState::Waiting, ImageState::Rejected, ImageState::Waiting]);
    let message = &images[1].error.as_ref().unwrap().message;
    assert!(message.ends_with('.') && message.starts_with(char::is_uppercase), "a sentence: {message}");
    assert_eq!(running.page(&batch).await.images, images);
}

/// Uploads a file under a name, and gives the name that it got.
async fn name_of(given: &str) -> String {
    let running = Running::start().await;
    let batch = running.batch().await;
    let images = running.upload(&batch, &[(given, &jpeg(1)), ("b.jpg", &jpeg(2))]).await;
    assert_eq!(states(&images), [ImageState::Waiting; 2]);
    images[0].name.clone()
}

fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    file.extend_from_slice(&width.to_be_bytes());
    file.extend_from_slice(&height.to_be_bytes());
    file.extend_from_slice(&[8, 2, 0, 0, 0, 0, 0, 0, 0]);
    file
}

#[tokio::test]
async fn an_empty_file() {
    is_rejected("empty.jpg", b"", "empty").await;
}

#[tokio::test]
async fn text_renamed_to_jpg() {
    is_rejected("notes.jpg", b"Dear diary, this is no picture at all.", "not_an_image").await;
}

#[tokio::test]
async fn a_header_that_says_50_000_x_50_000() {
    is_rejected("bomb.png", &png_header(50_000, 50_000), "too_many_pixels").await;
}

#[tokio::test]
async fn heic_avif_svg_and_pdf() {
    let files: [(&str, &[u8]); 4] = [
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0mif1miafavif"),
        ("a.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>"),
        ("a.pdf", b"%PDF-1.7\n1 0 obj\n"),
    ];
    for (name, file) in files {
        is_rejected(name, file, "unsupported_format").await;
    }
}

#[tokio::test]
async fn a_name_with_a_nul() {
    is_rejected("a\0b.jpg", &jpeg(1), "bad_name").await;
}

/// It was shown as "unnamed", so among many nobody could tell which it was.
#[tokio::test]
async fn a_file_with_a_bad_name_is_shown_by_what_can_be_shown_of_it() {
    let running = Running::start().await;
    let batch = running.batch().await;
    assert_eq!(running.upload(&batch, &[("a\0b.jpg", &jpeg(1))]).await[0].name, "ab.jpg");
}

#[tokio::test]
async fn a_file_without_a_name() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let answer = running.client.post(&format!("/api/v1/batches/{batch}/images"), "", &jpeg(1)).await;
    let images = answer.json::<Uploaded>().images;
    assert_eq!((states(&images), images[0].name.as_str()), (vec![ImageState::Waiting], "unnamed"));
}

#[tokio::test]
async fn a_name_of_which_nothing_is_left() {
    is_rejected("../", &jpeg(1), "bad_name").await;
}

#[tokio::test]
async fn names_with_folders_quotes_html_and_300_characters() {
    assert_eq!(name_of("../../etc/passwd.jpg").await, "passwd.jpg");
    assert_eq!(name_of("a%22b'c.jpg").await, "a\"b'c.jpg");
    assert_eq!(name_of("<b onclick=x>.jpg").await, "<b onclick=x>.jpg");
    assert_eq!(name_of(&"\u{e9}".repeat(300)).await, "\u{e9}".repeat(127));
}

#[tokio::test]
async fn an_image_of_one_pixel_is_recognised() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let batch = running.batch().await;
    running.upload(&batch, &[("1x1.jpg", &jpeg_of(1, 1, 0))]).await;
    assert_eq!(states(&running.finished(&batch).await.images), [ImageState::Recognised]);
}

#[tokio::test]
async fn a_file_that_a_worker_finds_truncated_has_failed_and_its_neighbour_has_not() {
    let running = Running::start().await;
    let _worker = Worker::with_rule(running.manager.worker_addr(), "worker-1", |file| match file.last() {
        Some(&1) => Some(Err(failure(FailureCode::Truncated, "the file ends before its picture does"))),
        _ => Some(Ok(answer(file))),
    });
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]).await;
    let images = running.finished(&batch).await.images;
    assert_eq!(states(&images), [ImageState::Failed, ImageState::Recognised]);
    assert_eq!(codes(&images), ["truncated", ""]);
    assert_eq!(images[0].error.as_ref().unwrap().message, "The file ends before its picture does.");
    assert!(images[0].labels.is_empty());
}

#[tokio::test]
async fn a_file_over_the_limit_and_its_neighbours() {
    let running = Running::with(|settings| settings.limits.file_bytes = 1000).await;
    let batch = running.batch().await;
    let large = [jpeg(1), vec![0; 100_000]].concat();
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1)), ("large.jpg", &large), ("b.jpg", &jpeg(2))]).await;
    assert_eq!(codes(&images), ["", "too_large", ""]);
}

#[tokio::test]
async fn a_file_of_the_limit_is_kept_and_one_of_a_byte_more_is_not() {
    let running = Running::with(|settings| settings.limits.file_bytes = 1000).await;
    let batch = running.batch().await;
    let limit = [jpeg(1), vec![0; 1000 - jpeg(1).len()]].concat();
    let more = [&limit[..], b"x"].concat();
    assert_eq!(codes(&running.upload(&batch, &[("a.jpg", &limit), ("b.jpg", &more)]).await), ["", "too_large"]);
    let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
    for (file, code) in [(&limit, ""), (&more, "too_large")] {
        let images = running.client.post(&path, "", file).await.json::<Uploaded>().images;
        assert_eq!(codes(&images), [code]);
    }
}

#[tokio::test]
async fn more_to_drop_than_the_bound_says() {
    let running = Running::with(|settings| {
        settings.limits.file_bytes = 1000;
        settings.limits.dropped_bytes = 10_000;
    })
    .await;
    let batch = running.batch().await;
    let answer = running.try_upload(&batch, &[("a.jpg", &jpeg(1)), ("large.jpg", &vec![0; 100_000])]).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "request_too_large"));
    assert_eq!(running.page(&batch).await.counts.total, 0);
}

#[tokio::test]
async fn a_request_cut_off_half_way_leaves_nothing() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let (content_type, body) = http::multipart(&[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]);
    let path = format!("/api/v1/batches/{batch}/images");
    let mut stream = running.client.begin("POST", &path, &content_type, body.len()).await;
    stream.write_all(&body[..body.len() - 40]).await.unwrap();
    stream.shutdown().await.unwrap();
    // The server hangs up without an answer, or with one that says that the body ended.
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&rest));
    let images = running.upload(&batch, &[("c.jpg", &jpeg(3))]).await;
    assert_eq!(running.page(&batch).await.images, images);
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused_after_the_longest_pause() {
    let running = Running::with(|settings| settings.limits.upload_pause = Duration::from_millis(50)).await;
    let batch = running.batch().await;
    let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
    let mut stream = running.client.begin("POST", &path, "image/jpeg", 1000).await;
    stream.write_all(&jpeg(1)).await.unwrap();
    let answer = http::answer(&mut stream).await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "too_slow"));
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused_at_the_largest_size() {
    let running = Running::with(|settings| settings.limits.request_bytes = 100_000).await;
    let batch = running.batch().await;
    let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
    let address = running.client.address;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"2710\r\n".to_vec(), vec![b'x'; 10_000], b"\r\n".to_vec()].concat();
    for _ in 0..20 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let answer = http::answer(&mut stream).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "request_too_large"));
}

#[tokio::test]
async fn a_multipart_with_no_file() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let answer = running.try_upload(&batch, &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"));
    assert!(answer.text().contains("no file"));
    let path = format!("/api/v1/batches/{batch}/images");
    let field = b"--B\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--B--\r\n";
    let answer = running.client.post(&path, "multipart/form-data; boundary=B", field).await;
    assert_eq!(answer.status, 400);
    let answer = running.client.post(&path, "multipart/form-data", field).await;
    assert!(answer.status == 400 && answer.text().contains("boundary"), "{}", answer.text());
}

#[tokio::test]
async fn ten_thousand_files_in_one_batch() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let batch = running.batch().await;
    for thousand in 0..10 {
        let files: Vec<Vec<u8>> = (0..1000).map(|n| jpeg(thousand * 1000 + n)).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
        assert_eq!(running.upload(&batch, &files).await.len(), 1000);
    }
    let page = running.finished(&batch).await;
    assert_eq!((page.counts.total, page.counts.recognised), (10_000, 10_000));
}

#[tokio::test]
async fn ten_thousand_files_in_one_request() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..10_000).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    assert_eq!(running.upload(&batch, &files).await.len(), 10_000);
    assert_eq!(running.page(&batch).await.counts.waiting, 10_000);
}

#[tokio::test]
async fn more_files_than_a_request_or_a_batch_may_have() {
    let running = Running::with(|settings| {
        settings.limits.request_files = 3;
        settings.store.images_per_batch = 4;
    })
    .await;
    let batch = running.batch().await;
    let file = jpeg(1);
    let files = |n| vec![("a.jpg", &file[..]); n];
    assert_eq!(running.try_upload(&batch, &files(4)).await.status, 413);
    assert_eq!(running.upload(&batch, &files(3)).await.len(), 3);
    let answer = running.try_upload(&batch, &files(2)).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "request_too_large"));
    assert_eq!(running.upload(&batch, &files(1)).await.len(), 1);
}

#[tokio::test]
async fn an_unknown_batch() {
    let running = Running::start().await;
    let answer = running.try_upload("nonesuch", &[("a.jpg", &jpeg(1))]).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "no_such_batch"));
    for path in ["", "/events", "/export.csv", "/images/1", "/images/1/thumbnail"] {
        let answer = running.client.get(&format!("/api/v1/batches/nonesuch{path}")).await;
        // What is no WebSocket request is refused before its batch is looked for.
        let expected = if path == "/events" { 400 } else { 404 };
        assert_eq!(answer.status, expected, "{path}");
    }
    let batch = running.batch().await;
    for image in ["1", "x", "-1", "99999999999999999999"] {
        let answer = running.client.get(&format!("/api/v1/batches/{batch}/images/{image}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "no_such_image"));
    }
}

#[tokio::test]
async fn no_space_left() {
    let running = Running::with(|settings| settings.store.limit_bytes = 50_000).await;
    let batch = running.batch().await;
    let large = [jpeg(1), vec![0; 40_000]].concat();
    let images = running.upload(&batch, &[("a.jpg", &large)]).await;
    let answer = running.try_upload(&batch, &[("b.jpg", &large)]).await;
    assert_eq!((answer.status, answer.code().as_str()), (507, "no_space"));
    assert_eq!(running.page(&batch).await.images, images);
}

#[tokio::test]
async fn parameters_that_are_none() {
    let running = Running::start().await;
    let batch = running.batch().await;
    for path in ["?limit=many", "/events?from=-1", "/events"] {
        let answer = running.client.get(&format!("/api/v1/batches/{batch}{path}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{path}");
    }
    let answer = running.client.post("/api/v1/classify?timeout=-1", "", &jpeg(1)).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"));
    let path = format!("/api/v1/batches/{batch}/known");
    let answer = running.client.post(&path, "application/json", b"{").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"));
}
