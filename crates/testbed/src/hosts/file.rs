//! The file that names the hosts: TOML, read strictly, with the line of whatever is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::star::MOST_WORKERS;

/// What a word of ours may have that a shell and `ssh` are to take as it stands.
const PLAIN: &str = "letters, digits and any of . _ - : @ / + ~";

/// The machines of a star that somebody has given, as their file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsFile {
    pub(super) manager: Destination,
    /// This machine's own link.
    pub(super) client: LinkAddresses,
    pub(super) workers: Vec<(Destination, LinkAddresses)>,
}

/// A host, as `ssh` is told of it, and where its program is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    /// A name, an address, or a name of the user's own `ssh` configuration.
    pub(super) ssh: String,
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    /// The file of a key.
    pub(super) identity: Option<PathBuf>,
    /// The program that is there already; `None`: it is copied there.
    pub(super) program: Option<String>,
}

/// The addresses at both ends of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkAddresses {
    /// The manager's, on this link.
    pub(super) manager_address: Ipv4Addr,
    /// The other end's.
    pub(super) address: Ipv4Addr,
}

/// What is wrong with a file of hosts, and where.
#[derive(Debug, thiserror::Error)]
pub enum BadHosts {
    /// It cannot be read.
    #[error("read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It names no hosts that make a star.
    #[error("use {}: {}{what}", path.display(), Line(*.line))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// From 1; `None`: it is of the whole.
        line: Option<usize>,
        /// What is wrong, and what would be right.
        what: String,
    },
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(out, "line {line}: "))
    }
}

/// The file as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    manager: Spanned<Destination>,
    client: Spanned<LinkAddresses>,
    #[serde(default)]
    worker: Vec<Spanned<Worker>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Worker {
    ssh: String,
    user: Option<String>,
    port: Option<u16>,
    identity: Option<PathBuf>,
    program: Option<String>,
    manager_address: Ipv4Addr,
    address: Ipv4Addr,
}

/// What is wrong, and where it stands.
type Fault = (Option<Range<usize>>, String);

impl HostsFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong.
    pub fn read(path: &Path) -> Result<Self, BadHosts> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(source) => return Err(BadHosts::Unreadable { path: path.to_owned(), source }),
        };
        parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(|(span, what)| {
            let line = span.map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            BadHosts::Wrong { path: path.to_owned(), line, what }
        })
    }

    /// How many workers it has hosts for.
    pub fn workers(&self) -> u32 {
        u32::try_from(self.workers.len()).unwrap_or(u32::MAX)
    }
}

fn parse(text: &str, folder: &Path) -> Result<HostsFile, Fault> {
    let File { manager, client, worker } =
        toml::from_str(text).map_err(|error| (error.span(), error.message().trim_end().replace('\n', "; ")))?;
    let mut hosts = vec![("manager".to_owned(), manager.span(), manager.into_inner())];
    let mut links = vec![("client".to_owned(), client.span(), client.into_inner())];
    for (worker, number) in worker.into_iter().zip(1..) {
        let (span, name) = (worker.span(), format!("worker-{number}"));
        let Worker { ssh, user, port, identity, program, manager_address, address } = worker.into_inner();
        hosts.push((name.clone(), span.clone(), Destination { ssh, user, port, identity, program }));
        links.push((name, span, LinkAddresses { manager_address, address }));
    }
    if !(2..=usize::from(MOST_WORKERS)).contains(&hosts.len()) {
        let most = MOST_WORKERS - 1;
        return Err((
            None,
            format!("there are {} hosts for workers ([[worker]]): it must be 1 to {most}", hosts.len() - 1),
        ));
    }
    for (name, span, host) in &hosts {
        host.check().map_err(|what| (Some(span.clone()), format!("{name}: {what}")))?;
    }
    no_two_alike(
        &hosts,
        |host| format!("{} {:?} {:?}", host.ssh, host.user, host.port),
        |_| "the same host: each is to be a machine of its own".to_owned(),
    )?;
    no_two_alike(&links, |link| link.address.to_string(), |link| format!("the address {}", link.address))?;
    no_two_alike(
        &links,
        |link| link.manager_address.to_string(),
        |link| format!("the manager's address {}: each has a link of its own to the manager", link.manager_address),
    )?;
    let mut hosts = hosts.into_iter().map(|(_, _, host)| host.with_identity_from(folder));
    let mut links = links.into_iter().map(|(_, _, link)| link);
    let (Some(manager), Some(client)) = (hosts.next(), links.next()) else {
        return Err((None, "there is no manager".to_owned()));
    };
    Ok(HostsFile { manager, client, workers: hosts.zip(links).collect() })
}

fn no_two_alike<T>(
    all: &[(String, Range<usize>, T)],
    what: impl Fn(&T) -> String,
    alike: impl Fn(&T) -> String,
) -> Result<(), Fault> {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for (name, span, one) in all {
        if let Some(other) = known.insert(what(one), name) {
            return Err((Some(span.clone()), format!("{name} and {other} have {}", alike(one))));
        }
    }
    Ok(())
}

impl Destination {
    fn check(&self) -> Result<(), String> {
        let program = self.program.as_deref();
        let words = [("ssh", Some(self.ssh.as_str())), ("user", self.user.as_deref()), ("program", program)];
        for (key, word) in words.into_iter().filter_map(|(key, word)| Some((key, word?))) {
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-:@/+~".contains(letter);
            if word.is_empty() || word.starts_with('-') || !word.chars().all(is_plain) {
                return Err(format!("{key} = \"{word}\": it must be of {PLAIN}, and not begin with -"));
            }
        }
        match program {
            Some(program) if !program.starts_with('/') => {
                Err(format!("program = \"{program}\": it must be the whole path of manyeyes on that host"))
            }
            _ => Ok(()),
        }
    }

    /// Whose key lies beside the file, unless its place is said whole.
    fn with_identity_from(self, folder: &Path) -> Self {
        // What begins with ~ is for `ssh` to understand.
        let place = |path: PathBuf| if path.starts_with("~") { path } else { folder.join(path) };
        Self { identity: self.identity.map(place), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
[manager]
ssh = \"me@manager.example.org\"
[client]
address = \"10.10.0.2\"
manager_address = \"10.10.0.1\"
[[worker]]
ssh = \"one.example.org\"
port = 2222
identity = \"key\"
program = \"/usr/local/bin/manyeyes\"
address = \"10.10.1.2\"
manager_address = \"10.10.1.1\"
[[worker]]
ssh = \"two.example.org\"
identity = \"~/.ssh/key\"
address = \"10.10.2.2\"
manager_address = \"10.10.2.1\"
";

    fn fault(text: &str) -> (Option<usize>, String) {
        let (span, what) = parse(text, Path::new("")).expect_err("something is wrong");
        (span.map(|span| text[..span.start].matches('\n').count() + 1), what)
    }

    #[test]
    fn hosts_come_in_order_and_a_key_lies_beside_the_file() {
        let file = parse(GOOD, Path::new("/etc/lab")).expect("nothing is wrong");
        assert_eq!((file.workers(), file.manager.ssh.as_str()), (2, "me@manager.example.org"));
        let [(one, link), (two, _)] = &file.workers[..] else { panic!("{file:?}") };
        assert_eq!(one.identity.as_deref(), Some(Path::new("/etc/lab/key")));
        assert_eq!(two.identity.as_deref(), Some(Path::new("~/.ssh/key")));
        assert_eq!(link.address, Ipv4Addr::new(10, 10, 1, 2));
    }

    #[test]
    fn whatever_is_wrong_is_said_with_its_line() {
        let (line, what) = fault(&GOOD.replace("port = 2222", "prot = 2222"));
        assert!(line == Some(8) && what.contains("unknown field `prot`"), "{line:?} {what}");
        let (line, what) = fault(&GOOD.replace("\"10.10.1.2\"", "\"10.10.1\""));
        assert!(line == Some(11) && what.contains("IPv4"), "{line:?} {what}");
        let (line, what) = fault(&GOOD.replace("one.example.org", "-oProxyCommand=evil"));
        assert!(line == Some(6) && what.starts_with("worker-1: ssh = \"-oProxyCommand=evil\": it must be"), "{what}");
        let (_, what) = fault(&GOOD.replace("/usr/local/bin/manyeyes", "manyeyes"));
        assert_eq!(what, "worker-1: program = \"manyeyes\": it must be the whole path of manyeyes on that host");
        let (line, what) = fault(&GOOD[..GOOD.find("[[worker]]").expect("a worker")]);
        assert_eq!((line, what.as_str()), (None, "there are 0 hosts for workers ([[worker]]): it must be 1 to 63"));
    }

    #[test]
    fn two_hosts_are_two_machines_with_a_link_each() {
        let (line, what) = fault(&GOOD.replace("10.10.2.1", "10.10.1.1"));
        let expected =
            "worker-2 and worker-1 have the manager's address 10.10.1.1: each has a link of its own to the manager";
        assert_eq!((line, what.as_str()), (Some(13), expected));
        let (_, what) = fault(&GOOD.replace("10.10.2.2", "10.10.1.2"));
        assert_eq!(what, "worker-2 and worker-1 have the address 10.10.1.2");
        let same = GOOD
            .replace("two.example.org", "one.example.org\"\nport = 2222\nuser = \"me")
            .replace("port = 2222\nidentity", "port = 2222\nuser = \"me\"\nidentity");
        assert_eq!(fault(&same).1, "worker-2 and worker-1 have the same host: each is to be a machine of its own");
    }
}
