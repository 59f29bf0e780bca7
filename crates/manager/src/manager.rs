//! The life of a manager: started, running, shut down.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use manyeyes_dispatch::Settings as DispatchSettings;
use manyeyes_link::{CongestionControlError, Keys, ListenError, ManagerSettings as LinkSettings};
use manyeyes_protocol::id::ModelDigest;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Places,
    engine::{Desk, Engine, resumed},
    hub::Hub,
    identity::identity,
    live::Live,
    results::{Results, Tally, age},
    settings::ManagerSettings,
    smaller::SmallerForms,
    store::{Store, StoreError, Unfinished},
    thumbnail::Thumbnails,
    tokens::{Role, Tokens},
    web::{self, App, Guard},
};

/// How often batches are looked through for those that have expired.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// Unfinished images of an earlier run that are handed to the engine at a time.
const RESUMED_AT_A_TIME: usize = 1000;
/// So long each step of shutting down may take, though the grace is over: what is in memory is written in a fraction of it.
const LEAST_GRACE: Duration = Duration::from_millis(500);

/// A manager that runs. Dropped without [`Manager::shutdown`], its tasks go on until the runtime ends.
pub struct Manager {
    app: App,
    http_addr: SocketAddr,
    /// Those that clients are asked for; `None`: they are asked for none.
    page_tokens: Option<Tokens>,
    worker_token: Option<String>,
    engine: Engine,
    store: Store,
    /// Ends what serves clients.
    stop_serving: CancellationToken,
    serving: TaskTracker,
    /// Ends the engine, and with it results.
    stop_engine: CancellationToken,
    working: [(JoinHandle<()>, &'static str); 2],
}

/// Why a manager did not start. A sentence for a person, less its capital letter and full stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The books or their folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token's file.
    #[error("the token in the data folder cannot be read or made")]
    Token(#[source] io::Error),
    /// The key's file.
    #[error("the manager's key in the data folder cannot be read or made")]
    Key(#[source] io::Error),
    /// An address.
    #[error("cannot listen on {address} for {whom}: {}", reason(.source))]
    Address {
        /// The address that was asked for.
        address: SocketAddr,
        /// Who would have connected there.
        whom: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The congestion control of the connections to workers.
    #[error(transparent)]
    CongestionControl(#[from] CongestionControlError),
}

fn reason(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => "another program listens there; stop it or choose another port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need more rights".to_owned(),
        _ => source.to_string(),
    }
}

/// Starts a manager: opens the books, listens for workers and for clients, and takes up what an earlier run left
/// unfinished. Listening already when it returns.
///
/// # Errors
/// The data folder cannot be used, or an address cannot be listened on.
pub async fn start(settings: ManagerSettings) -> Result<Manager, StartError> {
    let http = bind(settings.listen).await?;
    let (data, store_settings) = (settings.data.clone(), settings.store.clone());
    let (store, unfinished) = blocking(move || {
        let store = Store::open(&data, store_settings)?;
        let unfinished = store.unfinished()?;
        Ok((store, unfinished))
    })
    .await?;
    let needs_token = |address: SocketAddr| !address.ip().is_loopback() && !settings.open;
    let made = if needs_token(settings.listen) || needs_token(settings.worker_listen) {
        Some(Tokens::open(&settings.data).map_err(StartError::Token)?)
    } else {
        None
    };
    let page_tokens = made.clone().filter(|_| needs_token(settings.listen));
    let worker_tokens = made.filter(|_| needs_token(settings.worker_listen));
    let encrypts = settings.encryption.applies(settings.worker_listen.ip(), settings.worker_authorities.is_some());
    let (identity, fingerprint) = match settings.identity {
        // A certificate is renewed, and its key with it: workers know it by who signed it.
        Some(own) => (own, None),
        None => {
            let made = identity(&settings.data).map_err(StartError::Key)?;
            let fingerprint = made.fingerprint();
            (made, Some(fingerprint))
        }
    };

    let stop_engine = CancellationToken::new();
    let mut link = LinkSettings::new(store.books());
    link.keys = worker_tokens.clone().map(keys);
    link.identity = Some(identity);
    link.encryption = settings.encryption;
    link.authorities = settings.worker_authorities;
    link.model = settings.model.map(ModelDigest);
    link.timers = settings.timers.clone();
    link.transports = settings.transports;
    link.congestion_control = settings.congestion_control;
    link.start_fast = settings.start_fast;
    // The limit is kept at the door. A batch that is deleted gives its places back before dispatch hears of it.
    let beyond = settings.store.images_per_batch as usize;
    let dispatch = DispatchSettings {
        max_waiting: settings.limits.waiting.max(unfinished.len()) + beyond,
        ..DispatchSettings::default()
    };
    let mut desk = Desk::new(dispatch).with_canaries(settings.canaries);
    if let Some(smaller) = &settings.smaller {
        desk = desk.with_smaller_forms(u32::try_from(smaller.children.processes).unwrap_or(u32::MAX));
    }
    let smaller = settings.smaller.map(|smaller| SmallerForms::new(smaller, settings.limits.pixels));
    let (engine, outcomes, engine_task) =
        Engine::start(settings.worker_listen, link, desk, store.clone(), smaller, stop_engine.clone()).map_err(
            |error| match error {
                ListenError::Address(source) => {
                    StartError::Address { address: settings.worker_listen, whom: "workers", source }
                }
                ListenError::Udp(source) => {
                    let whom = "workers by UDP (--transport tcp does without)";
                    StartError::Address { address: settings.worker_listen, whom, source }
                }
                ListenError::CongestionControl(error) => StartError::CongestionControl(error),
            },
        )?;

    let results = Results {
        store: store.clone(),
        live: Arc::new(Live::default()),
        hub: Arc::new(Hub::new(store.clone(), settings.limits.subscriber_changes)),
        tally: Arc::new(Tally::default()),
        waiting: Places::new(settings.limits.waiting),
    };
    let results_task = tokio::spawn(results.clone().run(outcomes, engine.clone()));
    resume(unfinished, &results, &engine).await;

    let stop_serving = CancellationToken::new();
    let serving = TaskTracker::new();
    let thumbnails = settings.thumbnails.map(|thumbnails| Thumbnails::new(thumbnails, settings.limits.pixels));
    let app = App::new(results, engine.clone(), settings.limits.clone(), thumbnails, stop_serving.clone());
    serving.spawn(web::tell_status(app.clone(), stop_serving.clone()));
    serving.spawn(expire(app.clone(), store.clone(), stop_serving.clone()));
    let http_addr = http.local_addr().map_err(|source| address_error(settings.listen, source))?;
    let router = app.clone().router(Guard::new(page_tokens.clone(), settings.hosts));
    serving.spawn(web::serve(http, router, settings.limits, stop_serving.clone()));
    serving.close();

    let working = [(engine_task, "engine"), (results_task, "results")];
    let owners = worker_tokens.map(|tokens| tokens.owner().to_owned());
    let worker_token = match fingerprint.filter(|_| encrypts) {
        Some(fingerprint) => Some(format!("{}.{fingerprint}", owners.unwrap_or_default())),
        None => owners,
    };
    Ok(Manager {
        app,
        http_addr,
        page_tokens,
        worker_token,
        engine,
        store,
        stop_serving,
        serving,
        stop_engine,
        working,
    })
}

impl Manager {
    /// Where clients connect.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where workers connect.
    #[must_use]
    pub fn worker_addr(&self) -> SocketAddr {
        self.engine.worker_addr()
    }

    /// The address of the page, with the owner's token where one is needed: behind the `#`, which no browser sends to anybody.
    #[must_use]
    pub fn page_url(&self) -> String {
        match &self.page_tokens {
            Some(tokens) => format!("http://{}/#token={}", self.http_addr, tokens.owner()),
            None => format!("http://{}", self.http_addr),
        }
    }

    /// What workers have to give, `None` where that is nothing: the token, a dot, and the fingerprint of the key by which they know the manager,
    /// each where it is needed.
    #[must_use]
    pub fn worker_token(&self) -> Option<String> {
        self.worker_token.clone()
    }

    /// Takes nothing new in from now on and gives nothing new to workers; returns when they have finished what they have,
    /// or after `grace`. Meanwhile everything else is answered, and pages are told.
    pub async fn drain(&self, grace: Duration) {
        self.app.begin_ending();
        if tokio::time::timeout(grace, self.engine.drain()).await.is_err() {
            tracing::warn!("workers were not done in time; what they have is kept for the next run");
        }
    }

    /// Stops within `grace`, and a little: drains, writes down what workers have answered, sends them away (they will try
    /// to come back), finishes the requests that are under way, and closes the books.
    pub async fn shutdown(self, grace: Duration) {
        let until = Instant::now() + grace;
        let left = || until.saturating_duration_since(Instant::now()).max(LEAST_GRACE);
        self.drain(grace).await;
        self.stop_engine.cancel();
        for (task, name) in self.working {
            match tokio::time::timeout(left(), task).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => tracing::error!(name, "a task of the manager had panicked"),
                Err(_) => tracing::warn!(name, "a task of the manager was not done in time"),
            }
        }
        self.engine.close().await;
        self.stop_serving.cancel();
        if tokio::time::timeout(left(), self.serving.wait()).await.is_err() {
            tracing::warn!("requests under way were cut off");
        }
        let store = self.store;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        tracing::info!(clean = closed.is_ok(), "the manager has shut down");
    }
}

/// Lets in workers who show one of these.
fn keys(tokens: Tokens) -> Keys {
    Keys::new(move |shown| match shown {
        None => Err("this manager wants a token (--token-file, or MANYEYES_TOKEN)".to_owned()),
        Some(shown) => tokens.admit(shown, Role::Worker).map(drop).map_err(|refused| refused.to_string()),
    })
}

/// Hands in what an earlier run accepted and did not finish.
async fn resume(unfinished: Vec<Unfinished>, results: &Results, engine: &Engine) {
    if !unfinished.is_empty() {
        tracing::info!(images = unfinished.len(), "taking up what an earlier run left unfinished");
    }
    let now = Instant::now();
    for some in unfinished.chunks(RESUMED_AT_A_TIME) {
        for image in some {
            let began = now.checked_sub(age(image.began)).unwrap_or(now);
            let place = results.waiting.take_anyway();
            results.live.reopened(image.image, image.batch, 0, began, image.attempts, place);
        }
        engine.submit(some.iter().cloned().map(resumed).collect()).await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| address_error(address, source))
}

fn address_error(address: SocketAddr, source: io::Error) -> StartError {
    StartError::Address { address, whom: "the page", source }
}

async fn blocking<T: Send + 'static>(
    open: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(open).await.expect("opening the books does not panic")
}

/// Removes finished batches that are too old, now and then, until `stop`.
async fn expire(app: App, store: Store, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EXPIRE_EVERY);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        match store.expire().await {
            Ok(expired) => app.gone(&expired),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(%error, "failed to look for expired batches"),
        }
    }
}
