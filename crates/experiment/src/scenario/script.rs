//! What is done on purpose during a run: to a process or to a link, at a time.

use std::fmt;
use std::time::Duration;

use toml::Spanned;

use super::Planned;
use super::file::{Event, Fault, Text, What};

/// Something that is done at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scripted {
    /// From the run's beginning.
    pub at: Duration,
    /// To whom.
    pub whom: Whom,
    /// What.
    pub action: Action,
}

/// To whom something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The manager's process.
    Manager,
    /// A worker's process, by its number from 1.
    Worker(u32),
    /// The link of the worker of this number.
    Link(u32),
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL. It does not come back.
    Kill,
    /// SIGTERM, and when it has ended the same again.
    Restart,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
    /// Nothing passes in either direction.
    Cut,
    /// Everything passes again.
    Mend,
}

impl fmt::Display for Whom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager => write!(out, "manager"),
            Self::Worker(number) => write!(out, "worker-{number}"),
            Self::Link(number) => write!(out, "link-{number}"),
        }
    }
}

impl Action {
    /// What was done, in a word for a row.
    pub const fn done(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::Restart => "restarted",
            Self::Stop => "stopped",
            Self::Continue => "continued",
            Self::Cut => "cut",
            Self::Mend => "mended",
        }
    }
}

/// Reads the events of a file; each `for_s` becomes what undoes it.
pub(super) fn read(text: Text<'_>, events: &[Spanned<Event>], cells: &[Planned]) -> Result<Vec<Scripted>, Fault> {
    let fewest = cells.iter().map(|planned| planned.cell.workers + planned.cell.standby).min().unwrap_or(0);
    let mut script = Vec::new();
    for event in events {
        let fault = |what: String| text.fault(&event.span(), what);
        let Event { at_s, what, whom: written, for_s } = event.get_ref();
        let whom = named(written).ok_or_else(|| {
            fault(format!("whom = \"{written}\": it must be \"manager\", \"worker-1\", \"link-1\" or another number"))
        })?;
        if let Whom::Worker(number) | Whom::Link(number) = whom
            && !(1..=fewest).contains(&number)
        {
            return Err(fault(format!("there is no {whom} in every cell: the smallest has {fewest} workers")));
        }
        let at = seconds(*at_s).ok_or_else(|| fault(format!("at_s = {at_s}: it must be from 0 to 3600")))?;
        let (action, undone) = match (what, whom) {
            (What::Kill, Whom::Manager | Whom::Worker(_)) => (Action::Kill, None),
            (What::Restart, Whom::Manager | Whom::Worker(_)) => (Action::Restart, None),
            (What::Stop, Whom::Manager | Whom::Worker(_)) => (Action::Stop, Some(Action::Continue)),
            (What::Continue, Whom::Manager | Whom::Worker(_)) => (Action::Continue, None),
            (What::Cut, Whom::Link(_)) => (Action::Cut, Some(Action::Mend)),
            (What::Cut, _) => return Err(fault(format!("a link can be cut, and {whom} is a process: say \"link-1\""))),
            (_, Whom::Link(_)) => {
                return Err(fault(format!("{whom} is no process: what can be done to it is \"cut\"")));
            }
        };
        script.push(Scripted { at, whom, action });
        match (for_s, undone) {
            (Some(for_s), Some(action)) => {
                let lasts =
                    seconds(*for_s).ok_or_else(|| fault(format!("for_s = {for_s}: it must be from 0 to 3600")))?;
                script.push(Scripted { at: at + lasts, whom, action });
            }
            (Some(_), None) => return Err(fault("for_s goes with \"stop\" and \"cut\" only".to_owned())),
            (None, _) => {}
        }
    }
    script.sort_by_key(|scripted| scripted.at);
    Ok(script)
}

fn named(written: &str) -> Option<Whom> {
    if written == "manager" {
        return Some(Whom::Manager);
    }
    let (kind, number) = written.split_once('-')?;
    let number = number.parse().ok()?;
    match kind {
        "worker" => Some(Whom::Worker(number)),
        "link" => Some(Whom::Link(number)),
        _ => None,
    }
}

fn seconds(number: f64) -> Option<Duration> {
    (0.0..=3600.0).contains(&number).then(|| Duration::from_secs_f64(number))
}
