//! The binary: life and death of a process. What the commands do is in the crates; here they are started and ended.

#![expect(clippy::print_stderr, reason = "a program talks to the person who runs it")]

mod address;
mod bench;
mod canaries;
mod classify;
mod cli;
#[cfg(target_os = "linux")]
mod decoder;
mod encryption;
mod every_core;
#[cfg(target_os = "linux")]
mod experiment;
mod files;
mod manager;
mod model;
mod store;
mod thumbnailer;
mod token;
mod up;
mod worker;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("manyeyes: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(arguments) => up::run(arguments)?,
        Command::Manager(arguments) => manager::run(&arguments)?,
        Command::Worker(arguments) => return worker::run(arguments),
        Command::Classify(arguments) => return classify::run(arguments),
        Command::Bench(arguments) => return bench::run(&arguments),
        Command::Model(command) => model::run(command)?,
        Command::Store(command) => return store::run(command),
        Command::Token(command) => token::run(command)?,
        #[cfg(target_os = "linux")]
        Command::Experiment(command) => return experiment::run(command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "manyeyes", &mut std::io::stdout());
        }
        Command::Thumbnailer => thumbnailer::run()?,
        #[cfg(target_os = "linux")]
        Command::Decoder => decoder::run()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The log goes to standard error; `RUST_LOG` says how much of it.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,manyeyes=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
