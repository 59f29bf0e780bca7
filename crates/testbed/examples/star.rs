//! Enters a world of its own, builds a star there with a process on each machine, and waits until it is asked to end:
//! `star WORKERS [whole|cut] [stubborn] [share=NAME]`. A stubborn one does not end when it is asked to; with a share of that name
//! everything has a tenth of a core, together.

#![expect(clippy::print_stdout, reason = "a program talks to the person who runs it")]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use manyeyes_testbed::{Cables, Door, Entered, Shares, Star, enter};
use signal_hook::consts::SIGINT;

fn main() -> anyhow::Result<ExitCode> {
    if let Entered::Ended(code) = enter(std::env::args_os().skip(1))? {
        return Ok(code);
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let workers = words.first().context("how many workers?")?.parse().context("that is no number of workers")?;
    let has = |word: &str| words.iter().any(|said| said == word);
    let asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, Arc::clone(&asked))?;
    let began = Instant::now();
    let star = Star::build(workers, if has("cut") { Cables::Cut } else { Cables::Whole })?;
    let took = began.elapsed();
    let shares =
        words.iter().find_map(|word| word.strip_prefix("share=")).map(|name| anyhow::Ok((Shares::begin()?, name)));
    let shares = shares.transpose()?;
    let share = shares.as_ref().map(|(shares, name)| shares.share(name, 0.1)).transpose()?;
    let through = |door: Door| share.clone().map_or(door.clone(), |share| door.sharing(share));
    let doors =
        star.places().map(|place| Ok(through(star.machine(place)?.door()))).collect::<anyhow::Result<Vec<_>>>()?;
    let sleep = |door: &Door| door.command(Path::new("sleep")).arg("3600").spawn();
    let mut sleepers = doors.iter().map(sleep).collect::<Result<Vec<_>, _>>()?;
    println!("ready after {} ms", took.as_millis());
    while !asked.load(Ordering::Relaxed) || has("stubborn") {
        thread::sleep(Duration::from_millis(20));
    }
    for sleeper in &mut sleepers {
        sleeper.kill()?;
        sleeper.wait()?;
    }
    println!("ended well");
    Ok(ExitCode::SUCCESS)
}
