//! `manyeyes model accuracy`: how often a model is right, on pictures whose classes are known.

mod report;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::bail;
use manyeyes_manager::api::Problem;
use manyeyes_vision::Labels;

use self::report::Report;
use crate::every_core::{self, Recognisers};
use crate::{cli, files};

/// Right is also said of a picture whose class is among so many.
const TOP: usize = 5;

/// The most names that an error lists.
const NAMES_LISTED_MAX: usize = 20;

pub(super) fn run(arguments: &cli::Accuracy) -> anyhow::Result<()> {
    let model = super::find_or_builtin(&arguments.model)?;
    let pictures = Pictures::below(&arguments.folder, model.labels(), &model.name)?;
    let recognisers = Recognisers::load(&model, arguments.model.engine, pictures.files.len())?;
    let engine = recognisers.engine().to_owned();
    let tally = Mutex::new(Tally::default());
    let began = Instant::now();
    recognisers.share_out(&pictures.files, |recogniser, position, file| {
        let seen = every_core::recognise(recogniser, file, TOP);
        let seen = seen.map(|seen| seen.labels.iter().map(|label| label.index as usize).collect());
        tally.lock().expect("no panic while held").count(pictures.classes[position], position, seen);
        ControlFlow::Continue(())
    });
    let took = began.elapsed();
    let tally = tally.into_inner().expect("no panic while held");
    let report = Report::new(&model, engine, &pictures, &tally, took);
    report.print(arguments.json)?;
    if tally.pictures() == 0 {
        bail!("none of the {} pictures in {} could be looked at", pictures.files.len(), arguments.folder.display());
    }
    Ok(())
}

/// What is to be looked at.
struct Pictures {
    files: Vec<PathBuf>,
    /// Of each file: the position of its class.
    classes: Vec<usize>,
}

impl Pictures {
    /// The pictures in the folder of each class.
    fn below(folder: &Path, labels: &Labels, model: &str) -> anyhow::Result<Self> {
        let mut found = Self { files: Vec::new(), classes: Vec::new() };
        let (mut folders, mut strangers) = (0, Vec::new());
        for (name, path) in files::class_folders(folder)? {
            folders += 1;
            let Some(class) = labels.position(&name) else {
                strangers.push(name);
                continue;
            };
            let files = files::list(&[path]).files;
            found.classes.extend(std::iter::repeat_n(class, files.len()));
            found.files.extend(files);
        }
        if folders == 0 {
            bail!("there is no folder in {}: a folder for each class is needed", folder.display());
        }
        if !strangers.is_empty() {
            bail!(
                "in {} are folders that are no class of {model}: {}; its classes are {}",
                folder.display(),
                listed(&strangers),
                listed(labels.names())
            );
        }
        if found.files.is_empty() {
            bail!("there is no picture in the folders of {}", folder.display());
        }
        Ok(found)
    }
}

/// Names in quotes; of many, the first.
fn listed(names: &[String]) -> String {
    let shown = if names.len() <= NAMES_LISTED_MAX { names.len() } else { NAMES_LISTED_MAX / 2 };
    let mut text = names[..shown].iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if shown < names.len() {
        text += &format!(" and {} more", names.len() - shown);
    }
    text
}

/// What came out so far.
#[derive(Default)]
struct Tally {
    /// How many had their class first.
    first: u64,
    /// How many had their class among the first [`TOP`].
    among_top: u64,
    /// How many pictures of a class were taken for a class.
    taken: BTreeMap<(usize, usize), u64>,
    /// The files that could not be looked at, by position, and why.
    unreadable: BTreeMap<usize, Problem>,
}

impl Tally {
    /// The picture at a position, of a class, was seen as these classes, the most probable first.
    fn count(&mut self, class: usize, position: usize, seen: Result<Vec<usize>, Problem>) {
        match seen {
            Err(problem) => {
                self.unreadable.insert(position, problem);
            }
            Ok(seen) => {
                self.first += u64::from(seen.first() == Some(&class));
                self.among_top += u64::from(seen.contains(&class));
                let first = seen.first().copied().expect("a model has at least one class");
                *self.taken.entry((class, first)).or_default() += 1;
            }
        }
    }

    /// How many pictures were looked at.
    fn pictures(&self) -> u64 {
        self.taken.values().sum()
    }

    /// How many of a class were.
    fn pictures_of(&self, class: usize) -> u64 {
        self.taken.range((class, 0)..(class + 1, 0)).map(|(_, count)| count).sum()
    }

    fn taken_for(&self, class: usize, other: usize) -> u64 {
        self.taken.get(&(class, other)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    fn below(files: &[&str]) -> Result<Vec<usize>, String> {
        let folder = folder_with(files);
        let found = Pictures::below(folder.path(), &Labels::imagenet(), "googlenet");
        found.map(|pictures| pictures.classes).map_err(|error| error.to_string())
    }

    #[test]
    fn each_picture_has_the_class_of_its_folder() {
        let classes = below(&["n01440764/a.jpg", "n01440764/b.jpg", "ox/c.png", ".hidden/d.jpg", "README.md"]);
        assert_eq!(classes, Ok(vec![0, 0, 345]));
    }

    #[test]
    fn folders_that_are_no_class_are_named_with_the_classes_there_are() {
        let error = below(&["unicorn/a.jpg", "ox/b.jpg", "dragon/c.jpg"]).unwrap_err();
        assert!(error.contains("no class of googlenet: 'dragon', 'unicorn'"), "{error}");
        assert!(error.contains("'tench, Tinca tinca'") && error.contains("and 990 more"), "{error}");
    }

    /// As in a data set of which a person has linked some classes to try them.
    #[test]
    fn a_class_may_be_a_link_and_links_within_it_are_not_followed_in_circles() {
        use std::os::unix::fs::symlink;
        let (elsewhere, folder) = (folder_with(&["a.jpg", "b.jpg"]), folder_with(&["n01440764/c.jpg"]));
        symlink(elsewhere.path(), folder.path().join("ox")).unwrap();
        symlink(folder.path(), elsewhere.path().join("up")).unwrap();
        symlink("n01440764", folder.path().join("n01440764/round")).unwrap();
        symlink("itself", folder.path().join("itself")).unwrap();
        let found = Pictures::below(folder.path(), &Labels::imagenet(), "googlenet").unwrap();
        assert_eq!(found.classes, [0, 345, 345]);
    }

    #[test]
    fn a_name_in_other_letters_is_another_name() {
        let error = below(&["Ox/a.jpg", "ox/b.jpg"]).unwrap_err();
        assert!(error.contains("no class of googlenet: 'Ox'"), "{error}");
    }

    #[test]
    fn a_folder_without_folders_or_pictures_is_an_error() {
        assert!(below(&["a.jpg"]).unwrap_err().contains("a folder for each class"));
        assert!(below(&["ox/notes.txt"]).unwrap_err().contains("no picture"));
    }

    #[test]
    fn a_picture_counts_as_first_as_among_five_or_as_unreadable() {
        let mut tally = Tally::default();
        tally.count(1, 0, Ok(vec![1, 2, 3]));
        tally.count(1, 1, Ok(vec![2, 1, 3]));
        tally.count(1, 2, Ok(vec![2, 3, 4]));
        tally.count(2, 3, Err(Problem { code: "empty".to_owned(), message: "the file is empty".to_owned() }));
        assert_eq!((tally.first, tally.among_top, tally.pictures()), (1, 2, 3));
        assert_eq!((tally.pictures_of(1), tally.pictures_of(2)), (3, 0));
        assert_eq!((tally.taken_for(1, 2), tally.taken_for(2, 1)), (2, 0));
        assert_eq!(tally.unreadable.keys().copied().collect::<Vec<_>>(), [3]);
    }
}
