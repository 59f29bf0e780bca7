//! Whether links do what is asked of them, by probes on the real path before anything is measured: round trip, rate and loss, each
//! against what was asked.
//!
//! The rooms: `probe` sends and listens, `chances` knows what a model of loss takes, `judged` decides.

mod chances;
mod judged;
mod probe;

use std::io;

use crate::conditions::{Conditions, Loss};
use crate::emulator::Direction;
use crate::wires::Wires;

pub use self::judged::{Calibration, Seen, judge};
pub(crate) use self::probe::Listener;
pub use self::probe::{Ends, Errand, Heard, Sent, Sockets};

/// Links are filled together as long as they carry no more than this: half of what is asked of the emulator, whose thread they share,
/// on a machine that does other things as well.
const FILLED_AT_ONCE_BITS_PER_S: f64 = 150e6;

/// A link to be probed.
pub struct Probed {
    /// Its place on the star.
    pub link: usize,
    /// From where.
    pub ends: Box<dyn Ends>,
    /// What is asked of it, from the manager on.
    pub down: Conditions,
    /// And towards the manager.
    pub up: Conditions,
}

/// Probes links and judges them; each that misses is probed a second time, by other chances. It takes two seconds beside the links'
/// own delays, and a second for each link that must be filled alone. Afterwards the links are as asked, from packet 0 of `seed` on.
///
/// The same `seed` loses the same probes: a study that calibrates its blocks one by one gives each its own.
///
/// # Errors
///
/// Where the conditions are refused or a socket fails.
pub fn calibrate(wires: &dyn Wires, links: &[Probed], comparisons: u64, seed: u64) -> io::Result<Vec<Calibration>> {
    let all: Vec<_> = links.iter().collect();
    let mut found: Vec<_> = probe_and_judge(wires, &all, comparisons, seed)?;
    let missed: Vec<_> = (0..links.len()).filter(|&place| !found[place].holds).collect();
    let again: Vec<_> = missed.iter().map(|&place| &links[place]).collect();
    for (place, second) in missed.into_iter().zip(probe_and_judge(wires, &again, comparisons, seed ^ u64::MAX)?) {
        found[place] = Calibration { probed_again: true, ..second };
    }
    links.iter().try_for_each(|link| set(wires, link, [link.down, link.up], seed))?;
    Ok(found)
}

fn probe_and_judge(wires: &dyn Wires, links: &[&Probed], comparisons: u64, seed: u64) -> io::Result<Vec<Calibration>> {
    links.iter().try_for_each(|link| set(wires, link, [link.down, link.up], seed))?;
    let mut seen = at_once(links, |link| probe::times_and_losses(link, links.len()))?;
    let mut places: Vec<_> = (0..links.len()).filter(|&place| links[place].down.rate_bits_per_s.is_some()).collect();
    while !places.is_empty() {
        let rate = |place: &usize| links[*place].down.rate_bits_per_s.unwrap_or(0.0);
        let mut sum = 0.0;
        let fit = places
            .iter()
            .take_while(|place| {
                sum += rate(place);
                sum <= FILLED_AT_ONCE_BITS_PER_S
            })
            .count();
        let wave: Vec<_> = places.drain(..fit.max(1)).collect();
        let filled: Vec<_> = wave.iter().map(|&place| links[place]).collect();
        for link in &filled {
            set(wires, link, [only_its_rate(link.down), link.up], seed)?;
        }
        for (place, rate) in wave.into_iter().zip(at_once(&filled, probe::rate)?) {
            seen[place].rate_bits_per_s = rate;
        }
    }
    Ok(links.iter().zip(&seen).map(|(link, seen)| judge(&link.down, &link.up, seen, comparisons)).collect())
}

/// Without what would hide the rate: what is lost has its own probe, and a jitter at the first and the last packet is not the rate's.
fn only_its_rate(conditions: Conditions) -> Conditions {
    Conditions { jitter_ms: 0.0, loss: Loss::None, duplicate: 0.0, reorder: 0.0, ..conditions }
}

fn set(wires: &dyn Wires, link: &Probed, [down, up]: [Conditions; 2], seed: u64) -> io::Result<()> {
    for (direction, conditions) in [(Direction::Down, down), (Direction::Up, up)] {
        wires.set(link.link, direction, &conditions, seed).map_err(io::Error::other)?;
    }
    Ok(())
}

fn at_once<T: Send>(links: &[&Probed], probe: impl Fn(&Probed) -> io::Result<T> + Sync) -> io::Result<Vec<T>> {
    std::thread::scope(|scope| {
        let probe = &probe;
        let threads: Vec<_> = links.iter().map(|&link| scope.spawn(move || probe(link))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a probe does not panic")).collect()
    })
}
