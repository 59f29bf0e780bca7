//! Over a link that is slower than the work a smaller form of an image is sent, and the record says so. The link is a relay in
//! this process that passes so many bytes a second on to the worker.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{Process, Server, folder, wait_until};

/// A picture takes half a second: far longer than the built-in model at it, also on a busy machine.
const NARROW: u64 = 200_000;

const IMAGES: u32 = 8;

#[test]
fn over_a_slow_link_smaller_forms_are_sent_and_the_record_says_so() {
    let data = folder();
    let server = manager(&data, "auto");
    let _worker = far_worker(&server);
    let (batch, images) = answered(&server);

    let is_smaller = |image: &&Value| sent(image) < image["bytes"].as_u64();
    assert!(!is_smaller(&&images[0]), "nothing was known of the link: {}", images[0]);
    let smaller: Vec<_> = images.iter().filter(is_smaller).collect();
    assert!(!smaller.is_empty(), "{images:?}");
    for image in &smaller {
        assert!(sent(image) < Some(5_000), "32 by 32 pixels have fewer bytes: {image}");
    }

    let (status, csv) = server.request("GET", &format!("/api/v1/batches/{batch}/export.csv"), None);
    assert_eq!(status, 200);
    assert!(
        csv.as_str().is_some_and(|csv| csv.lines().next().is_some_and(|head| head.contains(",form_bytes,"))),
        "{csv}"
    );
    let (_, metrics) = server.request("GET", "/metrics", None);
    let counted = format!("manyeyes_images_recognised_smaller_total {}\n", smaller.len());
    assert!(metrics.as_str().is_some_and(|metrics| metrics.contains(&counted)), "{metrics}");
    let id = smaller[0]["id"].as_str().expect("an id");
    let path = format!("/api/v1/batches/{batch}/images/{id}/file");
    assert_eq!(bytes_of(&server, &path), picture(number_of(smaller[0])), "the original is kept and served as ever");
}

#[test]
fn over_a_slow_link_every_image_goes_as_it_is_unless_that_was_asked_for() {
    let data = folder();
    let server = manager(&data, "never");
    let _worker = far_worker(&server);
    let (_, images) = answered(&server);
    assert!(images.iter().all(|image| sent(image) == image["bytes"].as_u64()), "{images:?}");
}

#[test]
fn over_a_fast_link_every_image_goes_as_it_is() {
    let data = folder();
    let server = manager(&data, "auto");
    // Ten times slower than it could be, so that it is slower than this machine's own link however busy it is.
    let slow = ["--fail-probability", "1", "--fail-mode", "slow", "--fail-for-good"];
    let _worker = server.worker(&[&["--name", "near", "--slots", "1", "--model", "builtin"][..], &slow].concat());
    let (_, images) = answered(&server);
    assert!(images.iter().all(|image| sent(image) == image["bytes"].as_u64()), "{images:?}");
}

fn manager(data: &tempfile::TempDir, send_smaller: &str) -> Server {
    let data = data.path().to_str().expect("a readable path");
    let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0", "--data", data];
    Server::of(Process::start(&[&listen[..], &["--send-smaller", send_smaller]].concat()))
}

/// A worker behind a narrow link.
fn far_worker(server: &Server) -> Process {
    let relay = narrow_link(server.workers.parse().expect("an address"), NARROW);
    Process::start(&["worker", "--manager", &relay.to_string(), "--name", "far", "--slots", "1", "--model", "builtin"])
}

/// Has pictures answered; gives the batch and the images, in upload order.
fn answered(server: &Server) -> (String, Vec<Value>) {
    let batch = server.new_batch();
    for number in 0..IMAGES {
        server.upload(&batch, &format!("{number}.bmp"), &picture(number));
    }
    wait_until("all are answered", || server.count(&batch, "recognised") == u64::from(IMAGES));
    let images = server.images(&batch);
    (batch, images)
}

fn sent(image: &Value) -> Option<u64> {
    image["form_bytes"].as_u64()
}

/// Which picture an image is, by its name.
fn number_of(image: &Value) -> u32 {
    let name = image["name"].as_str().expect("a name");
    name.trim_end_matches(".bmp").parse().expect("a number")
}

/// A BMP of 100 kB, unlike those of other numbers.
fn picture(number: u32) -> Vec<u8> {
    const SIDE: u32 = 182;
    let pixels = (SIDE as usize * 3).next_multiple_of(4) * SIDE as usize;
    let mut bytes = b"BM".to_vec();
    // The sizes, the offset of the pixels, one plane of 24 bits a pixel, no compression, 72 dots an inch, no palette.
    for word in [54 + pixels as u32, 0, 54, 40, SIDE, SIDE, 1 | 24 << 16, 0, 0, 2835, 2835, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    let shade = |at: usize| (at as u32).wrapping_mul(2_654_435_761).wrapping_add(number * 97).to_be_bytes()[0];
    bytes.extend((0..pixels).map(shade));
    bytes
}

fn bytes_of(server: &Server, path: &str) -> Vec<u8> {
    let mut response = ureq::get(format!("{}{path}", server.url)).call().expect("the manager answers");
    response.body_mut().read_to_vec().expect("a body")
}

/// Where a worker finds the manager at the other end of a link of so many bytes a second. It ends with the test's process.
fn narrow_link(manager: SocketAddr, bytes_per_s: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for worker in listener.incoming().flatten() {
            let Ok(manager) = TcpStream::connect(manager) else { return };
            let both = worker.try_clone().and_then(|worker| Ok((worker, manager.try_clone()?)));
            let (worker_again, manager_again) = both.expect("a socket can be shared");
            thread::spawn(move || pass_on(worker_again, manager_again, u64::MAX));
            thread::spawn(move || pass_on(manager, worker, bytes_per_s));
        }
    });
    address
}

/// Passes bytes on until an end, each piece when the ones before it have had their time.
fn pass_on(mut from: TcpStream, mut to: TcpStream, bytes_per_s: u64) {
    let mut piece = [0; 4096];
    let mut free = Instant::now();
    while let Ok(bytes @ 1..) = from.read(&mut piece) {
        free = free.max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / bytes_per_s as f64);
        while let Some(wait) = free.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
            thread::park_timeout(wait);
        }
        if to.write_all(&piece[..bytes]).is_err() {
            break;
        }
    }
    // Whichever end has gone, the other is to learn of it.
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}
