//! `manyeyes model`, and the model that the other commands use.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use manyeyes_vision::{
    EngineChoice, Lookup, Model, PullEvent, PullSettings, Recogniser, catalogue, manifest, pull as pull_model,
};

use crate::cli;

pub(crate) fn run(command: cli::Model) -> anyhow::Result<()> {
    match command {
        cli::Model::List => list(),
        cli::Model::Pull { name, if_missing } => pull(&name, if_missing),
        cli::Model::Verify { model } => verify(model),
    }
}

/// The model of a name or a path, or the default one. One that is not on this machine is downloaded, if it is published.
pub(crate) fn find(named: Option<&str>) -> anyhow::Result<Model> {
    let lookup = Lookup::from_environment(named.map(str::to_owned));
    let settings = PullSettings::from_environment();
    let mut progress = Progress::default();
    Ok(Model::find_or_pull(&lookup, &settings, &mut |event| progress.show(event))?)
}

/// As [`find`], and says what a person should know of the model.
pub(crate) fn find_and_tell(named: Option<&str>) -> anyhow::Result<Model> {
    let model = find(named)?;
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
            Ok((path, true)) => path.display().to_string(),
            Ok((path, false)) => format!("{} (unverified: not the published file)", path.display()),
            Err(manyeyes_vision::ModelError::NotFound { .. }) => "not on this machine".to_owned(),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        writeln!(out, "{}\n  {}\n  licence: {}\n  {found}", entry.name, entry.title, entry.licence)?;
    }
    Ok(())
}

fn pull(name: &str, if_missing: bool) -> anyhow::Result<()> {
    let lookup = Lookup::from_environment(Some(name.to_owned()));
    if if_missing && Model::find(&lookup).is_ok() {
        return Ok(());
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

/// Finds the model, loads it, and has it look at a small picture.
fn verify(named: Option<String>) -> anyhow::Result<()> {
    let model = Model::find(&Lookup::from_environment(named))?;
    let path = model.path().display();
    let recogniser =
        Recogniser::load(&model, EngineChoice::Auto, 1).with_context(|| format!("failed to load {path}"))?;
    let digest: String = model.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let state = if model.verified { "verified" } else { "unverified: not a published file" };
    if let Some(notice) = recogniser.notice() {
        tracing::warn!("{notice}");
    }
    let engine = recogniser.engine();
    writeln!(io::stdout(), "{}\n  {path}\n  sha256 {digest} ({state})\n  loads in {engine}", model.name)?;
    Ok(())
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
