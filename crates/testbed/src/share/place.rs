//! Where this system may let us make groups with quotas: the first version of cgroups, the second, or a part of it that has been
//! given into our hands.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// A hierarchy a controller. A group may have both processes and groups in it.
    One,
    /// One hierarchy, in which a group gives its own groups a controller only while it has no processes (but the topmost).
    Two,
}

/// A group in which ours may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) version: Version,
}

impl Place {
    /// Makes sure that groups in it may have quotas.
    pub(super) fn enable(&self) -> anyhow::Result<()> {
        match self.version {
            Version::One => Ok(()),
            Version::Two => enable(&self.folder),
        }
    }

    /// The same for one of its groups, for the shares in it.
    pub(super) fn enable_in(&self, group: &Path) -> anyhow::Result<()> {
        match self.version {
            Version::One => Ok(()),
            Version::Two => enable(group),
        }
    }
}

/// The places, in the order in which they are to be tried: from what `/proc` says of mounts and of this process's groups.
pub(super) fn places(mountinfo: &str, cgroup: &str) -> Vec<Place> {
    let mounts = mountinfo.lines().filter_map(mount);
    mounts.flat_map(|(version, root, point)| in_mount(version, root, point, cgroup)).collect()
}

/// A mounted hierarchy that could have a processor controller: its version, which of its groups is mounted, and where.
fn mount(line: &str) -> Option<(Version, &Path, &Path)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (Path::new(place.next()?), Path::new(place.next()?));
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup" if has_processor(kind.nth(1)?) => Version::One,
        "cgroup2" => Version::Two,
        _ => return None,
    };
    Some((version, root, point))
}

/// In the first version below this process's own group; in the second there too, or below one of those that this one is in.
fn in_mount(version: Version, root: &Path, point: &Path, cgroup: &str) -> Vec<Place> {
    let own = cgroup.lines().find_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let is_it = match version {
            Version::One => has_processor(controllers),
            Version::Two => controllers.is_empty(),
        };
        is_it.then_some(group)
    });
    let own = own.and_then(|own| Path::new(own).strip_prefix(root).ok()).unwrap_or(Path::new(""));
    let most = match version {
        Version::One => 1,
        Version::Two => usize::MAX,
    };
    own.ancestors().take(most).map(|own| Place { folder: point.join(own), version }).collect()
}

fn has_processor(controllers: &str) -> bool {
    controllers.split(',').any(|controller| controller == "cpu")
}

fn enable(group: &Path) -> anyhow::Result<()> {
    let has = |file: &str| {
        let file = group.join(file);
        let controllers = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        anyhow::Ok(controllers.split_whitespace().any(|controller| controller == "cpu"))
    };
    if !has("cgroup.controllers")? {
        bail!("{} may give no processor time", group.display());
    }
    if has("cgroup.subtree_control")? {
        return Ok(());
    }
    fs::write(group.join("cgroup.subtree_control"), "+cpu")
        .with_context(|| format!("failed to have {} give processor time", group.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{Place, Version, places};

    fn place(folder: &str, version: Version) -> Place {
        Place { folder: PathBuf::from(folder), version }
    }

    #[test]
    fn the_first_version_is_found_where_the_processor_is() {
        let mountinfo = "29 25 0:26 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
            30 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n";
        let cgroup = "5:cpuset:/\n4:cpu,cpuacct:/user.slice\n";
        assert_eq!(places(mountinfo, cgroup), [place("/sys/fs/cgroup/cpu,cpuacct/user.slice", Version::One)]);
    }

    #[test]
    fn a_group_of_the_second_version_is_asked_to_give_processor_time_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place { folder: folder.path().to_owned(), version: Version::Two };
        let [controllers, given] =
            ["cgroup.controllers", "cgroup.subtree_control"].map(|file| folder.path().join(file));
        fs::write(&controllers, "cpuset memory\n").and_then(|()| fs::write(&given, "")).expect("files can be written");
        let refused = place.enable().expect_err("it has none to give").to_string();
        assert!(refused.contains("no processor time"), "{refused}");
        fs::write(&controllers, "cpuset cpu memory\n").expect("files can be written");
        place.enable().expect("it can be asked");
        assert_eq!(fs::read_to_string(&given).expect("it was asked"), "+cpu");
        fs::write(&given, "cpu memory\n").expect("files can be written");
        place.enable().expect("it gives already");
        assert_eq!(fs::read_to_string(&given).expect("it was not asked again"), "cpu memory\n");
    }

    #[test]
    fn in_a_container_the_group_that_is_mounted_is_the_topmost() {
        let mountinfo = "30 25 0:27 /docker/c0 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
        assert_eq!(places(mountinfo, "4:cpu:/docker/c0/x\n"), [place("/sys/fs/cgroup/cpu/x", Version::One)]);
    }

    #[test]
    fn in_the_second_version_every_group_that_we_are_in_is_tried_the_nearest_first() {
        let mountinfo = "30 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let folders = ["/sys/fs/cgroup/user.slice/app.slice", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup/"];
        assert_eq!(places(mountinfo, "0::/user.slice/app.slice\n"), folders.map(|folder| place(folder, Version::Two)));
    }
}
