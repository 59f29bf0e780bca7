//! ONNX Runtime, loaded at run time from a shared library.
//!
//! The library is looked for in this order: the file that `ORT_DYLIB_PATH` names (then nowhere else), the folders
//! `lib/` and `.` beside this program, and `onnxruntime/` in the user's cache, where one level of sub-folders
//! (`1.32.0/`) is looked into as well. A library that is too old, or is none, is passed over with its reason.

mod operator;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;

use super::{Engine, Network};
use crate::model::user_cache;
use crate::onnx::{self, Form};
use crate::operator::convolution;
use operator::Ready;

/// The library of this process: a process loads one, once.
pub(super) struct Library {
    environment: Environment,
    convolutions: Arc<Ready>,
    /// Version and place, for a person.
    pub(super) name: String,
}

/// Finds and loads the library at the first call; the reason why there is none otherwise.
pub(super) fn library() -> Result<&'static Library, &'static String> {
    static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
    LIBRARY.get_or_init(|| load_first(&Places::of_this_process())).as_ref()
}

pub(super) struct Session {
    session: ort::session::Session,
    name: String,
    input: String,
    output: String,
    side: usize,
}

impl Session {
    pub(super) fn open(library: &Library, network: Network<'_>, threads: usize) -> Result<Self, String> {
        // Our convolution is done by the one thread that asks for it.
        let convolution = threads == 1 && convolution::serves_this_processor();
        let onnx = onnx::rewrite(&network.onnx, Form::Operators { convolution }).map_err(|error| error.to_string())?;
        drop(network.onnx);
        let mut builder = configure(library, network.digest, threads).map_err(|error| error.to_string())?;
        let session = builder.commit_from_memory(&onnx).map_err(|error| error.to_string())?;
        let (input, output) = (network.interface.input.clone(), network.interface.output.clone());
        Ok(Self { session, name: library.name.clone(), input, output, side: network.crop })
    }
}

impl Engine for Session {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, String> {
        let input = TensorRef::from_array_view(([1, 3, self.side, self.side], input)).map_err(|e| e.to_string())?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => input]).map_err(|e| e.to_string())?;
        let output = outputs.get(self.output.as_str()).ok_or("no output")?;
        let (_, numbers) = output.try_extract_tensor::<f32>().map_err(|e| e.to_string())?;
        Ok(numbers.to_vec())
    }
}

/// One thread pool of exactly `threads`, no busy waiting between runs (other sessions share the cores), nodes one after
/// another (the branches of these networks are too small to gain from running side by side).
fn configure(library: &Library, model: [u8; 32], threads: usize) -> ort::Result<SessionBuilder> {
    let builder = ort::session::Session::builder(&library.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_parallel_execution(false)?
        // Planned memory costs 12 MB a session of GoogLeNet and gains nothing measurable.
        .with_memory_pattern(false)?
        .with_operators(operator::domain(model, &library.convolutions)?)?
        .with_log_level(LogLevel::Error)?;
    // The quantised GoogLeNet saw 177 of 250 photos rightly where sums overflow, and 196 with this.
    Ok(if sums_of_bytes_overflow() { builder.with_precise_qmm()? } else { builder })
}

/// Whether this processor adds the products of 8-bit numbers in 16 bits: x86 without VNNI. ONNX Runtime would take the exact way where it is
/// told to also with VNNI, whose sums have 32 bits: GoogLeNet took 1.4 times as long there (Xeon with AVX-512 VNNI).
fn sums_of_bytes_overflow() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let by_512_bits = is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        !by_512_bits && !is_x86_feature_detected!("avxvnni")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn load_first(places: &Places) -> Result<Library, String> {
    let mut reasons = Vec::new();
    for path in places.libraries() {
        match load(&path) {
            Ok(library) => return Ok(library),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() { Err(places.nothing_there()) } else { Err(reasons.join("; ")) }
}

fn load(path: &Path) -> Result<Library, String> {
    let builder = ort::init_from(path).map_err(|error| error.to_string())?;
    let environment = builder
        .with_name("manyeyes")
        .with_telemetry(false)
        .build()
        .map_err(|error| format!("{} does not start: {error}", path.display()))?;
    let version = version(path).map(|version| format!(" {version}")).unwrap_or_default();
    let name = format!("ONNX Runtime{version} ({})", path.display());
    let library = Library { environment, convolutions: Arc::default(), name };
    introduce_operators(&library)
        .map_err(|error| format!("{} does not take our operators: {error}", path.display()))?;
    Ok(library)
}

/// Has it know the domain of our operators before there are sessions: two that were made at the same moment both found it missing, and the second to
/// bring it was refused, and with it a worker's slot.
fn introduce_operators(library: &Library) -> ort::Result<()> {
    configure(library, [0; 32], 1)?.commit_from_memory(&onnx::identity()).map(drop)
}

/// The version, which the library's file name tells (`libonnxruntime.so.1.32.0`), or the folder it lies in (`1.32.0/`).
fn version(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let names = [path.file_name(), path.parent().and_then(Path::file_name)];
    let versions = names.into_iter().flatten().map(|name| {
        let name = name.to_string_lossy();
        let is_other = |character: char| !character.is_ascii_digit() && character != '.';
        name.trim_end_matches(".dylib").rsplit(is_other).next().unwrap_or_default().trim_matches('.').to_owned()
    });
    versions.into_iter().find(|version| version.contains('.'))
}

/// Where the library may be.
enum Places {
    /// `ORT_DYLIB_PATH` names it.
    Named(PathBuf),
    /// Folders, in this order.
    Folders(Vec<PathBuf>),
}

impl Places {
    fn of_this_process() -> Self {
        if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
            return Self::Named(path.into());
        }
        let program = std::env::current_exe().ok();
        let beside = program.as_deref().and_then(Path::parent);
        let mut folders: Vec<PathBuf> =
            beside.iter().flat_map(|folder| [folder.join("lib"), folder.to_path_buf()]).collect();
        folders.extend(user_cache().map(|cache| cache.join("onnxruntime")));
        Self::Folders(folders)
    }

    fn libraries(&self) -> Vec<PathBuf> {
        match self {
            Self::Named(path) => vec![path.clone()],
            Self::Folders(folders) => folders.iter().flat_map(|folder| libraries_in(folder, 1)).collect(),
        }
    }

    fn nothing_there(&self) -> String {
        let folders = match self {
            Self::Named(path) => vec![path.display().to_string()],
            Self::Folders(folders) => folders.iter().map(|folder| folder.display().to_string()).collect(),
        };
        format!("its library is not in {} (ORT_DYLIB_PATH names it elsewhere)", folders.join(", "))
    }
}

/// Files named like the library in a folder, then in its sub-folders; the greatest name, so the newest version, first.
fn libraries_in(folder: &Path, levels: u8) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_by(|a, b| b.cmp(a));
    let is_library = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libonnxruntime.") && (name.contains(".so") || name.ends_with(".dylib")) && path.is_file()
    };
    let mut found: Vec<PathBuf> = paths.iter().filter(is_library).cloned().collect();
    if levels > 0 {
        found.extend(paths.iter().filter(|path| path.is_dir()).flat_map(|path| libraries_in(path, levels - 1)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_library_of_a_folder_comes_first_and_others_are_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["1.30.0/libonnxruntime.so.1.30.0", "1.32.0/libonnxruntime.so.1.32.0"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        std::fs::write(folder.path().join("libonnxruntime_providers_shared.so"), "").expect("written");
        let found = libraries_in(folder.path(), 1);
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with("1.32.0/libonnxruntime.so.1.32.0"));
    }

    #[test]
    fn a_file_that_is_no_library_is_passed_over_with_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("libonnxruntime.so");
        std::fs::write(&path, "not a library").expect("written");
        for places in [Places::Named(path.clone()), Places::Folders(vec![folder.path().to_owned()])] {
            let reason = load_first(&places).err().expect("refused");
            assert!(reason.contains(&path.display().to_string()), "{reason}");
        }
    }

    #[test]
    fn no_library_at_all_names_the_places_looked_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let reason = load_first(&Places::Folders(vec![folder.path().to_owned()])).err().expect("none");
        assert!(reason.contains(&folder.path().display().to_string()), "{reason}");
    }

    #[test]
    fn the_version_is_read_off_the_file_or_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let version_of = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
            std::fs::write(&path, "").expect("written");
            version(&path)
        };
        assert_eq!(version_of("a/libonnxruntime.so.1.32.0").as_deref(), Some("1.32.0"));
        assert_eq!(version_of("b/libonnxruntime.1.32.0.dylib").as_deref(), Some("1.32.0"));
        assert_eq!(version_of("1.30.0/libonnxruntime.so.1").as_deref(), Some("1.30.0"));
        assert_eq!(version_of("c/libonnxruntime.so"), None);
    }
}
