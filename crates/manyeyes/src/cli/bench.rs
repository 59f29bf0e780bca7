//! The command line of load.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("pace").required(true).args(["rate", "concurrency"])))]
pub(crate) struct Bench {
    /// Files and folders, sent in turn.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// A manager's address.
    #[arg(long, value_name = "URL", env = "MANYEYES_SERVER", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// A file with the manager's token in it, where it asks for one. `MANYEYES_TOKEN` may hold it too. No other service is told.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Another service, which answers a picture that is posted here with any success.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Send the picture as the part of this name of a form, not as the request's body.
    #[arg(long, value_name = "NAME")]
    pub(crate) part: Option<String>,
    /// Give each request a connection of its own, instead of one that an earlier request has left open. Where several processes of a
    /// service share a port, kept connections may all end up with one of them.
    #[arg(long)]
    pub(crate) fresh_connections: bool,
    /// Open loop: so many requests start each second, however many are under way; times count from when they were due.
    #[arg(long, value_name = "PER_SECOND", value_parser = above_zero)]
    pub(crate) rate: Option<f64>,
    /// Let them start at even distances, not as strangers come (a Poisson process).
    #[arg(long, requires = "rate")]
    pub(crate) even: bool,
    /// Closed loop: so many requests are always under way.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) concurrency: Option<u16>,
    /// For how long each measurement counts.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = above_zero)]
    pub(crate) seconds: f64,
    /// For how long before it does not.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = zero_or_more)]
    pub(crate) warm_up: f64,
    /// How many measurements, of which mean and 95 % interval are printed.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeats: u32,
    /// After so long without an answer a request is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = above_zero)]
    pub(crate) patience: f64,
    /// What the moments follow from at which requests are due; each repeat has the next.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write all of it there, for a program.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

fn above_zero(text: &str) -> Result<f64, String> {
    zero_or_more(text).and_then(|number| if number > 0.0 { Ok(number) } else { Err("it must be above 0".to_owned()) })
}

/// At most a million: a rate or a number of seconds beyond it is a slip.
fn zero_or_more(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if (0.0..=1e6).contains(&number) { Ok(number) } else { Err("it must be between 0 and 1,000,000".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    fn parsed(words: &str) -> Result<Bench, String> {
        let words = std::iter::once("bench").chain(words.split_whitespace());
        Line::try_parse_from(words).map(|line| line.bench).map_err(|error| error.to_string())
    }

    #[test]
    fn a_load_is_open_or_closed() {
        assert!(parsed("photos").unwrap_err().contains("--rate"), "neither");
        assert!(parsed("photos --rate 5 --concurrency 2").unwrap_err().contains("cannot be used with"), "both");
        for rate in ["0", "-1", "nan", "1e9", "many"] {
            assert!(parsed(&format!("photos --rate={rate}")).is_err(), "{rate}");
        }
        assert!(parsed("photos --rate 0.5 --even").unwrap().even);
    }
}
