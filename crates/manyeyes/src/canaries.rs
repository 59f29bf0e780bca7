//! The known pictures that a manager asks its workers now and then: read once, at the start, into memory.

use std::path::Path;

use anyhow::{Context, bail};
use manyeyes_manager::settings::{Canary, Limits};
use manyeyes_vision::Labels;

use crate::files;

/// The most pictures. Twenty do; a whole data set named by mistake shall not sit in the manager's memory.
const PICTURES_MAX: usize = 200;

/// The most bytes of all of them together: they stay in memory. Two hundred photos of a third of a megabyte.
const BYTES_MAX: usize = 64 << 20;

/// The pictures in the folder of each class.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<Canary>> {
    let file_bytes = Limits::default().file_bytes;
    let (mut canaries, mut bytes) = (Vec::new(), 0);
    for (class, path) in files::class_folders(folder)? {
        for picture in files::list(&[path]).files {
            if canaries.len() == PICTURES_MAX {
                bail!("there are more than {PICTURES_MAX} pictures in {}: some of each class do", folder.display());
            }
            let file = files::read(&picture, file_bytes)
                .map_err(|problem| anyhow::Error::msg(problem.message))
                .with_context(|| format!("failed to read the canary {}", picture.display()))?;
            bytes += file.len();
            if bytes > BYTES_MAX {
                bail!("the pictures in {} are more than {} MiB together", folder.display(), BYTES_MAX >> 20);
            }
            let name = picture.strip_prefix(folder).unwrap_or(&picture).display().to_string();
            canaries.push(Canary { name, file: file.into(), classes: names_of(&class) });
        }
    }
    if canaries.is_empty() {
        bail!("there is no picture in a folder of {}: a folder for each class is needed", folder.display());
    }
    Ok(canaries)
}

/// What a model may call the class of that folder: so, or as a model of ImageNet calls the class of that WordNet id.
fn names_of(class: &str) -> Vec<String> {
    let labels = Labels::imagenet();
    let by_id = labels.position(class).map(|position| labels.names()[position].clone());
    std::iter::once(class.to_owned()).chain(by_id.filter(|name| name != class)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[(&str, usize)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![0; *bytes]).unwrap();
        }
        folder
    }

    fn error(files: &[(&str, usize)]) -> String {
        format!("{:#}", read(folder_with(files).path()).expect_err("this is no folder of canaries"))
    }

    #[test]
    fn each_picture_is_of_the_class_of_its_folder_by_every_name_that_this_has() {
        let folder = folder_with(&[("n01440764/a.jpg", 3), ("sha256:0123/b.png", 5), ("README.md", 1)]);
        let canaries = read(folder.path()).unwrap();
        let told: Vec<_> =
            canaries.iter().map(|canary| (canary.name.as_str(), canary.file.len(), canary.classes.clone())).collect();
        let tench = vec!["n01440764".to_owned(), "tench, Tinca tinca".to_owned()];
        assert_eq!(told, [("n01440764/a.jpg", 3, tench), ("sha256:0123/b.png", 5, vec!["sha256:0123".to_owned()])]);
    }

    #[test]
    fn a_folder_that_holds_nothing_or_too_much_is_refused_with_the_reason() {
        assert!(error(&[("a.jpg", 1)]).contains("a folder for each class is needed"));
        assert!(error(&[("ox/notes.txt", 1)]).contains("no picture"));
        let names: Vec<String> = (0..=PICTURES_MAX).map(|number| format!("ox/{number}.jpg")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert!(error(&many).contains("more than 200 pictures"));
        assert!(error(&[("ox/a.jpg", 33 << 20)]).contains("larger than 32 MiB"));
        let large = [("ox/a.jpg", 30 << 20), ("ox/b.jpg", 30 << 20), ("ox/c.jpg", 30 << 20)];
        assert!(error(&large).contains("more than 64 MiB together"));
        let missing = read(Path::new("/no/such/folder")).expect_err("it is not there");
        assert!(missing.to_string().contains("failed to read the folder"), "{missing}");
    }
}
