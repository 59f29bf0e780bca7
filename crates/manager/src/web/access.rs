//! Who may use which address: each route says so where it is written down, and one that does not say so cannot be.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Extension, Router,
    extract::Request,
    middleware::{self, Next},
    routing::MethodRouter,
};

use super::{App, error::RequestError, tries::Tries};
use crate::{
    admission::Client,
    tokens::{Grant, Refused, Role, Tokens},
};

/// What an address asks of who comes. Each may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing: the page's own files, logging in, whether the manager lives.
    Anybody,
    /// To know the batch that it names: 128 random bits. No token is looked at, so whoever has the address is a viewer.
    Viewer,
    /// A token with which pictures may be sent.
    Uploader,
    /// A token with which the workers may be seen, and things removed.
    Operator,
}

impl Access {
    fn role(self) -> Option<Role> {
        match self {
            Self::Anybody | Self::Viewer => None,
            Self::Uploader => Some(Role::Uploader),
            Self::Operator => Some(Role::Operator),
        }
    }
}

/// Addresses, each with what it asks of who comes.
#[derive(Default)]
pub(super) struct Routes(Vec<(&'static str, Access, MethodRouter<App>)>);

impl Routes {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Answers these methods of a path to those who have this access.
    pub(super) fn route(mut self, path: &'static str, access: Access, methods: MethodRouter<App>) -> Self {
        self.0.push((path, access, methods));
        self
    }

    pub(super) fn merge(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The same, with something before each route; who may not come does not get that far.
    pub(super) fn behind(self, before: impl Fn(MethodRouter<App>) -> MethodRouter<App>) -> Self {
        Self(self.0.into_iter().map(|(path, access, methods)| (path, access, before(methods))).collect())
    }

    /// All of them as axum has them. Who comes is known by its [`Asker`] among the request's extensions.
    pub(super) fn router(self) -> Router<App> {
        self.0.into_iter().fold(Router::new(), |router, (path, access, methods)| {
            let methods = match access.role() {
                None => methods,
                Some(wanted) => methods.route_layer(middleware::from_fn(
                    move |Extension(asker): Extension<Asker>, request: Request, next: Next| async move {
                        asker.admit(wanted)?;
                        Ok::<_, RequestError>(next.run(request).await)
                    },
                )),
            };
            router.route(path, methods)
        })
    }
}

/// The door: the tokens, and who has tried wrong ones.
#[derive(Debug)]
pub(super) struct Door {
    /// `None` where none is needed.
    tokens: Option<Tokens>,
    tries: Mutex<Tries>,
}

impl Door {
    pub(super) fn new(tokens: Option<Tokens>) -> Self {
        Self { tokens, tries: Mutex::default() }
    }

    pub(super) fn needs_token(&self) -> bool {
        self.tokens.is_some()
    }
}

/// Who asks, and the token that is shown.
#[derive(Clone)]
pub(super) struct Asker {
    door: Arc<Door>,
    client: Client,
    shown: Option<Arc<str>>,
}

impl Asker {
    pub(super) fn new(door: Arc<Door>, client: Client, shown: Option<&str>) -> Self {
        Self { door, client, shown: shown.map(Arc::from) }
    }

    pub(super) fn needs_token(&self) -> bool {
        self.door.needs_token()
    }

    /// Whether it may do now what `wanted` may. `None`: nobody is asked for a token here.
    pub(super) fn admit(&self, wanted: Role) -> Result<Option<Grant>, RequestError> {
        match (&self.door.tokens, &self.shown) {
            (None, _) => Ok(None),
            (Some(_), None) => Err(RequestError::TokenNeeded),
            (Some(tokens), Some(shown)) => tokens.admit(shown, wanted).map(Some).map_err(|refused| self.wrong(refused)),
        }
    }

    /// As what it is let in now; `None`: it has shown no token, and is a viewer of what it knows.
    pub(super) fn role(&self) -> Result<Option<Role>, RequestError> {
        match self.admit(Role::Uploader) {
            Ok(grant) => Ok(Some(grant.map_or(Role::Operator, |grant| grant.role))),
            Err(RequestError::TokenNeeded) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a form was given instead of what the request shows. Who has tried too many wrong ones waits, whatever this one is;
    /// a program that shows the right one in its header does not.
    pub(super) fn log_in(&self, given: &str) -> Result<Option<Grant>, RequestError> {
        let Some(tokens) = &self.door.tokens else {
            return Ok(None);
        };
        if let Some(retry_after) = self.tries().wait(self.client, Instant::now()) {
            return Err(RequestError::TooManyTries { retry_after });
        }
        let grant = tokens.admit(given, Role::Uploader).map_err(|refused| self.wrong(refused))?;
        tracing::info!(client = %self.client, token = grant.id, "somebody logged in");
        Ok(Some(grant))
    }

    /// Counts a token that nobody has. One that has ended is no guess.
    fn wrong(&self, refused: Refused) -> RequestError {
        if refused == Refused::Unknown {
            let (mut tries, now) = (self.tries(), Instant::now());
            if let Some(retry_after) = tries.wait(self.client, now) {
                return RequestError::TooManyTries { retry_after };
            }
            tries.wrong(self.client, now);
        }
        RequestError::Refused(refused)
    }

    fn tries(&self) -> std::sync::MutexGuard<'_, Tries> {
        self.door.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
