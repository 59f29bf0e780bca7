//! Files on their way from a manager, each on a stream of its own.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use manyeyes_protocol::frame::{DecodeError, MAX_FRAME, ManagerFrame};
use quinn::{Connection, RecvStream};
use tokio::io::AsyncReadExt;

use super::order::{Arrived, Heard};
use crate::wire::Inbox;

/// How often all streams are looked at again before a frame of the control stream is handed over, while more comes. Beyond it
/// a question may overtake its file, which then is sent again.
const LOOKS: u32 = 1_024;

/// The files that have not come to their end.
#[derive(Debug)]
pub(super) struct FilesIn {
    connection: Connection,
    coming: FuturesUnordered<Coming>,
    /// Bytes of files that have come, all together.
    came: Arc<AtomicUsize>,
    /// Of those, what has been told of.
    told: usize,
    /// Of those, what has been handed over or dropped.
    gone: usize,
    /// The most of those that may be here.
    room: usize,
    broken: Option<DecodeError>,
}

type Coming = Pin<Box<dyn Future<Output = Came> + Send + Sync>>;

/// What comes of waiting for a stream, or for the rest of one.
enum Came {
    Stream(RecvStream),
    File { file: Arrived, bytes: usize },
    Dropped { bytes: usize },
    Broken(DecodeError),
    ConnectionLost,
}

impl FilesIn {
    pub(super) fn new(connection: Connection, room: usize) -> Self {
        let (coming, came) = (FuturesUnordered::new(), Arc::default());
        coming.push(accept(connection.clone()));
        Self { connection, coming, came, told: 0, gone: 0, room, broken: None }
    }

    /// Waits for bytes of files; says how many came. Whole files go to `heard`.
    pub(super) async fn come(&mut self, heard: &mut Heard) -> usize {
        poll_fn(|context| self.poll(heard, context)).await
    }

    /// Takes all that is there already.
    pub(super) fn take_all(&mut self, heard: &mut Heard) -> usize {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut bytes = 0;
        for _ in 0..LOOKS {
            match self.poll(heard, &mut Context::from_waker(&waker)) {
                Poll::Ready(more) => bytes += more,
                // Nothing more is there, unless it has come meanwhile, or not all were looked at in one turn.
                Poll::Pending if !woken.0.swap(false, Ordering::AcqRel) => break,
                Poll::Pending => {}
            }
        }
        bytes
    }

    /// Why what came is no file, if something is not.
    pub(super) fn take_broken(&mut self) -> Option<DecodeError> {
        self.broken.take()
    }

    /// Whether more has come than may be here.
    pub(super) fn is_over(&self, heard: &Heard) -> bool {
        self.told - self.gone + heard.waiting_bytes() > self.room
    }

    fn poll(&mut self, heard: &mut Heard, context: &mut Context<'_>) -> Poll<usize> {
        let mut ended = false;
        while let Poll::Ready(Some(came)) = self.coming.poll_next_unpin(context) {
            match came {
                Came::Stream(stream) => {
                    self.coming.push(Box::pin(read(stream, Arc::clone(&self.came))));
                    self.coming.push(accept(self.connection.clone()));
                    continue;
                }
                Came::File { file, bytes } => {
                    heard.file(file);
                    self.gone += bytes;
                }
                Came::Dropped { bytes } => self.gone += bytes,
                Came::Broken(error) => self.broken = Some(error),
                // The control stream says why.
                Came::ConnectionLost => continue,
            }
            ended = true;
        }
        let came = self.came.load(Ordering::Relaxed);
        let more = came - std::mem::replace(&mut self.told, came);
        if more > 0 || ended { Poll::Ready(more) } else { Poll::Pending }
    }
}

fn accept(connection: Connection) -> Coming {
    Box::pin(async move { connection.accept_uni().await.map_or(Came::ConnectionLost, Came::Stream) })
}

/// Reads a stream to its end: a fence and an Assign with its file.
async fn read(mut stream: RecvStream, came: Arc<AtomicUsize>) -> Came {
    let mut bytes = 0;
    let fence = match stream.read_u64().await {
        Ok(fence) => fence,
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Came::Broken(DecodeError::Short("fence")),
        Err(_) => return Came::Dropped { bytes },
    };
    let (mut inbox, mut whole) = (Inbox::new(), None);
    loop {
        let Ok(read) = inbox.read(&mut stream).await else {
            // It is not wanted any more, or the connection is lost.
            return Came::Dropped { bytes };
        };
        bytes += read;
        came.fetch_add(read, Ordering::Relaxed);
        match (inbox.next_frame(MAX_FRAME), &whole) {
            (Ok(Some(frame)), None) => whole = Some(frame),
            (Ok(None), None) => {}
            (Err(error), None) => return Came::Broken(error),
            (_, Some(_)) if read > 0 => return Came::Broken(DecodeError::Trailing(read)),
            (_, Some(_)) => {}
        }
        if read == 0 {
            break;
        }
    }
    let Some((frame, received_in)) = whole else {
        return Came::Broken(DecodeError::Short("file"));
    };
    if inbox.bytes() > 0 {
        return Came::Broken(DecodeError::Trailing(inbox.bytes()));
    }
    match ManagerFrame::decode(frame) {
        Ok(ManagerFrame::Assign(assign)) if !assign.resend => {
            Came::File { file: Arrived { fence, assign, received_in }, bytes }
        }
        Ok(_) => Came::Broken(DecodeError::Invalid("stream")),
        Err(error) => Came::Broken(error),
    }
}

/// Whether one was woken.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
