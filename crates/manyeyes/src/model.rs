//! `manyeyes model`, and the model that the other commands use.

mod accuracy;
mod precision;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use manyeyes_vision::{
    EngineChoice, Lookup, Model, ModelError, PullEvent, PullSettings, Recogniser, Source, catalogue, manifest,
    pull as pull_model,
};

use crate::cli;

/// How long a download that nobody asked for may take to begin, where the built-in model serves instead: with it a page is
/// there within 15 s, whatever the network does. `manyeyes model pull` is patient.
const WITH_FALLBACK: Duration = Duration::from_secs(6);

/// The same where nothing serves instead: longer than a slow network needs, and not so long that it looks like a hang.
const WITHOUT_FALLBACK: Duration = Duration::from_secs(30);

pub(crate) fn run(command: cli::Model) -> anyhow::Result<()> {
    match command {
        cli::Model::List => list(),
        cli::Model::Pull { name, if_missing } => pull(&name, if_missing),
        cli::Model::Verify { model } => verify(model),
        cli::Model::Export { model, out } => export(model, &out),
        cli::Model::Accuracy(arguments) => accuracy::run(&arguments),
    }
}

/// The model of a name or a path, or the default one. One that is not on this machine is downloaded, if it is published.
/// What a person should know of it is said.
pub(crate) fn find(choice: &cli::ModelChoice) -> anyhow::Result<Model> {
    let lookup = Lookup::from_environment(choice.model.clone());
    precision::chosen(told(find_or_pull(&lookup, WITHOUT_FALLBACK))?, choice)
}

/// As [`find`]; where the default model cannot be had, soon, it is the built-in one.
pub(crate) fn find_or_builtin(choice: &cli::ModelChoice) -> anyhow::Result<Model> {
    let lookup = Lookup::from_environment(choice.model.clone());
    let found = find_or_pull(&lookup, WITH_FALLBACK).or_else(|error| Model::in_place_of_default(&lookup, error));
    precision::chosen(told(found)?, choice)
}

/// What a parent process has found with [`find_or_builtin`], and has told. Nothing is downloaded.
pub(crate) fn found_by_parent(named: Option<&OsStr>, notice: &str) -> anyhow::Result<Model> {
    let mut model = Model::find(&Lookup::from_environment(named.map(OsStr::to_owned)))?;
    model.notice = (!notice.is_empty()).then(|| notice.to_owned());
    Ok(model)
}

/// The options by which a child process gets this very model with [`found_by_parent`].
pub(crate) fn options_for_child(model: &Model) -> [OsString; 2] {
    let mut named = OsString::from("--model=");
    match model.source() {
        Source::File(path) => named.push(path),
        Source::Builtin => named.push(&model.name),
    }
    [named, OsString::from(format!("--model-notice={}", model.notice.as_deref().unwrap_or_default()))]
}

fn find_or_pull(lookup: &Lookup, begin: Duration) -> Result<Model, ModelError> {
    let settings = PullSettings { begin: Some(begin), ..PullSettings::from_environment() };
    let mut progress = Progress::default();
    Model::find_or_pull(lookup, &settings, &mut |event| progress.show(event))
}

fn told(found: Result<Model, ModelError>) -> anyhow::Result<Model> {
    let model = found?;
    if let Some(notice) = &model.notice {
        tracing::warn!("{notice}");
    }
    Ok(model)
}

fn list() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for row in catalogue(&Lookup::from_environment(None)) {
        let entry = row.entry;
        let found = match row.found {
            Ok((Source::Builtin, _)) => "part of this program; it serves where googlenet cannot be had".to_owned(),
            Ok((Source::File(path), true)) => path.display().to_string(),
            Ok((Source::File(path), false)) => format!("{} (unverified: not the published file)", path.display()),
            Err(ModelError::NotFound { .. }) => "not on this machine".to_owned(),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        writeln!(out, "{}\n  {}\n  licence: {}\n  {found}", entry.name, entry.title, entry.licence)?;
    }
    Ok(())
}

fn pull(name: &str, if_missing: bool) -> anyhow::Result<()> {
    let lookup = Lookup::from_environment(Some(name.into()));
    match Model::find(&lookup) {
        Ok(model) if *model.source() == Source::Builtin => {
            tracing::info!("{name} is part of this program");
            return Ok(());
        }
        Ok(_) if if_missing => return Ok(()),
        _ => {}
    }
    let Some(entry) = manifest().iter().find(|entry| entry.name == name) else {
        let known: Vec<_> = manifest().iter().map(|entry| entry.name.as_str()).collect();
        bail!("no model is called '{name}': there are {}", known.join(", "));
    };
    let mut progress = Progress::default();
    let path = pull_model(entry, &PullSettings::from_environment(), &mut |event| progress.show(event))
        .with_context(|| format!("failed to pull {name}"))?;
    writeln!(io::stdout(), "{}", path.display())?;
    Ok(())
}

/// Finds the model that would be used, without a download, loads it, and has it look at a small picture.
fn verify(named: Option<OsString>) -> anyhow::Result<()> {
    let lookup = Lookup::from_environment(named);
    let model = told(Model::find(&lookup).or_else(|error| Model::in_place_of_default(&lookup, error)))?;
    let source = model.source();
    let recogniser =
        Recogniser::load(&model, EngineChoice::Auto, 1).with_context(|| format!("failed to load {source}"))?;
    let state = if model.verified { "verified" } else { "unverified: not a published file" };
    if let Some(notice) = recogniser.notice() {
        tracing::warn!("{notice}");
    }
    let (digest, engine) = (digest_of(&model), recogniser.engine());
    writeln!(io::stdout(), "{}\n  {source}\n  sha256 {digest} ({state})\n  loads in {engine}", model.name)?;
    Ok(())
}

/// Writes the network as it is run here, in operations that any runtime knows.
fn export(named: OsString, out: &Path) -> anyhow::Result<()> {
    let model = told(Model::find(&Lookup::from_environment(Some(named))))?;
    let onnx = model.in_cheaper_operations()?;
    let mut file = File::create_new(out).with_context(|| format!("failed to make {}", out.display()))?;
    file.write_all(&onnx).with_context(|| format!("failed to write {}", out.display()))?;
    writeln!(io::stdout(), "{}", out.display())?;
    Ok(())
}

/// In hexadecimal.
fn digest_of(model: &Model) -> String {
    model.digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Shows a download on standard error: a bar on a terminal, lines elsewhere.
#[derive(Default)]
struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    fn show(&mut self, event: PullEvent<'_>) {
        match event {
            PullEvent::Trying { source } => tracing::info!("fetching {source}"),
            PullEvent::Failed { source, reason } => tracing::warn!("{source}: {reason}"),
            PullEvent::Received { bytes, total } if io::stderr().is_terminal() => {
                let bar = self.bar.get_or_insert_with(|| {
                    let style =
                        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
                            .expect("the template is well formed");
                    ProgressBar::new(total).with_style(style)
                });
                bar.set_position(bytes);
                if bytes == total {
                    bar.finish_and_clear();
                }
            }
            PullEvent::Received { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use clap::Parser;

    use super::*;

    /// A model's file may be called whatever its owner likes; its workers get that very file, and its notice.
    #[test]
    fn a_child_is_told_of_a_file_of_any_name_with_any_notice() {
        let folder = tempfile::tempdir().unwrap();
        let builtin = Model::find(&Lookup { named: Some("builtin".into()), ..Lookup::default() }).unwrap();
        assert_eq!(read_by_child(&builtin), (OsString::from("builtin"), builtin.notice.clone().unwrap()));
        let published = include_bytes!("../../../models/builtin/cifar10.onnx");
        for name in
            [&b"--model=x.onnx"[..], b"a b'\"\n\t$(c);.onnx", b"\xff\xfe.onnx", "\u{732b}\u{202e}.onnx".as_bytes()]
        {
            let path = folder.path().join(OsStr::from_bytes(name));
            std::fs::write(&path, published).unwrap();
            let mut model = Model::find(&Lookup { named: Some(path.clone().into()), ..Lookup::default() }).unwrap();
            let notices = [String::new(), "--end=\"x\"\n\u{1f441} -".to_owned(), "long ".repeat(2000)];
            for notice in notices {
                model.notice = Some(notice.clone());
                assert_eq!(read_by_child(&model), (path.clone().into(), notice));
            }
        }
    }

    /// The model and the notice that a worker reads from its command line.
    fn read_by_child(model: &Model) -> (OsString, String) {
        let line = ["manyeyes", "worker", "--manager", "127.0.0.1:1"].map(OsString::from);
        let line = line.into_iter().chain(options_for_child(model));
        let cli::Command::Worker(worker) = cli::Cli::try_parse_from(line).unwrap().command else {
            panic!("it is a worker's");
        };
        (worker.model.model.unwrap(), worker.model_notice.unwrap())
    }
}
