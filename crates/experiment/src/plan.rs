//! Which run comes when: blocks, each of which has every cell once, in an order that the seed decides. What changes slowly on the
//! machine during a study then falls on all cells alike.

mod length;
#[cfg(test)]
mod tests;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

pub use self::length::{Left, PROBED, PROBES_HOLD, expected, of_study};
use crate::scenario::Scenario;

/// One run that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which repeat, from 0.
    pub block: u32,
    /// Its place in the order of all runs of the study, from 0.
    pub position: u32,
    /// Which of the scenario's cells.
    pub cell: usize,
    /// What its chances follow from.
    pub seed: u64,
}

/// All runs of a study, in the order in which they are to be made. A study of more repeats begins with the same blocks.
pub fn turns(scenario: &Scenario) -> Vec<Turn> {
    let blocks = 0..scenario.repeats;
    blocks.flat_map(|block| order(scenario, block)).zip(0..).map(|(turn, position)| Turn { position, ..turn }).collect()
}

fn order(scenario: &Scenario, block: u32) -> Vec<Turn> {
    let mut chance =
        StdRng::seed_from_u64(scenario.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(block.into()));
    // Drawn before the order is, so that a run's seed is of its block and cell.
    let turn = |cell| Turn { block, position: 0, cell, seed: chance.random() };
    let mut turns: Vec<Turn> = (0..scenario.cells.len()).map(turn).collect();
    turns.shuffle(&mut chance);
    turns
}
