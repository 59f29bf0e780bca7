//! `manyeyes thumbnailer`: the confined child that a manager starts. It makes thumbnails for people and smaller forms for models.

use std::io;

use manyeyes_picture::confined::{ConfinementSettings, confine, serve};

pub(crate) fn run() -> anyhow::Result<()> {
    let missing = confine(&ConfinementSettings::default());
    Ok(serve(io::stdin().lock(), io::stdout().lock(), &missing)?)
}
