//! Finding a model: which file, whether its digest is a published one, how its input is made, what its labels are.
//!
//! The order, the first that is there wins:
//! 1. `--model PATH` (it has a `/` or ends in `.onnx`): that file and no other.
//! 2. `--model NAME`, or the default `googlenet`: the folders in `MANYEYES_MODELS`, under `NAME.onnx` or the
//!    publisher's file name.
//! 3. The user's cache, which [`pull()`] fills. Only the published digest counts there.
//!
//! How the input is made follows the file, without guessing: a sidecar `NAME.toml` beside it; else its digest, if it is
//! a published one; else its name, if the manifest has it. A file of which none holds is refused with what to write.

mod error;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use self::error::{ModelError, Place};
use crate::labels::Labels;
use crate::manifest::{Entry, Input, OutputKind, Sidecar, manifest};
use crate::onnx::{self, Interface};
use crate::pull::{PullEvent, PullSettings, pull};

/// The largest model file that is read: protobuf's own limit is 2 GiB, and a session needs several times the file.
const MODEL_BYTES_MAX: u64 = 1 << 30;

/// Where a model is looked for.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// `--model`: a name or a path. `None`: the default model.
    pub named: Option<String>,
    /// `MANYEYES_MODELS`: folders of the user's own files.
    pub folders: Vec<PathBuf>,
    /// The folder that downloads go to; `None` where the user has no home.
    pub cache: Option<PathBuf>,
}

impl Lookup {
    /// With the folders of `MANYEYES_MODELS` (separated as in `PATH`) and the user's cache.
    #[must_use]
    pub fn from_environment(named: Option<String>) -> Self {
        let folders = std::env::var_os("MANYEYES_MODELS").unwrap_or_default();
        let folders = std::env::split_paths(&folders).filter(|folder| !folder.as_os_str().is_empty()).collect();
        Self { named, folders, cache: user_cache().map(|cache| cache.join("models")) }
    }
}

/// A model that was found, read and looked at; nothing has run yet. It holds names and numbers, not the weights.
#[derive(Clone)]
pub struct Model {
    /// The manifest's name, or the file's without its extension.
    pub name: String,
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// Whether that is the digest of a published file, used as the manifest says.
    pub verified: bool,
    /// What the user should know of it. Everyone who sees the page may read it, so it names no folder.
    pub notice: Option<String>,
    path: PathBuf,
    interface: Interface,
    input: Input,
    output: OutputKind,
    labels: Arc<Labels>,
}

impl Model {
    /// Finds a model and reads it.
    ///
    /// # Errors
    /// [`ModelError::NotFound`] names every place that was looked in; the others name the file and what is wrong with
    /// it.
    pub fn find(lookup: &Lookup) -> Result<Self, ModelError> {
        match lookup.named.as_deref() {
            Some(named) if is_path(named) => Self::open(Path::new(named)),
            named => Self::find_by_name(named.unwrap_or(&manifest()[0].name), lookup),
        }
    }

    /// As [`Model::find`]; where nothing is found and the model is a published one, downloads it first.
    ///
    /// # Errors
    /// As [`Model::find`]; a download that fails is [`ModelError::Pull`], with the places looked in before.
    pub fn find_or_pull(
        lookup: &Lookup,
        settings: &PullSettings,
        report: &mut dyn FnMut(PullEvent<'_>),
    ) -> Result<Self, ModelError> {
        let (name, places) = match Self::find(lookup) {
            Err(ModelError::NotFound { name, places }) => (name, places),
            other => return other,
        };
        let Some(entry) = entry_named(&name).filter(|entry| entry.download.is_some()) else {
            return Err(ModelError::NotFound { name, places });
        };
        let path = pull(entry, settings, report).map_err(|source| ModelError::Pull { name, places, source })?;
        Self::open(&path)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How its input is made.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The classes, in the order of its output.
    #[must_use]
    pub fn labels(&self) -> &Arc<Labels> {
        &self.labels
    }

    pub(crate) fn output(&self) -> OutputKind {
        self.output
    }

    /// The file's bytes, read anew: a session keeps what it needs, and holding them here would double a worker's
    /// memory.
    pub(crate) fn onnx(&self) -> Result<Vec<u8>, ModelError> {
        let onnx = read(&self.path)?;
        if digest_of(&onnx) != self.digest {
            return Err(ModelError::Changed { path: self.path.clone() });
        }
        Ok(onnx)
    }

    pub(crate) fn interface(&self) -> &Interface {
        &self.interface
    }

    fn find_by_name(name: &str, lookup: &Lookup) -> Result<Self, ModelError> {
        let entry = entry_named(name);
        let file_names = entry.map_or_else(|| vec![format!("{name}.onnx")], Entry::file_names);
        let mut places = Vec::new();
        for path in lookup.folders.iter().flat_map(|folder| file_names.iter().map(|file| folder.join(file))) {
            if path.is_file() {
                return Self::open(&path);
            }
            places.push(Place { path, why: "not there" });
        }
        if let (Some(cache), Some(download)) = (&lookup.cache, entry.and_then(|entry| entry.download.as_ref())) {
            let path = cache.join(&download.file);
            let there = path.is_file();
            if there && digest_of(&read(&path)?) == download.sha256 {
                return Self::open(&path);
            }
            places.push(Place { path, why: if there { "damaged: not the published digest" } else { "not there" } });
        }
        Err(ModelError::NotFound { name: name.to_owned(), places })
    }

    /// Reads a file, whatever it is, and looks at what it takes and gives.
    fn open(path: &Path) -> Result<Self, ModelError> {
        let onnx = read(path)?;
        let digest = digest_of(&onnx);
        let interface = onnx::interface(&onnx)
            .map_err(|error| ModelError::NotAModel { path: path.to_owned(), why: error.to_string() })?;
        let Recipe { name, input, output, labels, verified, notice } = recipe(path, &digest)?;
        check(&interface, &input, &labels).map_err(|why| ModelError::WrongShape { path: path.to_owned(), why })?;
        let path = path.to_owned();
        Ok(Self { name, digest, verified, notice, path, interface, input, output, labels })
    }
}

/// One known model and what of it is on this machine.
#[derive(Debug)]
pub struct CatalogueRow {
    /// What the manifest says.
    pub entry: &'static Entry,
    /// The file that would be used and whether its digest is the published one, or why there is none.
    pub found: Result<(PathBuf, bool), ModelError>,
}

/// The manifest's models in its order, the default first, with the files that [`Model::find`] would use. Digests are
/// computed anew.
#[must_use]
pub fn catalogue(lookup: &Lookup) -> Vec<CatalogueRow> {
    let row = |entry: &'static Entry| {
        let lookup = Lookup { named: Some(entry.name.clone()), ..lookup.clone() };
        let found = Model::find(&lookup).map(|model| (model.path, model.verified));
        CatalogueRow { entry, found }
    };
    manifest().iter().map(row).collect()
}

/// `manyeyes/` in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`); `None` for a user without a home.
pub(crate) fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("manyeyes"))
}

/// How a file is used.
struct Recipe {
    name: String,
    input: Input,
    output: OutputKind,
    labels: Arc<Labels>,
    verified: bool,
    notice: Option<String>,
}

fn recipe(path: &Path, digest: &[u8; 32]) -> Result<Recipe, ModelError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let sidecar = path.with_extension("toml");
    if sidecar.is_file() {
        return recipe_of_sidecar(stem, &sidecar);
    }
    let published = |entry: &&Entry| entry.download.as_ref().is_some_and(|download| download.sha256 == *digest);
    let named = |entry: &&Entry| entry.file_names().contains(&format!("{stem}.onnx"));
    let (entry, verified) = match manifest().iter().find(published) {
        Some(entry) => (entry, true),
        None => match manifest().iter().find(named) {
            Some(entry) => (entry, false),
            None => {
                return Err(ModelError::NoRecipe { path: path.to_owned(), sidecar });
            }
        },
    };
    let notice = (!verified).then(|| {
        format!("{} is not a published file (unverified); used as {} by its name", file_name(path), entry.name)
    });
    let (input, output) = (entry.input.clone(), entry.output);
    Ok(Recipe { name: entry.name.clone(), input, output, labels: Labels::imagenet(), verified, notice })
}

fn recipe_of_sidecar(name: String, path: &Path) -> Result<Recipe, ModelError> {
    let fault = |why: String| ModelError::Sidecar { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let sidecar: Sidecar = toml::from_str(&text).map_err(|error| fault(error.to_string()))?;
    let labels = match &sidecar.labels {
        None => Labels::imagenet(),
        Some(file) => {
            let file = path.parent().unwrap_or(Path::new("")).join(file);
            let text = std::fs::read_to_string(&file);
            Labels::from_lines(&text.map_err(|error| fault(format!("{}: {error}", file.display())))?)
        }
    };
    let notice = Some(format!("{name} is used as {} says (unverified)", file_name(path)));
    Ok(Recipe { name, input: sidecar.input, output: sidecar.output, labels, verified: false, notice })
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Whether a network takes one picture of the recipe's size and gives one number a label, as far as the file says.
fn check(interface: &Interface, input: &Input, labels: &Labels) -> Result<(), String> {
    let shape = &interface.input_shape;
    let crop = u64::from(input.crop);
    let fits = |size: Option<u64>, wanted: u64| size.is_none_or(|size| size == wanted);
    let [batch, channels, height, width] = shape.0[..] else {
        return Err(format!("its input `{}` is {shape}, [1, 3, {crop}, {crop}] is needed", interface.input));
    };
    if !fits(batch, 1) || !fits(channels, 3) || !fits(height, crop) || !fits(width, crop) {
        return Err(format!("its input `{}` is {shape}, [1, 3, {crop}, {crop}] is needed", interface.input));
    }
    let shape = &interface.output_shape;
    // All sizes but the batch's; a file may also say nothing of its output.
    let numbers: Option<u64> = shape.0.get(1..).and_then(|sizes| sizes.iter().copied().product());
    if !fits(numbers, labels.len() as u64) {
        return Err(format!("its output `{}` is {shape}, there are {} labels", interface.output, labels.len()));
    }
    Ok(())
}

fn entry_named(name: &str) -> Option<&'static Entry> {
    manifest().iter().find(|entry| entry.name == name)
}

fn is_path(named: &str) -> bool {
    named.contains(std::path::MAIN_SEPARATOR) || named.ends_with(".onnx")
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    let unreadable = |source| ModelError::Unreadable { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > MODEL_BYTES_MAX {
        let why = format!("it has {length} bytes, at most {MODEL_BYTES_MAX} are read");
        return Err(ModelError::NotAModel { path: path.to_owned(), why });
    }
    std::fs::read(path).map_err(unreadable)
}

fn digest_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests;
