//! A machine to be made a node: a folder for all that is the node's, and stand-ins for all that would change this one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::cluster::{folder, manyeyes};

/// What the script needs of the system and changes nothing by; nothing else is in its PATH.
const TOOLS: [&str; 18] = [
    "bash",
    "cat",
    "cmp",
    "cp",
    "cut",
    "dirname",
    "env",
    "install",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "sha256sum",
    "stat",
    "tail",
    "touch",
    "uname",
];

/// Which congestion controls are for everybody.
pub(super) const ALLOWED: &str = "proc/sys/net/ipv4/tcp_allowed_congestion_control";

/// Stand-ins: each writes down how it was called, and does so much (`HERE` is the node's folder).
const STAND_INS: [(&str, &str); 6] = [
    ("id", "if [ $# = 1 ] && [ \"$1\" = -u ]; then echo 0; else test -e HERE/user; fi"),
    (
        "systemctl",
        "case \"$1\" in --version) echo 'systemd 252 (252.39)' ;; is-enabled) test -e \"HERE/enabled $3\" ;;\n\
         enable) touch \"HERE/enabled $3\" ;; is-active) test -e \"HERE/active $3\" ;;\n\
         start | restart) touch \"HERE/active $2\" ;; esac",
    ),
    ("systemd-sysusers", "touch HERE/user"),
    ("runuser", "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\""),
    ("chown", ""),
    ("modprobe", ""),
];

/// A machine to be made a node.
pub(super) struct Node {
    folder: TempDir,
}

impl Node {
    pub(super) fn new() -> Self {
        let node = Self { folder: folder() };
        for folder in ["bin", "deploy", "root/run/systemd/system", "root/etc", "root/proc/sys/net/ipv4"] {
            fs::create_dir_all(node.path(folder)).expect("a folder of our own");
        }
        for name in ["node.sh", "units.sh"] {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name);
            fs::copy(script, node.path("deploy").join(name)).expect("a folder of our own");
        }
        fs::write(node.path("root/etc/os-release"), "ID=ubuntu\nID_LIKE=debian\nPRETTY_NAME='Ubuntu 22.04'\n")
            .expect("a folder of our own");
        fs::write(node.path("root").join(ALLOWED), "reno cubic\n").expect("a folder of our own");
        for tool in TOOLS {
            let place = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            symlink(place.iter().find(|path| path.exists()).expect(tool), node.path("bin").join(tool))
                .expect("a folder of our own");
        }
        STAND_INS.iter().for_each(|(name, does)| node.stand_in(name, does));
        node.give_program("");
        node
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn stand_in(&self, name: &str, does: &str) {
        let here = self.folder.path().display().to_string();
        let text = format!("#!/bin/sh\necho \"{name} $*\" >>HERE/calls\n{does}\n").replace("HERE", &here);
        executable(&self.path("bin").join(name), &text);
    }

    /// Lays the program beside the script: the real one, by another name, so that megabytes need not be copied.
    pub(super) fn give_program(&self, comment: &str) {
        let program = manyeyes().get_program().to_string_lossy().into_owned();
        executable(&self.path("deploy/manyeyes"), &format!("#!/bin/sh\n# {comment}\nexec '{program}' \"$@\"\n"));
    }

    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", self.path("bin")).env("MANYEYES_ROOT", self.path("root"));
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command("/bin/bash").arg(self.path("deploy/node.sh")).args(arguments).output().expect("bash runs")
    }

    /// What it says, all being well.
    pub(super) fn made(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("it speaks UTF-8")
    }

    /// How it fails: its status and what it says.
    pub(super) fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run(arguments);
        (output.status.code(), String::from_utf8(output.stderr).expect("it speaks UTF-8"))
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("root").join(name)).expect(name)
    }

    pub(super) fn unit(&self, role: &str) -> String {
        self.read(&format!("etc/systemd/system/manyeyes-{role}.service"))
    }

    /// What was asked of systemd since the last time, questions apart.
    pub(super) fn asked_of_systemd(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        fs::write(self.path("calls"), "").expect("a folder of our own");
        let is_question = |call: &&str| call.contains("systemctl is-") || call.contains("systemctl --version");
        calls.lines().filter(|call| call.starts_with("systemctl") && !is_question(call)).map(str::to_owned).collect()
    }

    /// Every file of the node: its place, its inode, when it was written, its mode, what is in it.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, (u64, i64, u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path("root")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder of our own").flatten() {
                let (path, metadata) = (entry.path(), entry.metadata().expect("a folder of our own"));
                if metadata.is_dir() {
                    folders.push(path);
                } else {
                    let of_it = (
                        metadata.ino(),
                        metadata.mtime_nsec(),
                        metadata.mode() & 0o7777,
                        fs::read(&path).expect("a folder of our own"),
                    );
                    files.insert(path, of_it);
                }
            }
        }
        files
    }
}

pub(super) fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("a folder of our own");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a folder of our own");
}
