//! Real `manyeyes` processes for a test: started on free ports and fresh folders, ended by their own ids when dropped.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that should happen soon. Generous: a busy machine is no failure.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A process with the lines of its standard output.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::spawn(manyeyes().args(arguments).envs(environment.iter().copied()))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = started.expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (line, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        Self { child, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What follows `prefix` on the first line that begins with it.
    pub(crate) fn line_after(&self, prefix: &str) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no line begins with '{prefix}'"));
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.to_owned();
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        // Fails only when it has ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_process(self.id(), signal);
    }

    /// Waits for its end; `None` when a signal was it.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        wait_until("the process has ended", || self.has_ended());
        self.child.wait().expect("the child can be waited for").code()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child can be waited for").is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.signal(Signal::CONT);
            self.signal(Signal::TERM);
            let deadline = Instant::now() + Duration::from_secs(10);
            while !self.has_ended() && Instant::now() < deadline {
                thread::park_timeout(Duration::from_millis(20));
            }
        }
        self.kill();
    }
}

/// A manager that a test talks to by HTTP, with the process that runs it.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) url: String,
    pub(crate) workers: String,
}

impl Server {
    /// `manyeyes up` on free ports.
    pub(crate) fn up(data: &Path, arguments: &[&str]) -> Self {
        Self::up_with(data, arguments, &[])
    }

    pub(crate) fn up_with(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut all = vec!["up", "--listen", "127.0.0.1:0", "--data", data.to_str().expect("a readable path")];
        all.extend(arguments);
        Self::of(Process::start_with(&all, environment))
    }

    /// `manyeyes manager` on these ports. It has so little memory for images that large ones of a test find no room in it.
    pub(crate) fn manager(data: &Path, listen: &str, worker_listen: &str) -> Self {
        let data = data.to_str().expect("a readable path");
        let ports = ["manager", "--listen", listen, "--worker-listen", worker_listen];
        Self::of(Process::start(&[&ports[..], &["--data", data, "--image-memory", "1"]].concat()))
    }

    /// `manyeyes manager` whose workers come from elsewhere, without a token.
    pub(crate) fn open_manager(data: &Path, worker_listen: &str) -> Self {
        let data = data.to_str().expect("a readable path");
        let listen = ["manager", "--listen", "127.0.0.1:0", "--worker-listen", worker_listen];
        Self::of(Process::start(&[&listen[..], &["--data", data, "--open"]].concat()))
    }

    /// A manager that is being started.
    pub(crate) fn of(process: Process) -> Self {
        let url = process.line_after("listening on ");
        let workers = process.line_after("workers on ");
        Self { process, url, workers }
    }

    /// `manyeyes worker` for this manager.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Process {
        let mut all = vec!["worker", "--manager", &self.workers];
        all.extend(arguments);
        Process::start(&all)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path, None);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> (u16, Value) {
        self.request("POST", path, Some(body))
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&[u8]>) -> (u16, Value) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let url = format!("{}{path}", self.url);
        let response = match (method, body) {
            ("GET", _) => agent.get(url).call(),
            ("POST", Some(bytes)) => agent.post(url).content_type("application/octet-stream").send(bytes),
            ("DELETE", _) => agent.delete(url).call(),
            _ => unreachable!("no test uses {method}"),
        };
        let mut response = response.expect("the manager answers");
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string().expect("a body of text");
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (response.status().as_u16(), value)
    }

    pub(crate) fn new_batch(&self) -> String {
        let (status, body) = self.post("/api/v1/batches", b"");
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().expect("a batch has an id").to_owned()
    }

    /// Uploads a file; gives the image.
    pub(crate) fn upload(&self, batch: &str, name: &str, bytes: &[u8]) -> Value {
        let (status, body) = self.post(&format!("/api/v1/batches/{batch}/images?name={name}"), bytes);
        assert_eq!(status, 202, "{body}");
        body["images"][0].clone()
    }

    /// All images of a batch, page by page.
    pub(crate) fn images(&self, batch: &str) -> Vec<Value> {
        let mut images: Vec<Value> = Vec::new();
        loop {
            let after = images.last().map(|image| format!("&after={}", image["id"].as_str().expect("an id")));
            let page = self.get(&format!("/api/v1/batches/{batch}?limit=1000{}", after.unwrap_or_default()));
            images.extend(page["images"].as_array().expect("a page has images").iter().cloned());
            if page["more"] == false {
                return images;
            }
        }
    }

    /// How many images of a batch are in a state.
    pub(crate) fn count(&self, batch: &str, state: &str) -> u64 {
        self.get(&format!("/api/v1/batches/{batch}?limit=1"))["counts"][state].as_u64().expect("a count")
    }

    pub(crate) fn workers(&self) -> Vec<Value> {
        self.get("/api/v1/workers")["workers"].as_array().expect("a list").clone()
    }

    pub(crate) fn wait_until_ready(&self) {
        wait_until("the manager is ready", || self.request("GET", "/readyz", None).0 == 200);
    }
}

pub(crate) fn manyeyes() -> Command {
    Command::new(env!("CARGO_BIN_EXE_manyeyes"))
}

pub(crate) fn signal_process(id: u32, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(id).expect("ids fit")).expect("not zero");
    // A process that has ended already needs no signal.
    let _ = kill_process(id, signal);
}

/// The ids of the processes that a process has started, by Linux's own list.
pub(crate) fn children_of(id: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).map(|tasks| tasks.flatten().collect::<Vec<_>>());
    tasks
        .unwrap_or_default()
        .iter()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// The words of a running process's command line.
pub(crate) fn command_line_of(id: u32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Asks again and again until something holds, for as long as [`SOON`].
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {SOON:?}, and still not: {what}");
        thread::park_timeout(Duration::from_millis(25));
    }
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A folder of the environment, or `None` with a line that is counted at the end of the tests.
pub(crate) fn folder_of(variable: &str, test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("NOT RUN without {variable}: {test}");
    }
    folder
}
