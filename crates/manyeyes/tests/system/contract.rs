//! What outside tools rely on, where it takes the real program: its own thumbnailer, its token, its books after a kill.

use serde_json::Value;

use crate::cluster::{Process, Server, folder, wait_until};

/// An answer as it came.
struct Answer {
    status: u16,
    media_type: String,
    body: Vec<u8>,
}

fn get(url: &str, token: &str) -> Answer {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut response =
        agent.get(url).header("Authorization", format!("Bearer {token}")).call().expect("the manager answers");
    let media_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.to_owned();
    let body = response.body_mut().read_to_vec().expect("a whole body");
    Answer { status: response.status().as_u16(), media_type, body }
}

/// A BMP of one colour, in 24 bits a pixel.
fn bmp(width: u32, height: u32) -> Vec<u8> {
    let row_bytes = (width * 3).next_multiple_of(4);
    let mut file = b"BM".to_vec();
    for field in [54 + row_bytes * height, 0, 54, 40, width, height] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    file.extend_from_slice(&[1, 0, 24, 0]);
    file.resize(54, 0);
    file.resize(54 + (row_bytes * height) as usize, 0x80);
    file
}

/// A PNG that promises many pixels and has none.
fn hollow_png(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    file.extend_from_slice(&width.to_be_bytes());
    file.extend_from_slice(&height.to_be_bytes());
    file.extend_from_slice(&[8, 2, 0, 0, 0, 0, 0, 0, 0]);
    file
}

/// Width and height of a JPEG, from the first frame header (ITU-T T.81, B.2.2) that it has.
fn jpeg_size(file: &[u8]) -> Option<(u16, u16)> {
    let frame = file.windows(2).position(|marker| matches!(marker, [0xff, 0xc0..=0xc2]))?;
    let two = |at: usize| Some(u16::from_be_bytes([*file.get(at)?, *file.get(at + 1)?]));
    Some((two(frame + 7)?, two(frame + 5)?))
}

#[test]
fn a_thumbnail_is_a_small_jpeg_and_a_hostile_file_costs_only_its_own() {
    let data = folder();
    let server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
    let batch = server.new_batch();
    let thumbnail = |name: &str, file: &[u8]| {
        let image = server.upload(&batch, name, file);
        assert_eq!(image["state"], "waiting", "{image}");
        get(&format!("{}/api/v1/batches/{batch}/images/{}/thumbnail", server.url, image["id"].as_str().unwrap()), "")
    };
    for (name, size) in [("wide.bmp", (320, 160)), ("after-the-hollow-one.bmp", (320, 160))] {
        let made = thumbnail(name, &bmp(800, 400));
        assert_eq!((made.status, made.media_type.as_str()), (200, "image/jpeg"));
        assert_eq!(jpeg_size(&made.body), Some(size));
        let refused = thumbnail("hollow.png", &hollow_png(9_000, 9_000));
        let error: Value = serde_json::from_slice(&refused.body).expect("JSON");
        assert_eq!((refused.status, &error["error"]["code"]), (404, &"no_thumbnail".into()), "{error}");
    }
    assert_eq!(jpeg_size(&thumbnail("dot.bmp", &bmp(1, 1)).body), Some((1, 1)));
}

#[test]
fn a_picture_of_one_pixel_is_recognised() {
    let data = folder();
    let server = Server::up(data.path(), &["--workers", "1", "--model", "builtin"]);
    let batch = server.new_batch();
    server.upload(&batch, "dot.bmp", &bmp(1, 1));
    wait_until("it is recognised", || server.count(&batch, "recognised") == 1);
    assert_eq!(server.images(&batch)[0]["labels"].as_array().map(Vec::len), Some(5));
}

#[test]
fn numbers_of_changes_are_never_used_twice_whenever_the_manager_is_killed() {
    let data = folder();
    let mut highest = 0;
    let mut batches: Vec<String> = Vec::new();
    for kept in 0..4 {
        let mut server = Server::manager(data.path(), "127.0.0.1:0", "127.0.0.1:0");
        let batch = server.new_batch();
        let image = server.upload(&batch, "a.bmp", &bmp(1, 1));
        let seq = image["seq"].as_u64().expect("a number");
        assert!(seq > highest, "{seq} was used, up to {highest}");
        for former in &batches {
            assert_eq!(server.images(former).len(), 1, "what was accepted is there after {kept} kills");
        }
        let page = server.get(&format!("/api/v1/batches/{batch}"));
        highest = page["seq"].as_u64().expect("a number").max(seq);
        batches.push(batch);
        server.process.kill();
    }
}

#[test]
fn beyond_loopback_page_and_workers_need_the_token_that_is_printed_and_kept() {
    let data = folder();
    let arguments =
        ["manager", "--listen", "0.0.0.0:0", "--worker-listen", "0.0.0.0:0", "--data", data.path().to_str().unwrap()];
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let manager = Process::start(&arguments);
        let page = manager.line_after("listening on ");
        let (address, token) = page.split_once("/#token=").expect("the address has the token");
        let url = address.replace("0.0.0.0", "127.0.0.1");
        assert_eq!(get(&format!("{url}/api/v1/workers"), "wrong").status, 401);
        assert_eq!(get(&format!("{url}/api/v1/workers"), token).status, 200);
        let port = manager.line_after("workers on ").rsplit(':').next().unwrap().to_owned();
        let to = format!("127.0.0.1:{port}");
        let _worker = Process::start(&["worker", "--manager", &to, "--fixed-service-ms", "0", "--token", token]);
        wait_until("the worker is let in", || get(&format!("{url}/readyz"), token).status == 200);
        tokens.push(token.to_owned());
    }
    assert_eq!(tokens[0], tokens[1], "the next start has the same, so that workers need not be told again");
}

#[test]
fn an_open_manager_asks_nobody_for_a_token() {
    let data = folder();
    let data = data.path().to_str().unwrap();
    let manager =
        Process::start(&["manager", "--listen", "0.0.0.0:0", "--worker-listen", "0.0.0.0:0", "--data", data, "--open"]);
    let page = manager.line_after("listening on ");
    assert!(!page.contains("token"), "{page}");
    let url = page.replace("0.0.0.0", "127.0.0.1");
    let port = manager.line_after("workers on ").rsplit(':').next().unwrap().to_owned();
    let _worker = Process::start(&["worker", "--manager", &format!("127.0.0.1:{port}"), "--fixed-service-ms", "0"]);
    wait_until("the worker is let in", || get(&format!("{url}/readyz"), "").status == 200);
}

/// The manager could be told nothing of names: whoever opened its page by one was turned away, as a web site is that points
/// its own name here.
#[test]
fn the_page_is_opened_by_a_name_that_the_manager_was_told_and_by_no_other() {
    let data = folder();
    let folder = data.path().to_str().expect("a readable path");
    let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", folder];
    let server =
        Server::of(Process::start(&[&listen[..], &["--host", "eyes.example", "--host", "gallery.example"]].concat()));
    let status = |host: &str| {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let asked = agent.get(format!("{}/api/v1/workers", server.url)).header("Host", host);
        asked.call().expect("the manager answers").status().as_u16()
    };
    for ours in ["eyes.example:8080", "Gallery.Example", "localhost", "192.0.2.1:80"] {
        assert_eq!(status(ours), 200, "{ours}");
    }
    for other in ["evil.example", "eyes.example.evil.example"] {
        assert_eq!(status(other), 403, "{other}");
    }
}
