//! Finding a model: which file, whether its digest is a published one, how its input is made, what its labels are.
//!
//! The order, the first that is there wins:
//! 1. `--model PATH` (it has a `/` or ends in `.onnx`): that file and no other.
//! 2. `--model NAME`, or the default `googlenet`: the folders in `MANYEYES_MODELS`, under `NAME.onnx` or the
//!    publisher's file name.
//! 3. The user's cache, which [`pull()`] fills. Only the published digest counts there.
//! 4. A download into that cache ([`Model::find_or_pull`]).
//! 5. In place of the default model only: the built-in one ([`Model::in_place_of_default`]).
//!
//! How the input is made follows the file, without guessing: a sidecar `NAME.toml` beside it; else its digest, if it is
//! a published one; else its name, if the manifest has it. A file of which none holds is refused with what to write.

mod error;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use self::error::{ModelError, Place};
use crate::builtin;
use crate::labels::Labels;
use crate::manifest::{Entry, Input, OutputKind, Sidecar, manifest};
use crate::onnx::{self, Interface};
use crate::precision::Int8;
use crate::pull::{PullEvent, PullSettings, pull};

/// The largest model file that is read: protobuf's own limit is 2 GiB, and a session needs several times the file.
const MODEL_BYTES_MAX: u64 = 1 << 30;

/// What is wrong with a file in the cache that has another digest.
const DAMAGED: &str = "damaged: not the published digest";

/// Where a model is looked for.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// `--model`: a name or a path. `None`: the default model.
    pub named: Option<OsString>,
    /// `MANYEYES_MODELS`: folders of the user's own files.
    pub folders: Vec<PathBuf>,
    /// The folder that downloads go to; `None` where the user has no home.
    pub cache: Option<PathBuf>,
}

impl Lookup {
    /// With the folders of `MANYEYES_MODELS` (separated as in `PATH`) and the user's cache.
    #[must_use]
    pub fn from_environment(named: Option<OsString>) -> Self {
        let folders = std::env::var_os("MANYEYES_MODELS").unwrap_or_default();
        let folders = std::env::split_paths(&folders).filter(|folder| !folder.as_os_str().is_empty()).collect();
        Self { named, folders, cache: user_cache().map(|cache| cache.join("models")) }
    }
}

/// Where a model's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In this file.
    File(PathBuf),
    /// In this program.
    Builtin,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Builtin => f.write_str("the built-in model"),
        }
    }
}

/// A model that was found, read and looked at; nothing has run yet. It holds names and numbers, not the weights.
#[derive(Clone)]
pub struct Model {
    /// The manifest's name, or the file's without its extension.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// Whether that is the digest of a published file, or of the built-in model, used as the manifest says.
    pub verified: bool,
    /// What the user should know of it. Everyone who sees the page may read it, so it names no folder.
    pub notice: Option<String>,
    source: Source,
    interface: Interface,
    input: Input,
    output: OutputKind,
    labels: Arc<Labels>,
    int8: Option<Int8>,
}

impl Model {
    /// Finds a model on this machine and reads it.
    ///
    /// # Errors
    /// [`ModelError::NotFound`] names every place that was looked in; the others name the file and what is wrong with
    /// it.
    pub fn find(lookup: &Lookup) -> Result<Self, ModelError> {
        match lookup.named.as_deref() {
            Some(named) if is_path(named) => Self::open(Path::new(named)),
            Some(named) if named == builtin::NAME => Ok(Self::builtin(builtin::notice_as_chosen())),
            Some(named) => Self::find_by_name(&named.to_string_lossy(), lookup),
            None => Self::find_by_name(&manifest()[0].name, lookup),
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

    /// The built-in model, where the default one was looked for and could not be had. Its notice says why.
    ///
    /// # Errors
    /// The error itself: another model was asked for, or the default one is there and is broken.
    pub fn in_place_of_default(lookup: &Lookup, error: ModelError) -> Result<Self, ModelError> {
        match error.absence() {
            Some(reason) if lookup.named.is_none() => Ok(Self::builtin(builtin::notice_in_place(&reason))),
            _ => Err(error),
        }
    }

    /// Where its bytes are.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
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

    /// The same network in 8-bit integers: what is said of it, and what to name to find it.
    #[must_use]
    pub fn int8(&self) -> Option<(&Int8, OsString)> {
        let int8 = self.int8.as_ref()?;
        // A description names a file beside it, the manifest another of its entries.
        let beside = match &self.source {
            Source::File(path) if entry_named(&int8.model).is_none() => {
                path.parent().map(|folder| folder.join(&int8.model))
            }
            _ => None,
        };
        Some((int8, beside.map_or_else(|| OsString::from(&int8.model), PathBuf::into_os_string)))
    }

    pub(crate) fn output(&self) -> OutputKind {
        self.output
    }

    /// The ONNX bytes. A file's are read anew: a session keeps what it needs, and holding them here would double a
    /// worker's memory.
    pub(crate) fn onnx(&self) -> Result<Cow<'static, [u8]>, ModelError> {
        let path = match &self.source {
            Source::Builtin => return Ok(Cow::Borrowed(builtin::ONNX)),
            Source::File(path) => path,
        };
        let onnx = read(path)?;
        if digest_of(&onnx) != self.digest {
            return Err(ModelError::Changed { path: path.clone() });
        }
        Ok(Cow::Owned(onnx))
    }

    /// The ONNX bytes with each local response normalisation spelt out in operations that are cheaper and that every
    /// runtime knows; the values stay within 1e-6.
    ///
    /// # Errors
    /// The file has changed since it was found, or its graph cannot be read.
    pub fn in_cheaper_operations(&self) -> Result<Vec<u8>, ModelError> {
        onnx::rewrite(&self.onnx()?, onnx::Form::Operations).map_err(|error| ModelError::NotAModel {
            path: PathBuf::from(self.source.to_string()),
            why: error.to_string(),
        })
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
            places.push(Place { path, why: if there { DAMAGED } else { "not there" } });
        }
        Err(ModelError::NotFound { name: name.to_owned(), places })
    }

    /// Reads a file, whatever it is, and looks at what it takes and gives.
    fn open(path: &Path) -> Result<Self, ModelError> {
        let onnx = read(path)?;
        let digest = digest_of(&onnx);
        let interface = onnx::interface(&onnx)
            .map_err(|error| ModelError::NotAModel { path: path.to_owned(), why: error.to_string() })?;
        let Recipe { name, input, output, labels, verified, notice, int8 } = recipe(path, &digest)?;
        check(&interface, &input, &labels).map_err(|why| ModelError::WrongShape { path: path.to_owned(), why })?;
        let source = Source::File(path.to_owned());
        Ok(Self { name, digest, verified, notice, source, interface, input, output, labels, int8 })
    }

    /// The built-in model, with what is to be said of its use.
    fn builtin(notice: String) -> Self {
        let entry = builtin::entry();
        Self {
            name: entry.name.clone(),
            digest: builtin::digest(),
            verified: true,
            notice: Some(notice),
            source: Source::Builtin,
            interface: onnx::interface(builtin::ONNX).expect("the built-in model is a network"),
            input: entry.input.clone(),
            output: entry.output,
            labels: entry.labels(),
            int8: None,
        }
    }
}

/// One known model and what of it is on this machine.
#[derive(Debug)]
pub struct CatalogueRow {
    /// What the manifest says.
    pub entry: &'static Entry,
    /// What would be used and whether its digest is the published one, or why there is none.
    pub found: Result<(Source, bool), ModelError>,
}

/// The manifest's models in its order, the default first, with the files that [`Model::find`] would use. Digests are
/// computed anew.
#[must_use]
pub fn catalogue(lookup: &Lookup) -> Vec<CatalogueRow> {
    let row = |entry: &'static Entry| {
        let lookup = Lookup { named: Some(OsString::from(&entry.name)), ..lookup.clone() };
        let found = Model::find(&lookup).map(|model| (model.source, model.verified));
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
    int8: Option<Int8>,
}

fn recipe(path: &Path, digest: &[u8; 32]) -> Result<Recipe, ModelError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let sidecar = path.with_extension("toml");
    if sidecar.is_file() {
        return recipe_of_sidecar(stem, &sidecar);
    }
    let published = |entry: &&Entry| match &entry.download {
        Some(download) => download.sha256 == *digest,
        None => entry.name == builtin::NAME && *digest == builtin::digest(),
    };
    let named = |entry: &&Entry| entry.name != builtin::NAME && entry.file_names().contains(&format!("{stem}.onnx"));
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
    let (input, output, int8) = (entry.input.clone(), entry.output, entry.int8.clone());
    Ok(Recipe { name: entry.name.clone(), input, output, labels: entry.labels(), verified, notice, int8 })
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
    let Sidecar { input, output, int8, .. } = sidecar;
    Ok(Recipe { name, input, output, labels, verified: false, notice, int8 })
}

fn file_name(path: &Path) -> Cow<'_, str> {
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

fn is_path(named: &OsStr) -> bool {
    let bytes = named.as_encoded_bytes();
    bytes.contains(&b'/') || bytes.ends_with(b".onnx")
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
