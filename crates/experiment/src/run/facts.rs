//! What every row says of the machine and of the program.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::LinkEmulator;
use crate::record::{MachineFacts, Software};

/// The congestion controls that this kernel lets a program choose.
///
/// # Errors
/// The kernel does not say.
pub(crate) fn congestion_controls() -> anyhow::Result<Vec<String>> {
    const LIST: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let list = fs::read_to_string(LIST).with_context(|| format!("failed to read {LIST}"))?;
    Ok(list.split_whitespace().map(str::to_owned).collect())
}

/// The machine, and what impairs links on it.
pub(crate) fn machine(emulator: LinkEmulator) -> MachineFacts {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    // Who is root of everything has every user; an ordinary user who is root of a world of its own has one.
    let is_root = read("/proc/self/uid_map").split_whitespace().eq(["0", "0", "4294967295"]);
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let kib = after(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib: u64 = kib.trim_end_matches("kB").trim().parse().unwrap_or(0);
    MachineFacts {
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        processor: after(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
        memory_bytes: kib * 1024,
        privilege: if is_root { "root" } else { "user namespace" }.to_owned(),
        emulator: emulator.name().to_owned(),
        default_congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned(),
    }
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
