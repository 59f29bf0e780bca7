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
    /// Falls silent after half of what it should send.
    FallsSilent,
    /// Takes the request and never answers, as far as a client can tell from a network that drops packets.
    Silent,
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
        thread::spawn(move || {
            let mut unanswered = Vec::new();
            for stream in listener.incoming() {
                if matches!(manner, Manner::Silent) {
                    unanswered.push(stream);
                    continue;
                }
                // A client that went away is the business of the test, which looks at what the client got.
                let answered = stream.and_then(|stream| answer(stream, manner, &log));
                if matches!(manner, Manner::FallsSilent) {
                    unanswered.push(answered);
                }
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic while held").clone()
    }
}

fn answer(mut stream: TcpStream, manner: Manner, log: &Mutex<Vec<String>>) -> std::io::Result<TcpStream> {
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
        Manner::Missing | Manner::Silent => &[],
        Manner::NoRanges => &file[..],
        _ => &file[from..],
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    let sent = if matches!(manner, Manner::BreaksOff | Manner::FallsSilent) { body.len() / 2 } else { body.len() };
    stream.write_all(&body[..sent])?;
    Ok(stream)
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
    thread::scope(|scope| {
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

/// Waits for a beginning no longer than this.
fn hasty(settings: PullSettings, begin: Duration) -> PullSettings {
    PullSettings { begin: Some(begin), ..settings }
}

#[test]
fn a_source_that_swallows_requests_leaves_time_for_one_that_answers() {
    let (folder, silent, zoo) = (folder(), Server::start(Manner::Silent), Server::start(Manner::Right));
    let settings = hasty(settings(&folder, None), Duration::from_secs(2));
    let path = pull_quietly(&entry(&[&silent, &zoo]), &settings).expect("the second source has it");
    assert_eq!(std::fs::read(path).expect("there"), content());
}

#[test]
fn where_nothing_answers_the_wait_is_bounded_over_all_sources() {
    let (folder, silent) = (folder(), Server::start(Manner::Silent));
    let settings = hasty(settings(&folder, Some(&silent)), Duration::from_millis(300));
    let began = Instant::now();
    let error = pull_quietly(&entry(&[&silent, &silent]), &settings).expect_err("nobody answers");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert!(began.elapsed() < settings.answer, "the limits of an explicit pull do not hold: {:?}", began.elapsed());
    assert_eq!(error.in_short(), "no network: no answer within 0.1 s");
}

/// Its answer had begun, so the wait for a beginning was over, and each source was given half a minute more.
#[test]
fn a_source_that_falls_silent_within_its_answer_is_waited_for_no_longer() {
    let (folder, silent) = (folder(), Server::start(Manner::FallsSilent));
    let unhurried = PullSettings { answer: Duration::from_secs(3600), ..settings(&folder, None) };
    let began = Instant::now();
    let error =
        pull_quietly(&entry(&[&silent, &silent]), &hasty(unhurried, Duration::from_secs(1))).expect_err("half a file");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(error.in_short().starts_with("no source has it: it broke off"), "{}", error.in_short());

    // What came of it is there for a source that answers.
    let zoo = Server::start(Manner::Right);
    pull_quietly(&entry(&[&zoo]), &settings(&folder, None)).expect("the rest");
    let rest = zoo.requests();
    assert!(rest[0].contains(" from "), "{rest:?}");
}

#[test]
fn a_machine_without_a_network_says_so_and_a_network_without_the_file_too() {
    let (folder, missing) = (folder(), Server::start(Manner::Missing));
    let refused = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut nowhere = entry(&[]);
    nowhere.download.as_mut().expect("published").sources = vec![format!("http://{refused}/small.onnx")];
    let in_short = |entry: &Entry| pull_quietly(entry, &settings(&folder, None)).expect_err("no file").in_short();
    assert!(in_short(&nowhere).starts_with("no network: "), "{}", in_short(&nowhere));
    assert!(!in_short(&nowhere).contains("127.0.0.1"), "{}", in_short(&nowhere));
    assert_eq!(in_short(&entry(&[&missing])), "no source has it: it answers 404 Not Found");
}

#[test]
fn one_that_will_not_wait_long_does_not_wait_for_another_that_is_fetching() {
    let (folder, zoo) = (folder(), Server::start(Manner::Right));
    let settings = settings(&folder, None);
    let cache = settings.cache.clone().expect("named");
    std::fs::create_dir_all(&cache).expect("made");
    let other = File::create(cache.join("small.onnx.lock")).expect("made");
    other.lock().expect("nobody holds it");
    let hasty = hasty(settings, Duration::from_millis(120));
    let error = pull_quietly(&entry(&[&zoo]), &hasty).expect_err("its turn does not come");
    assert_eq!(error.in_short(), "another process is fetching it");
    other.unlock().expect("held");
    pull_quietly(&entry(&[&zoo]), &hasty).expect("its turn has come");
}
