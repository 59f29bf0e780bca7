//! Which files are meant by the paths on the command line, and what is in them.

use std::collections::BTreeMap;
use std::fs::{self, File, FileType};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use manyeyes_manager::api::Problem;

/// Enough of a file to tell its format.
const SNIFFED_BYTES: u64 = 64;

/// How deep folders are followed. Deeper is more likely a loop of mounts than somebody's photos.
const MAX_DEPTH: usize = 64;

/// What names an image, also where its format is one that cannot be decoded: a person wants to hear of those.
const IMAGE_EXTENSIONS: [&str; 16] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "heic", "heif", "avif", "tif", "tiff", "jxl", "jp2",
    "svg",
];

/// The files that are meant, in order.
pub(crate) struct Listing {
    pub(crate) files: Vec<PathBuf>,
    /// Files in folders that are not images.
    pub(crate) left_out: usize,
}

/// A path that names a folder means the images in it and below, by name; any other path means itself, image or not.
pub(crate) fn list(paths: &[PathBuf]) -> Listing {
    let mut listing = Listing { files: Vec::new(), left_out: 0 };
    for path in paths {
        if path.is_dir() {
            listing.add_folder(path, MAX_DEPTH);
        } else {
            listing.files.push(path.clone());
        }
    }
    listing
}

impl Listing {
    /// An entry that cannot be read is left to fail on its own later; links to folders are not followed, and what is no
    /// file is left out: whoever reads a pipe waits for ever.
    fn add_folder(&mut self, folder: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            self.files.push(folder.to_owned());
            return;
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth > 0 => self.add_folder(&path, depth - 1),
                Ok(kind) if is_to_be_read(kind, &path) && !is_hidden(&path) && is_image(&path) => self.files.push(path),
                _ => self.left_out += 1,
            }
        }
    }
}

/// A file, or a link to one or to nothing.
fn is_to_be_read(kind: FileType, path: &Path) -> bool {
    kind.is_file() || (kind.is_symlink() && fs::metadata(path).map_or(true, |target| target.is_file()))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_image(path: &Path) -> bool {
    let named = path
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| IMAGE_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()));
    named || (path.is_file() && looks_like_one(path))
}

fn looks_like_one(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SNIFFED_BYTES).read_to_end(&mut start));
    read.is_ok() && manyeyes_picture::sniff(&start).is_ok()
}

/// The folders in a folder by name, but for hidden ones: one for each class.
pub(crate) fn class_folders(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let unreadable = || format!("failed to read the folder {}", folder.display());
    let mut folders = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') {
            folders.insert(name, path);
        }
    }
    Ok(folders)
}

/// A file's bytes, or what is wrong with it.
pub(crate) fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Problem> {
    let problem = |code: &str, message: String| Problem { code: code.to_owned(), message };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes))
        .map_err(|error| problem("unreadable", format!("the file cannot be read: {error}")))?;
    if bytes.len() as u64 > max_bytes {
        return Err(problem("too_large", format!("the file is larger than {} MiB", max_bytes >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn of_a_folder_only_images_are_taken_and_the_rest_is_counted() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        let folder = folder_with(&[
            ("b.JPG", b"whatever"),
            ("below/a.png", png),
            ("named-wrongly.dat", png),
            ("notes.txt", b"not an image"),
            (".hidden.jpg", b"whatever"),
        ]);
        let listing = list(&[folder.path().to_owned()]);
        let names: Vec<_> =
            listing.files.iter().map(|file| file.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["b.JPG", "below/a.png", "named-wrongly.dat"]);
        assert_eq!(listing.left_out, 2);
    }

    /// Reading a pipe that nobody writes to did not end.
    #[test]
    fn pipes_and_sockets_in_a_folder_are_left_out_whatever_they_are_called() {
        use std::os::unix::{fs::symlink, net::UnixListener};
        let folder = folder_with(&[("a.jpg", b"whatever")]);
        let _socket = UnixListener::bind(folder.path().join("b.jpg")).unwrap();
        for (target, link) in [("b.jpg", "c.jpg"), (".", "d.jpg"), ("a.jpg", "e.jpg"), ("nothing", "f.jpg")] {
            symlink(target, folder.path().join(link)).unwrap();
        }
        let listing = list(&[folder.path().to_owned()]);
        let names: Vec<_> = listing.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!((names, listing.left_out), (vec!["a.jpg", "e.jpg", "f.jpg"], 3));
    }

    #[test]
    fn a_named_file_is_taken_whatever_it_is() {
        let folder = folder_with(&[("notes.txt", b"not an image")]);
        let paths = [folder.path().join("notes.txt"), folder.path().join("missing.jpg")];
        assert_eq!(list(&paths).files, paths);
    }
}
