//! `manyeyes bench`: load on a manager, or on any HTTP classifier, and what it did under it.

#![expect(clippy::print_stdout, reason = "what was measured is the output")]

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use manyeyes_load::{Connections, Form, Outcome, Pace, Picture, Plan, Repeat, Report, Target, drive};

use crate::address::Address;
use crate::{cli, files};

/// The largest file that is sent.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// The most bytes of files that are held, to be sent in turn.
const MOST_BYTES: u64 = 1 << 30;

/// How long the manager may keep a request waiting, seconds: its own limit.
const LONGEST_WAIT_S: u64 = 300;

/// Some request was not answered rightly. (1 is failure to run, 2 is wrong usage, as clap has it.)
const SOME_NOT_RECOGNISED: u8 = 3;

pub(crate) fn run(args: &cli::Bench) -> anyhow::Result<ExitCode> {
    let pace = match (args.rate, args.concurrency) {
        (Some(rate_per_s), _) => Pace::Open { rate_per_s, even: args.even },
        (None, Some(concurrency)) => Pace::Closed { concurrency: usize::from(concurrency) },
        (None, None) => bail!("neither --rate nor --concurrency was given"),
    };
    let [warm_up, measured] = [args.warm_up, args.seconds].map(Duration::from_secs_f64);
    let mut plan = Plan { pace, warm_up, measured, seed: args.seed };
    let (url, token) = service(args)?;
    let form = args.part.clone().map_or(Form::Body, Form::Part);
    let connections = if args.fresh_connections { Connections::Fresh } else { Connections::Kept };
    let target = Target::new(&url, form, token.as_deref(), connections, Duration::from_secs_f64(args.patience))?;
    let pictures = pictures(&target, args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start")?;
    // A wrong address or token is told at once, and not as ten thousand answers that were none.
    if let Outcome::Wrong(why) = runtime.block_on(target.ask(&pictures[0])) {
        bail!("the first picture was not recognised by {url}: {why}");
    }
    let mut repeats = Vec::new();
    for number in 1..=args.repeats {
        let tally = runtime.block_on(drive(&target, &pictures, &plan));
        let repeat = Repeat::of(&tally, plan.measured);
        eprintln!("{number} of {}: {repeat}", args.repeats);
        repeats.push(repeat);
        plan.seed = plan.seed.wrapping_add(1);
    }
    plan.seed = args.seed;
    let report = Report::of(&url, pictures.len(), &plan, repeats);
    if let Some(path) = &args.json {
        let file = File::create(path).with_context(|| format!("failed to write {}", path.display()))?;
        serde_json::to_writer_pretty(file, &report).with_context(|| format!("failed to write {}", path.display()))?;
    }
    println!("{report}");
    let all_right = report.repeats.iter().all(|repeat| repeat.wrong.is_empty() && repeat.right > 0);
    Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::from(SOME_NOT_RECOGNISED) })
}

/// Where pictures are posted, without a token in it, and the token. A manager's is told to nobody else.
fn service(args: &cli::Bench) -> anyhow::Result<(String, Option<String>)> {
    if let Some(url) = &args.url {
        return Ok((url.clone(), None));
    }
    let Address { base, token } = Address::parse(&args.server, args.token_file.as_deref())?;
    let wait_s = (args.patience.ceil() as u64).clamp(1, LONGEST_WAIT_S);
    Ok((format!("{base}/api/v1/classify?timeout={wait_s}"), token))
}

/// The files, as they will be sent. One that cannot be read ends it: what was measured without it would be of other pictures than were asked
/// for.
fn pictures(target: &Target, args: &cli::Bench) -> anyhow::Result<Vec<Picture>> {
    let files: Vec<PathBuf> = files::list(&args.paths).files;
    let (mut pictures, mut bytes) = (Vec::new(), 0_u64);
    for path in &files {
        let file = files::read(path, MAX_FILE_BYTES)
            .map_err(|problem| anyhow::anyhow!("{}: {}", path.display(), problem.message))?;
        bytes += file.len() as u64;
        if bytes > MOST_BYTES {
            bail!("these are more than {} MiB of pictures, which are held in memory: name fewer", MOST_BYTES >> 20);
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        pictures.push(target.picture(&name, Bytes::from(file)));
    }
    if pictures.is_empty() {
        bail!("there are no pictures in what was named");
    }
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn asked(words: &str) -> (String, Option<String>) {
        let words = ["manyeyes", "bench", "photos", "--concurrency", "8"].into_iter().chain(words.split_whitespace());
        let cli::Command::Bench(args) = cli::Cli::parse_from(words).command else { unreachable!("it was asked for") };
        service(&args).unwrap()
    }

    #[test]
    fn the_token_of_the_address_is_not_told_to_anyone_else() {
        let ours = "--server http://here:8080/#token=abc";
        let classify = "http://here:8080/api/v1/classify?timeout=60".to_owned();
        assert_eq!(asked(ours), (classify, Some("abc".to_owned())));
        let theirs = asked(&format!("{ours} --url http://there/predict"));
        assert_eq!(theirs, ("http://there/predict".to_owned(), None));
    }
}
