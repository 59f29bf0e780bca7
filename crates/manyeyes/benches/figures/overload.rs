//! Ten times as much as the workers can do: what comes through, how long it takes, and what becomes of the rest.
//!
//! Open loop: requests start when they are due, however many are still under way, and their time counts from when they
//! were due. So a manager that stalls is charged for what would have come meanwhile (no coordinated omission). The client
//! is one thread with kept connections, from four addresses, which to the manager are four clients.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use crate::Figure;
use crate::cluster::{Cluster, head, memory_mb};
use crate::statistics::quantile;

/// Two slots of 20 ms make 100 images a second, which leaves the cores to the manager and the client, also at ten times
/// that many requests.
const WORKERS: usize = 2;
const SERVICE_MS: &str = "20";
/// The limit of what waits: a second's work at the peak.
const MAX_WAITING: usize = 100;
/// Addresses of this machine that requests come from.
pub(crate) const CLIENTS: u8 = 4;
/// Requests under way in the closed loop that finds the peak: enough for both slots, and within the limit.
const CLOSED: usize = 16;
const CLOSED_FOR: Duration = Duration::from_secs(8);
/// How many times the peak is offered.
const TIMES: f64 = 10.0;
/// For how long, unless `MANYEYES_OVERLOAD_SECONDS` says otherwise. The first of them are not counted: the queue fills.
const OPEN_FOR_S: u64 = 20;
const WARM_UP: Duration = Duration::from_secs(2);
/// A connection that nobody has used for so long is not used again: the manager closes one after 15 s, which a request that
/// is just on its way would meet.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// The size of a file: a small photo's. What is refused has been sent all the same.
const FILE_BYTES: usize = 16 * 1024;

pub(crate) fn measure(_photos: &[Vec<u8>]) -> Vec<Figure> {
    let seconds = std::env::var("MANYEYES_OVERLOAD_SECONDS").ok().and_then(|text| text.parse().ok());
    let open_for = Duration::from_secs(seconds.unwrap_or(OPEN_FOR_S));
    let max_waiting = MAX_WAITING.to_string();
    let cluster = Cluster::fixed(WORKERS, SERVICE_MS, &["--max-waiting", &max_waiting]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let load = Rc::new(Load::of(&cluster));
    let peak = LocalSet::new().block_on(&runtime, closed_loop(Rc::clone(&load)));
    let before_mb = memory_mb(cluster.manager.id(), "VmRSS:");
    let offered = peak * TIMES;
    let run = LocalSet::new().block_on(&runtime, open_loop(load, offered, open_for, cluster.manager.id()));
    run.figures(peak, offered, before_mb)
}

/// A connection without a request.
struct Idle {
    since: Instant,
    stream: BufReader<TcpStream>,
}

/// Requests, and the connections that they go over.
pub(crate) struct Load {
    address: SocketAddr,
    request: Vec<u8>,
    /// Connections without a request, by client.
    idle: Vec<RefCell<Vec<Idle>>>,
}

impl Load {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        // A JPEG as far as anyone looks: these workers do not.
        let mut file = vec![0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0];
        file.resize(FILE_BYTES, 0);
        let head = format!(
            "POST /api/v1/classify?timeout=60&name=a.jpg HTTP/1.1\r\n{}Content-Length: {FILE_BYTES}\r\n\r\n",
            head(&cluster.http, cluster.token.as_deref())
        );
        let address = cluster.http.parse().expect("the manager prints an address");
        Self {
            address,
            request: [head.into_bytes(), file].concat(),
            idle: (0..CLIENTS).map(|_| RefCell::default()).collect(),
        }
    }

    /// Sends one request of a client, and gives its status.
    pub(crate) async fn send(&self, client: usize) -> io::Result<u16> {
        let idle = self.idle[client].borrow_mut().pop().filter(|idle| idle.since.elapsed() < KEPT_FOR);
        let mut stream = match idle {
            Some(Idle { stream, .. }) => stream,
            None => self.connect(client).await?,
        };
        stream.get_mut().write_all(&self.request).await?;
        let status = answer(&mut stream).await?;
        self.idle[client].borrow_mut().push(Idle { since: Instant::now(), stream });
        Ok(status)
    }

    async fn connect(&self, client: usize) -> io::Result<BufReader<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        let last = u8::try_from(client + 1).expect("a few clients");
        socket.bind(([127, 0, 0, last], 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}

/// Reads one answer, whose length its head names.
async fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<u16> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a status line");
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
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
    stream.read_exact(&mut body).await?;
    Ok(status)
}

/// Images a second while a few requests are always under way.
async fn closed_loop(load: Rc<Load>) -> f64 {
    let answered = Rc::new(Cell::new(0_u32));
    let (begin, end) = (Instant::now() + WARM_UP, Instant::now() + WARM_UP + CLOSED_FOR);
    let mut clients = JoinSet::new();
    for number in 0..CLOSED {
        let (load, answered) = (Rc::clone(&load), Rc::clone(&answered));
        clients.spawn_local(async move {
            while Instant::now() < end {
                let status = load.send(number % usize::from(CLIENTS)).await.expect("the manager answers");
                assert_eq!(status, 200, "so few find a place");
                if (begin..end).contains(&Instant::now()) {
                    answered.set(answered.get() + 1);
                }
            }
        });
    }
    clients.join_all().await;
    f64::from(answered.get()) / CLOSED_FOR.as_secs_f64()
}

/// What came of the open loop.
#[derive(Default)]
struct Run {
    /// Statuses and how often they came; 0: no answer.
    statuses: BTreeMap<u16, usize>,
    /// Of those answered 200: seconds from when they were due.
    accepted_s: Vec<f64>,
    /// Of those refused.
    refused_s: Vec<f64>,
    /// Answered 200 after the warm-up and before the last request was due, and over what time.
    answered: usize,
    over_s: f64,
    /// How late requests started, in seconds: the client's own fault.
    late_s: Vec<f64>,
    rss_mb: Vec<f64>,
}

async fn open_loop(load: Rc<Load>, per_s: f64, open_for: Duration, manager: u32) -> Run {
    let run = Rc::new(RefCell::new(Run { over_s: (open_for - WARM_UP).as_secs_f64(), ..Run::default() }));
    let start = Instant::now();
    let (begin, end) = (start + WARM_UP, start + open_for);
    let requests = (per_s * open_for.as_secs_f64()) as usize;
    let mut under_way = JoinSet::new();
    for number in 0..requests {
        let due = start + Duration::from_secs_f64(number as f64 / per_s);
        if due > Instant::now() {
            sleep_until(due).await;
        }
        let (load, counted) = (Rc::clone(&load), Rc::clone(&run));
        under_way.spawn_local(async move {
            let late = due.elapsed();
            let status = load.send(number % usize::from(CLIENTS)).await.unwrap_or(0);
            counted.borrow_mut().ended(status, due, late, (begin..end).contains(&Instant::now()));
        });
        while under_way.try_join_next().is_some() {}
        if number % (per_s as usize).max(1) == 0 {
            run.borrow_mut().rss_mb.push(memory_mb(manager, "VmRSS:"));
        }
    }
    under_way.join_all().await;
    run.take()
}

impl Run {
    fn ended(&mut self, status: u16, due: Instant, late: Duration, counts: bool) {
        *self.statuses.entry(status).or_default() += 1;
        self.late_s.push(late.as_secs_f64());
        let took_s = due.elapsed().as_secs_f64();
        if status == 200 {
            self.accepted_s.push(took_s);
            self.answered += usize::from(counts);
        } else {
            self.refused_s.push(took_s);
        }
    }

    fn figures(&self, peak: f64, offered: f64, before_mb: f64) -> Vec<Figure> {
        let goodput = self.answered as f64 / self.over_s;
        let (p99, bound) = (quantile(&self.accepted_s, 0.99), MAX_WAITING as f64 / peak);
        let expected = |status: &u16| (200..300).contains(status) || *status == 429 || *status == 503;
        let others: usize = self.statuses.iter().filter(|(status, _)| !expected(status)).map(|(_, count)| count).sum();
        let rss_mb = self.rss_mb.iter().copied().fold(before_mb, f64::max);
        eprintln!("  peak {peak:.1} images/s, offered {offered:.0} requests/s, answers by status {:?}", self.statuses);
        eprintln!(
            "  accepted work takes {:.0} ms (p99 {:.0} ms), refusals {:.1} ms (p99 {:.1} ms); the client was late by {:.1} ms (p99)",
            quantile(&self.accepted_s, 0.5) * 1e3,
            p99 * 1e3,
            quantile(&self.refused_s, 0.5) * 1e3,
            quantile(&self.refused_s, 0.99) * 1e3,
            quantile(&self.late_s, 0.99) * 1e3
        );
        vec![
            Figure {
                name: "goodput at 10 times the peak / the peak",
                measured: format!("{:.3} ({goodput:.1} / {peak:.1})", goodput / peak),
                aim: ">= 0.9",
                met: goodput / peak >= 0.9,
            },
            Figure {
                name: "p99 of what is accepted then / queue limit / peak rate",
                measured: format!("{:.3} ({:.0} ms / {:.0} ms)", p99 / bound, p99 * 1e3, bound * 1e3),
                aim: "<= 1",
                met: p99 <= bound,
            },
            Figure {
                name: "answers then that are neither 2xx nor 429 nor 503",
                measured: others.to_string(),
                aim: "0",
                met: others == 0,
            },
            Figure {
                name: "manager's RSS then (before)",
                measured: format!("{rss_mb:.0} MB ({before_mb:.0} MB)"),
                aim: "<= 120 MB",
                met: rss_mb <= 120.0,
            },
        ]
    }
}
