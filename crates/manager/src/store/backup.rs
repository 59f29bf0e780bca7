//! Copies a data folder while a manager works on it: the books first, as they are at one moment, then the bytes that they
//! name. What was deleted in between is taken out of the copy; each image is checked against its digest on its way.
//!
//! All of it is made in a folder within the destination and moved out at the end, the books last: a backup that was broken
//! off is a folder without books, never half of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use manyeyes_protocol::id::{BatchId, ImageId};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::Serialize;

use super::books::{self, Place, sealed_image};
use super::check::still_lies_there;
use super::folder::{Layout, sync_folder};
use super::kept::Kept;
use super::{Store, StoreError, StoreSettings, seal};
use crate::tokens;

/// Where the copy grows until it is whole.
const UNFINISHED: &str = "unfinished";
/// How often the books are asked for again while another process keeps them for itself, which it does for moments, and
/// with each question SQLite waits ten seconds.
const ASKED: usize = 6;

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// Batches in it.
    pub batches: u64,
    /// Images whose bytes are in it.
    pub images: u64,
    /// Those bytes.
    pub bytes: u64,
    /// Images that were deleted while it was made, and are not in it.
    pub left_out: u64,
    /// Images that were damaged already, in sentences. They are in the backup's books, and damaged there too.
    pub damaged: Vec<String>,
}

/// Makes a backup of the data folder `from` in `to`, which does not exist or is empty. A manager that starts on it has
/// all that was accepted before this was called. On return it would survive a power cut. Blocks until then: not for a thread
/// of an asynchronous runtime.
///
/// # Errors
/// [`StoreError::NotEmpty`], [`StoreError::NoRoom`], [`StoreError::NoBooks`], [`StoreError::OlderSchema`],
/// [`StoreError::NewerSchema`], [`StoreError::Damaged`] (the books as a whole), [`StoreError::Disk`]. Nothing is left in `to`.
pub fn backup(from: &Path, to: &Path) -> Result<BackedUp, StoreError> {
    let source = Source { layout: Layout::new(from), books: books::open_beside(&Layout::new(from).books())? };
    prepare(to)?;
    source.fits_into(to)?;
    let growing = Layout::new(&to.join(UNFINISHED));
    let made = source.copy_to(&growing).and_then(|made| publish(&growing, to).map(|()| made));
    made.map_err(|error| {
        let error = match error {
            StoreError::NoSpace => source.no_room(to),
            other => other,
        };
        // What cannot be removed is in the way of the next backup, which says so.
        let _ = fs::remove_dir_all(growing.root());
        error
    })
}

struct Source {
    layout: Layout,
    books: Connection,
}

/// An image that could not be copied because it has been deleted.
struct Gone {
    image: ImageId,
    batch: BatchId,
}

impl Source {
    fn fits_into(&self, to: &Path) -> Result<(), StoreError> {
        match free_bytes(to) {
            Some(free) if free < self.needed_bytes()? => Err(self.no_room(to)),
            _ => Ok(()),
        }
    }

    /// The images, and the books with their log.
    fn needed_bytes(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(sum(bytes), 0) FROM images WHERE pack IS NOT NULL";
        let images = self.books.query_row(sql, [], |row| row.get::<_, i64>(0))?;
        let pages = self.books.query_row(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            [],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(images.saturating_add(pages).max(0).cast_unsigned())
    }

    fn no_room(&self, to: &Path) -> StoreError {
        let needed_bytes = self.needed_bytes().unwrap_or(0);
        StoreError::NoRoom { folder: to.to_owned(), needed_bytes, free_bytes: free_bytes(to).unwrap_or(0) }
    }

    fn copy_to(&self, to: &Layout) -> Result<BackedUp, StoreError> {
        for folder in [to.root().to_owned(), to.packs(), to.large(), to.spool()] {
            fs::create_dir(&folder).map_err(|error| StoreError::io("make", &folder, &error))?;
        }
        self.copy_books(&to.books())?;
        let (mut made, gone) = self.copy_images(to)?;
        copy_secret(&self.layout.token(), &to.token())?;
        copy_secret(&self.layout.key(), &to.key())?;
        tokens::copy(self.layout.root(), to.root())
            .map_err(|error| StoreError::Disk(format!("copy the tokens: {error}")))?;
        [to.packs(), to.large(), to.root().to_owned()].iter().try_for_each(|folder| sync_folder(folder))?;
        made.left_out = gone.len() as u64;
        made.batches = self.take_out(to, &gone)?;
        Ok(made)
    }

    /// All pages in one step, so within one reading transaction: the writer goes on meanwhile.
    fn copy_books(&self, to: &Path) -> Result<(), StoreError> {
        let mut copy = Connection::open(to)?;
        let copying = Backup::new(&self.books, &mut copy)?;
        for _ in 0..ASKED {
            if copying.step(-1)? == StepResult::Done {
                return Ok(());
            }
        }
        Err(StoreError::Disk("the books are kept busy by another process".to_owned()))
    }

    /// The bytes that the copied books name, and what has been deleted since they were copied.
    fn copy_images(&self, to: &Layout) -> Result<(BackedUp, Vec<Gone>), StoreError> {
        let copied = books::open_beside(&to.books())?;
        let (mut made, mut gone) = (BackedUp::default(), Vec::new());
        let kept = Kept::new(&self.layout);
        let mut packs = NewPacks::make(&copied, to.packs())?;
        let sql = format!("SELECT {} FROM images WHERE pack IS NOT NULL ORDER BY pack, place", seal::IMAGES.selected());
        let mut statement = copied.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = ImageId(books::unsigned(row, 0)?);
            let Some((image, place)) = sealed_image(row)? else {
                made.damaged.push(format!("The entry of image {id} in the books is not what was written."));
                continue;
            };
            match kept.read(&image, place) {
                Ok(bytes) => {
                    packs.write(to, id, place, &bytes)?;
                    made.images += 1;
                    made.bytes += bytes.len() as u64;
                }
                Err(_) if !still_lies_there(&self.books, id, place)? => {
                    gone.push(Gone { image: id, batch: image.batch })
                }
                Err(fault) => made.damaged.push(format!("Image {} ({id}) is damaged: {fault}.", image.name)),
            }
        }
        packs.sync()?;
        Ok((made, gone))
    }

    /// Deletes from the copy what has been deleted from its source, as a manager would. Gives how many batches there are.
    fn take_out(&self, to: &Layout, gone: &[Gone]) -> Result<u64, StoreError> {
        let settings = StoreSettings { reserve_bytes: 1, ..StoreSettings::default() };
        let store = Store::open(to.root(), settings)?;
        let mut condemned = BTreeMap::new();
        for batch in gone.iter().map(|gone| gone.batch).collect::<BTreeSet<_>>() {
            if !self.has_batch(batch)? {
                condemned.insert(batch, store.delete_batch(batch));
            }
        }
        let alone = gone.iter().filter(|gone| !condemned.contains_key(&gone.batch));
        let deletions: Vec<_> = alone.map(|gone| store.delete_image(gone.image)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| StoreError::Disk(format!("start a runtime: {error}")))?;
        runtime.block_on(async {
            for deletion in deletions {
                deletion.await?;
            }
            for deletion in condemned.into_values() {
                match deletion.await {
                    // It was on its way out when the books were copied.
                    Err(StoreError::NoSuchBatch) => {}
                    done => drop(done?),
                }
            }
            Ok::<_, StoreError>(())
        })?;
        store.close();
        drop(store);
        let copied = books::open_beside(&to.books())?;
        Ok(copied.query_row("SELECT count(*) FROM batches", [], |row| books::unsigned(row, 0))?)
    }

    fn has_batch(&self, batch: BatchId) -> Result<bool, StoreError> {
        let mut statement = self.books.prepare_cached("SELECT 1 FROM batches WHERE number = ?1")?;
        Ok(statement.exists([books::signed(batch.0)])?)
    }
}

/// Of what only the owner may read. There is some only where a manager has needed it.
fn copy_secret(from: &Path, to: &Path) -> Result<(), StoreError> {
    let secret = match fs::read(from) {
        Ok(secret) => secret,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io("read", from, &error)),
    };
    let failed = |error: std::io::Error| StoreError::io("write", to, &error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    file.write_all(&secret).and_then(|()| file.sync_all()).map_err(failed)
}

/// The packs of the copy: as long as the books say, with holes where nothing is kept.
struct NewPacks {
    folder: PathBuf,
    files: BTreeMap<u32, File>,
}

impl NewPacks {
    fn make(books: &Connection, folder: PathBuf) -> Result<Self, StoreError> {
        let sql = "SELECT number, end FROM packs WHERE live > 0 OR number = (SELECT max(number) FROM packs)";
        let mut statement = books.prepare(sql)?;
        let packs = statement.query_map([], |row| Ok((row.get::<_, u32>(0)?, books::unsigned(row, 1)?)))?;
        let mut files = BTreeMap::new();
        for pack in packs {
            let (number, end) = pack?;
            let path = folder.join(number.to_string());
            let made = File::create_new(&path).and_then(|file| file.set_len(end).map(|()| file));
            files.insert(number, made.map_err(|error| StoreError::io("make", &path, &error))?);
        }
        Ok(Self { folder, files })
    }

    fn write(&mut self, to: &Layout, image: ImageId, place: Place, bytes: &[u8]) -> Result<(), StoreError> {
        match place {
            Place::Nowhere => Ok(()),
            Place::Own => {
                let path = to.large().join(image.to_string());
                let written = File::create_new(&path).and_then(|mut file| {
                    file.write_all(bytes)?;
                    file.sync_all()
                });
                written.map_err(|error| StoreError::io("write", &path, &error))
            }
            Place::Pack(span) => {
                let Some(file) = self.files.get(&span.pack) else {
                    return Err(StoreError::Damaged(format!("the books: pack {} has images and no entry", span.pack)));
                };
                let path = self.folder.join(span.pack.to_string());
                file.write_all_at(bytes, span.offset).map_err(|error| StoreError::io("write", &path, &error))
            }
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.files.iter().try_for_each(|(number, file)| {
            file.sync_all().map_err(|error| StoreError::io("sync", &self.folder.join(number.to_string()), &error))
        })
    }
}

/// Makes the folder, if it is not there, and refuses one that has something in it.
fn prepare(to: &Path) -> Result<(), StoreError> {
    let not_writable =
        |error: std::io::Error| StoreError::NotWritable { folder: to.to_owned(), reason: error.to_string() };
    fs::create_dir_all(to).map_err(not_writable)?;
    let mut entries = fs::read_dir(to).map_err(not_writable)?;
    if entries.next().is_some() { Err(StoreError::NotEmpty(to.to_owned())) } else { Ok(()) }
}

/// Moves the finished copy to where it is to be, the books last, and makes that durable.
fn publish(growing: &Layout, to: &Path) -> Result<(), StoreError> {
    let there = Layout::new(to);
    let moves = [
        (growing.token(), there.token()),
        (growing.key(), there.key()),
        (growing.tokens(), there.tokens()),
        (growing.packs(), there.packs()),
        (growing.large(), there.large()),
        (growing.spool(), there.spool()),
        (growing.books(), there.books()),
    ];
    sync_folder(growing.root())?;
    for (from, to) in moves {
        match fs::rename(&from, &to) {
            // These are there only where a manager has needed them, or somebody has made some.
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && [growing.token(), growing.tokens(), growing.key()].contains(&from) => {}
            moved => moved.map_err(|error| StoreError::io("move", &from, &error))?,
        }
    }
    fs::remove_dir_all(growing.root()).map_err(|error| StoreError::io("remove", growing.root(), &error))?;
    sync_folder(to)?;
    match to.parent().filter(|above| !above.as_os_str().is_empty()) {
        Some(above) => sync_folder(above),
        None => sync_folder(Path::new(".")),
    }
}

/// What the disk of a folder can still take, where it says so.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
