//! How an agent is begun on a host: by OpenSSH's own program, with the user's own configuration, over one connection, whose end is
//! the agent's. What is said over it before the agent is there, the shell on the host says.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::file::Destination;
use super::session::Ended;

/// What the agent is called on the program's command line.
const AGENT: [&str; 2] = ["experiment", "on-host"];

/// What is said on a host before the agent begins, so that it is told from what a login prints.
const MARK: &str = "manyeyes-lab: ";

/// How long a host may take to answer, seconds; after how many it is asked whether it is there still, and how often.
const OPTIONS: [&str; 6] = [
    // Nobody is there to type.
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    // A connection of its own: what ends it ends nothing else.
    "ControlPath=none",
    "ClearAllForwardings=yes",
];

/// The status of `ssh` where it is `ssh` that has failed.
const FAILED: i32 = 255;

/// The status of a shell that found no program.
const NO_PROGRAM: i32 = 127;

/// And of one that may not run it.
const NOT_RUN: i32 = 126;

/// The program that is measured, as it is here.
pub(super) struct Program<'a> {
    pub(super) path: &'a Path,
    pub(super) version: &'a str,
    /// SHA-256, hexadecimal.
    pub(super) digest: &'a str,
}

impl Destination {
    /// What begins an agent there.
    pub(super) fn command(&self, program: &Program<'_>) -> anyhow::Result<Command> {
        let mut command = Command::new("ssh");
        command.arg("-T").args(OPTIONS.iter().flat_map(|option| ["-o", option]));
        command.args(self.user.iter().flat_map(|user| ["-l", user]));
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(identity) = &self.identity {
            command.arg("-i").arg(identity);
        }
        let script = match &self.program {
            Some(there) => begins_what_is_there(there),
            None => copies_and_begins(program.path.metadata().context("failed to read this program's file")?.len()),
        };
        // One line in single quotes, which every shell that somebody may log in with understands.
        command.arg("--").arg(&self.ssh).arg(format!("exec sh -c '{script}'"));
        Ok(ours(command))
    }

    /// Speaks with the shell there until the agent begins.
    ///
    /// # Errors
    /// What is there is not what is here, or the connection ends.
    pub(super) fn introduce(
        &self,
        program: &Program<'_>,
        from: &mut impl BufRead,
        to: &mut impl Write,
    ) -> anyhow::Result<()> {
        let Program { path, version, digest } = program;
        let Some(there) = &self.program else {
            await_mark(from, "copy")?;
            io::copy(&mut File::open(path)?, to)?;
            to.flush()?;
            return await_mark(from, "copied").map(drop);
        };
        let has = await_mark(from, "version ")?;
        if has != *version {
            let has = if has.is_empty() { "something that is not manyeyes" } else { has.as_str() };
            bail!(
                "{there} is {has}, and here is {version}: install this one there, or leave out `program` to have it copied"
            );
        }
        if await_mark(from, "digest ")?.split_whitespace().next() != Some(digest) {
            bail!(
                "{there} is another build of {version} than the one here: install this one there, or leave out `program` to \
                 have it copied"
            );
        }
        Ok(())
    }
}

/// The agent of this machine, which needs no connection.
pub(super) fn here(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(AGENT);
    ours(command)
}

/// In a group of its own, so that a Ctrl-C takes no host away from under what is about to end well.
fn ours(mut command: Command) -> Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

/// Without a single quote, in one line.
fn begins_what_is_there(program: &str) -> String {
    let [group, agent] = AGENT;
    format!(
        "p={program}; [ -f $p ] || exit {NO_PROGRAM}; [ -x $p ] || exit {NOT_RUN}; \
         echo \"{MARK}version $($p --version </dev/null)\"; echo \"{MARK}digest $(sha256sum <$p)\"; exec $p {group} {agent}"
    )
}

/// As above; the program's file comes first, in so many bytes, into a folder that goes when the agent does.
fn copies_and_begins(bytes: u64) -> String {
    let [group, agent] = AGENT;
    format!(
        "umask 077; d=$(mktemp -d \"${{TMPDIR:-/tmp}}/manyeyes-lab.XXXXXX\") || exit 1; trap \"rm -rf \\\"$d\\\"\" EXIT; \
         trap \"exit 1\" HUP INT TERM; echo \"{MARK}copy\"; head -c {bytes} >\"$d/manyeyes\" && chmod 700 \"$d/manyeyes\" && \
         echo \"{MARK}copied\" && \"$d/manyeyes\" {group} {agent}"
    )
}

/// The rest of the line of ours that begins so. What else is printed first, by whatever a login runs, is passed over.
fn await_mark(from: &mut impl BufRead, beginning: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Err(Ended.into());
        }
        if let Some(rest) = line.trim_end().strip_prefix(MARK).and_then(|said| said.strip_prefix(beginning)) {
            return Ok(rest.to_owned());
        }
    }
}

/// Why nothing can be had of a host, by the status with which `ssh` has ended and what it and the host have said.
pub(super) fn explain(host: &Destination, status: Option<i32>, said: &str) -> String {
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = said.join(" / ");
    let program = host.program.as_deref().unwrap_or("the program that was copied there");
    match status {
        Some(FAILED) => format!("does not answer by SSH, as `ssh {}` would: {said}", host.ssh),
        Some(NO_PROGRAM) if host.program.is_some() => {
            format!(
                "there is no {program}: install it there (deploy/node.sh), or leave out `program` to have it copied"
            )
        }
        Some(NOT_RUN | NO_PROGRAM) => format!("{program} cannot be run there: {said}"),
        // Of clap, for a command that it does not know.
        Some(2) => format!("{program} is of another version, which does not know what this lab asks for: {said}"),
        _ if said.is_empty() => "the connection has ended".to_owned(),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn host(program: Option<&str>) -> Destination {
        let program = program.map(str::to_owned);
        Destination { ssh: "node.example.org".to_owned(), user: None, port: Some(2222), identity: None, program }
    }

    fn program() -> Program<'static> {
        Program { path: Path::new("/proc/self/exe"), version: "manyeyes 0.1.0", digest: "abc" }
    }

    fn introduced(said: &str) -> String {
        let done = host(Some("/opt/manyeyes")).introduce(&program(), &mut Cursor::new(said), &mut Vec::new());
        done.map_or_else(|error| error.to_string(), |()| "nothing is wrong".to_owned())
    }

    #[test]
    fn a_host_is_reached_by_the_users_own_ssh_and_nobody_is_asked_to_type() {
        let command = host(Some("/opt/manyeyes")).command(&program()).expect("the program is there");
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let words = words.join(" ");
        assert!(words.starts_with("-T -o BatchMode=yes ") && !words.contains("StrictHostKeyChecking"), "{words}");
        assert!(words.contains(" -p 2222 -- node.example.org exec sh -c 'p=/opt/manyeyes; "), "{words}");
        for script in [begins_what_is_there("/opt/manyeyes"), copies_and_begins(40_000_000)] {
            assert!(!script.contains(['\'', '\n', '!']), "it would not be one word to every shell: {script}");
        }
    }

    #[test]
    fn another_version_and_another_build_are_told_apart() {
        let same = "Welcome!\nmanyeyes-lab: version manyeyes 0.1.0\nmanyeyes-lab: digest abc  -\n";
        assert_eq!(introduced(same), "nothing is wrong");
        let older = introduced("manyeyes-lab: version manyeyes 0.0.9\n");
        assert!(older.starts_with("/opt/manyeyes is manyeyes 0.0.9, and here is manyeyes 0.1.0: "), "{older}");
        let other = introduced("manyeyes-lab: version manyeyes 0.1.0\nmanyeyes-lab: digest def  -\n");
        assert!(other.starts_with("/opt/manyeyes is another build of manyeyes 0.1.0 "), "{other}");
        assert_eq!(introduced("Welcome!\n"), "the connection has ended");
    }

    #[test]
    fn each_way_in_which_a_host_can_fail_is_said_as_such() {
        let (copied, there) = (host(None), host(Some("/opt/manyeyes")));
        let refused = "ssh: connect to host node.example.org port 2222: Connection refused\r\n";
        let expected = "does not answer by SSH, as `ssh node.example.org` would: ssh: connect to host node.example.org port 2222: \
                        Connection refused";
        assert_eq!(explain(&copied, Some(FAILED), refused), expected);
        assert!(explain(&there, Some(NO_PROGRAM), "").starts_with("there is no /opt/manyeyes: "));
        let other = explain(&copied, Some(NOT_RUN), "sh: 1: /tmp/manyeyes: Exec format error");
        assert!(other.starts_with("the program that was copied there cannot be run there: sh: 1: "), "{other}");
        assert!(explain(&there, Some(2), "error: unrecognized subcommand 'on-host'").contains("another version"));
    }
}
