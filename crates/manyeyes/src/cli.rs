//! The command line, as data. The doc comments are the help texts.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use manyeyes_vision::EngineChoice;

/// Many eyes on your pictures: distributed image recognition.
///
/// Drop images on a web page; a manager keeps them safe and has each recognised by a worker, here or on another machine.
/// Start with `manyeyes up`: a manager, three workers and the page, on this machine.
#[derive(Debug, Parser)]
#[command(name = "manyeyes", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a manager, its page and some workers on this machine.
    ///
    /// The workers are children of this process, run as `manyeyes worker`. One that exits is started again.
    ///
    /// Example: `manyeyes up --workers 4 --listen 127.0.0.1:9000`
    Up(Up),
    /// Run a manager alone: the page, the books and the port that workers connect to.
    ///
    /// Example: `manyeyes manager --listen 0.0.0.0:8080 --worker-listen 0.0.0.0:2888 --data /srv/manyeyes`
    /// (prints an address with a token in it, and the token that workers give).
    Manager(Manager),
    /// Run a worker, which connects to a manager and recognises what it is given.
    ///
    /// It may be started before the manager, survives its restarts, and may come and go at any time.
    ///
    /// Example: `manyeyes worker --manager gallery.example:2888 --slots 4 --token TOKEN`
    Worker(Worker),
    /// Recognise files or folders, and print what they show.
    ///
    /// With `--server` the files go to a manager; without, they are recognised in this process. Of a folder only the images are
    /// taken; a file that is named is always tried.
    ///
    /// Exit status: 0 every file was recognised, 1 failed to run, 2 wrong usage, 3 some file was not recognised.
    ///
    /// Example: `manyeyes classify holiday/ --json | jq -r 'select(.labels[0].probability > 0.5) | .file'`
    Classify(Classify),
    /// List, fetch and check the models.
    #[command(subcommand)]
    Model(Model),
    /// Print a completion script for a shell.
    ///
    /// Example: `manyeyes completions bash > ~/.local/share/bash-completion/completions/manyeyes`
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Make thumbnails for a manager, confined: no files, no network. Started by the manager.
    #[command(hide = true)]
    Thumbnailer,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) serve: Serve,
    /// Where workers connect. Other machines may join too: name an address they can reach. Port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) worker_listen: SocketAddr,
    /// How many workers to start on this machine.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) workers: u32,
    #[command(flatten)]
    pub(crate) model: ModelChoice,
}

#[derive(Debug, Args)]
pub(crate) struct Manager {
    #[command(flatten)]
    pub(crate) serve: Serve,
    /// Where workers connect. Port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2888")]
    pub(crate) worker_listen: SocketAddr,
}

/// What a manager serves, and from where.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where the page and the HTTP interface listen. Port 0 picks a free one.
    ///
    /// On any address but loopback a token is asked for: it is made at first start, kept in the data folder, and printed as part
    /// of the page's address.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where images and books are kept. One manager at a time uses it.
    #[arg(long, value_name = "DIR", env = "MANYEYES_DATA", default_value_os_t = default_data_folder())]
    pub(crate) data: PathBuf,
    /// Ask nobody for a token, also beyond loopback. Anyone who reaches the port may then use it.
    #[arg(long)]
    pub(crate) open: bool,
    /// Finished batches are deleted after this many days.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(crate) keep_days: u32,
    /// The most that the data folder's images may take, in GiB. Finished batches make room, oldest first; full of unfinished
    /// ones, uploads are refused.
    #[arg(long, value_name = "GIB", default_value_t = 20)]
    pub(crate) keep_gib: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The manager's worker port.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) manager: String,
    /// What to be called on the page. [default: this machine's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How many images to recognise at a time. [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) slots: Option<u32>,
    /// Threads that work on one image. On a CPU more slots beat more threads, except for a single image's time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,
    #[command(flatten)]
    pub(crate) model: ModelChoice,
    /// The manager's token, where it asks for one.
    #[arg(long, env = "MANYEYES_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) experiment: ExperimentFlags,
    /// What to say of the model: a parent has found it, and has told the person who started it.
    #[arg(long, hide = true)]
    pub(crate) model_notice: Option<String>,
    /// End when standard input ends: when the parent process is gone.
    #[arg(long, hide = true)]
    pub(crate) end_with_stdin: bool,
}

/// For experiments only: work without a model, and faults on purpose.
#[derive(Debug, Args)]
#[command(next_help_heading = "For experiments only")]
pub(crate) struct ExperimentFlags {
    /// Recognise nothing: answer each image after this many milliseconds of waiting. 0 measures the manager alone.
    #[arg(long, value_name = "MS")]
    pub(crate) fixed_service_ms: Option<u64>,
    /// Fail this share of the images.
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = parse_probability)]
    pub(crate) fail_probability: f64,
    /// How to fail.
    #[arg(long, value_enum, default_value_t = FailMode::Announce)]
    pub(crate) fail_mode: FailMode,
    /// Which images fail follows from this number.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) fail_seed: u64,
}

/// How a worker fails on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailMode {
    /// Say so, and go on with the next image.
    Announce,
    /// End the process at once, as `kill -9` would.
    Crash,
    /// Never answer the image.
    Hang,
    /// Answer after ten times the time.
    Slow,
}

/// Which model, and which engine runs it.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelChoice {
    /// A model's name from `manyeyes model list`, or an ONNX file. [default: googlenet]
    ///
    /// Where the default one is not on this machine and cannot be fetched, the built-in model serves, which tells ten classes
    /// apart; but for a worker, which takes that one only if told to: `--model builtin`.
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) model: Option<OsString>,
    /// What runs the model: `onnxruntime`, `rten` (the built-in pure-Rust engine), or `auto`: ONNX Runtime where its library is
    /// found, else rten.
    #[arg(long, env = "MANYEYES_ENGINE", default_value = "auto", value_parser = engine_parser())]
    pub(crate) engine: EngineChoice,
}

impl ModelChoice {
    /// The engine as the option names it.
    pub(crate) fn engine_name(&self) -> &'static str {
        match self.engine {
            EngineChoice::Auto => "auto",
            EngineChoice::OnnxRuntime => "onnxruntime",
            EngineChoice::Rten => "rten",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// Files and folders.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// A manager's address, such as `http://127.0.0.1:8080`, with its token if it has one.
    #[arg(long, value_name = "URL", env = "MANYEYES_SERVER")]
    pub(crate) server: Option<String>,
    /// One JSON object a line: file, state, labels, error.
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Comma-separated values with a head line.
    #[arg(long)]
    pub(crate) csv: bool,
    /// How many labels to show of each image.
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=5))]
    pub(crate) top: u32,
    #[command(flatten)]
    pub(crate) model: ModelChoice,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// List the models that can be named, and which are on this machine.
    List,
    /// Download a model, check its digest, and keep it in the user's cache.
    ///
    /// Sources are tried in order; `MANYEYES_MODEL_MIRROR` (a URL under which the files lie) comes first.
    Pull {
        /// A name from `manyeyes model list`.
        #[arg(default_value = "googlenet")]
        name: String,
        /// Do nothing where the model is found already.
        #[arg(long)]
        if_missing: bool,
    },
    /// Check that a model's file is whole, loads, and has the shapes that it should.
    Verify {
        /// A name from `manyeyes model list`, or an ONNX file. [default: googlenet, else builtin]
        model: Option<OsString>,
    },
    /// Measure how often a model is right, on pictures whose classes are known.
    ///
    /// FOLDER holds a folder for each class, called as the model calls it or by its WordNet id, with the pictures of that class.
    /// Printed are how many had their class first and how many among the first five, the speed, and what was taken for what.
    ///
    /// Example: `manyeyes model accuracy cifar10/test --model builtin`
    Accuracy(Accuracy),
}

#[derive(Debug, Args)]
pub(crate) struct Accuracy {
    /// The folder of the classes' folders.
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) model: ModelChoice,
}

/// `$XDG_DATA_HOME/manyeyes`, or where that would be.
fn default_data_folder() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(home)
        .map_or_else(|| PathBuf::from("manyeyes-data"), |share| share.join("manyeyes"))
}

fn engine_parser() -> impl TypedValueParser<Value = EngineChoice> {
    PossibleValuesParser::new(["auto", "onnxruntime", "rten"])
        .map(|name| name.parse().expect("the possible values are those that the engines have"))
}

fn parse_probability(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{value} is not in 0..=1")) }
}
