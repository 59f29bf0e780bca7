//! Whether this system lets us make worlds, and what is needed where it does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::machine::{LIMIT_REACHED, MORE_NAMESPACES};

/// The programs that do the work, each with the package that it is in on Debian and Ubuntu; elsewhere the names are alike.
const PROGRAMS: [(&str, &str); 6] = [
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
    ("sh", "dash"),
    ("ip", "iproute2"),
];

/// What forbids user namespaces: each a sysctl below `/proc/sys`, the value that forbids, and one that does not.
const FORBIDS: [(&str, &str, &str); 3] = [
    // Debian's own, until 11.
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
    // Ubuntu's own, since 24.04: one may make them, and has no rights in them.
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Fails where there can be no world, and says what is missing: a program, a right, or a part of the kernel.
///
/// # Errors
/// That is what they are for: nothing else can be done with them but to tell a person.
pub fn possible() -> anyhow::Result<()> {
    let missing = missing_programs();
    if !missing.is_empty() {
        bail!("missing programs: {}", missing.join(", "));
    }
    let mut command = Command::new("unshare");
    command.args(namespaces()).args(["--fork", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far"]);
    let output = command.stdin(Stdio::null()).output().context("failed to run unshare")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let value = |name: &str| fs::read_to_string(Path::new("/proc/sys").join(name)).ok();
    bail!("{}", explain(is_root(), said.trim(), value))
}

/// How `unshare` is to make a world. Root needs no user namespace, and has more without: it may share out the processor and
/// have its threads served first.
pub(super) fn namespaces() -> Vec<&'static str> {
    let as_root: &[&str] = if is_root() { &[] } else { &["--user", "--map-root-user"] };
    [as_root, &["--net", "--mount", "--pid", "--mount-proc"]].concat()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn missing_programs() -> Vec<String> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| std::env::split_paths(&folders).any(|folder| folder.join(program).is_file());
    let missing = PROGRAMS.into_iter().filter(|(program, _)| !is_there(program));
    missing.map(|(program, package)| format!("{program} (package {package})")).collect()
}

/// What is wrong, in the words of the program that it was refused to, and what would be right.
fn explain(is_root: bool, said: &str, sysctl: impl Fn(&str) -> Option<String>) -> String {
    let is_forbidden = |name, forbids: &str| sysctl(name).is_some_and(|value| value.trim() == forbids);
    let forbidding = FORBIDS.iter().filter(|(name, forbids, _)| !is_root && is_forbidden(name, forbids));
    let allowing: Vec<_> = forbidding.map(|(name, _, allows)| format!("{}={allows}", name.replace('/', "."))).collect();
    let remedy = if said.contains("Unknown device type") || said.contains("Operation not supported") {
        "The kernel has no veth devices (CONFIG_VETH, module veth)".to_owned()
    } else if !allowing.is_empty() {
        format!("Run it as root, or let users make namespaces: sysctl -w {}", allowing.join(" "))
    } else if said.contains(LIMIT_REACHED) {
        MORE_NAMESPACES.to_owned()
    } else if is_root {
        "Root may not make namespaces here. In a container: give it --privileged, or CAP_SYS_ADMIN and CAP_NET_ADMIN"
            .to_owned()
    } else {
        "Run it as root".to_owned()
    };
    format!("this system gives no network of our own: {said}. {remedy}")
}

#[cfg(test)]
mod tests {
    use super::explain;

    const REFUSED: &str = "unshare: unshare failed: Operation not permitted";

    #[test]
    fn a_user_is_told_which_setting_forbids_it() {
        let sysctl = |name: &str| (name == "kernel/apparmor_restrict_unprivileged_userns").then(|| "1\n".to_owned());
        let text = explain(false, REFUSED, sysctl);
        assert!(text.contains(REFUSED) && text.contains("as root"), "{text}");
        assert!(text.ends_with("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"), "{text}");
        assert!(!text.contains("max_user_namespaces"), "what does not forbid it is not to be changed: {text}");
    }

    #[test]
    fn a_root_without_rights_is_told_of_containers() {
        let text = explain(true, REFUSED, |_| None);
        assert!(text.contains("--privileged") && !text.contains("sysctl"), "{text}");
    }

    #[test]
    fn a_limit_that_is_reached_is_no_question_of_rights() {
        let said = "unshare: unshare failed: No space left on device";
        for is_root in [true, false] {
            let text = explain(is_root, said, |_| None);
            assert!(text.contains("user.max_net_namespaces") && !text.contains("root"), "{text}");
        }
        let text = explain(false, said, |name| (name == "user/max_user_namespaces").then(|| "0\n".to_owned()));
        assert!(text.ends_with("sysctl -w user.max_user_namespaces=15000"), "{text}");
    }

    #[test]
    fn a_kernel_without_cables_is_no_question_of_rights() {
        let text = explain(true, "Error: Unknown device type.", |_| None);
        assert!(text.contains("CONFIG_VETH") && !text.contains("--privileged"), "{text}");
    }
}
