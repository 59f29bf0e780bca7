//! Which numbers a network is run with, where its weights are there in more than one form.
//!
//! A network in 8-bit integers is another file with another digest, made from the one in 32-bit floats. It is the faster
//! one on processors that multiply and add 8-bit numbers in one go (VNNI, AMX, Arm's dot product), and not on others: so
//! both are timed. It also sees some pictures otherwise, which is why what it may lose is written beside the model.

use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::engine::{EngineChoice, EngineError};
use crate::model::Model;
use crate::recogniser::Recogniser;

/// Which numbers to run a network with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// The fastest on this machine of those that lose no more than the model's description allows.
    Auto,
    /// 32-bit floats, or whatever numbers the named file has.
    #[default]
    F32,
    /// 8-bit integers.
    Int8,
}

impl Precision {
    /// Their names, as [`Precision::from_str`] takes them.
    pub const NAMES: [&str; 3] = ["auto", "f32", "int8"];
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "int8" => Ok(Self::Int8),
            _ => Err(format!("unknown precision {name:?}: one of {}", Self::NAMES.join(", "))),
        }
    }
}

/// The same network in 8-bit integers, as a model's description names it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Int8 {
    /// In the manifest a name, in a description beside a file the name of another file there.
    pub model: String,
    /// What was measured of it: of a hundred pictures so many fewer are seen rightly (top-1).
    pub top1_lost: f32,
    /// So many may be.
    pub top1_budget: f32,
}

impl Int8 {
    /// Whether it may be taken without being asked for.
    #[must_use]
    pub fn is_within_budget(&self) -> bool {
        self.top1_lost <= self.top1_budget
    }
}

/// The 8-bit form has to be faster by this to be taken: what it sees otherwise is not given for nothing.
const WORTH_IT: f64 = 1.15;

/// How often each form is timed. The least time counts: what else runs on the machine only ever adds to it.
const TRIALS: u32 = 5;

/// What a network takes for one image with each kind of number, on one thread of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// With 32-bit floats.
    pub f32: Duration,
    /// With 8-bit integers.
    pub int8: Duration,
}

impl Timing {
    /// Runs both forms, by turns, on an empty picture: the time does not depend on what is in it.
    ///
    /// # Errors
    /// One of them cannot be loaded or run.
    pub fn measure(f32: &Model, int8: &Model, engine: EngineChoice) -> Result<Self, EngineError> {
        let (mut floats, mut integers) = (Recogniser::load(f32, engine, 1)?, Recogniser::load(int8, engine, 1)?);
        let mut least = Self { f32: Duration::MAX, int8: Duration::MAX };
        for _ in 0..TRIALS {
            least.f32 = least.f32.min(timed(&mut floats, f32)?);
            least.int8 = least.int8.min(timed(&mut integers, int8)?);
        }
        Ok(least)
    }

    /// Whether the 8-bit form is worth it.
    #[must_use]
    pub fn is_int8_worth_it(&self) -> bool {
        self.f32.as_secs_f64() >= WORTH_IT * self.int8.as_secs_f64()
    }
}

fn timed(recogniser: &mut Recogniser, model: &Model) -> Result<Duration, EngineError> {
    let began = Instant::now();
    recogniser.run_on_nothing(model)?;
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_chosen_by_name_and_an_unknown_name_lists_them() {
        assert_eq!(
            Precision::NAMES.map(|name| name.parse()),
            [Precision::Auto, Precision::F32, Precision::Int8].map(Ok)
        );
        assert_eq!("bf16".parse::<Precision>(), Err(r#"unknown precision "bf16": one of auto, f32, int8"#.to_owned()));
    }

    #[test]
    fn integers_have_to_be_clearly_faster() {
        let timing = |f32, int8| Timing { f32: Duration::from_millis(f32), int8: Duration::from_millis(int8) };
        assert!(timing(23, 20).is_int8_worth_it());
        assert!(!timing(22, 20).is_int8_worth_it());
        assert!(!timing(20, 40).is_int8_worth_it());
    }

    #[test]
    fn what_loses_more_than_is_allowed_is_not_taken_unasked() {
        let int8 = |top1_lost| Int8 { model: "x-int8".to_owned(), top1_lost, top1_budget: 1.0 };
        assert!(int8(0.3).is_within_budget() && int8(1.0).is_within_budget() && int8(-0.1).is_within_budget());
        assert!(!int8(1.1).is_within_budget());
    }
}
