//! Which tokens let a worker in.

use std::fmt;
use std::sync::Arc;

/// Says which tokens are good, whenever it is asked: one that was may have expired or been revoked since. Who answers knows the time,
/// and compares what must not be guessed in a time that tells nothing of it. Clones ask the same.
#[derive(Clone)]
pub struct Keys(Arc<Admit>);

type Admit = dyn Fn(Option<&str>) -> Result<(), String> + Send + Sync;

impl Keys {
    /// Asked with what a worker shows, if it shows anything. An error says why it is not let in, as the worker is told: a sentence
    /// without its capital letter and full stop.
    pub fn new(admit: impl Fn(Option<&str>) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(admit))
    }

    pub(crate) fn admit(&self, token: Option<&str>) -> Result<(), String> {
        (self.0)(token)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Keys")
    }
}
