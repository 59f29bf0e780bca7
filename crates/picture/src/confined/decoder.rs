//! A worker's side: children that decode, one for each who asks, started before they are needed.
//!
//! A child is believed nothing. What it says is read up to a length, for a time; what it has decoded is copied out as bytes. One that
//! ends, takes too long or says what no decoder of ours says costs the file that it was at, and another has been started by then.

mod process;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use self::process::{Process, Trouble};
use super::{PICTURES_A_PROCESS, Refusal, RequestHead, Wanted};
use crate::{Fit, Limits, Rgb};

/// How many children may be asked for before one is started. Who asks for more waits for a moment.
const ASKED_AHEAD: usize = 64;

/// How decoders are started, and what they may take.
#[derive(Clone, Debug)]
pub struct DecoderSettings {
    /// The program: it calls [`confine`](super::confine) and [`serve_in`](super::serve_in).
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it is called in a list of processes.
    pub name: String,
    /// After this time at one file it is killed and another is started. Default 10 s, a third of the shortest deadline of an image.
    pub time: Duration,
    /// What decoding one file may cost.
    pub limits: Limits,
}

impl DecoderSettings {
    /// The defaults: this same program, run as `manyeyes decoder`. It stays the same when its file is replaced by a newer one.
    #[must_use]
    pub fn this_program() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            arguments: vec!["decoder".to_owned()],
            name: "manyeyes".to_owned(),
            time: Duration::from_secs(10),
            limits: Limits::default(),
        }
    }
}

/// Where decoders come from. Clones share it; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Decoders {
    settings: DecoderSettings,
    asked: SyncSender<Asked>,
}

/// Who wants a child, and is to have it.
type Asked = SyncSender<io::Result<Process>>;

/// Why a file was not decoded that may be fine.
#[derive(Debug, thiserror::Error)]
pub enum DecoderError {
    /// The child ended, was too slow or spoke nonsense while it was at this file, which may be why.
    #[error("its decoder {0}")]
    Died(String),
    /// There is no child to decode it, which says nothing of the file.
    #[error("there is no decoder: {0}")]
    Unavailable(#[from] io::Error),
}

impl Decoders {
    /// # Errors
    /// No thread could be started.
    pub fn new(settings: DecoderSettings) -> io::Result<Self> {
        let (asked, to_start) = sync_channel(ASKED_AHEAD);
        let starting = settings.clone();
        // The system ends a child with the thread that started it. This one outlives all who have a child.
        thread::Builder::new().name("decoders".to_owned()).spawn(move || start_as_asked(&starting, &to_start))?;
        Ok(Self { settings, asked })
    }

    /// One for whoever asks. Its child is being started; this does not wait for it.
    #[must_use]
    pub fn decoder(&self) -> Decoder {
        Decoder { ready: None, starting: self.start(), files: 0, decoders: self.clone() }
    }

    fn start(&self) -> Receiver<io::Result<Process>> {
        let (started, starting) = sync_channel(1);
        self.asked.send(started).expect("the thread ends when nobody can ask any more");
        starting
    }
}

fn start_as_asked(settings: &DecoderSettings, asked: &Receiver<Asked>) {
    for started in asked {
        // Where whoever asked is gone the child is dropped, and so killed.
        let _ = started.send(Process::start(settings));
    }
}

/// One child at a time, which decodes one file at a time.
#[derive(Debug)]
pub struct Decoder {
    ready: Option<Process>,
    /// Where the child comes from as long as none is ready.
    starting: Receiver<io::Result<Process>>,
    /// How many files this child has been given.
    files: u32,
    decoders: Decoders,
}

impl Decoder {
    /// Waits until the child is there and confined. Gives what could not be taken from it, a sentence each for the log.
    ///
    /// # Errors
    /// It could not be started, or ended before it was ready.
    pub fn ready(&mut self) -> io::Result<&[String]> {
        Ok(self.child()?.missing())
    }

    /// As [`decode_fitted`](crate::decode_fitted()), by the child; its refusal is the inner error.
    ///
    /// # Errors
    /// The child could not do its work. There will be another for the next file.
    pub fn decode_fitted(&mut self, file: &[u8], fit: Fit, crop: u32) -> Result<Result<Rgb, Refusal>, DecoderError> {
        let request = RequestHead {
            file_bytes: u32::try_from(file.len()).map_err(io::Error::other)?,
            wanted: Wanted::Square { fit, crop },
            limits: self.decoders.settings.limits,
        };
        if self.files >= PICTURES_A_PROCESS {
            self.replace();
        }
        let mut asked = self.child()?.ask(file, &request);
        if let Err(Trouble::Gone(_)) = asked {
            // It died while it had nothing to do.
            self.replace();
            asked = self.child()?.ask(file, &request);
        }
        self.files += 1;
        match asked {
            Ok(reply) => Ok(reply.map(|pixels| Rgb { width: crop, height: crop, pixels })),
            Err(trouble) => {
                self.replace();
                Err(match trouble {
                    Trouble::Gone(error) => DecoderError::Unavailable(error),
                    Trouble::AtThisFile(how) => DecoderError::Died(how),
                })
            }
        }
    }

    fn child(&mut self) -> io::Result<&mut Process> {
        if self.ready.is_none() {
            let started = self.starting.recv().map_err(io::Error::other).flatten();
            let greeted = started.and_then(Process::greeted);
            // The next file is another try.
            self.ready = Some(greeted.inspect_err(|_| self.starting = self.decoders.start())?);
        }
        Ok(self.ready.as_mut().expect("it has just been put there"))
    }

    fn replace(&mut self) {
        self.starting = self.decoders.start();
        self.ready = None;
        self.files = 0;
    }
}
