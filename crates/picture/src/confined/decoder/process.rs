//! One child: how it is started, asked, waited for and ended.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use rustix::fs::{FallocateFlags, fallocate};

use super::DecoderSettings;
use crate::confined::reply::{Kind, MAX_TEXT_BYTES};
use crate::confined::{MAX_FILE_BYTES, REPLY_HEAD_BYTES, Refusal, ReplyHead, RequestHead, Wanted, area};

/// Into how many parts the time of a file is divided. A part that a stop of this process falls into is spent, and no more than that:
/// a worker that was stopped for a minute has not been waiting for its decoder.
const PARTS: u32 = 10;

/// What of the shared memory is kept from one file to the next: more than a photo has. The rest goes back to the system.
const KEPT_BYTES: u64 = 4 << 20;

/// A child. Killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    channel: UnixStream,
    memory: File,
    child: Child,
    missing: Vec<String>,
    settings: DecoderSettings,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was gone before it was asked, or could not be asked.
    Gone(io::Error),
    /// It was at this file: how it ended, or what is wrong with it.
    AtThisFile(String),
}

impl Process {
    /// Starts it, and does not wait for it. It gets nothing of this process's environment, where a worker's token is.
    pub(super) fn start(settings: &DecoderSettings) -> io::Result<Self> {
        let memory = area::shared(u64::from(MAX_FILE_BYTES))?;
        let (channel, theirs) = UnixStream::pair()?;
        channel.set_read_timeout(Some(settings.time / PARTS))?;
        let child = Command::new(&settings.program)
            .arg0(&settings.name)
            .args(&settings.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(memory.try_clone()?)
            .spawn()?;
        Ok(Self { channel, memory, child, missing: Vec::new(), settings: settings.clone() })
    }

    /// Waits until it says that it is ready.
    pub(super) fn greeted(mut self) -> io::Result<Self> {
        let (head, body) = self.hear().map_err(|how| io::Error::other(format!("it {how}")))?;
        self.missing = head.greeted(&body)?;
        Ok(self)
    }

    /// What could not be taken from it.
    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Has it decode a file: the pixels of a square.
    pub(super) fn ask(&mut self, file: &[u8], request: &RequestHead) -> Result<Result<Vec<u8>, Refusal>, Trouble> {
        self.memory.write_all_at(file, 0).map_err(Trouble::Gone)?;
        self.channel.write_all(&request.encode()).map_err(Trouble::Gone)?;
        let (head, body) = self.hear().map_err(Trouble::AtThisFile)?;
        let nonsense = || Trouble::AtThisFile("answered what was not asked".to_owned());
        let reply = match (head.kind, request.wanted) {
            (Kind::Wanted, Wanted::Square { crop, .. }) => {
                let pixels = 3 * crop as usize * crop as usize;
                if head.body_bytes as usize != pixels {
                    return Err(nonsense());
                }
                let mut read = vec![0; pixels];
                self.memory.read_exact_at(&mut read, 0).map_err(Trouble::Gone)?;
                Ok(read)
            }
            (Kind::Refusal, _) => Err(Refusal::decode(&body)),
            (Kind::Wanted | Kind::Greeting, _) => return Err(nonsense()),
        };
        self.give_back(file.len() as u64).map_err(Trouble::Gone)?;
        Ok(reply)
    }

    /// The next thing that it says, with the text that follows. Fails with how it failed to say any.
    ///
    /// An honest child writes it at once, so that one read takes it. One that dribbles has no more reads than parts of its time.
    fn hear(&mut self) -> Result<(ReplyHead, Vec<u8>), String> {
        let mut said = [0; REPLY_HEAD_BYTES + MAX_TEXT_BYTES];
        let mut length = 0;
        for _ in 0..PARTS {
            match self.channel.read(&mut said[length..]) {
                Ok(0) => return Err(how_it_ended(self.end())),
                Ok(more) => length += more,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return Err(how_it_ended(self.end())),
            }
            let Some((head, rest)) = said[..length].split_first_chunk() else { continue };
            let head = ReplyHead::decode(*head).map_err(|error| format!("said {error}"))?;
            // What was wanted lies in the shared memory.
            let text = if head.kind == Kind::Wanted { 0 } else { head.body_bytes as usize };
            if text > MAX_TEXT_BYTES {
                return Err(format!("said {text} bytes where at most {MAX_TEXT_BYTES} may be"));
            }
            if let Some(body) = rest.get(..text) {
                return Ok((head, body.to_vec()));
            }
        }
        Err(format!("took longer than {:?}", self.settings.time))
    }

    fn give_back(&self, used: u64) -> io::Result<()> {
        if used > KEPT_BYTES {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&self.memory, hole, KEPT_BYTES, used - KEPT_BYTES)?;
        }
        Ok(())
    }

    /// Kills it, if it has not ended by itself, and says how it ended.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // Where this may not kill it, it is not waited for either: its input has ended, and so will it.
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn how_it_ended(status: io::Result<ExitStatus>) -> String {
    match status.map(|status| (status.signal(), status.code())) {
        Ok((Some(signal), _)) => format!("was ended by signal {signal}"),
        Ok((None, Some(code))) => format!("ended with status {code}"),
        Ok((None, None)) | Err(_) => "ended".to_owned(),
    }
}
