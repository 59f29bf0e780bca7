//! Small pictures of images, made by a child process, because the manager's own never decodes a stranger's pixels.
//!
//! What is said to the child and back is written in `manyeyes_picture::confined`. A child that is too slow, or that breaks
//! that, is killed; the next question starts another.

use std::{
    collections::HashMap,
    io,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use manyeyes_picture::{
    Limits,
    confined::{REPLY_HEAD_BYTES, Reply, ReplyHead, RequestHead},
};
use manyeyes_protocol::id::ImageId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
};

use crate::{
    admission::{Client, Full, Places},
    settings::ThumbnailSettings,
};

/// The longest side of a small picture in pixels: sharp on a card of 160 points, on a screen with two pixels a point.
const LONGEST_SIDE: u32 = 320;

/// Makes and remembers small pictures. Clones share it.
#[derive(Clone)]
pub(crate) struct Thumbnails {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ThumbnailSettings,
    limits: Limits,
    /// A place for each who waits or is served.
    places: Places,
    /// A place for each who is served.
    working: Semaphore,
    idle: Mutex<Vec<Process>>,
    remembered: Mutex<Remembered>,
}

/// Why there is no small picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThumbnailError<E> {
    /// More wait than may.
    #[error("too many small pictures are asked for at the same time")]
    Busy(Full),
    /// The file could not be read from the store.
    #[error(transparent)]
    Unread(E),
    /// The child says that the image has none.
    #[error("there is no small picture of it: {0}")]
    Refused(String),
    /// The child failed.
    #[error("failed to make a small picture")]
    Broken(#[source] io::Error),
}

impl Thumbnails {
    /// `pixels` is the most that an image may have to be decoded.
    pub(crate) fn new(settings: ThumbnailSettings, pixels: u64) -> Self {
        let shared = Shared {
            places: Places::new(settings.processes + settings.waiting),
            working: Semaphore::new(settings.processes),
            idle: Mutex::default(),
            remembered: Mutex::new(Remembered { most_bytes: settings.remembered_bytes, ..Remembered::default() }),
            settings,
            limits: Limits { max_pixels: pixels },
        };
        Self { shared: Arc::new(shared) }
    }

    /// The small picture of an image, as a JPEG. `file` is read only where it is not remembered.
    pub(crate) async fn of<E>(
        &self,
        image: ImageId,
        client: Client,
        file: impl Future<Output = Result<Bytes, E>>,
    ) -> Result<Bytes, ThumbnailError<E>> {
        if let Some(jpeg) = self.remembered().get(image) {
            return Ok(jpeg);
        }
        let shared = &self.shared;
        let _place = shared.places.take(client).map_err(ThumbnailError::Busy)?;
        let _turn = shared.working.acquire().await.expect("its places are never closed");
        let file = file.await.map_err(ThumbnailError::Unread)?;
        match self.make(&file).await.map_err(ThumbnailError::Broken)? {
            Ok(jpeg) => {
                let jpeg = Bytes::from(jpeg);
                self.remembered().put(image, jpeg.clone());
                Ok(jpeg)
            }
            Err(refusal) => Err(ThumbnailError::Refused(refusal.message)),
        }
    }

    async fn make(&self, file: &[u8]) -> io::Result<Reply> {
        let idle = self.idle().pop();
        if let Some(process) = idle {
            match self.ask(process, file).await {
                // It may have died since it was asked last, which says nothing of this image.
                Err(error) if error.kind() != io::ErrorKind::TimedOut => {}
                answer => return answer,
            }
        }
        self.ask(Process::start(&self.shared.settings)?, file).await
    }

    /// On an error the process is dropped, and with it killed.
    async fn ask(&self, mut process: Process, file: &[u8]) -> io::Result<Reply> {
        let answer = tokio::time::timeout(self.shared.settings.time, process.ask(file, self.shared.limits)).await??;
        self.idle().push(process);
        Ok(answer)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Process>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.shared.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A child that makes small pictures. Killed when dropped.
struct Process {
    to: ChildStdin,
    from: ChildStdout,
    _child: Child,
}

impl Process {
    fn start(settings: &ThumbnailSettings) -> io::Result<Self> {
        let mut child = Command::new(&settings.program)
            .args(&settings.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.expect("both were asked to be pipes");
        Ok(Self { to, from, _child: child })
    }

    async fn ask(&mut self, file: &[u8], limits: Limits) -> io::Result<Reply> {
        let file_bytes = u32::try_from(file.len()).map_err(io::Error::other)?;
        let head = RequestHead { file_bytes, longest_side: LONGEST_SIDE, limits };
        self.to.write_all(&head.encode()).await?;
        self.to.write_all(file).await?;
        self.to.flush().await?;
        let mut head = [0; REPLY_HEAD_BYTES];
        self.from.read_exact(&mut head).await?;
        let head = ReplyHead::decode(head)?;
        let mut body = vec![0; head.body_bytes as usize];
        self.from.read_exact(&mut body).await?;
        Ok(head.reply(body))
    }
}

/// The small pictures that were asked for last.
#[derive(Default)]
struct Remembered {
    most_bytes: usize,
    bytes: usize,
    asked: u64,
    pictures: HashMap<ImageId, (u64, Bytes)>,
}

impl Remembered {
    fn get(&mut self, image: ImageId) -> Option<Bytes> {
        self.asked += 1;
        let (asked, jpeg) = self.pictures.get_mut(&image)?;
        *asked = self.asked;
        Some(jpeg.clone())
    }

    fn put(&mut self, image: ImageId, jpeg: Bytes) {
        self.bytes += jpeg.len();
        if let Some((_, former)) = self.pictures.insert(image, (self.asked, jpeg)) {
            self.bytes -= former.len();
        }
        while self.bytes > self.most_bytes {
            let Some(oldest) = self.pictures.iter().min_by_key(|(_, (asked, _))| *asked).map(|(&image, _)| image)
            else {
                break;
            };
            self.bytes -= self.pictures.remove(&oldest).map_or(0, |(_, jpeg)| jpeg.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use super::*;

    /// A thumbnailer in shell: answers each question with `answer`, or does what it says instead.
    fn thumbnails(script: &str) -> Thumbnails {
        let settings = ThumbnailSettings {
            arguments: vec!["-c".to_owned(), script.to_owned()],
            time: Duration::from_secs(5),
            ..ThumbnailSettings::new("/bin/sh".into())
        };
        Thumbnails::new(settings, 1_000_000)
    }

    async fn ask(thumbnails: &Thumbnails, image: u64) -> Result<Bytes, ThumbnailError<Infallible>> {
        let client = Client::at([127, 0, 0, 1].into());
        thumbnails.of(ImageId(image), client, async { Ok(Bytes::from_static(b"abc")) }).await
    }

    #[tokio::test]
    async fn a_child_is_asked_again_and_again_and_answers_are_remembered() {
        // 16 and 3 bytes a question; answers with the shell's process id, so that a new child would be seen.
        let child = thumbnails(
            "while [ \"$(head -c 19 | wc -c)\" = 19 ]; do printf '\\0\\0\\0\\0\\3%03d' $(($$ % 1000)); done",
        );
        let first = ask(&child, 1).await.unwrap();
        assert_eq!(first.len(), 3);
        assert_eq!(ask(&child, 2).await.unwrap(), first);
        assert_eq!(ask(&child, 1).await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_refusal_is_passed_on() {
        let child = thumbnails("head -c 19 >/dev/null; printf '\\1\\0\\0\\0\\10empty\\nno'");
        assert!(matches!(ask(&child, 1).await, Err(ThumbnailError::Refused(why)) if why == "no"));
    }

    #[tokio::test]
    async fn a_child_that_died_while_it_was_idle_costs_no_image_its_picture() {
        let child = thumbnails("head -c 19 >/dev/null; printf '\\0\\0\\0\\0\\1x'");
        for image in 1..=3 {
            assert_eq!(ask(&child, image).await.unwrap(), "x");
        }
    }

    #[tokio::test]
    async fn a_child_that_dies_is_replaced_by_the_next_question() {
        let child = thumbnails("head -c 19 >/dev/null; [ -e \"$0\" ] && exit 1");
        for _ in 0..2 {
            assert!(matches!(ask(&child, 1).await, Err(ThumbnailError::Broken(_))));
        }
    }

    #[test]
    fn the_least_recently_asked_for_is_forgotten_first() {
        let mut remembered = Remembered { most_bytes: 2, ..Remembered::default() };
        for image in 1..=2 {
            assert_eq!(remembered.get(ImageId(image)), None);
            remembered.put(ImageId(image), Bytes::from_static(b"x"));
        }
        assert!(remembered.get(ImageId(1)).is_some());
        remembered.put(ImageId(3), Bytes::from_static(b"x"));
        assert!(remembered.get(ImageId(2)).is_none());
        assert!(remembered.get(ImageId(1)).is_some());
    }
}
