//! The program under measurement, and a client that costs as little as a client can.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// After this long a measurement has failed.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running `manyeyes`, ended when dropped.
pub(crate) struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_manyeyes"))
            .args(arguments)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, stdout }
    }

    pub(crate) fn line_after(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                self.stdout.read_line(&mut line).expect("its output can be read") > 0,
                "it ended before '{prefix}'"
            );
            if let Some(rest) = line.trim_end().strip_prefix(prefix) {
                return rest.to_owned();
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A manager with its page's address, on a folder of its own.
pub(crate) struct Cluster {
    pub(crate) manager: Program,
    pub(crate) http: String,
    pub(crate) worker_port: String,
    /// What a client shows; `None` where the manager asks for nothing.
    pub(crate) token: Option<String>,
    pub(crate) workers: Vec<Program>,
    _data: TempDir,
}

impl Cluster {
    pub(crate) fn up(workers: usize) -> Self {
        let cluster = Self::start("up", &["--workers", &workers.to_string()]);
        cluster.wait_until_ready();
        wait_until(|| cluster.get("/api/v1/workers")["workers"].as_array().is_some_and(|all| all.len() == workers));
        cluster
    }

    /// A manager whose workers answer at once, without looking.
    pub(crate) fn null(workers: usize) -> Self {
        Self::fixed(workers, "0", &[])
    }

    /// A manager, started with these arguments, whose workers have one slot each and answer after so many milliseconds,
    /// without looking.
    pub(crate) fn fixed(workers: usize, service_ms: &str, arguments: &[&str]) -> Self {
        let cluster = Self::start("manager", &[&["--worker-listen", "127.0.0.1:0"], arguments].concat());
        cluster.with_fixed(workers, service_ms, &[])
    }

    /// As [`fixed`](Self::fixed), as it is beyond one machine: a token is asked of everyone, and what passes between manager and workers is
    /// encrypted. Gives also what workers show.
    pub(crate) fn guarded(workers: usize, service_ms: &str) -> (Self, String) {
        let mut cluster = Self::start("manager", &["--listen", "0.0.0.0:0", "--worker-listen", "0.0.0.0:0"]);
        let token = cluster.manager.line_after("workers give the token ");
        let arguments = ["--encryption", "always", "--token", &token];
        (cluster.with_fixed(workers, service_ms, &arguments), token)
    }

    fn with_fixed(mut self, workers: usize, service_ms: &str, arguments: &[&str]) -> Self {
        for number in 0..workers {
            let name = format!("fixed-{number}");
            let fixed = ["worker", "--manager", &self.worker_port, "--name", &name, "--slots", "1"];
            let all = [&fixed[..], &["--fixed-service-ms", service_ms], arguments].concat();
            self.workers.push(Program::start(&all));
        }
        wait_until(|| self.get("/api/v1/workers")["workers"].as_array().is_some_and(|all| all.len() == workers));
        self
    }

    pub(crate) fn start(command: &str, arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = data.path().to_str().expect("a readable path");
        let mut all = vec![command, "--data", folder];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let mut manager = Program::start(&all);
        let page = manager.line_after("listening on http://");
        let (http, token) = page.split_once("/#token=").map_or((page.as_str(), None), |(at, token)| (at, Some(token)));
        let worker_port = manager.line_after("workers on ");
        Self {
            manager,
            http: on_loopback(http),
            worker_port: on_loopback(&worker_port),
            token: token.map(str::to_owned),
            workers: Vec::new(),
            _data: data,
        }
    }

    /// A connection to it.
    pub(crate) fn client(&self) -> Client {
        Client::to(&self.http, self.token.as_deref())
    }

    pub(crate) fn wait_until_ready(&self) {
        let mut client = self.client();
        wait_until(|| client.send("GET", "/readyz", &[]).0 == 200);
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.client().send("GET", path, &[]);
        assert_eq!(status, 200, "GET {path}");
        body
    }

    pub(crate) fn new_batch(&self) -> String {
        let (status, body) = self.client().send("POST", "/api/v1/batches", &[]);
        assert_eq!(status, 201);
        body["id"].as_str().expect("an id").to_owned()
    }

    /// Uploads so many files, taken round and round, over a few connections. Returns when all are accepted.
    pub(crate) fn upload(&self, batch: &str, connections: usize, number: usize, files: &[Vec<u8>]) {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| {
                    let mut client = self.client();
                    loop {
                        let position = next.fetch_add(1, Ordering::Relaxed);
                        if position >= number {
                            break;
                        }
                        let path = format!("/api/v1/batches/{batch}/images?name={position}.jpg");
                        let (status, body) = client.send("POST", &path, &files[position % files.len()]);
                        assert_eq!(status, 202, "{body}");
                    }
                });
            }
        });
    }

    pub(crate) fn wait_until_recognised(&self, batch: &str, number: usize) {
        let mut client = self.client();
        let path = format!("/api/v1/batches/{batch}?limit=1");
        wait_until(|| client.send("GET", &path, &[]).1["counts"]["recognised"] == number);
    }
}

/// An address that listens to everyone, as this machine reaches it.
fn on_loopback(address: &str) -> String {
    address.replace("0.0.0.0", "127.0.0.1")
}

/// The lines of a request's head that say whom it is to, and from.
pub(crate) fn head(address: &str, token: Option<&str>) -> String {
    let shown = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    format!("Host: {address}\r\n{}", shown.unwrap_or_default())
}

pub(crate) fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The figure of a line such as `VmHWM:  1234 kB` in a process's status, in MB.
pub(crate) fn memory_mb(process: u32, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let value = status.lines().find_map(|text| text.strip_prefix(line));
    let kilobytes: f64 = value.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN);
    kilobytes * 1024.0 / 1e6
}

/// Seconds of processor that a process has used, in itself and in the kernel for it. Linux counts them in hundredths,
/// whatever its own clock ticks at (`USER_HZ`; proc_pid_stat(5)).
pub(crate) fn processor_s(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field is a name in brackets, which may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let hundredths = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (hundredths(11) + hundredths(12)) / 100.0
}

/// One connection, kept open: HTTP/1.1 by hand, so that the client's own cost is small beside what is measured.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    /// The lines of a request's head that are always the same.
    head: String,
}

impl Client {
    fn to(address: &str, token: Option<&str>) -> Self {
        let stream = TcpStream::connect(address).expect("the manager listens");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream: BufReader::new(stream), head: head(address, token) }
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let (status, body) = self.exchange(method, path, body);
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// What is there, as text.
    pub(crate) fn text(&mut self, path: &str) -> String {
        String::from_utf8_lossy(&self.exchange("GET", path, &[]).1).into_owned()
    }

    fn exchange(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let head = format!("{method} {path} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n", self.head, body.len());
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).expect("the manager reads");
        stream.write_all(body).expect("the manager reads");
        self.answer()
    }

    /// Reads one answer, whose length its head names.
    fn answer(&mut self) -> (u16, Vec<u8>) {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the manager answers");
        let status = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a status line");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a head");
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the whole body");
        (status, body)
    }
}
