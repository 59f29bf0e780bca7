//! Who is let in: version, token, sense, model, in this order, so that a token is not asked of one we cannot talk to.

use super::ManagerSessionSettings;
use crate::frame::{Hello, MAX_SLOTS, MAX_WINDOW, RefusalCode, VERSIONS};
use crate::secret;

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
    if let Some(token) = &settings.token {
        match &hello.token {
            None => {
                return Err((RefusalCode::Token, "this manager wants a token (--token)".to_owned()));
            }
            Some(offered) if !secret::same(token, offered) => {
                return Err((RefusalCode::Token, "the token is not the manager's".to_owned()));
            }
            Some(_) => {}
        }
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
            Err((RefusalCode::Model, format!("the model in use is {model}, which this worker does not hold")))
        }
        Some(_) | None => Ok(version),
    }
}
