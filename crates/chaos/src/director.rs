//! Carries a schedule out: begins each fault at its time, heals it at its time, and looks after the processes in between.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::cluster::Cluster;
use crate::observer::Curve;
use crate::plan::Fault;
use crate::signals::Signals;

/// How often it looks whether something is due.
const TICK: Duration = Duration::from_millis(10);

/// A fault that has happened.
pub(crate) struct Happened {
    pub(crate) fault: Fault,
    pub(crate) healed_ms: u64,
    /// Images that were not ended when it began, as last looked at: at most half a second ago, or when the manager last answered.
    pub(crate) unfinished: u64,
}

/// The beginning or the end of a fault.
enum Turn {
    Begins,
    Ends,
}

/// Carries the schedule out; `say` is told of each fault, and of what a process did by itself. Gives what has happened, and
/// what nobody wanted.
///
/// # Errors
/// A fault could not be begun or healed, or a process not be started.
pub(crate) fn direct(
    schedule: &[Fault],
    length: Duration,
    cluster: &mut Cluster,
    began: Instant,
    curve: &Curve,
    signals: &Signals,
    say: &dyn Fn(&str),
) -> anyhow::Result<(Vec<Happened>, Vec<String>)> {
    let mut turns: Vec<(Duration, usize, Turn)> = Vec::new();
    for (number, fault) in schedule.iter().enumerate() {
        turns.push((fault.at, number, Turn::Begins));
        turns.push((fault.healed_at(), number, Turn::Ends));
    }
    turns.sort_by_key(|(at, ..)| *at);
    let mut unfinished = vec![0; schedule.len()];
    let (mut happened, mut unwanted) = (Vec::new(), Vec::new());
    let mut turns = turns.into_iter().peekable();
    while !signals.is_aborted() && (turns.peek().is_some() || began.elapsed() < length) {
        for what in cluster.look()? {
            say(&format!("{:7.2} s  {what}", began.elapsed().as_secs_f64()));
            unwanted.push(what);
        }
        let Some((_, number, turn)) = turns.next_if(|(at, ..)| *at <= began.elapsed()) else {
            thread::sleep(TICK);
            continue;
        };
        let fault = &schedule[number];
        match turn {
            Turn::Begins => {
                unfinished[number] = curve.unfinished();
                say(&format!("{fault}, {} images unfinished", unfinished[number]));
                cluster.begin(fault).with_context(|| format!("failed to begin: {fault}"))?;
            }
            Turn::Ends => {
                cluster.heal(fault).with_context(|| format!("failed to heal: {fault}"))?;
                let healed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                happened.push(Happened { fault: *fault, healed_ms, unfinished: unfinished[number] });
            }
        }
    }
    Ok((happened, unwanted))
}
