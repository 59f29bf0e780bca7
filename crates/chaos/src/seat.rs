//! The place of one process of the cluster: it is kept running, as an init system would, except while a fault has it down.

use std::fs::File;
use std::io::{self, Write};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a process that has ended by itself stays down.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a process may take to end when it is asked to: the manager's own grace is 5 s, and this machine may be busy.
const ENDING: Duration = Duration::from_secs(20);

/// A process's place, with its log.
pub(crate) struct Seat {
    pub(crate) name: String,
    make: Box<dyn Fn() -> Command>,
    log: File,
    child: Option<Child>,
    is_wanted: bool,
    /// Since when it has been asked to end.
    ending: Option<Instant>,
    again_at: Option<Instant>,
}

/// What a look at a seat has shown.
pub(crate) enum Seen {
    /// All is as it should be.
    Nothing,
    /// It has ended though nobody wanted it to.
    EndedByItself(ExitStatus),
    /// It did not end within the time that it has for it, and was killed.
    WouldNotEnd,
}

impl Seat {
    /// Not running yet. `make` gives the command; what it says goes into `log`.
    pub(crate) fn new(name: String, log: File, make: impl Fn() -> Command + 'static) -> Self {
        let make = Box::new(make);
        Self { name, make, log, child: None, is_wanted: false, ending: None, again_at: None }
    }

    /// It is to run: now, or when the one that is ending has ended.
    pub(crate) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.is_wanted = false;
        if let Some(mut child) = self.child.take() {
            // Fails only when it has ended by itself, which is as good.
            let _ = child.kill();
            let _ = child.wait();
            self.note("killed");
        }
        self.ending = None;
    }

    /// Asks it to end.
    pub(crate) fn terminate(&mut self) {
        self.is_wanted = false;
        self.note("asked to end");
        self.signal(Signal::TERM);
        self.ending = self.child.is_some().then(Instant::now);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(id) = self.id() {
            send(id, signal);
        }
    }

    /// The process that runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether a process is there, ending or not.
    pub(crate) fn is_taken(&self) -> bool {
        self.child.is_some()
    }

    /// Looks after it: to be called again and again.
    pub(crate) fn look(&mut self, now: Instant) -> io::Result<Seen> {
        if let Some(child) = &mut self.child {
            let Some(status) = child.try_wait()? else {
                return Ok(self.look_at_ending(now));
            };
            self.child = None;
            self.note(&format!("ended: {status}"));
            if self.ending.take().is_none() {
                self.again_at = Some(now + PAUSE);
                return Ok(Seen::EndedByItself(status));
            }
            // Who was asked to end, and did, has nothing to wait for.
            return if status.success() { Ok(Seen::Nothing) } else { Ok(Seen::EndedByItself(status)) };
        }
        if self.is_wanted && self.again_at.is_none_or(|at| at <= now) {
            self.again_at = None;
            self.note("started");
            let mut command = (self.make)();
            command.stdout(self.log.try_clone()?).stderr(self.log.try_clone()?);
            self.child = Some(command.spawn()?);
        }
        Ok(Seen::Nothing)
    }

    fn look_at_ending(&mut self, now: Instant) -> Seen {
        if self.ending.is_some_and(|since| now.duration_since(since) > ENDING) {
            let is_wanted = self.is_wanted;
            self.kill();
            self.is_wanted = is_wanted;
            return Seen::WouldNotEnd;
        }
        Seen::Nothing
    }

    /// A line of ours in its log, so that a reader sees where one process ends and the next begins.
    fn note(&mut self, what: &str) {
        // A log that cannot be written shows in the reading of it.
        let _ = writeln!(self.log, "{} {what}", crate::logs::OURS);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal; a process that has ended already needs none.
pub(crate) fn send(id: u32, signal: Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process(id, signal);
    }
}
