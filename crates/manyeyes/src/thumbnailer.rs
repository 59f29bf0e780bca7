//! `manyeyes thumbnailer`: the confined child that a manager starts.

use std::io;

use manyeyes_picture::confined::{ConfinementSettings, confine, serve};

pub(crate) fn run() -> anyhow::Result<()> {
    for missing in confine(&ConfinementSettings::default()) {
        tracing::warn!("thumbnails are made less confined than they should be: {missing}");
    }
    Ok(serve(io::stdin().lock(), io::stdout().lock())?)
}
