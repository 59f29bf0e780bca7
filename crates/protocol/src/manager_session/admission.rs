//! Who is let in: version, token, sense, model, in this order, so that a token is not asked of one we cannot talk to.

use super::ManagerSessionSettings;
use crate::frame::{Hello, MAX_SLOTS, MAX_WINDOW, RefusalCode, VERSIONS};
use crate::id::ModelDigest;

/// The version to speak, or why the worker is not let in.
pub(super) fn admit(settings: &ManagerSessionSettings, hello: &Hello) -> Result<u16, (RefusalCode, String)> {
    let Some(version) = VERSIONS.newest_common(hello.versions) else {
        let (ours, theirs) = (VERSIONS, hello.versions);
        let sentence = format!(
            "the manager speaks protocol versions {} to {}, the worker {} to {}: use the same release for both",
            ours.min, ours.max, theirs.min, theirs.max
        );
        return Err((RefusalCode::Version, sentence));
    };
    if let Some(keys) = &settings.keys {
        keys.admit(hello.token.as_deref()).map_err(|sentence| (RefusalCode::Token, sentence))?;
    }
    if hello.name.is_empty() || hello.name.chars().any(char::is_control) {
        return Err((RefusalCode::Hello, "a worker needs a name without control characters".to_owned()));
    }
    if !(1..=MAX_SLOTS).contains(&hello.slots) || !(hello.slots..=MAX_WINDOW).contains(&hello.window) {
        let sentence = format!(
            "{} slots and a window of {}: it takes 1 to {MAX_SLOTS} slots and a window from there to {MAX_WINDOW}",
            hello.slots, hello.window
        );
        return Err((RefusalCode::Hello, sentence));
    }
    match settings.model {
        Some(model) if hello.models.iter().all(|held| held.digest != model) => {
            Err((RefusalCode::Model, other_model(model, settings.model_name.as_deref(), hello)))
        }
        Some(_) | None => Ok(version),
    }
}

/// The first digits of the digests are enough to tell two files of one name apart.
fn other_model(model: ModelDigest, name: Option<&str>, hello: &Hello) -> String {
    let short = |digest: ModelDigest| digest.to_string().chars().take(12).collect::<String>();
    let called = |name: &str, digest| format!("{name} ({})", short(digest));
    let in_use = name.map_or_else(|| short(model), |name| called(name, model));
    let held: Vec<String> = hello.models.iter().map(|held| called(&held.name, held.digest)).collect();
    let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
    format!("the model in use is {in_use} and this worker holds {held}: give all workers of a manager the same model")
}
