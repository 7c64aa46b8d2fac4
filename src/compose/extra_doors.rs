//! Listeners that `ducksync_serve` opens and `ducksync_stop` closes (C-4).
//!
//! They are known to this process alone: other replicas do not open them, and neither a restart nor a
//! move of the storage brings them back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use ducksync_catalog::auth::{CatalogAuthenticator, StandIn};
use ducksync_core::{
    Error, Result,
    auth::{Authenticator, Principal},
    command::Serve,
};
use ducksync_flight::FlightParts;
use ducksync_query::{Listeners, Query};
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Door, flight};
use crate::config::{Config, Listen};

/// Listeners at once, those whose last calls are still ending included.
const MOST: usize = 16;
/// Time for whoever stops the very listener it came through to fetch the answer.
const LINGER: Duration = Duration::from_secs(1);

/// The argument that names an address.
const ARGUMENT: &str = "listen_uri";

/// Opens and closes listeners beside the configured ones.
pub(crate) struct ExtraDoors {
    config: Config,
    /// The configured addresses, as clients write them.
    configured: Vec<String>,
    authenticator: Arc<CatalogAuthenticator>,
    /// What is listened on, by the address that clients write. Locked while one is opened or closed.
    open: Mutex<BTreeMap<String, ExtraDoor>>,
    serving: TaskTracker,
    ending: CancellationToken,
}

struct ExtraDoor {
    token: Option<Arc<StandIn>>,
    closing: CancellationToken,
    closed: CancellationToken,
}

impl ExtraDoor {
    fn is_for(&self, token: Option<&Arc<StandIn>>) -> bool {
        match (&self.token, token) {
            (None, None) => true,
            (Some(known), Some(token)) => known.is_same(token),
            _ => false,
        }
    }
}

impl ExtraDoors {
    /// None yet, beside those at `doors`.
    pub(super) fn new(
        config: Config,
        doors: &[Door],
        authenticator: Arc<CatalogAuthenticator>,
    ) -> Self {
        Self {
            config,
            configured: doors.iter().map(|door| door.url.clone()).collect(),
            authenticator,
            open: Mutex::default(),
            serving: TaskTracker::new(),
            ending: CancellationToken::new(),
        }
    }

    /// Closes all of them and waits until their calls have ended or had their time.
    pub(crate) async fn end(&self) {
        {
            // One that is being opened is waited for, or it would be missed.
            let _open = self.open.lock().await;
            self.ending.cancel();
        }
        self.serving.close();
        self.serving.wait().await;
    }

    fn check_room(&self) -> Result<()> {
        if self.ending.is_cancelled() {
            return Err(Error::unavailable("the server is ending"));
        }
        if self.serving.len() >= MOST {
            return Err(Error::resource_exhausted(format!(
                "there are {MOST} listeners of ducksync_serve already"
            ))
            .with_remedy("end one with ducksync_stop, or add addresses to flight.listen"));
        }
        Ok(())
    }

    async fn start(
        &self,
        listen: &Listen,
        query: Arc<Query>,
        token: Option<Arc<StandIn>>,
    ) -> Result<(String, ExtraDoor)> {
        let authenticator: Arc<dyn Authenticator> = match &token {
            Some(token) => token.clone(),
            None => self.authenticator.clone(),
        };
        let door = Door::open(ARGUMENT, listen).await?;
        let parts = FlightParts {
            query,
            authenticator,
        };
        let server = flight::server(&self.config, &door, parts, LINGER)?;
        let closing = self.ending.child_token();
        let serving = server.serve(door.listener()?, closing.clone())?;
        let closed = serving.closed();
        let url = door.url.clone();
        self.serving.spawn(async move {
            match serving.ended().await {
                Ok(()) => tracing::info!(url, "a listener of ducksync_serve ended"),
                Err(error) => tracing::warn!(%error, url, "a listener of ducksync_serve broke"),
            }
        });
        let extra = ExtraDoor {
            token,
            closing,
            closed,
        };
        Ok((door.url, extra))
    }
}

#[async_trait]
impl Listeners for ExtraDoors {
    async fn open(&self, query: Arc<Query>, opener: &Principal, wanted: Serve) -> Result<String> {
        let listen = parse(&wanted.listen_uri)?;
        check_exposure(&listen, &wanted)?;
        let token = match &wanted.token {
            Some(token) => {
                let logins = self.authenticator.clone();
                Some(Arc::new(StandIn::new(logins, &opener.name, token).await?))
            }
            None => None,
        };
        let mut open = self.open.lock().await;
        open.retain(|_, door| !door.closed.is_cancelled());
        let url = listen.client_url(listen.port);
        if self.configured.contains(&url) {
            return Err(Error::already_exists(format!(
                "{url} is served by the configuration (flight.listen)"
            ))
            .with_remedy("name another port; 0 = any free one"));
        }
        if let Some(known) = open.get(&url) {
            return match known.is_for(token.as_ref()) {
                true => Ok(url),
                false => Err(
                    Error::already_exists(format!("{url} is served with another token"))
                        .with_remedy("end it with ducksync_stop first"),
                ),
            };
        }
        self.check_room()?;
        let (url, door) = Box::pin(self.start(&listen, query, token)).await?;
        open.insert(url.clone(), door);
        tracing::info!(url, opener = opener.name, "listening on another address");
        Ok(url)
    }

    async fn close(&self, listen_uri: &str) -> Result<()> {
        let listen = parse(listen_uri)?;
        let url = listen.client_url(listen.port);
        if self.configured.contains(&url) {
            return Err(Error::failed_precondition(format!(
                "{url} is served by the configuration"
            ))
            .with_remedy("take it out of flight.listen and start the server again"));
        }
        let mut open = self.open.lock().await;
        open.retain(|_, door| !door.closed.is_cancelled());
        let Some(door) = open.remove(&url) else {
            let served: Vec<_> = open.keys().map(String::as_str).collect();
            return Err(Error::not_found(match served.is_empty() {
                true => format!("{url} is not served, nor is any other address by ducksync_serve"),
                false => format!(
                    "{url} is not served; ducksync_serve opened {}",
                    served.join(", ")
                ),
            }));
        };
        door.closing.cancel();
        door.closed.cancelled().await;
        Ok(())
    }
}

fn parse(listen_uri: &str) -> Result<Listen> {
    let quack = listen_uri
        .get(..6)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("quack:"));
    if quack {
        return Err(Error::unimplemented(
            "quack: is not served: its clients would bypass the grants",
        )
        .with_remedy("write grpc://host:port or grpc+tls://host:port"));
    }
    Listen::parse(ARGUMENT, listen_uri)
}

/// Passwords and rows must not be shown to a network by accident.
fn check_exposure(listen: &Listen, wanted: &Serve) -> Result<()> {
    if listen.is_loopback() {
        return Ok(());
    }
    let host = &listen.host;
    if !wanted.allow_other_hostname {
        return Err(Error::invalid(format!(
            "listen_uri: others than this machine could reach {host}"
        ))
        .with_remedy("if they should, give allow_other_hostname := true"));
    }
    if !listen.tls && !wanted.disable_ssl {
        return Err(Error::invalid(format!(
            "listen_uri: with grpc:// on {host}, passwords and rows would cross the network unencrypted"
        ))
        .with_remedy(
            "use grpc+tls://, or give disable_ssl := true behind a proxy that encrypts",
        ));
    }
    Ok(())
}
