//! What every row says of the machine and of the program.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::LinkEmulator;
use crate::record::{MachineFacts, Software};

/// The file in which a kernel lists the congestion controls that it lets a program choose.
pub(crate) const CONGESTION_CONTROLS: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";

/// This machine, and what impairs links.
pub(crate) fn machine(emulator: LinkEmulator) -> MachineFacts {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    MachineFacts { cores: count(cores), ..told(emulator, |path| fs::read_to_string(path).unwrap_or_default()) }
}

/// A machine, by what its files say; one that cannot be read is empty.
pub(crate) fn told(emulator: LinkEmulator, read: impl Fn(&str) -> String) -> MachineFacts {
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    // Who is root of everything has every user; an ordinary user who is root of a world of its own has one.
    let has_every_user = read("/proc/self/uid_map").split_whitespace().eq(["0", "0", "4294967295"]);
    let users = after(&read("/proc/self/status"), "Uid").unwrap_or_default();
    let is_root = users.split_whitespace().nth(1) == Some("0");
    let privilege = match (has_every_user, is_root) {
        (true, true) => "root",
        (true, false) => "user",
        (false, _) => "user namespace",
    };
    let kib = after(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib: u64 = kib.trim_end_matches("kB").trim().parse().unwrap_or(0);
    let processors = read("/proc/cpuinfo");
    MachineFacts {
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        processor: after(&processors, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: count(processors.lines().filter(|line| line.starts_with("processor")).count()),
        memory_bytes: kib * 1024,
        privilege: privilege.to_owned(),
        emulator: emulator.name().to_owned(),
        default_congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned(),
    }
}

fn count(cores: usize) -> u32 {
    u32::try_from(cores.max(1)).unwrap_or(u32::MAX)
}

/// The program that is measured, by its own word.
///
/// # Errors
/// It cannot be run, or does not say its version.
pub(crate) fn software(program: &Path, commit: Option<String>) -> anyhow::Result<Software> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("failed to run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.split_whitespace().last().filter(|_| output.status.success());
    let version = version.with_context(|| format!("{} does not say its version", program.display()))?.to_owned();
    Ok(Software { version, commit })
}
