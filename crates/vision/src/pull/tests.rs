//! Promises of [`super`], against small HTTP servers of this process.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::manifest::manifest;

/// What the file is in these tests.
fn content() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// How a server answers.
#[derive(Clone, Copy)]
enum Manner {
    /// Whole files and ranges.
    Right,
    /// Whole files even where a range is asked for.
    NoRanges,
    /// Breaks off after half of what it should send.
    BreaksOff,
    /// A file of the same length and another content.
    Wrong,
    /// 404.
    Missing,
}

/// A server of one file, which ends with the test.
struct Server {
    address: String,
    /// `PATH` or `PATH from N` of each request.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that went away is the business of the test, which looks at what the client got.
                let _ = stream.and_then(|stream| answer(stream, manner, &log));
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic while held").clone()
    }
}

fn answer(mut stream: TcpStream, manner: Manner, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (mut path, mut from) = (String::new(), 0_usize);
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("get ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().expect("a number");
        }
        if line.is_empty() {
            break;
        }
    }
    let entry = if from > 0 { format!("{path} from {from}") } else { path };
    log.lock().expect("no panic while held").push(entry);
    let mut file = content();
    if matches!(manner, Manner::Wrong) {
        file[0] ^= 1;
    }
    let status = match manner {
        Manner::Missing => "404 Not Found".to_owned(),
        Manner::Right | Manner::Wrong | Manner::BreaksOff if from > 0 => {
            format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", file.len() - 1, file.len())
        }
        _ => "200 OK".to_owned(),
    };
    let body = match manner {
        Manner::Missing => &[],
        Manner::NoRanges => &file[..],
        _ => &file[from..],
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    let sent = if matches!(manner, Manner::BreaksOff) { body.len() / 2 } else { body.len() };
    stream.write_all(&body[..sent])
}

/// A published model that these servers, in this order, are the sources of.
fn entry(servers: &[&Server]) -> Entry {
    let mut entry = manifest()[0].clone();
    let content = content();
    entry.download = Some(Download {
        file: "small.onnx".to_owned(),
        bytes: content.len() as u64,
        sha256: Sha256::digest(&content).into(),
        sources: servers.iter().map(|server| format!("{}/zoo/small.onnx", server.address)).collect(),
    });
    entry
}

fn settings(folder: &tempfile::TempDir, mirror: Option<&Server>) -> PullSettings {
    let mirror = mirror.map(|server| format!("{}/mine/", server.address));
    PullSettings { mirror, cache: Some(folder.path().join("models")), ..PullSettings::default() }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn pull_quietly(entry: &Entry, settings: &PullSettings) -> Result<PathBuf, PullError> {
    pull(entry, settings, &mut |_| ())
}

#[test]
fn the_users_mirror_is_asked_first_and_a_whole_file_is_not_fetched_again() {
    let (folder, mirror, zoo) = (folder(), Server::start(Manner::Right), Server::start(Manner::Right));
    let (entry, settings) = (entry(&[&zoo]), settings(&folder, Some(&mirror)));
    let path = pull_quietly(&entry, &settings).expect("pulled");
    assert_eq!(std::fs::read(&path).expect("there"), content());
    assert_eq!(pull_quietly(&entry, &settings).expect("still there"), path);
    assert_eq!(mirror.requests(), ["/mine/small.onnx"]);
    assert!(zoo.requests().is_empty());
}

#[test]
fn a_source_without_the_file_falls_on_to_the_next() {
    let (folder, missing, zoo) = (folder(), Server::start(Manner::Missing), Server::start(Manner::Right));
    let entry = entry(&[&missing, &zoo]);
    let mut events = Vec::new();
    let path = pull(&entry, &settings(&folder, None), &mut |event| events.push(format!("{event:?}")));
    assert_eq!(std::fs::read(path.expect("pulled")).expect("there"), content());
    assert!(events.iter().any(|event| event.contains("it answers 404 Not Found")), "{events:?}");
    assert!(events.last().expect("some").contains("bytes: 800000, total: 800000"), "{events:?}");
}

#[test]
fn a_download_that_broke_off_is_resumed_by_the_next_source() {
    let (folder, weak, zoo) = (folder(), Server::start(Manner::BreaksOff), Server::start(Manner::Right));
    let path = pull_quietly(&entry(&[&weak, &zoo]), &settings(&folder, None)).expect("pulled");
    assert_eq!(std::fs::read(path).expect("there"), content());
    assert_eq!(zoo.requests(), ["/zoo/small.onnx from 400000"]);
}

#[test]
fn a_download_that_broke_off_is_resumed_by_the_next_run() {
    let folder = folder();
    let weak = Server::start(Manner::BreaksOff);
    let error = pull_quietly(&entry(&[&weak]), &settings(&folder, None)).expect_err("it broke off");
    assert!(error.to_string().contains("it broke off"), "{error}");
    let zoo = Server::start(Manner::Right);
    pull_quietly(&entry(&[&zoo]), &settings(&folder, None)).expect("pulled");
    assert_eq!(zoo.requests(), ["/zoo/small.onnx from 400000"]);
}

#[test]
fn a_source_that_knows_no_ranges_sends_everything_again() {
    let (folder, weak, zoo) = (folder(), Server::start(Manner::BreaksOff), Server::start(Manner::NoRanges));
    let path = pull_quietly(&entry(&[&weak, &zoo]), &settings(&folder, None)).expect("pulled");
    assert_eq!(std::fs::read(path).expect("there"), content());
}

#[test]
fn a_wrong_file_is_never_kept() {
    let (folder, wrong) = (folder(), Server::start(Manner::Wrong));
    let settings = settings(&folder, None);
    let error = pull_quietly(&entry(&[&wrong]), &settings).expect_err("the digest differs");
    assert!(error.to_string().contains("the digest differs"), "{error}");
    let kept: Vec<_> = std::fs::read_dir(settings.cache.expect("named")).expect("there").flatten().collect();
    assert!(kept.iter().all(|file| file.file_name() == "small.onnx.lock"), "{kept:?}");
}

#[test]
fn a_wrong_beginning_does_not_spoil_a_right_source() {
    let (folder, zoo) = (folder(), Server::start(Manner::Right));
    let settings = settings(&folder, None);
    let cache = settings.cache.clone().expect("named");
    std::fs::create_dir_all(&cache).expect("made");
    std::fs::write(cache.join("small.onnx.part"), vec![7; 1000]).expect("written");
    let path = pull_quietly(&entry(&[&zoo]), &settings).expect("pulled");
    assert_eq!(std::fs::read(path).expect("there"), content());
    assert_eq!(zoo.requests(), ["/zoo/small.onnx from 1000", "/zoo/small.onnx"]);
}

#[test]
fn two_that_pull_at_once_fetch_it_once() {
    let (folder, zoo) = (folder(), Server::start(Manner::Right));
    let (entry, settings) = (entry(&[&zoo]), settings(&folder, None));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| pull_quietly(&entry, &settings).expect("pulled"));
        }
    });
    assert_eq!(zoo.requests(), ["/zoo/small.onnx"]);
}

#[test]
fn a_model_that_nobody_publishes_says_so() {
    let own = Entry { download: None, ..manifest()[0].clone() };
    let error = pull_quietly(&own, &settings(&folder(), None)).expect_err("no source");
    assert!(error.to_string().contains("published nowhere"), "{error}");
}
