//! Machines that somebody has given, reached by SSH: this one is the client's.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use anyhow::bail;
use manyeyes_testbed::{Conditions, Ends, HostProcess, Hosts, Machine, Share, Which};
use rustix::process::Signal;

use super::super::process::Running;
use super::{Launch, Machines};
use crate::scenario::Whom;

/// A star of hosts.
pub(super) struct Given(pub(super) Arc<Hosts>);

impl Machines for Given {
    fn start(&self, whom: Whom, _share: Option<Share>, launch: Launch) -> anyhow::Result<Box<dyn Running>> {
        let which = match whom {
            Whom::Manager => Which::Manager,
            Whom::Worker(number) => Which::Worker(number),
            Whom::Link(_) => bail!("{whom} is no machine"),
        };
        Ok(Box::new(self.0.start(which, launch.arguments, launch.environment, launch.log)?))
    }

    fn manager_address(&self, place: u8) -> anyhow::Result<Ipv4Addr> {
        self.0.manager_address(place)
    }

    fn ends(&self, place: u8) -> anyhow::Result<Box<dyn Ends>> {
        self.0.ends(place)
    }

    fn client(&self) -> anyhow::Result<Option<&Machine>> {
        Ok(None)
    }

    /// As it is: whatever the network there is, the client's link is none of what is compared.
    fn clients_link(&self) -> (Conditions, Conditions) {
        (Conditions::default(), Conditions::default())
    }

    /// Whoever reaches the hosts could join, or ask.
    fn is_open(&self) -> bool {
        false
    }

    fn data(&self) -> PathBuf {
        self.0.data()
    }

    fn forget_data(&self) -> anyhow::Result<()> {
        self.0.forget_data()
    }
}

impl Running for HostProcess {
    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Self::ended(self)
    }

    fn signal(&self, signal: Signal) {
        Self::signal(self, signal);
    }

    fn kill(&mut self) {
        Self::kill(self);
    }
}
