//! Makes the parts and gives them to each other: the only place that knows all names.
//!
//! What is made here is started here too (followers, schedulers), but nothing is listened on: sockets
//! are [`Doors`], opened first, so that a port in use is found before anything is written. Ending is
//! [`crate::serve`]'s matter.

mod background;
mod catalog;
pub(crate) mod directories;
mod doors;
pub(crate) mod engine;
mod ground;
mod logins;
pub(crate) mod secrets;
pub(crate) mod sources;
pub(crate) mod storage;

use std::sync::Arc;

use ducksync_catalog::{Catalog, crypto::SecretKey};
use ducksync_core::{
    Result,
    auth::Authenticator,
    by_source::SourceTraffic,
    catalog::{DatasetStore, Versions},
    files::FileStore,
    savings::Savings,
    secret::SecretText,
    source::SourceDefinition,
};
use ducksync_engine::Engine;
use ducksync_feeds::{FeedCounters, Feeds};
use ducksync_flight::{FlightConfig, FlightParts, FlightServer, TlsConfig};
use ducksync_query::Query;
use tokio_util::sync::CancellationToken;

pub(crate) use self::doors::{Door, Doors};
use self::{background::Background, ground::Ground, storage::StorageMover};
use crate::config::Config;

/// The running parts of a server, for those who show them or end them.
pub(crate) struct Parts {
    /// The catalog itself.
    catalog: Arc<Catalog>,
    /// What this process knows of the lake.
    pub(crate) versions: Arc<dyn Versions>,
    /// The engine that answers.
    pub(crate) engine: Arc<Engine>,
    /// The lake's files.
    pub(crate) files: Arc<dyn FileStore>,
    /// Runs.
    pub(crate) feeds: Arc<Feeds>,
    /// What the runs did so far.
    pub(crate) counters: Arc<FeedCounters>,
    /// Statements.
    pub(crate) query: Arc<Query>,
    /// What was asked of sources.
    pub(crate) traffic: Arc<SourceTraffic>,
    authenticator: Arc<dyn Authenticator>,
    mover: Arc<StorageMover>,
    savings: Arc<Savings>,
    background: Background,
}

/// Makes all parts.
///
/// # Errors
/// What cannot be opened, and how to mend it. Nothing that was made before is half done: the next
/// start goes on from it.
pub(crate) async fn compose(config: &Config) -> Result<Parts> {
    directories::prepare(config)?;
    let key = SecretKey::load_or_create(&config.secret_key_file)?;
    let ground = Ground::open(config, key).await?;
    let authenticator = ground.authenticator();
    logins::prepare(
        &ground.config,
        ground.catalog.as_ref(),
        authenticator.as_ref(),
    )
    .await?;
    define_sources(&ground.config, &ground.catalog).await?;
    let feeds = ground.feeds();
    let mover = ground.mover();
    let query = ground.query(&feeds, &mover);
    let catalog = ground.catalog;
    Ok(Parts {
        background: Background::start(
            &ground.config,
            query.clone(),
            catalog.clone(),
            ground.savings.clone(),
        ),
        savings: ground.savings,
        traffic: ground.traffic,
        versions: catalog.clone(),
        counters: feeds.counters(),
        files: ground.engine.files(),
        engine: ground.engine,
        catalog,
        feeds,
        mover,
        query,
        authenticator,
    })
}

impl Parts {
    /// Tells when the storage was moved, so that these parts must end and be made anew.
    pub(crate) fn moved(&self) -> &CancellationToken {
        self.mover.moved()
    }

    /// Ends what statements and runs stood on, after these have ended.
    ///
    /// # Errors
    /// If the storage was moved and what was defined last cannot be taken along.
    pub(crate) async fn close(&self) -> Result<()> {
        self.background.stop();
        self.query.close_sessions().await;
        if let Err(error) = self.savings.flush().await {
            tracing::warn!(%error, "what caches spared in the last seconds was not stored");
        }
        let finished = self.mover.finish().await;
        self.catalog.close().await;
        finished
    }
}

/// A Flight server behind one door, until `ending`.
///
/// # Errors
/// `FailedPrecondition` if certificate or key cannot be read.
pub(crate) fn flight(
    config: &Config,
    parts: &Parts,
    door: &Door,
    ending: CancellationToken,
) -> Result<impl Future<Output = Result<()>> + Send + use<>> {
    let flight = FlightConfig {
        max_message_bytes: usize::try_from(config.flight.max_message_bytes.0).unwrap_or(usize::MAX),
        drain: config.service.drain.0,
        tls: door.tls.then(|| tls(config)).transpose()?,
        ..FlightConfig::default()
    };
    let parts = FlightParts {
        query: parts.query.clone(),
        authenticator: parts.authenticator.clone(),
    };
    let server = FlightServer::new(flight, parts);
    let listener = door.listener()?;
    Ok(async move { server.serve(listener, ending).await })
}

fn tls(config: &Config) -> Result<TlsConfig> {
    let flight = &config.flight;
    Ok(TlsConfig {
        certificate: doors::read_pem("flight.tls_cert", flight.tls_cert.as_deref())?,
        key: SecretText::new(doors::read_pem(
            "flight.tls_key_file",
            flight.tls_key_file.as_deref(),
        )?),
        client_ca: match &flight.client_ca {
            Some(path) => Some(doors::read_pem("flight.client_ca", Some(path))?),
            None => None,
        },
    })
}

/// Sources of the configuration, put into the catalog where they differ from what is there.
async fn define_sources(config: &Config, catalog: &Catalog) -> Result<()> {
    let lake = catalog.ask().await?;
    for wanted in &config.sources {
        let same = |known: &SourceDefinition| {
            let created_at = known.created_at;
            *known
                == SourceDefinition {
                    created_at,
                    ..wanted.clone()
                }
        };
        if !lake.source(&wanted.name).is_some_and(|known| same(known)) {
            catalog.put_source(wanted.clone(), true).await?;
        }
    }
    Ok(())
}
