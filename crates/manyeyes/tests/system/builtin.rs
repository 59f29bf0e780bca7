//! The model that is always there: it serves where the default one cannot be had, soon, and says so; never elsewhere.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::cluster::{Process, Server, folder, manyeyes, signal_process, wait_until};
use crate::failures::{picture, process_of};

/// The time in which a page is there whatever the network does.
const PROMISE: Duration = Duration::from_secs(15);

/// A network that takes everything and answers nothing, as one that drops packets looks to those who wait for it.
struct BlackHole {
    address: String,
    swallowed: Arc<AtomicUsize>,
}

impl BlackHole {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let swallowed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&swallowed);
        std::thread::spawn(move || {
            let mut connections = Vec::new();
            for connection in listener.incoming() {
                connections.push(connection);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, swallowed }
    }

    fn swallowed(&self) -> usize {
        self.swallowed.load(Ordering::SeqCst)
    }
}

/// A machine without models, whose only way out is a black hole.
struct Desert {
    hole: BlackHole,
    cache: TempDir,
}

impl Desert {
    fn new() -> Self {
        Self { hole: BlackHole::open(), cache: folder() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = manyeyes();
        command
            .args(arguments)
            .env("XDG_CACHE_HOME", self.cache.path())
            .env("ALL_PROXY", &self.hole.address)
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .env_remove("MANYEYES_MODELS")
            .env_remove("MANYEYES_MODEL_MIRROR");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_says_why(notice: &str, cache: &TempDir) {
    for part in ["built-in model", "in place of GoogLeNet", "ten classes", "no network: no answer within"] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    for part in ["manyeyes model pull googlenet", "MANYEYES_MODELS", "start again"] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    assert!(!notice.contains(cache.path().to_str().expect("UTF-8")), "it names no folder of the machine: {notice}");
}

#[test]
fn up_without_a_model_and_in_a_black_hole_is_soon_ready_on_the_built_in_one_and_the_page_says_why() {
    let (desert, data) = (Desert::new(), folder());
    let began = Instant::now();
    let listen = ["up", "--listen", "127.0.0.1:0", "--workers", "2", "--data", data.path().to_str().unwrap()];
    let server = Server::of(Process::spawn(&mut desert.command(&listen)));
    server.wait_until_ready();
    assert!(began.elapsed() < PROMISE, "ready after {:?}", began.elapsed());

    let model = server.get("/api/v1/model");
    assert_eq!((&model["name"], &model["verified"]), (&"builtin".into(), &true.into()), "{model}");
    assert_says_why(model["notice"].as_str().expect("a notice"), &desert.cache);
    let (status, image) = server.post("/api/v1/classify?timeout=30", &picture());
    assert_eq!((status, &image["state"]), (200, &"recognised".into()), "{image}");
    assert_eq!(image["labels"].as_array().map(Vec::len), Some(5), "{image}");

    // Whoever takes a dead worker's place has the same model at once, and asks no network for it.
    let asked = desert.hole.swallowed();
    assert!(asked > 0, "the sources were asked by way of the proxy");
    let killed = process_of(&server, "worker-1").expect("worker-1 runs");
    signal_process(killed, Signal::KILL);
    wait_until("another takes its place", || process_of(&server, "worker-1").is_some_and(|id| id != killed));
    wait_until("it has joined", || {
        let here = server.workers().into_iter().filter(|worker| worker["state"] == "idle").collect::<Vec<_>>();
        here.len() == 2 && here.iter().all(|worker| worker["model"] == "builtin")
    });
    assert_eq!(desert.hole.swallowed(), asked);
}

#[test]
fn classify_makes_do_with_it_and_says_so() {
    let (desert, data) = (Desert::new(), folder());
    let file = data.path().join("dot.png");
    std::fs::write(&file, picture()).unwrap();
    let output = desert.run(&["classify", "--json", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_says_why(&stderr(&output), &desert.cache);
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(line["labels"].as_array().map(Vec::len), Some(5), "{line}");
}

#[test]
fn another_model_that_was_asked_for_is_never_replaced() {
    let (desert, data) = (Desert::new(), folder());
    let file = data.path().join("dot.png");
    std::fs::write(&file, picture()).unwrap();
    let output = desert.run(&["classify", file.to_str().unwrap(), "--model", "squeezenet1.1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains("no model `squeezenet1.1`"), "{}", stderr(&output));
}

/// The first worker to join decides which model its manager's workers hold.
#[test]
fn a_worker_takes_it_only_if_told_to_and_says_how() {
    let desert = Desert::new();
    let manager_folder = folder();
    let manager = Server::manager(manager_folder.path(), "127.0.0.1:0", "127.0.0.1:0");
    // No home either, so that nothing has to be waited for.
    let mut command = desert.command(&["worker", "--manager", &manager.workers]);
    let output = command.env_remove("XDG_CACHE_HOME").env_remove("HOME").output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("with --model builtin it makes do with ten classes"), "{}", stderr(&output));

    let _told = Process::spawn(&mut desert.command(&["worker", "--manager", &manager.workers, "--model", "builtin"]));
    manager.wait_until_ready();
    let model = manager.get("/api/v1/model");
    assert_eq!(model["name"], "builtin");
    assert!(model["notice"].as_str().expect("a notice").contains("as it was asked for"), "{model}");
    assert_eq!(desert.hole.swallowed(), 0);
}

#[test]
fn it_is_listed_verified_and_needs_no_pull() {
    let desert = Desert::new();
    let list = stdout(&desert.run(&["model", "list"]));
    let (_, entry) = list.split_once("\nbuiltin\n").expect("an entry");
    assert!(entry.contains("part of this program"), "{entry}");
    for arguments in [&["model", "verify"][..], &["model", "verify", "builtin"]] {
        let verified = desert.run(arguments);
        assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
        assert!(stdout(&verified).starts_with("builtin\n  the built-in model\n  sha256 "), "{}", stdout(&verified));
        assert!(stdout(&verified).contains("(verified)"), "{}", stdout(&verified));
        assert!(stderr(&verified).contains("ten classes"), "{}", stderr(&verified));
    }
    let pulled = desert.run(&["model", "pull", "builtin"]);
    assert_eq!(pulled.status.code(), Some(0), "{}", stderr(&pulled));
    assert_eq!(desert.hole.swallowed(), 0, "none of these asks a network");
}
