//! Networks for tests: namespaces without names, which end with the processes in them, however the test ends.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A machine's network, with a process that holds it.
pub(crate) struct Network {
    holder: Child,
    namespace: File,
}

impl Network {
    /// `None` where the system does not let us.
    pub(crate) fn new() -> Option<Self> {
        let mut command = Command::new("unshare");
        // Ends when its input does, which is when this process has ended or closes it.
        command.args(["--net", "sh", "-c", "echo ready; read _"]).stderr(Stdio::null());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut ready = [0; 5];
        let began = holder.stdout.take().and_then(|mut stdout| std::io::Read::read_exact(&mut stdout, &mut ready).ok());
        let namespace = File::open(format!("/proc/{}/ns/net", holder.id())).ok();
        match (began, namespace) {
            (Some(()), Some(namespace)) => Some(Self { holder, namespace }),
            _ => {
                end(&mut holder);
                None
            }
        }
    }

    /// The process that holds it, by which `ip` names it.
    pub(crate) fn id(&self) -> u32 {
        self.holder.id()
    }

    /// Does something on a thread whose sockets, and whose processes' sockets, are of this network.
    pub(crate) fn within<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let on_thread = || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.namespace.as_fd(), network).expect("who makes a network may enter it");
            what()
        };
        thread::scope(|scope| scope.spawn(on_thread).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs `ip`; `None` when it fails.
    pub(crate) fn ip(&self, arguments: &[&str]) -> Option<()> {
        let run = || Command::new("ip").args(arguments).stderr(Stdio::null()).status();
        self.within(run).ok()?.success().then_some(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        end(&mut self.holder);
    }
}

fn end(holder: &mut Child) {
    // Fails only when it has ended by itself, which is as good.
    let _ = holder.kill();
    let _ = holder.wait();
}
