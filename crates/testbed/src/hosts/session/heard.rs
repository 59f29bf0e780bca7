//! What has come from an agent: answers go to who waits for them, logs to their files, and the rest is kept until somebody asks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard};

use serde_json::Value;

use super::super::said::Said;
use super::lock;

/// What has come from the agent.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) news: Condvar,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Who waits for which answer.
    pub(super) waiting: BTreeMap<u64, SyncSender<Result<Value, String>>>,
    pub(super) logs: BTreeMap<u64, File>,
    pub(super) ended: BTreeMap<u64, i32>,
    /// What could not be put back, once the agent has said farewell.
    pub(super) left: Option<Vec<String>>,
    pub(super) is_over: bool,
}

impl Heard {
    /// As it is at this moment.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Takes in what comes, until nothing comes any more.
    pub(super) fn listen(&self, from: impl BufRead) {
        for line in from.lines().map_while(Result::ok) {
            let Ok(said) = serde_json::from_str(&line) else { break };
            let mut state = self.state();
            match said {
                Said::Hello { .. } => {}
                Said::Answer { number, told } => {
                    // Whoever asked may have lost patience.
                    let _ = state.waiting.remove(&number).map(|answer| answer.send(told));
                }
                Said::Log { process, text } => {
                    // A log that cannot be written is missed by who wants to read it.
                    let _ = state.logs.get_mut(&process).map(|log| log.write_all(text.as_bytes()));
                }
                Said::Ended { process, status } => {
                    state.logs.remove(&process);
                    state.ended.insert(process, status);
                }
                Said::Farewell { left } => state.left = Some(left),
            }
            drop(state);
            self.news.notify_all();
        }
        let mut state = self.state();
        state.is_over = true;
        // Nobody answers any more, which whoever waits is to notice.
        state.waiting.clear();
        drop(state);
        self.news.notify_all();
    }
}
