//! A model of a disk that loses its power: what was written, and what of it would still be there.
//!
//! What is assumed, which is what SQLite assumes of a disk, too:
//! - `fsync` and `fdatasync` of a file keep its bytes and its length, and nothing of its name. Of a folder, `fsync` keeps its
//!   entries, and nothing of what they name.
//! - Without them nothing is sure to stay, and anything may: any page of 4 KiB in any of the states that it has had since, torn
//!   at any sector of 512 bytes, the length of the file in any of those that it has had, each entry of a folder, in any mixture.
//! - A sector is written whole or not at all, and what is not written is not harmed. A file is cut or is not.
//! - A rename that was not synced is undone, and within a folder it is done whole or not at all. Between two folders the new
//!   name may be there before the old one is gone, never the other way round (ext4, XFS and btrfs write both at once).

use std::collections::BTreeMap;

/// What a disk keeps together; what a file system does.
const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A file or a folder, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node(usize);

/// A change to a file that may be lost.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    /// A hole: its bytes are zero.
    Punch {
        at: usize,
        bytes: usize,
    },
    Length(usize),
}

/// The disk.
#[derive(Default)]
pub(crate) struct Disk {
    files: BTreeMap<Node, File>,
    folders: BTreeMap<Node, Folder>,
    /// Changes to folders that may be lost, in their order.
    entries: Vec<Entry>,
    nodes: usize,
}

#[derive(Default)]
struct File {
    safe: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Default)]
struct Folder {
    now: BTreeMap<String, Node>,
    safe: BTreeMap<String, Node>,
}

#[derive(Clone)]
struct Entry {
    folder: Node,
    name: String,
    /// None: removed.
    to: Option<Node>,
    /// Which rename it is half of.
    rename: Option<usize>,
}

/// What a sync that has begun will have made safe when it ends: what was written before it began.
pub(crate) struct Syncing {
    node: Node,
    changes: usize,
}

/// The files of a disk by their paths, and folders, which have no bytes.
pub(crate) type Image = BTreeMap<String, Option<Vec<u8>>>;

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Dice(u64);

impl Disk {
    pub(crate) const ROOT: Node = Node(0);

    /// An empty one. Its root is there for good.
    pub(crate) fn new() -> Self {
        let mut disk = Self { nodes: 1, ..Self::default() };
        disk.folders.insert(Self::ROOT, Folder::default());
        disk
    }

    pub(crate) fn make_folder(&mut self, folder: Node, name: &str) -> Node {
        let node = self.node();
        self.folders.insert(node, Folder::default());
        self.enter(folder, name, Some(node), None);
        node
    }

    pub(crate) fn make_file(&mut self, folder: Node, name: &str) -> Node {
        let node = self.node();
        self.files.insert(node, File::default());
        self.enter(folder, name, Some(node), None);
        node
    }

    pub(crate) fn remove(&mut self, folder: Node, name: &str) {
        self.enter(folder, name, None, None);
    }

    pub(crate) fn rename(&mut self, from: (Node, &str), to: (Node, &str)) {
        let node = self.find(from.0, from.1).expect("what is renamed is there");
        self.nodes += 1;
        let rename = Some(self.nodes);
        self.enter(to.0, to.1, Some(node), rename);
        self.enter(from.0, from.1, None, rename);
    }

    pub(crate) fn change(&mut self, file: Node, change: Change) {
        self.files.get_mut(&file).expect("it is a file").pending.push(change);
    }

    pub(crate) fn find(&self, folder: Node, name: &str) -> Option<Node> {
        self.folders.get(&folder)?.now.get(name).copied()
    }

    pub(crate) fn begin_sync(&self, node: Node) -> Syncing {
        let changes = self.files.get(&node).map_or(self.entries.len(), |file| file.pending.len());
        Syncing { node, changes }
    }

    pub(crate) fn end_sync(&mut self, syncing: &Syncing) {
        let Syncing { node, changes } = *syncing;
        if let Some(file) = self.files.get_mut(&node) {
            // Two syncs of one file may have overlapped.
            let changes = changes.min(file.pending.len());
            for change in file.pending.drain(..changes) {
                apply(&change, &mut file.safe);
            }
            return;
        }
        let of_it = |(place, entry): &(usize, &Entry)| entry.folder == node && *place < changes;
        // With an old name that is gone the new one is there.
        let renamed: Vec<_> = self
            .entries
            .iter()
            .enumerate()
            .filter(of_it)
            .filter_map(|(_, entry)| entry.rename.filter(|_| entry.to.is_none()))
            .collect();
        let mut place = 0;
        self.entries.retain(|entry| {
            place += 1;
            let safe =
                place <= changes && (entry.folder == node || entry.rename.is_some_and(|it| renamed.contains(&it)));
            if safe && let Some(folder) = self.folders.get_mut(&entry.folder) {
                set(&mut folder.safe, &entry.name, entry.to);
            }
            !safe
        });
    }

    /// What is left when everything is lost that may be.
    pub(crate) fn least(&self) -> Image {
        let mut image = Image::new();
        let folders = self.folders.iter().map(|(node, folder)| (*node, folder.safe.clone())).collect();
        self.collect(&folders, Self::ROOT, "", &mut image, &mut |file| file.safe.clone());
        image
    }

    /// What is left when nothing is lost, as after the crash of a process.
    pub(crate) fn all(&self) -> Image {
        let mut image = Image::new();
        let folders = self.folders.iter().map(|(node, folder)| (*node, folder.now.clone())).collect();
        self.collect(&folders, Self::ROOT, "", &mut image, &mut |file| {
            let mut bytes = file.safe.clone();
            file.pending.iter().for_each(|change| apply(change, &mut bytes));
            bytes
        });
        image
    }

    /// One of the many things that may be left.
    pub(crate) fn some(&self, dice: &mut Dice) -> Image {
        let mut folders: BTreeMap<_, _> =
            self.folders.iter().map(|(node, folder)| (*node, folder.safe.clone())).collect();
        let kept_of_ten = dice.below(11);
        let mut renames: BTreeMap<usize, bool> = BTreeMap::new();
        for (place, entry) in self.entries.iter().enumerate() {
            let mut kept = dice.below(10) < kept_of_ten;
            if let Some(rename) = entry.rename {
                let pending = |other: &Entry| other.rename == Some(rename) && other.folder != entry.folder;
                let between_folders = self.entries[..place].iter().any(pending);
                kept = match renames.get(&rename) {
                    // The old name goes only where the new one is there; within a folder it does go then.
                    Some(new_is_there) if between_folders => *new_is_there && kept,
                    Some(new_is_there) => *new_is_there,
                    // The other half is safe, or this is the new name.
                    None => kept,
                };
                renames.entry(rename).or_insert(kept);
            }
            if kept && let Some(folder) = folders.get_mut(&entry.folder) {
                set(folder, &entry.name, entry.to);
            }
        }
        let mut image = Image::new();
        self.collect(&folders, Self::ROOT, "", &mut image, &mut |file| file.some(dice));
        image
    }

    fn collect(
        &self,
        folders: &BTreeMap<Node, BTreeMap<String, Node>>,
        folder: Node,
        path: &str,
        image: &mut Image,
        bytes: &mut impl FnMut(&File) -> Vec<u8>,
    ) {
        for (name, node) in folders.get(&folder).into_iter().flatten() {
            let path = format!("{path}/{name}");
            if let Some(file) = self.files.get(node) {
                image.insert(path, Some(bytes(file)));
            } else {
                image.insert(path.clone(), None);
                self.collect(folders, *node, &path, image, bytes);
            }
        }
    }

    fn enter(&mut self, folder: Node, name: &str, to: Option<Node>, rename: Option<usize>) {
        set(&mut self.folders.get_mut(&folder).expect("it is a folder").now, name, to);
        self.entries.push(Entry { folder, name: name.to_owned(), to, rename });
    }

    fn node(&mut self) -> Node {
        self.nodes += 1;
        Node(self.nodes)
    }
}

impl File {
    /// Each page as it was after some number of changes, or as it was after two of them, torn at a sector.
    fn some(&self, dice: &mut Dice) -> Vec<u8> {
        let changes = self.pending.len() as u64;
        let mut lengths = vec![self.safe.len()];
        for change in &self.pending {
            lengths.push(length_after(change, lengths[lengths.len() - 1]));
        }
        let most = *lengths.iter().max().expect("there is one at least");
        let mut bytes = self.safe.clone();
        bytes.resize(most, 0);
        // The length has seen so many changes: a cut among them has happened as a whole, one behind them not at all.
        let length = dice.version(changes);
        // For each sector the number of changes that reached it.
        let mut reached = Vec::new();
        for _ in 0..most.div_ceil(PAGE) {
            let (first, second) = (dice.version(changes), dice.version(changes));
            let torn = if dice.below(4) == 0 { dice.below(9) } else { 8 };
            reached.extend((0..8).map(|sector| if sector < torn { first } else { second }));
        }
        for (place, change) in (0..).zip(&self.pending) {
            let (from, to) = match change {
                Change::Write { at, bytes } => (*at, at + bytes.len()),
                Change::Punch { at, bytes } => (*at, (at + bytes).min(most)),
                Change::Length(length) => (*length, most),
            };
            let mut at = from;
            while at < to {
                let end = ((at / SECTOR + 1) * SECTOR).min(to);
                let is_there = match change {
                    Change::Length(_) => place < length,
                    Change::Write { .. } | Change::Punch { .. } => reached[at / SECTOR] > place,
                };
                if is_there {
                    match change {
                        Change::Write { bytes: written, .. } => {
                            bytes[at..end].copy_from_slice(&written[at - from..end - from])
                        }
                        Change::Punch { .. } | Change::Length(_) => bytes[at..end].fill(0),
                    }
                }
                at = end;
            }
        }
        bytes.truncate(lengths[usize::try_from(length).expect("few changes")]);
        bytes
    }
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }

    /// How many of some changes are there: often none or all.
    fn version(&mut self, changes: u64) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => changes,
            _ => self.below(changes + 1),
        }
    }
}

fn set(entries: &mut BTreeMap<String, Node>, name: &str, to: Option<Node>) {
    match to {
        Some(node) => entries.insert(name.to_owned(), node),
        None => entries.remove(name),
    };
}

fn length_after(change: &Change, before: usize) -> usize {
    match change {
        Change::Write { at, bytes } => before.max(at + bytes.len()),
        Change::Punch { .. } => before,
        Change::Length(length) => *length,
    }
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    let length = length_after(change, bytes.len());
    bytes.resize(length, 0);
    match change {
        Change::Write { at, bytes: written } => bytes[*at..at + written.len()].copy_from_slice(written),
        Change::Punch { at, bytes: hole } => {
            let end = (at + hole).min(length);
            bytes[(*at).min(end)..end].fill(0);
        }
        Change::Length(_) => {}
    }
}

mod tests {
    use super::*;

    fn write(disk: &mut Disk, file: Node, at: usize, bytes: &[u8]) {
        disk.change(file, Change::Write { at, bytes: bytes.to_vec() });
    }

    fn sync(disk: &mut Disk, node: Node) {
        let syncing = disk.begin_sync(node);
        disk.end_sync(&syncing);
    }

    fn file<'a>(image: &'a Image, path: &str) -> Option<&'a [u8]> {
        image.get(path).and_then(Option::as_deref)
    }

    #[test]
    fn a_file_stays_only_where_its_bytes_and_its_name_were_synced() {
        let mut disk = Disk::new();
        let a = disk.make_file(Disk::ROOT, "a");
        write(&mut disk, a, 0, b"bytes");
        sync(&mut disk, a);
        assert_eq!(disk.least(), Image::new(), "its name was not");
        let mut disk = Disk::new();
        let a = disk.make_file(Disk::ROOT, "a");
        sync(&mut disk, Disk::ROOT);
        write(&mut disk, a, 0, b"bytes");
        assert_eq!(file(&disk.least(), "/a"), Some(&b""[..]), "its bytes were not");
        assert_eq!(file(&disk.all(), "/a"), Some(&b"bytes"[..]));
        sync(&mut disk, a);
        write(&mut disk, a, 1, b"BYTE");
        disk.change(a, Change::Length(2));
        assert_eq!(file(&disk.least(), "/a"), Some(&b"bytes"[..]));
        sync(&mut disk, a);
        assert_eq!(file(&disk.least(), "/a"), Some(&b"bB"[..]));
    }

    #[test]
    fn a_sync_keeps_what_was_written_before_it_began_and_no_more() {
        let mut disk = Disk::new();
        let a = disk.make_file(Disk::ROOT, "a");
        sync(&mut disk, Disk::ROOT);
        write(&mut disk, a, 0, b"before");
        let syncing = disk.begin_sync(a);
        write(&mut disk, a, 0, b"during");
        disk.end_sync(&syncing);
        assert_eq!(file(&disk.least(), "/a"), Some(&b"before"[..]));
        let syncing = disk.begin_sync(Disk::ROOT);
        disk.make_file(Disk::ROOT, "b");
        disk.end_sync(&syncing);
        assert_eq!(file(&disk.least(), "/b"), None);
    }

    #[test]
    fn a_rename_that_was_not_synced_is_undone_and_never_loses_the_file() {
        let mut disk = Disk::new();
        let [left, right] = ["left", "right"].map(|name| disk.make_folder(Disk::ROOT, name));
        let a = disk.make_file(left, "a");
        write(&mut disk, a, 0, b"bytes");
        [Disk::ROOT, left, right, a].into_iter().for_each(|node| sync(&mut disk, node));
        disk.rename((left, "a"), (right, "b"));
        disk.rename((right, "b"), (right, "c"));
        assert_eq!(file(&disk.least(), "/left/a"), Some(&b"bytes"[..]));
        for seed in 0..200 {
            let some = disk.some(&mut Dice::new(seed));
            assert!(some.values().flatten().any(|bytes| bytes == b"bytes"), "seed {seed}: {some:?}");
        }
        sync(&mut disk, right);
        let least = disk.least();
        assert_eq!((file(&least, "/left/a"), file(&least, "/right/c")), (Some(&b"bytes"[..]), Some(&b"bytes"[..])));
        sync(&mut disk, left);
        assert_eq!(file(&disk.least(), "/left/a"), None);
    }

    #[test]
    fn what_a_folder_that_was_not_synced_names_is_not_there() {
        let mut disk = Disk::new();
        let folder = disk.make_folder(Disk::ROOT, "folder");
        let a = disk.make_file(folder, "a");
        sync(&mut disk, folder);
        sync(&mut disk, a);
        assert_eq!(disk.least(), Image::new());
        sync(&mut disk, Disk::ROOT);
        assert_eq!(disk.least().len(), 2);
    }

    #[test]
    fn a_file_is_cut_or_is_not() {
        let mut disk = Disk::new();
        let a = disk.make_file(Disk::ROOT, "a");
        write(&mut disk, a, 0, &[1; 3 * PAGE]);
        [a, Disk::ROOT].into_iter().for_each(|node| sync(&mut disk, node));
        disk.change(a, Change::Length(0));
        let states: std::collections::BTreeSet<_> =
            (0..100).map(|seed| file(&disk.some(&mut Dice::new(seed)), "/a").map(<[u8]>::to_vec)).collect();
        assert_eq!(states, [Some(Vec::new()), Some(vec![1; 3 * PAGE])].into());
    }

    #[test]
    fn of_what_was_not_synced_any_page_may_be_there_and_what_was_is_always() {
        let mut disk = Disk::new();
        let a = disk.make_file(Disk::ROOT, "a");
        write(&mut disk, a, 0, &[1; 3 * PAGE]);
        sync(&mut disk, a);
        sync(&mut disk, Disk::ROOT);
        write(&mut disk, a, PAGE, &[2; 3 * PAGE]);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let image = disk.some(&mut Dice::new(seed));
            let bytes = file(&image, "/a").expect("its name was synced");
            assert!(bytes[..PAGE].iter().all(|byte| *byte == 1));
            assert!(bytes.len() == 3 * PAGE || bytes.len() == 4 * PAGE);
            seen.insert((bytes[PAGE], bytes[2 * PAGE], bytes.len()));
            let torn = bytes[PAGE..2 * PAGE].chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0]));
            assert!(torn, "sectors are whole");
        }
        assert_eq!(seen.len(), 8, "each page and the length for itself: {seen:?}");
    }
}
