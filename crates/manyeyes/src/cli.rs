//! The command line, as data. The doc comments are the help texts.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use manyeyes_vision::{EngineChoice, Precision};

mod bench;
pub(crate) mod encryption;
#[cfg(target_os = "linux")]
mod experiment;
mod token;

pub(crate) use self::bench::Bench;
#[cfg(target_os = "linux")]
pub(crate) use self::experiment::{
    Experiment, ExperimentAudit, ExperimentCheck, ExperimentOnHost, ExperimentReport, ExperimentRspec, ExperimentRun,
    LinkEmulator,
};

pub(crate) use self::token::{Lasting, Role, Token};

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
    /// Exit status: 0 it was asked to end, 1 it could not go on, 2 wrong usage, 3 it has failed as `--fail-for-good` wants.
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
    /// Put load on a manager, or on any HTTP classifier, and say what it did: images a second and times to the answer.
    ///
    /// Open loop (`--rate`): requests start when they are due, and their time counts from then, so that a service which stalls is charged for
    /// it. Closed loop (`--concurrency`): so many are always under way, which finds what it can do. Means of the repeats have 95 %
    /// intervals by Student's t.
    ///
    /// Exit status: 0 all was answered rightly, 1 failed to run, 2 wrong usage, 3 some request was not.
    ///
    /// Example: `manyeyes bench photos/ --rate 20 --json result.json`
    Bench(Bench),
    /// List, fetch and check the models.
    #[command(subcommand)]
    Model(Model),
    /// Look through a data folder, or copy it, also while a manager works on it.
    #[command(subcommand)]
    Store(Store),
    /// Make, list and revoke tokens: who may come in beyond loopback, and as what. Also while a manager works on the folder.
    #[command(subcommand)]
    Token(Token),
    /// Measure, on a testbed on this machine: how fast, how well, with which links, failures and numbers of workers.
    #[cfg(target_os = "linux")]
    #[command(subcommand)]
    Experiment(Experiment),
    /// Print a completion script for a shell.
    ///
    /// Example: `manyeyes completions bash > ~/.local/share/bash-completion/completions/manyeyes`
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Make smaller pictures for a manager, confined: no files, no network. Started by the manager.
    #[command(hide = true)]
    Thumbnailer,
    /// Decode pictures for a worker, confined: no files, no network. Started by the worker.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Decoder,
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
    #[command(flatten)]
    pub(crate) encryption: encryption::OfManager,
}

/// What a manager serves, and from where.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where the page and the HTTP interface listen. Port 0 picks a free one.
    ///
    /// On any address but loopback a token is asked for. The owner's is made at first start, kept in the data folder, and printed
    /// as part of the page's address; others, for less, are made by `manyeyes token create`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where images and books are kept. One manager at a time uses it.
    #[arg(long, value_name = "DIR", env = "MANYEYES_DATA", default_value_os_t = default_data_folder())]
    pub(crate) data: PathBuf,
    /// Ask nobody for a token, also beyond loopback. Anyone who reaches the port may then use it.
    #[arg(long)]
    pub(crate) open: bool,
    /// A name by which the page is opened, such as gallery.example; may be given several times. Plain addresses and localhost
    /// always work. Any other name is refused, so that no web site can reach the manager by pointing its own name here.
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// Finished batches are deleted after this many days.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(crate) keep_days: u32,
    /// The most that the data folder's images may take, in GiB. Finished batches make room, oldest first; full of unfinished
    /// ones, uploads are refused.
    #[arg(long, value_name = "GIB", default_value_t = 20)]
    pub(crate) keep_gib: u64,
    /// Memory for images that arrive or wait for a worker, in MiB. What finds no room in it goes over the disk.
    #[arg(long, value_name = "MIB", default_value_t = 96)]
    pub(crate) image_memory: u16,
    /// Catch workers that answer wrongly: now and then each is asked a known picture of this folder, which holds a folder for
    /// each class, called as the model calls it or by its WordNet id.
    ///
    /// A worker that is wrong is set aside, what it answered of late is recognised again elsewhere, and it comes back when it
    /// has answered three such pictures rightly.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) canaries: Option<PathBuf>,
    /// The most images that wait to be recognised, those that workers have included. More are refused with 429 until some have
    /// ended. One client alone has at most half of these places.
    #[arg(long, value_name = "N", default_value_t = 400_000, value_parser = parse_count)]
    pub(crate) max_waiting: usize,
    /// How workers may connect: by TCP, by QUIC over UDP, or as each chooses, at ports of one number.
    ///
    /// By QUIC no worker's loss is told as early as by TCP when its process is killed: by UDP nobody says so, and it counts as silent
    /// after five seconds.
    #[arg(long, value_enum, default_value_t = Listening::Both)]
    pub(crate) transport: Listening,
    /// The congestion control of the connections to workers, by this system's name for it: cubic, bbr, reno or another.
    /// [default: the system's own]
    ///
    /// It is set on this side, from which the images flow. Which ones there are: `sysctl net.ipv4.tcp_available_congestion_control`;
    /// without privileges only those of `net.ipv4.tcp_allowed_congestion_control` can be chosen. Linux only.
    ///
    /// QUIC has its own: cubic (the default), reno and bbr, of which the last is an experiment of the library that brings them.
    /// Where both are listened for, both must have it.
    #[arg(long, value_name = "NAME")]
    pub(crate) congestion_control: Option<String>,
    /// Whether a worker whose link is slower than its work is sent a smaller form of an image: a JPEG of the size at which its model
    /// looks at it. auto: then and only then; never: every image goes as it is.
    ///
    /// It saves two thirds of the bytes of a photo of 100 kB. What is answered from it may differ from what the file would have been answered: GoogLeNet
    /// put another class first for 2 of 250 photos. Each image says how many bytes were sent of it.
    #[arg(long, value_enum, default_value_t = SendSmaller::Never)]
    pub(crate) send_smaller: SendSmaller,
    /// Begin on a worker's path with more than the ten packets of the standard, which cost a round trip for each doubling: with half
    /// of what the path has carried within the ten minutes before, and where nothing is known of it, with so many Mbit/s, for one
    /// round trip. QUIC only.
    ///
    /// Give what every worker's path carries without a long queue: what does not fit is lost, and then the start is slower than the
    /// standard's. Sent evenly, not in a burst. For TCP it is the machine's to set (docs/operations.md).
    #[arg(long, value_name = "MBIT_PER_S", num_args = 0..=1, require_equals = true, value_parser = parse_rate)]
    pub(crate) start_fast: Option<Option<f64>>,
    /// How long the end may take once it is asked for: workers finish what they have, everything new is refused. What is not
    /// finished then is kept for the next run. A second signal ends at once.
    ///
    /// The default ends before `docker stop` kills, which waits for 10 s.
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    pub(crate) grace: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The manager's worker port.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) manager: String,
    /// How to reach it. It has to listen for that (`manager --transport`).
    ///
    /// quic and coded are encrypted in any case.
    #[arg(long, value_enum, default_value_t = Transport::Tcp)]
    pub(crate) transport: Transport,
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
    #[command(flatten)]
    pub(crate) encryption: encryption::OfWorker,
    #[command(flatten)]
    pub(crate) experiment: ExperimentFlags,
    /// What to say of the model: a parent has found it, and has told the person who started it.
    #[arg(long, hide = true)]
    pub(crate) model_notice: Option<String>,
    /// End when standard input ends: when the parent process is gone.
    #[arg(long, hide = true)]
    pub(crate) end_with_stdin: bool,
}

/// Which form of an image is sent to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SendSmaller {
    /// A smaller one where the link is slower than the work.
    Auto,
    /// The file itself, always.
    Never,
}

/// How workers may connect to a manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listening {
    /// By TCP alone.
    Tcp,
    /// By QUIC alone.
    Quic,
    /// By either.
    #[value(alias = "auto")]
    Both,
}

/// How a worker connects to its manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// One stream of bytes.
    Tcp,
    /// A stream for each image, over UDP.
    Quic,
    /// As quic, and with each lost packet worked out of others instead of sent again: for paths that lose many and are far, for about a
    /// third more bytes at a loss of 15 %.
    Coded,
    /// By TCP, or by QUIC where there is no TCP; and as coded when the manager has measured that the path loses packets. The congestion
    /// control is changed too when the path loses packets, unless the manager was told one.
    Auto,
}

/// For experiments only: work without a model, and faults on purpose.
#[derive(Debug, Args)]
#[command(next_help_heading = "For experiments only")]
pub(crate) struct ExperimentFlags {
    /// Recognise nothing: answer each image with its file's digest, after this many milliseconds. 0 measures the manager alone.
    #[arg(long, value_name = "MS")]
    pub(crate) fixed_service_ms: Option<u64>,
    /// Fail this share of the images.
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = parse_probability)]
    pub(crate) fail_probability: f64,
    /// The first image that fails is the last that may go well: the worker fails for the rest of its life.
    ///
    /// announce: it says so of the image, says goodbye and ends with status 3. crash: the process ends at once. hang: nothing
    /// is answered any more, in no slot, and the connection stays. slow, wrong: so is every image from then on. disconnect:
    /// the connection is dropped and not made again, the process stays. One that hangs or is cut off ends when it is told to, at
    /// once.
    #[arg(long, requires = "fail_probability")]
    pub(crate) fail_for_good: bool,
    /// How to fail.
    #[arg(long, value_enum, default_value_t = FailMode::Announce)]
    pub(crate) fail_mode: FailMode,
    /// Do so many images well first, in each slot.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) fail_after: u64,
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
    /// Drop the connection as if the network had, and come back.
    Disconnect,
    /// Answer with another class than the right one.
    Wrong,
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
    /// Which numbers the model is run with: `f32`, the model as it is; `int8`, its form in 8-bit integers; or `auto`: that
    /// form if it is on this machine, loses no more than its description allows, and is found to be faster here.
    ///
    /// All workers of a manager hold one model: where machines differ, name the form.
    #[arg(long, default_value = "f32", value_parser = precision_parser())]
    pub(crate) precision: Precision,
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
    /// A manager's address, such as `http://127.0.0.1:8080`. As it is printed, with `#token=`, it works too; but what is on a
    /// command line is seen by everybody on this machine.
    #[arg(long, value_name = "URL", env = "MANYEYES_SERVER")]
    pub(crate) server: Option<String>,
    /// A file with the manager's token in it, where it asks for one. `MANYEYES_TOKEN` may hold it too.
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) token_file: Option<PathBuf>,
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
    /// Write a model as it is run here: the same network in operations that are cheaper, for any runtime.
    ///
    /// Local response normalisation is spelt out; the values stay within 1e-6 of those of the original.
    ///
    /// Example: `manyeyes model export googlenet faster.onnx`
    Export {
        /// A name from `manyeyes model list`, or an ONNX file.
        model: OsString,
        /// Where to; it must not be there yet.
        out: PathBuf,
    },
    /// Measure how often a model is right, on pictures whose classes are known.
    ///
    /// FOLDER holds a folder for each class, called as the model calls it or by its WordNet id, with the pictures of that class.
    /// Printed are how many had their class first and how many among the first five, the speed, and what was taken for what.
    ///
    /// Example: `manyeyes model accuracy cifar10/test --model builtin`
    Accuracy(Accuracy),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Look for what is not as it was written: in the books, and in the bytes of every image against their digest.
    ///
    /// Writes nothing and takes no lock; a manager may work on the folder meanwhile.
    ///
    /// Exit status: 0 nothing is wrong, 1 something is wrong or the folder could not be looked through.
    ///
    /// Example: `manyeyes store check /srv/manyeyes`
    Check {
        /// The data folder.
        #[arg(value_name = "DIR")]
        data: PathBuf,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Copy a data folder so that a manager can start on the copy.
    ///
    /// It has all that was accepted before the command began, and no image that was deleted until it ended. A manager may work on
    /// the folder meanwhile. Each image is checked against its digest on its way.
    ///
    /// Exit status: 0 the backup is whole, 1 it failed, or images were damaged already and are so in the backup too.
    ///
    /// Example: `manyeyes store backup /srv/manyeyes /mnt/backup/manyeyes-monday`
    Backup {
        /// The data folder.
        #[arg(value_name = "DIR")]
        data: PathBuf,
        /// A folder that does not exist or is empty.
        #[arg(value_name = "DEST")]
        to: PathBuf,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
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

fn precision_parser() -> impl TypedValueParser<Value = Precision> {
    PossibleValuesParser::new(Precision::NAMES)
        .map(|name| name.parse().expect("the possible values are those that there are"))
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("'{text}' is not a number of at least 1"))
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.01..=100_000.0).contains(rate));
    rate.ok_or_else(|| format!("'{text}' is not a number of Mbit/s from 0.01 to 100000"))
}

fn parse_probability(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{value} is not in 0..=1")) }
}
