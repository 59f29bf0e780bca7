//! `--precision`: a model, or the same network in 8-bit integers.

use anyhow::{Context, bail};
use manyeyes_vision::{Lookup, Model, ModelError, Precision, Timing};

use crate::cli;

/// The form of a model that was asked for. Which one `auto` has chosen, and why, is said.
pub(super) fn chosen(model: Model, choice: &cli::ModelChoice) -> anyhow::Result<Model> {
    let int8 = model.int8();
    match (choice.precision, int8) {
        (Precision::F32, _) => Ok(model),
        (Precision::Int8, None) => bail!("{} has no form in 8-bit integers that is known of", model.name),
        (Precision::Int8, Some((_, named))) => {
            let lookup = Lookup::from_environment(Some(named));
            super::told(super::find_or_pull(&lookup, super::WITHOUT_FALLBACK))
        }
        (Precision::Auto, None) => Ok(kept(model, "has no form in 8-bit integers that is known of")),
        (Precision::Auto, Some((int8, _))) if !int8.is_within_budget() => {
            let (lost, budget) = (int8.top1_lost, int8.top1_budget);
            Ok(kept(model, &format!("in 8-bit integers loses {lost} points of accuracy, {budget} are allowed")))
        }
        (Precision::Auto, Some((_, named))) => match Model::find(&Lookup::from_environment(Some(named))) {
            Ok(int8) => faster(model, int8, choice),
            Err(ModelError::NotFound { name, .. }) => {
                Ok(kept(model, &format!("in 8-bit integers is not here: `manyeyes model pull {name}` gets it")))
            }
            Err(error) => Err(error.into()),
        },
    }
}

fn kept(model: Model, why: &str) -> Model {
    tracing::info!("precision f32: {} {why}", model.name);
    model
}

/// The form that this machine runs faster.
fn faster(f32: Model, int8: Model, choice: &cli::ModelChoice) -> anyhow::Result<Model> {
    let timing = Timing::measure(&f32, &int8, choice.engine).context("failed to time the model's two forms")?;
    let (name, chosen) = if timing.is_int8_worth_it() { ("int8", int8) } else { ("f32", f32) };
    let milliseconds = |time: std::time::Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    tracing::info!(
        "precision {name}: an image takes {} with 32-bit floats and {} with 8-bit integers here",
        milliseconds(timing.f32),
        milliseconds(timing.int8),
    );
    if let Some(notice) = &chosen.notice {
        tracing::warn!("{notice}");
    }
    Ok(chosen)
}
