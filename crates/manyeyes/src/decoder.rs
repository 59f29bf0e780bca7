//! `manyeyes decoder`: the confined child that a worker starts for each of its slots. It makes pixels for models.

use manyeyes_picture::confined::{Area, Channel, ConfinementSettings, confine, serve_in};

pub(crate) fn run() -> anyhow::Result<()> {
    // Started by its link, it would be called by that.
    rustix::thread::set_name(c"manyeyes")?;
    let mut area = Area::of_standard_output()?;
    let missing = confine(&ConfinementSettings::default());
    Ok(serve_in(&mut area, Channel, &missing)?)
}
