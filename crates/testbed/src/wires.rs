//! What does to the packets of a star's links what it is told: the emulator of this crate, or the kernel's own where it has one.

use crate::conditions::Conditions;
use crate::emulator::{Carried, Direction, Emulator};

/// All links of a star. A link is named by its place; another one is the caller's bug, and panics.
pub trait Wires: Send + Sync {
    /// How many links there are.
    fn links(&self) -> usize;

    /// What a direction does from now on, from its packet 0 on; where chances follow from a seed, from this one.
    ///
    /// # Errors
    /// No link can be like that, or the kernel refuses it.
    fn set(&self, link: usize, direction: Direction, conditions: &Conditions, seed: u64) -> anyhow::Result<()>;

    /// Cuts a link: what enters is lost.
    ///
    /// # Errors
    /// The kernel refuses it.
    fn cut(&self, link: usize) -> anyhow::Result<()>;

    /// Mends a link: its directions do what they were told last.
    ///
    /// # Errors
    /// The kernel refuses it.
    fn mend(&self, link: usize) -> anyhow::Result<()>;

    /// What a direction did since [`Self::reset`].
    ///
    /// # Errors
    /// The kernel does not say.
    fn carried(&self, link: usize, direction: Direction) -> anyhow::Result<Carried>;

    /// Counts from nothing, everywhere.
    ///
    /// # Errors
    /// The kernel does not say what it has counted.
    fn reset(&self) -> anyhow::Result<()>;
}

impl Wires for Emulator {
    fn links(&self) -> usize {
        self.links()
    }

    fn set(&self, link: usize, direction: Direction, conditions: &Conditions, seed: u64) -> anyhow::Result<()> {
        Ok(self.set(link, direction, conditions, seed)?)
    }

    fn cut(&self, link: usize) -> anyhow::Result<()> {
        self.cut(link);
        Ok(())
    }

    fn mend(&self, link: usize) -> anyhow::Result<()> {
        self.mend(link);
        Ok(())
    }

    fn carried(&self, link: usize, direction: Direction) -> anyhow::Result<Carried> {
        Ok(self.carried(link, direction))
    }

    fn reset(&self) -> anyhow::Result<()> {
        self.reset();
        Ok(())
    }
}
