//! Who watches a batch's events, and comes back where it is cut off.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;

use super::notebook::Notebook;
use super::told::{Message, Status};
use super::{Door, Stop};

/// A stream that says nothing for so long is cut off, says `docs/api.md`.
const SILENCE: Duration = Duration::from_secs(15);

/// How long a connection and its handshake may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How often it looks whether it is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long it waits before it connects again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Watches until `is_over`, or until the run is. `is_watching` becomes true with the first snapshot.
pub(super) struct Watcher<'a> {
    pub(super) door: &'a Door,
    pub(super) batch: &'a str,
    pub(super) notebook: &'a Notebook,
    pub(super) stop: &'a Stop,
    pub(super) is_over: &'a AtomicBool,
    pub(super) is_watching: &'a AtomicBool,
}

impl Watcher<'_> {
    pub(super) fn watch(&self) {
        let mut last = None;
        while !self.is_to_end() {
            match self.open(last) {
                Some(stream) => self.follow(stream, &mut last),
                None => thread::sleep(AGAIN_AFTER),
            }
        }
    }

    fn is_to_end(&self) -> bool {
        self.is_over.load(Ordering::Relaxed) || self.stop.is_over()
    }

    fn open(&self, last: Option<u64>) -> Option<WebSocket<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.door.manager, CONNECT).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(CONNECT)).ok()?;
        stream.set_write_timeout(Some(CONNECT)).ok()?;
        let from = last.map(|last| format!("?from={last}")).unwrap_or_default();
        let address = format!("ws://{}/api/v1/batches/{}/events{from}", self.door.manager, self.batch);
        let mut request = address.into_client_request().ok()?;
        if let Some(token) = &self.door.token {
            let bearer = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
            request.headers_mut().insert("Authorization", bearer);
        }
        let (socket, _) = tungstenite::client(request, stream).ok()?;
        socket.get_ref().set_read_timeout(Some(LOOK_EVERY)).ok()?;
        Some(socket)
    }

    fn follow(&self, mut stream: WebSocket<TcpStream>, last: &mut Option<u64>) {
        let mut heard = Instant::now();
        while heard.elapsed() < SILENCE && !self.is_to_end() {
            match stream.read() {
                Ok(tungstenite::Message::Text(text)) => {
                    heard = Instant::now();
                    // A message of another form is of a newer manager, says `docs/api.md`.
                    if let Ok(message) = serde_json::from_str(text.as_str()) {
                        self.note(heard, message, last);
                    }
                }
                Ok(_) => heard = Instant::now(),
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }

    fn note(&self, now: Instant, message: Message, last: &mut Option<u64>) {
        let note_status = |Status { workers, happenings }| self.notebook.status(now, workers, happenings);
        match message {
            Message::Snapshot { seq, images, status } => {
                *last = Some(seq);
                images.into_iter().for_each(|image| self.notebook.told(now, image));
                note_status(status);
                self.is_watching.store(true, Ordering::Relaxed);
            }
            Message::Change { seq, image } => {
                *last = Some(seq);
                image.into_iter().for_each(|image| self.notebook.told(now, image));
            }
            Message::Status(status) => note_status(status),
            Message::Other => {}
        }
    }
}
