//! Child processes that make smaller pictures, because the manager's own never decodes a stranger's pixels.
//!
//! What is said to a child and back is written in `manyeyes_picture::confined`. A child that is too slow, or that breaks
//! that, is killed; the next question starts another.

use std::{
    io,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
};

use manyeyes_picture::{
    Limits,
    confined::{PICTURES_A_PROCESS, REPLY_HEAD_BYTES, Reply, ReplyHead, RequestHead, Wanted},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Semaphore, SemaphorePermit},
};

use crate::settings::ConfinedSettings;

/// A few children, each at one picture at a time. Clones share them.
#[derive(Clone)]
pub(crate) struct Confined {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ConfinedSettings,
    limits: Limits,
    /// A place for each who is served.
    working: Semaphore,
    idle: Mutex<Vec<Process>>,
    /// What is missing of their confinement is the same of all, and said once.
    said: Once,
}

/// The right to ask a child, until it is dropped.
pub(crate) struct Turn<'a> {
    shared: &'a Shared,
    _place: SemaphorePermit<'a>,
}

impl Confined {
    /// `pixels` is the most that a picture may have to be decoded.
    pub(crate) fn new(settings: ConfinedSettings, pixels: u64) -> Self {
        let working = Semaphore::new(settings.processes);
        let limits = Limits { max_pixels: pixels };
        let (idle, said) = (Mutex::default(), Once::new());
        Self { shared: Arc::new(Shared { settings, limits, working, idle, said }) }
    }

    /// Waits until a child is free. Whoever came first is served first.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        let place = self.shared.working.acquire().await.expect("its places are never closed");
        Turn { shared: &self.shared, _place: place }
    }
}

impl Turn<'_> {
    /// Has a child make a smaller picture of a file. Fails where the child does; what it refuses is a reply.
    pub(crate) async fn make(self, file: &[u8], wanted: Wanted) -> io::Result<Reply> {
        let idle = self.shared.idle().pop();
        if let Some(process) = idle {
            match self.ask(process, file, wanted).await {
                // It may have died since it was asked last, which says nothing of this image.
                Err(error) if error.kind() != io::ErrorKind::TimedOut => {}
                answer => return answer,
            }
        }
        let start = Process::start(&self.shared.settings);
        let (process, missing) = tokio::time::timeout(self.shared.settings.time, start).await??;
        self.shared.said.call_once(|| {
            for missing in missing {
                tracing::warn!("smaller pictures are made less confined than they should be: {missing}");
            }
        });
        self.ask(process, file, wanted).await
    }

    /// On an error the process is dropped, and with it killed.
    async fn ask(&self, mut process: Process, file: &[u8], wanted: Wanted) -> io::Result<Reply> {
        let Shared { settings, limits, .. } = self.shared;
        let answer = tokio::time::timeout(settings.time, process.ask(file, wanted, *limits)).await??;
        if process.pictures < PICTURES_A_PROCESS {
            self.shared.idle().push(process);
        }
        Ok(answer)
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A child. Killed when dropped.
struct Process {
    to: ChildStdin,
    from: ChildStdout,
    /// How many it has been asked for.
    pictures: u32,
    _child: Child,
}

impl Process {
    /// Starts it and waits until it says that it is ready, and what could not be taken from it. It gets nothing of this process's
    /// environment.
    async fn start(settings: &ConfinedSettings) -> io::Result<(Self, Vec<String>)> {
        let mut child = Command::new(&settings.program)
            .args(&settings.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.expect("both were asked to be pipes");
        let mut process = Self { to, from, pictures: 0, _child: child };
        let (head, body) = process.hear().await?;
        Ok((process, head.greeted(&body)?))
    }

    async fn ask(&mut self, file: &[u8], wanted: Wanted, limits: Limits) -> io::Result<Reply> {
        let file_bytes = u32::try_from(file.len()).map_err(io::Error::other)?;
        let head = RequestHead { file_bytes, wanted, limits };
        self.to.write_all(&head.encode()).await?;
        self.to.write_all(file).await?;
        self.to.flush().await?;
        self.pictures += 1;
        let (head, body) = self.hear().await?;
        head.reply(body)
    }

    async fn hear(&mut self) -> io::Result<(ReplyHead, Vec<u8>)> {
        let mut head = [0; REPLY_HEAD_BYTES];
        self.from.read_exact(&mut head).await?;
        let head = ReplyHead::decode(head)?;
        let mut body = vec![0; head.body_bytes as usize];
        self.from.read_exact(&mut body).await?;
        Ok((head, body))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    /// Bytes that a child in shell has to read of a question about a file of three bytes.
    pub(crate) const QUESTION: usize = manyeyes_picture::confined::REQUEST_HEAD_BYTES + 3;

    /// A child of which everything was taken.
    const GREETING: &str = "printf '\\2\\0\\0\\0\\0'";

    /// Children in shell: each greets and answers as `script` does.
    pub(crate) fn in_shell(script: &str) -> ConfinedSettings {
        ConfinedSettings {
            arguments: vec![
                "-c".to_owned(),
                format!("{GREETING}; {}", script.replace("QUESTION", &QUESTION.to_string())),
            ],
            time: Duration::from_secs(5),
            ..ConfinedSettings::new("/bin/sh".into())
        }
    }

    /// A child that answers with how many questions it has been asked, of three digits.
    pub(crate) const COUNTS: &str = "n=0; while [ \"$(head -c QUESTION | wc -c)\" = QUESTION ]; do n=$((n + 1)); \
                                     printf '\\0\\0\\0\\0\\3%03d' $n; done";

    async fn ask(children: &Confined) -> io::Result<Reply> {
        children.turn().await.make(b"abc", Wanted::Thumbnail(1)).await
    }

    fn children(script: &str) -> Confined {
        Confined::new(in_shell(script), 1_000_000)
    }

    #[tokio::test]
    async fn a_child_is_asked_again_and_again() {
        let children = children(COUNTS);
        assert_eq!(ask(&children).await.unwrap().unwrap(), b"001");
        assert_eq!(ask(&children).await.unwrap().unwrap(), b"002");
    }

    #[tokio::test]
    async fn a_refusal_is_passed_on() {
        let children = children("head -c QUESTION >/dev/null; printf '\\1\\0\\0\\0\\10empty\\nno'");
        assert_eq!(ask(&children).await.unwrap().unwrap_err().message, "no");
    }

    #[tokio::test]
    async fn a_child_that_died_while_it_was_idle_costs_no_image_its_picture() {
        let children = children("head -c QUESTION >/dev/null; printf '\\0\\0\\0\\0\\1x'");
        for _ in 0..3 {
            assert_eq!(ask(&children).await.unwrap().unwrap(), b"x");
        }
    }

    #[tokio::test]
    async fn a_child_that_dies_is_replaced_by_the_next_question() {
        let children = children("head -c QUESTION >/dev/null; [ -e \"$0\" ] && exit 1");
        for _ in 0..2 {
            assert!(ask(&children).await.is_err());
        }
    }
}
