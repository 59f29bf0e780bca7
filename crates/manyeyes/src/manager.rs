//! `manyeyes manager`: one manager, until it is asked to end.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use manyeyes_manager::settings::{
    CanarySettings, Limits, ManagerSettings, SmallerSettings, StartFast, ThumbnailSettings, Transports,
};
use manyeyes_manager::store::StoreSettings;
use manyeyes_manager::{Manager, start};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{canaries, cli, encryption};

pub(crate) fn run(arguments: &cli::Manager) -> anyhow::Result<()> {
    let mut settings = settings(&arguments.serve, arguments.worker_listen)?;
    encryption::of_manager(&arguments.encryption, &mut settings)?;
    let grace = grace(&arguments.serve);
    until_ended(async |ending| {
        let manager = start(settings).await?;
        announce(&manager)?;
        ending.asked().await;
        ending.or_at_once(manager.shutdown(grace)).await
    })
}

/// How long what is under way may take once the process is asked to end.
pub(crate) fn grace(serve: &cli::Serve) -> Duration {
    Duration::from_secs(serve.grace.into())
}

/// Runs a process that ends when it is asked to. What is left of it then is not waited for.
pub(crate) fn until_ended(run: impl AsyncFnOnce(&mut Ending) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async { run(&mut Ending::watch()?).await });
    runtime.shutdown_background();
    ended
}

/// The manager's settings as the command line has them; smaller pictures are made by this same program.
pub(crate) fn settings(serve: &cli::Serve, worker_listen: SocketAddr) -> anyhow::Result<ManagerSettings> {
    let program = std::env::current_exe().context("failed to find this program's own file")?;
    Ok(ManagerSettings {
        listen: serve.listen,
        worker_listen,
        open: serve.open,
        hosts: serve.hosts.clone(),
        transports: match serve.transport {
            cli::Listening::Tcp => Transports::Tcp,
            cli::Listening::Quic => Transports::Quic,
            cli::Listening::Both => Transports::Both,
        },
        congestion_control: serve.congestion_control.clone(),
        start_fast: serve.start_fast.map(|rate| StartFast { unknown_bits_per_s: rate.map(|mbits| mbits * 1e6) }),
        store: StoreSettings {
            limit_bytes: serve.keep_gib << 30,
            memory_bytes: usize::from(serve.image_memory) << 20,
            max_age: Duration::from_secs(u64::from(serve.keep_days) * 24 * 3600),
            ..StoreSettings::default()
        },
        limits: Limits { waiting: serve.max_waiting, ..Limits::default() },
        thumbnails: Some(ThumbnailSettings::new(program.clone())),
        smaller: match serve.send_smaller {
            cli::SendSmaller::Auto => Some(SmallerSettings::new(program)),
            cli::SendSmaller::Never => None,
        },
        canaries: CanarySettings {
            pictures: serve.canaries.as_deref().map(canaries::read).transpose()?.unwrap_or_default(),
            ..CanarySettings::default()
        },
        ..ManagerSettings::new(serve.data.clone())
    })
}

/// Says where the manager listens, and what workers have to give. Programs read these lines, so they are flushed at once.
pub(crate) fn announce(manager: &Manager) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", manager.page_url())?;
    writeln!(out, "workers on {}", manager.worker_addr())?;
    if let Some(token) = manager.worker_token() {
        writeln!(out, "workers give the token {token}")?;
    }
    out.flush()?;
    Ok(())
}

/// The wish that this process ends: Ctrl-C, or SIGTERM from whoever started it.
pub(crate) struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    /// Watches from now on. To be called before anyone is told that the process runs, so that none asks it in vain.
    pub(crate) fn watch() -> anyhow::Result<Self> {
        let watch = |kind| signal(kind).context("failed to watch for signals");
        Ok(Self { interrupt: watch(SignalKind::interrupt())?, terminate: watch(SignalKind::terminate())? })
    }

    /// Resolves when the process is asked to end.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        tracing::info!("ending");
    }

    /// Ends in the orderly way, or at once when that is asked for once more. Whatever was accepted is in the books.
    pub(crate) async fn or_at_once(&mut self, orderly: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            () = orderly => Ok(()),
            () = self.asked() => anyhow::bail!("asked to end again, and so ended at once; what was accepted is kept"),
        }
    }
}

pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start the async runtime")
}
