//! A scenario as it stands in its file: TOML, read strictly, with the line of whatever is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::factor::Factor;
use crate::record::Level;

/// What is wrong with a scenario, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// From 1; `None`: it is of the whole.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "line {line}: {}", self.what),
            None => write!(out, "{}", self.what),
        }
    }
}

impl Fault {
    /// Something that is wrong with the whole, rather than with a line.
    pub(super) fn of_all(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into() }
    }
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Spanned<String>,
    pub(super) title: String,
    pub(super) question: String,
    pub(super) repeats: Spanned<u32>,
    pub(super) seed: u64,
    pub(super) bound_s: Spanned<f64>,
    pub(super) photos: Option<String>,
    #[serde(default)]
    pub(super) fixed: One,
    #[serde(default)]
    pub(super) factors: Many,
    #[serde(default)]
    pub(super) also: Vec<One>,
    #[serde(default)]
    pub(super) event: Vec<Spanned<Event>>,
    pub(super) quick: Option<Quick>,
}

/// What is other where somebody is in a hurry.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quick {
    pub(super) repeats: Option<Spanned<u32>>,
    pub(super) bound_s: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) fixed: One,
    #[serde(default)]
    pub(super) factors: Many,
    pub(super) also: Option<Vec<One>>,
}

/// One level of some factors, as written.
pub(super) type One = BTreeMap<Spanned<String>, Spanned<Value>>;

/// Several levels of some factors, as written.
pub(super) type Many = BTreeMap<Spanned<String>, Spanned<Vec<Spanned<Value>>>>;

/// Something that is done at a time, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) at_s: f64,
    pub(super) what: What,
    pub(super) whom: String,
    pub(super) for_s: Option<f64>,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum What {
    Kill,
    Stop,
    Continue,
    Restart,
    Cut,
}

/// A text, for who asks on which line something stands.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl Text<'_> {
    /// Reads a file's text.
    pub(super) fn read(self) -> Result<File, Fault> {
        toml::from_str(self.0).map_err(|error| Fault {
            line: error.span().map(|span| self.line(&span)),
            what: error.message().trim_end().replace('\n', "; "),
        })
    }

    pub(super) fn fault(self, span: &Range<usize>, what: impl Into<String>) -> Fault {
        Fault { line: Some(self.line(span)), what: what.into() }
    }

    fn line(self, span: &Range<usize>) -> usize {
        self.0.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1
    }

    /// One level of each of some factors.
    pub(super) fn one(self, written: &One) -> Result<BTreeMap<Factor, Level>, Fault> {
        written.iter().map(|(key, value)| Ok((self.factor(key)?, self.level(self.factor(key)?, value)?))).collect()
    }

    /// Several levels of each of some factors.
    pub(super) fn many(self, written: &Many) -> Result<BTreeMap<Factor, Vec<Level>>, Fault> {
        let mut factors = BTreeMap::new();
        for (key, values) in written {
            let factor = self.factor(key)?;
            if values.get_ref().is_empty() {
                return Err(self.fault(&values.span(), format!("{} has no level; give it one at least", factor.name())));
            }
            let mut levels = Vec::new();
            for value in values.get_ref() {
                let level = self.level(factor, value)?;
                if levels.contains(&level) {
                    let what = format!("{} has the level {} twice", factor.name(), level.text());
                    return Err(self.fault(&value.span(), what));
                }
                levels.push(level);
            }
            factors.insert(factor, levels);
        }
        Ok(factors)
    }

    fn factor(self, key: &Spanned<String>) -> Result<Factor, Fault> {
        Factor::named(key.get_ref()).ok_or_else(|| {
            let known = Factor::ALL.map(Factor::name).join(", ");
            self.fault(&key.span(), format!("there is no factor \"{}\"; there are {known}", key.get_ref()))
        })
    }

    fn level(self, factor: Factor, value: &Spanned<Value>) -> Result<Level, Fault> {
        let level = match value.get_ref() {
            Value::Integer(number) => Some(Level::Number(*number as f64)),
            Value::Float(number) => Some(Level::Number(*number)),
            Value::String(word) => Some(Level::Word(word.clone())),
            Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
        };
        level.filter(|level| factor.has(level)).ok_or_else(|| {
            let what = format!("{} = {}: it must be {}", factor.name(), value.get_ref(), factor.allowed());
            self.fault(&value.span(), what)
        })
    }
}
