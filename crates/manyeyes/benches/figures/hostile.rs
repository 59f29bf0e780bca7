//! A hundred clients of which twenty mean harm: what the other eighty still get done.
//!
//! All of them are in one closed loop or another. The twenty come from an address of their own, as an attacker does who has one
//! machine; the eighty from four. With and without them by turns, on one manager that asks everyone for a token. The honest
//! have one, and so have those who do harm with what they upload; others guess.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use manyeyes_link::{Encryption, FromManager, Reach, Trust, WorkerEnd, WorkerSettings};
use manyeyes_protocol::id::InstanceId;
use manyeyes_protocol::timer::TimerSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, timeout};

use crate::Figure;
use crate::cluster::{Cluster, head, memory_mb};
use crate::overload::{CLIENTS, Load};
use crate::statistics::median;

/// Two slots of 20 ms make 100 images a second, which leaves the cores to the manager and the clients.
const WORKERS: usize = 2;
const SERVICE_MS: &str = "20";
const HONEST: usize = 80;
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(4);
/// The last number of the address that harm comes from.
const ATTACKER: u8 = 9;
/// How long an attacker waits for an answer before it begins anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// What somebody does who means harm, and how many do it.
const HARM: [(Harm, usize); 9] = [
    (Harm::SlowBody, 4),
    (Harm::Garbage, 2),
    (Harm::ClaimsHugeFrame, 1),
    (Harm::NeverReads, 4),
    (Harm::CrossSite, 1),
    (Harm::HugeName, 2),
    (Harm::Bomb, 2),
    (Harm::GuessesToken, 2),
    (Harm::GuessesAsWorker, 2),
];

#[derive(Clone, Copy, Debug)]
enum Harm {
    /// An upload of which a byte comes now and then.
    SlowBody,
    /// Bytes that are no frames, to where workers connect.
    Garbage,
    /// A frame that says that it is gigabytes long, to the same place.
    ClaimsHugeFrame,
    /// Asks for large answers, and for events, and reads none.
    NeverReads,
    /// What another site has the browser of somebody ask who may.
    CrossSite,
    /// An upload whose name has a hundred thousand letters.
    HugeName,
    /// A picture of a few hundred bytes that says it has a billion pixels, and its thumbnail.
    Bomb,
    /// Tokens that nobody has, at the form and with an upload.
    GuessesToken,
    /// A worker that shows such a token, over TLS.
    GuessesAsWorker,
}

pub(crate) fn measure(_photos: &[Vec<u8>]) -> Vec<Figure> {
    let (cluster, worker_token) = Cluster::guarded(WORKERS, SERVICE_MS);
    let (_, fingerprint) = worker_token.split_once('.').expect("the token names the manager's key");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let load = Rc::new(Load::of(&cluster));
    let target = Rc::new(Target {
        http: cluster.http.clone(),
        token: cluster.token.clone(),
        workers: cluster.worker_port.clone(),
        trust: Trust::Key(fingerprint.parse().expect("the manager's own")),
        batch: cluster.new_batch(),
    });
    let (mut without, mut with, mut rss_mb) = (Vec::new(), Vec::new(), Vec::new());
    let before_mb = memory_mb(cluster.manager.id(), "VmRSS:");
    for round in 0..ROUNDS {
        without.push(LocalSet::new().block_on(&runtime, goodput(Rc::clone(&load), None)));
        with.push(LocalSet::new().block_on(&runtime, goodput(Rc::clone(&load), Some(Rc::clone(&target)))));
        rss_mb.push(memory_mb(cluster.manager.id(), "VmRSS:"));
        eprintln!("  {} of {ROUNDS}: {:.1} images/s without them, {:.1} with", round + 1, without[round], with[round]);
    }
    let peak_mb = memory_mb(cluster.manager.id(), "VmHWM:");
    let ratio = median(&with) / median(&without);
    vec![
        Figure {
            name: "goodput of 80 clients beside 20 hostile ones / without them",
            measured: format!("{ratio:.3} ({:.1} / {:.1})", median(&with), median(&without)),
            aim: ">= 0.9",
            met: ratio >= 0.9,
        },
        Figure {
            name: "manager's highest RSS then (before)",
            measured: format!("{peak_mb:.0} MB ({before_mb:.0} MB)"),
            aim: "<= 200 MB",
            met: peak_mb <= 200.0,
        },
    ]
}

/// What the eighty get done, images a second.
async fn goodput(load: Rc<Load>, hostile: Option<Rc<Target>>) -> f64 {
    let answered = Rc::new(Cell::new(0_u32));
    let (begin, end) = (Instant::now() + WARM_UP, Instant::now() + WARM_UP + MEASURED);
    let mut attackers = JoinSet::new();
    if let Some(target) = hostile {
        for (harm, many) in HARM {
            for _ in 0..many {
                let target = Rc::clone(&target);
                attackers.spawn_local(async move {
                    loop {
                        // However it ends, it is begun again: that is what makes it hostile.
                        let _ = target.suffer(harm).await;
                    }
                });
            }
        }
    }
    let mut clients = JoinSet::new();
    for number in 0..HONEST {
        let (load, answered) = (Rc::clone(&load), Rc::clone(&answered));
        clients.spawn_local(async move {
            while Instant::now() < end {
                let status = load.send(number % usize::from(CLIENTS)).await;
                let counts = (begin..end).contains(&Instant::now()) && matches!(status, Ok(200));
                answered.set(answered.get() + u32::from(counts));
            }
        });
    }
    clients.join_all().await;
    attackers.shutdown().await;
    f64::from(answered.get()) / MEASURED.as_secs_f64()
}

/// Where it hurts.
struct Target {
    http: String,
    /// What one shows who may upload.
    token: Option<String>,
    workers: String,
    /// How a worker knows this manager.
    trust: Trust,
    batch: String,
}

impl Target {
    async fn suffer(&self, harm: Harm) -> io::Result<()> {
        match harm {
            Harm::SlowBody => {
                let mut stream = from_attacker(&self.http).await?;
                stream
                    .write_all(
                        self.post(&format!("/api/v1/batches/{}/images?name=a.jpg", self.batch), 100_000).as_bytes(),
                    )
                    .await?;
                for byte in [0xff, 0xd8].into_iter().chain(std::iter::repeat(0)) {
                    stream.write_all(&[byte]).await?;
                    sleep(Duration::from_millis(100)).await;
                }
                Ok(())
            }
            Harm::Garbage => {
                let mut stream = from_attacker(&self.workers).await?;
                // The first four bytes are a length that a frame may have.
                let noise: Vec<u8> =
                    (0..4096_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
                stream.write_all(&[&[0, 0, 1, 0], noise.as_slice()].concat()).await?;
                ending(stream).await
            }
            Harm::ClaimsHugeFrame => {
                let mut stream = from_attacker(&self.workers).await?;
                stream.write_all(&[0x7f, 0xff, 0xff, 0xff, 1]).await?;
                ending(stream).await
            }
            Harm::NeverReads => {
                let mut events = from_attacker(&self.http).await?;
                let upgrade = format!(
                    "GET /api/v1/batches/{}/events HTTP/1.1\r\n{}Connection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                    self.batch,
                    self.insider()
                );
                events.write_all(upgrade.as_bytes()).await?;
                let mut asking = from_attacker(&self.http).await?;
                let question =
                    format!("GET /api/v1/batches/{}?limit=1000 HTTP/1.1\r\n{}\r\n", self.batch, self.insider());
                // One after another, until nobody takes them any more.
                while timeout(PATIENCE, asking.write_all(question.as_bytes())).await.is_ok_and(|wrote| wrote.is_ok()) {}
                sleep(PATIENCE).await;
                Ok(())
            }
            Harm::CrossSite => {
                let mut stream = from_attacker(&self.http).await?;
                let asked = format!(
                    "GET /api/v1/workers HTTP/1.1\r\n{}Origin: http://evil.example\r\nConnection: close\r\n\r\n",
                    self.insider()
                );
                stream.write_all(asked.as_bytes()).await?;
                ending(stream).await
            }
            Harm::HugeName => {
                let mut stream = from_attacker(&self.http).await?;
                let path = format!("/api/v1/batches/{}/images?name={}", self.batch, "a".repeat(100_000));
                stream.write_all(self.post(&path, 15).as_bytes()).await?;
                stream.write_all(&[0; 15]).await?;
                ending(stream).await
            }
            Harm::Bomb => {
                let (bomb, mut stream) = (bomb(), from_attacker(&self.http).await?);
                let path = format!("/api/v1/batches/{}/images?name=bomb.png", self.batch);
                stream.write_all(self.post(&path, bomb.len()).as_bytes()).await?;
                stream.write_all(&bomb).await?;
                ending(stream).await
            }
            Harm::GuessesToken => {
                let mut form = from_attacker(&self.http).await?;
                let guess = r#"{"token":"guess"}"#;
                let given = format!(
                    "POST /api/v1/session HTTP/1.1\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{guess}",
                    head(&self.http, None),
                    guess.len()
                );
                form.write_all(given.as_bytes()).await?;
                ending(form).await?;
                let mut upload = from_attacker(&self.http).await?;
                let bytes = 100_000;
                let path = format!("/api/v1/batches/{}/images?name=a.jpg", self.batch);
                upload.write_all(post(&path, &head(&self.http, Some("guess")), bytes).as_bytes()).await?;
                upload.write_all(&vec![0; bytes]).await?;
                ending(upload).await
            }
            Harm::GuessesAsWorker => {
                // Dropped with its first answer, so that it does not wait before it tries again.
                let (_end, mut told) = WorkerEnd::connect(self.guessing_worker());
                let refused = |event: &FromManager| {
                    matches!(event, FromManager::Refused { .. } | FromManager::Disconnected { .. })
                };
                assert!(told.recv().await.as_ref().is_none_or(refused), "a worker with a guessed token is let in");
                Ok(())
            }
        }
    }

    /// The lines of the head of who has a token and means harm.
    fn insider(&self) -> String {
        head(&self.http, self.token.as_deref())
    }

    fn post(&self, path: &str, bytes: usize) -> String {
        post(path, &self.insider(), bytes)
    }

    fn guessing_worker(&self) -> WorkerSettings {
        WorkerSettings {
            manager: self.workers.clone(),
            reach: Reach::default(),
            name: "guess".to_owned(),
            instance: InstanceId([9; 16]),
            slots: 1,
            window: 1,
            models: Vec::new(),
            token: Some("guess".to_owned()),
            encryption: Encryption::Always,
            trust: self.trust.clone(),
            identity: None,
            software: "none".to_owned(),
            timers: TimerSettings::default(),
        }
    }
}

fn post(path: &str, head: &str, bytes: usize) -> String {
    format!("POST {path} HTTP/1.1\r\n{head}Content-Length: {bytes}\r\nConnection: close\r\n\r\n")
}

async fn from_attacker(address: &str) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, ATTACKER], 0).into())?;
    socket.connect(address.parse().expect("the manager prints an address")).await
}

/// Reads until the manager has had enough, for a while.
async fn ending(mut stream: TcpStream) -> io::Result<()> {
    let mut answer = [0; 4096];
    while timeout(PATIENCE, stream.read(&mut answer)).await.map_err(io::Error::other)?? > 0 {}
    Ok(())
}

/// A PNG whose header says 31,000 by 31,000 pixels.
fn bomb() -> Vec<u8> {
    let side = 31_000_u32.to_be_bytes();
    let head = [&b"IHDR"[..], &side, &side, &[8, 2, 0, 0, 0]].concat();
    let chunk = |body: &[u8]| {
        let length = (body.len() as u32 - 4).to_be_bytes();
        [&length, body, &crc32fast::hash(body).to_be_bytes()].concat()
    };
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(&head), chunk(&[b"IDAT", &[0_u8; 200][..]].concat()), chunk(b"IEND")].concat()
}
