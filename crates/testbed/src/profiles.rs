//! Links of known kinds, by name. The numbers and where they come from are in `profiles.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::conditions::Conditions;

/// A kind of link.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is, and where its numbers come from.
    pub about: String,
    /// From the manager to the worker.
    pub down: Conditions,
    /// From the worker to the manager.
    pub up: Conditions,
}

impl Profile {
    /// All there are, by name.
    pub fn all() -> BTreeMap<String, Self> {
        toml::from_str(include_str!("profiles.toml")).expect("the file is part of the program, and a test reads it")
    }

    /// The one of that name.
    ///
    /// # Errors
    ///
    /// Where there is none: with the names that there are.
    pub fn named(name: &str) -> Result<Self, NoSuchProfile> {
        let mut all = Self::all();
        all.remove(name).ok_or_else(|| {
            let names = all.into_keys().collect::<Vec<_>>().join(", ");
            NoSuchProfile { name: name.to_owned(), names }
        })
    }
}

/// A name that is no profile's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile {name}, but {names}")]
pub struct NoSuchProfile {
    name: String,
    names: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_possible_and_says_what_it_is() {
        let all = Profile::all();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["4g", "lan", "lossy", "satellite", "wifi"]);
        for (name, profile) in all {
            assert_eq!((profile.down.check(), profile.up.check()), (Ok(()), Ok(())), "{name}");
            assert!(profile.about.len() > 100, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let why = Profile::named("dialup").map_err(|why| why.to_string());
        assert_eq!(why, Err("there is no profile dialup, but 4g, lan, lossy, satellite, wifi".to_owned()));
        assert!((Profile::named("lossy").map_or(0.0, |lossy| lossy.down.loss.mean()) - 0.05).abs() < 1e-9);
    }
}
