//! The kernel's own emulator (`tc netem`), where the kernel has it: for who trusts that one more, or holds ours against it.
//!
//! It sits at the sending end of each direction of a whole cable. What it does otherwise than ours: its chances follow no seed;
//! packets overtake each other in jitter; a lost packet has not used the rate; what is on its way when a link is cut still arrives; it
//! counts what it lost and what did not fit in the queue together; it tells no lateness. The kernel that this was written on has
//! none: held by tests is that `tc` understands every word, that what it counts is read, and what is said where netem is missing.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::cable::Cable;
use crate::conditions::{Conditions, Loss};
use crate::door::Door;
use crate::emulator::{Carried, Direction};
use crate::machine::Machine;
use crate::offload;
use crate::star::Star;
use crate::wires::Wires;

/// What netem may hold where there is no rate: as many packets as our own emulator lets be on the way.
const MOST_ON_THE_WAY: f64 = 32_768.0;

/// A full frame, bits: what the packets on the way are taken for.
const FRAME_BITS: f64 = 1514.0 * 8.0;

/// What a link does that is cut.
pub(crate) const NOTHING_PASSES: Conditions = Conditions {
    delay_ms: 0.0,
    jitter_ms: 0.0,
    rate_bits_per_s: None,
    queue_packets: 1000,
    loss: Loss::Independent { probability: 1.0 },
    duplicate: 0.0,
    reorder: 0.0,
};

/// The kernel's emulator on all links of a star, which must outlive it.
pub struct Netem {
    /// For each link the end that sends down and the end that sends up.
    links: Vec<[Sender; 2]>,
}

impl Netem {
    /// Whether this kernel has it, and lets us use it: by trying, in a network of its own.
    ///
    /// # Errors
    /// It does not, for the reason that `tc` gives.
    pub fn is_here() -> anyhow::Result<()> {
        let mut command = Command::new("unshare");
        command.args(["--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem"]);
        let tried = command.stdin(Stdio::null()).output().context("failed to run unshare (of util-linux)")?;
        succeeded(tried).map(drop).context("the kernel's own emulator (netem) cannot be used here")
    }

    /// Sets it up on a star of whole cables. Links begin perfect.
    ///
    /// # Errors
    /// The kernel has none, or leaves to a device what it would have to do itself.
    pub fn on(star: &Star) -> anyhow::Result<Self> {
        let of_link = |place| {
            let [near, far] = Cable(place).devices();
            Ok([Sender::new(star.manager(), near)?, Sender::new(star.machine(place)?, far)?])
        };
        Ok(Self { links: star.places().map(of_link).collect::<anyhow::Result<_>>()? })
    }

    fn sender(&self, link: usize, direction: Direction) -> &Sender {
        &self.links[link][usize::from(direction == Direction::Up)]
    }
}

impl Wires for Netem {
    fn links(&self) -> usize {
        self.links.len()
    }

    fn set(&self, link: usize, direction: Direction, conditions: &Conditions, _seed: u64) -> anyhow::Result<()> {
        conditions.check()?;
        let sender = self.sender(link, direction);
        sender.told().conditions = *conditions;
        sender.tell(conditions)
    }

    fn cut(&self, link: usize) -> anyhow::Result<()> {
        self.links[link].iter().try_for_each(|sender| sender.tell(&NOTHING_PASSES))
    }

    fn mend(&self, link: usize) -> anyhow::Result<()> {
        self.links[link].iter().try_for_each(|sender| {
            let conditions = sender.told().conditions;
            sender.tell(&conditions)
        })
    }

    fn carried(&self, link: usize, direction: Direction) -> anyhow::Result<Carried> {
        let sender = self.sender(link, direction);
        let now = sender.counted()?;
        Ok(now.since(sender.told().before))
    }

    fn reset(&self) -> anyhow::Result<()> {
        self.links.iter().flatten().try_for_each(|sender| {
            sender.told().before = sender.counted()?;
            Ok(())
        })
    }
}

/// A device that sends, on its machine.
struct Sender {
    door: Door,
    device: String,
    told: Mutex<Told>,
}

/// What a sender was told last, and what it had counted when counting began.
#[derive(Default)]
struct Told {
    conditions: Conditions,
    before: Counted,
}

/// What `tc` says of a queueing discipline: what has left it, and what never will.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) drops: u64,
}

impl Counted {
    /// What has passed since it was counted `before`.
    pub(crate) fn since(self, before: Self) -> Carried {
        let [packets, bytes, drops] =
            [(self.packets, before.packets), (self.bytes, before.bytes), (self.drops, before.drops)]
                .map(|(now, before)| now.saturating_sub(before));
        Carried { packets: packets + drops, bytes, lost: drops, delivered: packets, ..Carried::default() }
    }
}

impl Sender {
    /// One that does nothing to packets yet.
    fn new(machine: &Machine, device: String) -> anyhow::Result<Self> {
        // Whole segments, uncut, would be one packet to it.
        machine.inside(|| offload::end(&device))?;
        let sender = Self { door: machine.door(), device, told: Mutex::default() };
        sender.tell(&Conditions::default())?;
        Ok(sender)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, conditions: &Conditions) -> anyhow::Result<()> {
        self.tc(&arguments(&self.device, conditions)).map(drop)
    }

    fn counted(&self) -> anyhow::Result<Counted> {
        counts(&self.tc(&question(&self.device))?)
    }

    fn tc(&self, words: &[String]) -> anyhow::Result<Vec<u8>> {
        let output = self.door.command(Path::new("tc")).args(words).output().context("failed to run tc")?;
        succeeded(output)
    }
}

/// What `tc` has printed, if it did what it was told.
pub(crate) fn succeeded(tc: Output) -> anyhow::Result<Vec<u8>> {
    if tc.status.success() {
        return Ok(tc.stdout);
    }
    bail!("tc (of iproute2): {}", String::from_utf8_lossy(&tc.stderr).trim())
}

/// How `tc` is asked what the one discipline of a device has counted.
pub(crate) fn question(device: &str) -> Vec<String> {
    ["-statistics", "-json", "qdisc", "show", "dev", device, "root"].map(str::to_owned).into()
}

/// What it answers.
pub(crate) fn counts(json: &[u8]) -> anyhow::Result<Counted> {
    let all: Vec<Counted> = serde_json::from_slice(json).context("failed to read what tc has counted")?;
    all.first().copied().context("tc knows of nothing that it has counted")
}

/// What `tc` is told.
fn arguments(device: &str, conditions: &Conditions) -> Vec<String> {
    let netem = discipline(conditions);
    format!("qdisc replace dev {device} root {netem}").split(' ').map(str::to_owned).collect()
}

/// The discipline that makes packets meet these conditions, in words of `tc`.
pub(crate) fn discipline(conditions: &Conditions) -> String {
    let &Conditions { delay_ms, jitter_ms, rate_bits_per_s, queue_packets, loss, duplicate, reorder } = conditions;
    // Its limit counts what waits for the rate and what is on the way alike.
    let limit = rate_bits_per_s.map_or(MOST_ON_THE_WAY, |rate| {
        f64::from(queue_packets) + (rate * (delay_ms + jitter_ms) / 1000.0 / FRAME_BITS).ceil()
    });
    let mut words = format!("netem limit {limit} delay {}us", delay_ms * 1000.0);
    if jitter_ms > 0.0 {
        words += &format!(" {}us", jitter_ms * 1000.0);
    }
    match loss {
        Loss::None => {}
        Loss::Independent { probability } => words += &format!(" loss random {}%", probability * 100.0),
        Loss::Bursty { enter, leave, lost_in_good, lost_in_bad } => {
            let [enter, leave, bad, good] = [enter, leave, lost_in_bad, lost_in_good].map(|share| share * 100.0);
            words += &format!(" loss gemodel {enter}% {leave}% {bad}% {good}%");
        }
    }
    if duplicate > 0.0 {
        words += &format!(" duplicate {}%", duplicate * 100.0);
    }
    // It refuses to reorder what it does not delay, and there is nothing to overtake then.
    if reorder > 0.0 && delay_ms > 0.0 {
        words += &format!(" reorder {}%", reorder * 100.0);
    }
    if let Some(rate) = rate_bits_per_s {
        words += &format!(" rate {}bit", rate.round());
    }
    words
}

#[cfg(test)]
mod tests;
