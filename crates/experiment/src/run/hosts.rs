//! What is asked of given hosts before anything runs, and what rows say of them.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use manyeyes_testbed::{Conditions, Hosts, HostsFile, Which};

use super::{LinkEmulator, facts, has_congestion_controls};
use crate::record::{Cell, Host};
use crate::scenario::{Action, Scenario, Whom};

/// Reads the file that names them.
///
/// # Errors
/// It cannot be read, or something in it is wrong.
pub fn read_hosts(path: &Path) -> anyhow::Result<HostsFile> {
    HostsFile::read(path).map_err(|error| anyhow::anyhow!("failed to {error}"))
}

/// Whether these hosts can be what the scenarios ask for, as far as that is known without asking them.
///
/// # Errors
/// They cannot: with the reason.
pub fn check_hosts(scenarios: &[Scenario], file: &HostsFile) -> anyhow::Result<()> {
    for scenario in scenarios {
        for Cell { workers, standby, cpu_cores, .. } in scenario.cells.iter().map(|planned| &planned.cell) {
            let (name, wanted, given) = (&scenario.name, workers + standby, file.workers());
            if wanted > given {
                bail!(
                    "{name} has runs with {wanted} workers, those on standby included, and there are {given} hosts for them"
                );
            }
            if let Some(cores) = cpu_cores {
                bail!(
                    "{name} gives each worker {cores} of the processor's cores, which is done on machines that the lab makes: a \
                     given host has all of its own; leave out cpu_cores"
                );
            }
        }
    }
    Ok(())
}

/// Whether packets are to meet anything on the links of the workers: then the kernel's emulator is needed at both ends of each.
fn are_impaired(scenarios: &[Scenario]) -> bool {
    let perfect = Conditions::default();
    let is_impaired = |cell: &Cell| cell.down != perfect || cell.up != perfect;
    scenarios.iter().any(|scenario| {
        scenario.cells.iter().any(|planned| is_impaired(&planned.cell))
            || scenario.script.iter().any(|scripted| scripted.action == Action::Cut)
    })
}

/// Begins an agent on each host that these scenarios need.
///
/// # Errors
/// Of each that cannot be used, why.
pub(crate) fn open(file: &HostsFile, scenarios: &[Scenario], program: &Path) -> anyhow::Result<Arc<Hosts>> {
    let wanted = scenarios.iter().flat_map(|it| &it.cells).map(|planned| planned.cell.workers + planned.cell.standby);
    let hosts = Hosts::open(file, program, wanted.max().unwrap_or(1), are_impaired(scenarios))?;
    let list = hosts.read(Which::Manager, Path::new(facts::CONGESTION_CONTROLS))?;
    has_congestion_controls(scenarios, &list, "the kernel of the manager's host")?;
    Ok(hosts)
}

/// What rows say of them: the manager's, then the workers'. The client's is the machine that the row is of.
///
/// # Errors
/// A connection is lost.
pub(crate) fn facts(file: &HostsFile, hosts: &Hosts) -> anyhow::Result<Vec<Host>> {
    let which = std::iter::once((Whom::Manager, Which::Manager))
        .chain((1..=hosts.workers()).map(|number| (Whom::Worker(number), Which::Worker(number))));
    let of = |((whom, which), ssh): ((Whom, Which), &str)| {
        // What a host does not say of itself is missing in the row, and no reason not to measure.
        let read = |path: &str| hosts.read(which, Path::new(path)).unwrap_or_default();
        Host { name: whom.to_string(), ssh: ssh.to_owned(), machine: facts::told(LinkEmulator::Netem, read) }
    };
    Ok(which.zip(file.destinations()).map(of).collect())
}
