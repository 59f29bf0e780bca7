//! Who watches a batch's events: it writes down what it is told, is cut off now and then, and comes back with the last number
//! that it has had, or without.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tungstenite::{Message, WebSocket};

use crate::history::{Copy, Fact, History};
use crate::signals::Signals;

/// A stream that says nothing for so long is cut off, says `docs/api.md`.
const SILENCE: Duration = Duration::from_secs(15);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How often it looks whether it is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long it waits before it connects again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How likely it is, after each message, that it leaves and comes back.
const LEAVE: f64 = 0.003;

/// How likely it is that it has forgotten the number when it comes back.
const FORGET: f64 = 0.2;

/// How long it listens on when it is over, for what is on the way.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Watches until `is_over`, and a little longer.
pub(super) fn watch(url: &str, batch: &str, seed: u64, history: &History, signals: &Signals, is_over: &AtomicBool) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut watcher = Watcher { batch, history, last: None, is_gone: false };
    while !is_over.load(Ordering::Relaxed) && !signals.is_to_stop() && !watcher.is_gone {
        if watcher.last.is_some() && chance.random_bool(FORGET) {
            watcher.last = None;
        }
        match watcher.open(url) {
            Some(stream) => watcher.follow(stream, &mut chance, signals, is_over),
            None => signals.wait(AGAIN_AFTER),
        }
    }
}

struct Watcher<'a> {
    batch: &'a str,
    history: &'a History,
    last: Option<u64>,
    is_gone: bool,
}

impl Watcher<'_> {
    fn open(&mut self, url: &str) -> Option<WebSocket<TcpStream>> {
        let authority = url.strip_prefix("http://")?;
        let address: SocketAddr = authority.parse().ok()?;
        let stream = TcpStream::connect_timeout(&address, CONNECT).ok()?;
        stream.set_read_timeout(Some(CONNECT)).ok()?;
        stream.set_write_timeout(Some(CONNECT)).ok()?;
        let from = self.last.map(|last| format!("?from={last}")).unwrap_or_default();
        let request = format!("ws://{authority}/api/v1/batches/{}/events{from}", self.batch);
        let opened = match tungstenite::client(request, stream) {
            Ok((socket, _)) => socket,
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                self.refused(response.status().as_u16(), response.body().as_deref().unwrap_or_default());
                return None;
            }
            Err(_) => return None,
        };
        opened.get_ref().set_read_timeout(Some(LOOK_EVERY)).ok()?;
        self.history.add(Fact::Opened { batch: self.batch.to_owned(), from: self.last });
        Some(opened)
    }

    fn refused(&mut self, status: u16, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
        self.is_gone = code == "no_such_batch";
        let (batch, request) = (self.batch.to_owned(), "watch".to_owned());
        self.history.add(Fact::Refused { batch, image: None, request, status, code });
    }

    fn follow(
        &mut self,
        mut stream: WebSocket<TcpStream>,
        chance: &mut StdRng,
        signals: &Signals,
        is_over: &AtomicBool,
    ) {
        let (mut heard, mut over) = (Instant::now(), None);
        while heard.elapsed() < SILENCE && !signals.is_to_stop() {
            if is_over.load(Ordering::Relaxed) && over.get_or_insert_with(Instant::now).elapsed() > LAST_WORDS {
                return;
            }
            match stream.read() {
                Ok(Message::Text(text)) => {
                    heard = Instant::now();
                    self.told(text.as_str());
                    if self.is_gone || chance.random_bool(LEAVE) {
                        return;
                    }
                }
                Ok(_) => heard = Instant::now(),
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }

    fn told(&mut self, text: &str) {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return };
        let batch = self.batch.to_owned();
        let seq = message["seq"].as_u64();
        let ids = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
        };
        let fact = match (message["type"].as_str(), seq) {
            (Some("snapshot"), Some(seq)) => Fact::Snapshot {
                batch,
                seq,
                images: Copy::all_of(&message["images"]).unwrap_or_default(),
                deleted: ids(&message["deleted"]),
                complete: message["complete"] == true,
            },
            (Some("change"), Some(seq)) => Fact::Change {
                batch,
                seq,
                image: Copy::of(&message["image"]),
                deleted: message["deleted"].as_str().map(str::to_owned),
            },
            (Some("gone"), _) => {
                self.is_gone = true;
                Fact::Gone { batch }
            }
            // A status counts, and has no number.
            _ => return,
        };
        self.last = seq.or(self.last);
        self.history.add(fact);
    }
}
