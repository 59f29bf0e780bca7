//! Where programs on a host keep their data: in its memory, as on the lab's own machines. What killed agents have left is removed.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

/// Memory, as a file system.
const MEMORY: &str = "/dev/shm";

/// What the folders of agents and of programs that were copied begin with.
const OURS: &str = "manyeyes-lab.";

/// The file by which it is known that somebody is at work in a folder: who holds its lock lives.
const SIGN: &str = "agent";

/// The folder of an agent.
pub(super) struct Folder {
    path: PathBuf,
    /// Held for as long as the agent lives: of its data, and of the program where that was copied.
    _signs: Vec<File>,
}

impl Folder {
    pub(super) fn make() -> anyhow::Result<Self> {
        let temporary = std::env::temp_dir();
        let memory = if Path::new(MEMORY).is_dir() { PathBuf::from(MEMORY) } else { temporary.clone() };
        let copied = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
        let copied = copied.filter(|folder| is_ours(folder));
        let path = memory.join(format!("{OURS}{}", std::process::id()));
        let mut signs = Vec::new();
        if let Some(folder) = &copied {
            signs.push(sign(folder)?);
        }
        for place in [&memory, &temporary] {
            remove_what_is_left(place);
        }
        DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("failed to make {}", path.display()))?;
        signs.push(sign(&path)?);
        Ok(Self { path, _signs: signs })
    }

    /// Where a program may keep data. Nothing is there before it is made.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Removes what is there.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(self.data()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("failed to remove the data of the run before")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn remove(&self) {
        // What stays is removed by the next agent.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn is_ours(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(OURS))
}

/// The sign that somebody is at work in a folder.
fn sign(folder: &Path) -> anyhow::Result<File> {
    let file = File::create(folder.join(SIGN)).with_context(|| format!("failed to write in {}", folder.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).context("failed to lock a folder of our own")?;
    Ok(file)
}

/// Of this user's folders those whose agents live no more.
fn remove_what_is_left(place: &Path) {
    let folders = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in folders.filter(|folder| is_ours(folder)) {
        // Not through a link that somebody else has laid.
        let is_this_users = fs::symlink_metadata(&folder).is_ok_and(|it| it.is_dir() && it.uid() == geteuid().as_raw());
        let Some(sign) = File::open(folder.join(SIGN)).ok().filter(|_| is_this_users) else { continue };
        if flock(&sign, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_agent_has_left_goes_and_what_a_living_one_holds_stays() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let [held, left, others] =
            ["manyeyes-lab.1", "manyeyes-lab.2", "something"].map(|name| place.path().join(name));
        for folder in [&held, &left, &others] {
            fs::create_dir(folder).expect("a folder");
        }
        let _held = sign(&held).expect("a sign");
        drop(sign(&left).expect("a sign"));
        drop(sign(&others).expect("a sign"));
        remove_what_is_left(place.path());
        assert_eq!([held, left, others].map(|folder| folder.exists()), [true, false, true]);
    }
}
