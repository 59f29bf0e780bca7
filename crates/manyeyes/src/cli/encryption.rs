//! What the command line says of encryption between manager and workers, and of who is who.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Whether a connection by TCP between manager and worker is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encryption {
    /// Where it leaves the machine, or where the other end is to be known by something that was given.
    Auto,
    /// Always.
    Always,
    /// Never: who is on the way reads and changes what passes, the token included.
    Never,
}

/// How a manager shows itself to its workers, and they to it.
#[derive(Debug, Args)]
pub(crate) struct OfManager {
    /// Whether connections of workers by TCP have to be encrypted; those by QUIC are. auto: unless they come from this machine itself.
    ///
    /// The manager's key is made at first start and kept in the data folder. Its fingerprint is the second half of the token that
    /// is printed for workers: by it they know their manager, and no authority is needed.
    #[arg(long, value_enum, default_value_t = Encryption::Auto)]
    pub(crate) encryption: Encryption,
    /// A certificate of its own, PEM, those that signed it behind it. Workers know it by --ca.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// Let in only workers with a certificate of these authorities, PEM (worker --certificate), beside the token.
    #[arg(long, value_name = "FILE")]
    pub(crate) worker_ca: Option<PathBuf>,
}

/// How a worker knows its manager, and shows itself.
#[derive(Debug, Args)]
pub(crate) struct OfWorker {
    /// The manager's token for workers, where it asks for one: what it prints as it starts, or `manyeyes token create --role worker`. What is
    /// behind the dot is the fingerprint of the manager's key: no other is taken for it.
    ///
    /// Others on this machine can read a command line: in MANYEYES_TOKEN or a file they cannot.
    #[arg(long, env = "MANYEYES_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A file with the token.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) token_file: Option<PathBuf>,
    /// Whether a connection by TCP is encrypted; one by QUIC is. auto: unless the manager is on this machine and nothing was given to know it by.
    #[arg(long, value_enum, default_value_t = Encryption::Auto)]
    pub(crate) encryption: Encryption,
    /// Take only a manager with a certificate of these authorities, PEM, for the name or address in --manager.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// This worker's certificate, PEM, for a manager that wants one (manager --worker-ca).
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
}
