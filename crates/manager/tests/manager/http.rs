//! The smallest HTTP client that can also misbehave: one request a connection, every byte in the test's hand.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
};

use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Between the parts of [`multipart`].
const BOUNDARY: &str = "manyeyes-test-boundary";

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    headers: String,
    from: Ipv4Addr,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, headers: String::new(), from: Ipv4Addr::LOCALHOST }
    }

    /// The same from another address of this machine: to the manager, somebody else.
    pub(crate) fn from(&self, last: u8) -> Self {
        Self { from: Ipv4Addr::new(127, 0, 0, last), ..self.clone() }
    }

    /// The same with another header on every request.
    pub(crate) fn with(&self, header: &str) -> Self {
        Self { headers: format!("{}{header}\r\n", self.headers), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", b"").await
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        self.request("POST", path, content_type, body).await
    }

    pub(crate) async fn request(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let mut stream = self.begin(method, path, content_type, body.len()).await;
        // A server that refuses early may not read it all.
        let _ = stream.write_all(body).await;
        answer(&mut stream).await
    }

    /// Opens a connection and says nothing.
    pub(crate) async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((self.from, 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Sends the head of a request with `length` bytes of body to come.
    pub(crate) async fn begin(&self, method: &str, path: &str, content_type: &str, length: usize) -> TcpStream {
        let mut stream = self.connect().await;
        let host = if self.headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n{}\r\n",
            self.headers
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }
}

/// Reads an answer to its end.
pub(crate) async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    // A server that refused a body it has not read may reset the connection behind its answer.
    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
        bytes.extend_from_slice(&chunk[..length]);
    }
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = bytes[head_end + 4..].to_vec();
    if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
        body = dechunked(&body);
    }
    Answer { status, headers, body }
}

fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = bytes.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(&bytes[line + 2..line + 2 + length]);
        bytes = &bytes[line + 2 + length + 2..];
        if length == 0 {
            break;
        }
    }
    body
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of an error's body.
    pub(crate) fn code(&self) -> String {
        self.json::<manyeyes_manager::api::ErrorBody>().error.code
    }
}

/// Content type and body of a form with files.
pub(crate) fn multipart(files: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, content) in files {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n").as_bytes());
        let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}
