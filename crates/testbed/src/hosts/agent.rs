//! The lab's agent on a host: it does there what the lab says, and undoes all of it when the lab says no more, for whatever reason.

mod children;
mod device;
mod folder;
mod probes;

use std::io::{self, BufRead, Write};
use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::children::Children;
use self::device::{Devices, Tools};
use self::folder::Folder;
use self::probes::Probes;
use super::said::{Numbered, Order, SILENCE, Said};
use crate::claim::Claim;
use crate::offload;

/// The name by which agents on a host exclude each other.
const CLAIM: &str = "manyeyes-lab-host";

/// How often it is looked whether a signal has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Orders that may wait. The lab waits for most answers, and so has a few under way at a time.
const MOST_WAITING: usize = 64;

/// Where answers go.
#[derive(Clone)]
struct Voice(Arc<Mutex<io::Stdout>>);

/// All that an agent has begun.
struct Agent {
    voice: Voice,
    children: Children,
    devices: Devices,
    probes: Probes,
    folder: Folder,
}

/// Is the agent, for as long as somebody on standard input wants one, and puts everything back as it was then.
///
/// # Errors
/// Another lab's agent is at work on this host, or there is no place for data.
pub fn serve_on_host() -> anyhow::Result<()> {
    let _alone = Claim::new(CLAIM)?;
    let is_asked_to_end = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_asked_to_end)).context("failed to watch for signals")?;
    }
    let voice = Voice(Arc::new(Mutex::new(io::stdout())));
    let folder = Folder::make()?;
    let ours = ours_by_ssh(std::env::var("SSH_CONNECTION").ok().as_deref());
    voice.say(&Said::Hello { data: folder.data() });
    let agent = Arc::new(Agent {
        children: Children::new(voice.clone()),
        devices: Devices::new(Tools::of_this_system()?, ours),
        probes: Probes::default(),
        voice,
        folder,
    });
    obey(&agent, &orders(), &is_asked_to_end);
    // Programs first: nothing is to pass through a device that is no more as it was measured.
    agent.children.end();
    let left = agent.devices.give_back();
    agent.folder.remove();
    agent.voice.say(&Said::Farewell { left });
    Ok(())
}

/// Changes how a device sends segments, as root; for an agent that is not.
///
/// # Errors
/// The kernel refuses it.
pub fn set_uncut(device: &str, bits: u8) -> anyhow::Result<()> {
    offload::set_uncut(device, bits)
}

/// The addresses at both ends of the connection by which this program was begun, if it was begun by SSH.
fn ours_by_ssh(connection: Option<&str>) -> Vec<IpAddr> {
    let words: Vec<&str> = connection.unwrap_or_default().split(' ').collect();
    [0, 2].into_iter().filter_map(|place| words.get(place)?.parse().ok()).collect()
}

/// The lines of standard input, on a thread of their own. They end when the lab does.
fn orders() -> Receiver<Numbered> {
    let (order, orders) = sync_channel(MOST_WAITING);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            // Whoever is not understood is of another version, which was looked at before.
            let Ok(understood) = serde_json::from_str(&line) else { return };
            if order.send(understood).is_err() {
                return;
            }
        }
    });
    orders
}

fn obey(agent: &Arc<Agent>, orders: &Receiver<Numbered>, is_asked_to_end: &AtomicBool) {
    let mut heard = Instant::now();
    while !is_asked_to_end.load(Ordering::Relaxed) && heard.elapsed() < SILENCE {
        let Numbered { number, order } = match orders.recv_timeout(LOOK_EVERY) {
            Ok(numbered) => numbered,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        heard = Instant::now();
        match order {
            Order::Go => {}
            // On this thread: a program ends with the thread that has started it.
            Order::Start { process, arguments, environment } => {
                agent.voice.answer(number, agent.children.start(process, &arguments, environment));
            }
            Order::Signal { process, signal } => agent.voice.answer(number, agent.children.signal(process, signal)),
            order => {
                let agent = Arc::clone(agent);
                thread::spawn(move || agent.voice.answer(number, agent.obey(order)));
            }
        }
    }
}

impl Agent {
    fn obey(&self, order: Order) -> anyhow::Result<Value> {
        match order {
            Order::Read { path } => {
                value(std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display())))
            }
            Order::Find { address } => value(device::of_address(address)),
            Order::Take { device } => value(self.devices.take(&device)),
            Order::Impair { device, conditions } => value(self.devices.impair(&device, &conditions)),
            Order::Count { device } => value(self.devices.count(&device)),
            Order::Forget => value(self.folder.forget()),
            Order::Open { socket, address } => value(self.probes.open(socket, address)),
            Order::Connect { socket, to } => value(self.probes.connect(socket, to)),
            Order::Send { socket, errand } => value(self.probes.send(socket, &errand)),
            Order::Listen { socket } => value(self.probes.listen(socket)),
            Order::Heard { socket } => value(self.probes.heard(socket)),
            Order::Go | Order::Start { .. } | Order::Signal { .. } => value(Ok(())),
        }
    }
}

fn value<T: Serialize>(done: anyhow::Result<T>) -> anyhow::Result<Value> {
    serde_json::to_value(done?).context("failed to tell it")
}

impl Voice {
    fn say(&self, said: &Said) {
        let mut line = serde_json::to_vec(said).expect("what is said is JSON");
        line.push(b'\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It fails only when the lab is gone, which is noticed where orders come from.
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }

    fn answer<T: Serialize>(&self, number: u64, done: anyhow::Result<T>) {
        let told = value(done).map_err(|error| format!("{error:#}"));
        self.say(&Said::Answer { number, told });
    }
}

/// What a program has ended with, if it did what it was told.
fn succeeded(command: &mut Command, what: &str) -> anyhow::Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("failed to run {what}"))?;
    anyhow::ensure!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::ours_by_ssh;

    #[test]
    fn who_was_begun_by_ssh_knows_both_ends_of_its_connection() {
        let ends = ours_by_ssh(Some("203.0.113.5 50512 198.51.100.7 22"));
        assert_eq!(ends.iter().map(ToString::to_string).collect::<Vec<_>>(), ["203.0.113.5", "198.51.100.7"]);
        for other in [None, Some("UNKNOWN 65535 UNKNOWN 65535"), Some("")] {
            assert!(ours_by_ssh(other).is_empty(), "{other:?}");
        }
    }
}
