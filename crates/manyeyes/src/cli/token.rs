//! The command line of tokens.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// A day, in seconds.
const DAY_S: u64 = 24 * 3600;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token, and print it: once, because only its digest is kept.
    ///
    /// The token is on standard output, what is said of it on standard error. A manager that runs on the folder lets it in at
    /// once.
    ///
    /// Example: `manyeyes token create --data /srv/manyeyes --role uploader --name scanner --expires 30d > scanner.token`
    Create {
        #[command(flatten)]
        folder: DataFolder,
        /// What it is for.
        #[arg(long, value_enum)]
        role: Role,
        /// What to call it in the list.
        #[arg(long, default_value = "")]
        name: String,
        /// How long it lasts, such as 30d, 12h, 90m or 45s; or never, until it is revoked.
        #[arg(long, value_name = "TIME", default_value = "never", value_parser = parse_lasting)]
        expires: Lasting,
        /// One JSON object, the token in it.
        #[arg(long)]
        json: bool,
    },
    /// List the tokens: what is known of each, which is all but the token.
    ///
    /// The owner's token, which is in the folder's file `token`, is not among them.
    ///
    /// Example: `manyeyes token list --data /srv/manyeyes`
    List {
        #[command(flatten)]
        folder: DataFolder,
        /// One JSON object a line: id, role, name, made, expires, state.
        #[arg(long)]
        json: bool,
    },
    /// End a token, for good. A manager that runs on the folder refuses it within a second, and closes what is open with it within
    /// a few.
    ///
    /// Example: `manyeyes token revoke --data /srv/manyeyes 4Qzd3fa`
    Revoke {
        #[command(flatten)]
        folder: DataFolder,
        /// From `manyeyes token list`.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Whose tokens.
#[derive(Debug, Args)]
pub(crate) struct DataFolder {
    /// The manager's data folder. A manager may run on it.
    #[arg(long, value_name = "DIR", env = "MANYEYES_DATA", default_value_os_t = super::default_data_folder())]
    pub(crate) data: PathBuf,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Joins as a worker, and does nothing else.
    Worker,
    /// Makes batches, uploads, has images run again.
    Uploader,
    /// All that can be done on the page.
    Operator,
}

/// How long a token lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// So long.
    For(Duration),
    /// Until it is revoked.
    UntilRevoked,
}

fn parse_lasting(text: &str) -> Result<Lasting, String> {
    if text == "never" {
        return Ok(Lasting::UntilRevoked);
    }
    let units = [('d', DAY_S), ('h', 3600), ('m', 60), ('s', 1)];
    let parsed = units.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let seconds = parsed.and_then(|(number, unit)| number.parse::<u64>().ok()?.checked_mul(unit));
    // Beyond a hundred years it is a slip.
    let seconds = seconds.filter(|seconds| (1..=36_500 * DAY_S).contains(seconds));
    let seconds =
        seconds.ok_or_else(|| format!("'{text}' is neither a time such as 30d, 12h, 90m or 45s, nor never"))?;
    Ok(Lasting::For(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        for (text, seconds) in [("30d", 2_592_000), ("12h", 43_200), ("90m", 5400), ("1s", 1)] {
            assert_eq!(parse_lasting(text), Ok(Lasting::For(Duration::from_secs(seconds))), "{text}");
        }
        assert_eq!(parse_lasting("never"), Ok(Lasting::UntilRevoked));
        for text in ["", "30", "d", "0d", "-1d", "1.5h", "1 d", "40000d", "99999999999999999999d", "Never"] {
            assert!(parse_lasting(text).is_err(), "{text}");
        }
    }
}
