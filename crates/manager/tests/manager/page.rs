//! A model of the page: it takes a snapshot and changes, and has what a browser would show.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use manyeyes_manager::api::{Event, Image, Status};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{PATIENCE, Running};

pub(crate) struct Page {
    socket: WebSocketStream<TcpStream>,
    pub(crate) images: BTreeMap<u64, Image>,
    pub(crate) status: Option<Status>,
    /// The number of the last message.
    pub(crate) seq: u64,
    /// Whether the last snapshot was of the whole batch.
    pub(crate) was_complete: bool,
    /// How many snapshots there were.
    pub(crate) snapshots: u32,
    /// Images that the last snapshot had.
    pub(crate) in_snapshot: usize,
    /// Every image as it was announced, in that order.
    pub(crate) seen: Vec<Image>,
    pub(crate) is_gone: bool,
}

impl Page {
    /// Opens the events of a batch; its first message has been received.
    pub(crate) async fn open(running: &Running, batch: &str, from: Option<u64>) -> Self {
        let stream = TcpStream::connect(running.client.address).await.unwrap();
        Self::over(stream, running, batch, from).await
    }

    /// As [`Page::open`], of somebody who shows this token.
    pub(crate) async fn open_with(running: &Running, batch: &str, token: Option<&str>) -> Self {
        let stream = TcpStream::connect(running.client.address).await.unwrap();
        Self::shown(stream, running, batch, None, token).await
    }

    /// As [`Page::open`], over a connection that the test has made.
    pub(crate) async fn over(stream: TcpStream, running: &Running, batch: &str, from: Option<u64>) -> Self {
        Self::shown(stream, running, batch, from, None).await
    }

    async fn shown(stream: TcpStream, running: &Running, batch: &str, from: Option<u64>, token: Option<&str>) -> Self {
        let address = running.client.address;
        let from = from.map(|from| format!("?from={from}")).unwrap_or_default();
        let url = format!("ws://{address}/api/v1/batches/{batch}/events{from}");
        let mut request = url.into_client_request().unwrap();
        if let Some(token) = token {
            request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
        }
        let (socket, _) = client_async(request, stream).await.unwrap();
        let mut page = Self {
            socket,
            images: BTreeMap::new(),
            status: None,
            seq: 0,
            was_complete: false,
            snapshots: 0,
            in_snapshot: 0,
            seen: Vec::new(),
            is_gone: false,
        };
        page.next().await;
        assert!(page.status.is_some(), "a snapshot comes first");
        page
    }

    /// Receives until the page shows what is wanted.
    pub(crate) async fn until(&mut self, shows: impl Fn(&Self) -> bool) {
        let receiving = async {
            while !shows(self) {
                self.next().await;
            }
        };
        tokio::time::timeout(PATIENCE, receiving).await.expect("the page shows it in time");
    }

    /// Receives until the manager closes, as it should, with a word. Gives its code and its reason, where it has one.
    pub(crate) async fn until_closed(&mut self) -> Option<(u16, String)> {
        let closing = async {
            loop {
                if let Some(Ok(Message::Close(frame))) = self.socket.next().await {
                    return frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                }
            }
        };
        tokio::time::timeout(PATIENCE, closing).await.expect("the manager closes")
    }

    /// Receives until there is nothing to receive from.
    pub(crate) async fn until_hung_up(&mut self) {
        let ending = async { while matches!(self.socket.next().await, Some(Ok(_))) {} };
        tokio::time::timeout(PATIENCE, ending).await.expect("the manager hangs up");
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Closes it as a browser does.
    pub(crate) async fn close(mut self) {
        self.socket.close(None).await.unwrap();
        let _ = self.socket.flush().await;
    }

    async fn next(&mut self) {
        let message = self.socket.next().await.expect("the manager does not hang up").unwrap();
        if let Message::Text(text) = message {
            self.take(serde_json::from_str(&text).unwrap());
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Snapshot { seq, images, deleted, complete, status, .. } => {
                if complete {
                    self.images.clear();
                }
                self.number(seq);
                self.was_complete = complete;
                self.snapshots += 1;
                self.in_snapshot = images.len();
                self.status = Some(status);
                images.into_iter().for_each(|image| self.show(image));
                deleted.iter().for_each(|id| drop(self.images.remove(&number(id))));
            }
            Event::Change { seq, image, deleted } => {
                self.number(seq);
                if let Some(image) = image {
                    self.show(image);
                }
                if let Some(id) = deleted {
                    self.images.remove(&number(&id));
                }
            }
            Event::Status(status) => self.status = Some(status),
            Event::Gone => self.is_gone = true,
        }
    }

    fn number(&mut self, seq: u64) {
        assert!(seq > self.seq, "numbers rise, but {seq} follows {}", self.seq);
        self.seq = seq;
    }

    fn show(&mut self, image: Image) {
        let id = number(&image.id);
        self.seen.push(image.clone());
        if self.images.get(&id).is_none_or(|shown| shown.seq <= image.seq) {
            self.images.insert(id, image);
        }
    }
}

fn number(id: &str) -> u64 {
    id.parse().unwrap()
}
