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
mod extra_doors;
mod flight;
mod ground;
mod logins;
pub(crate) mod secrets;
pub(crate) mod sources;
pub(crate) mod storage;

use std::{sync::Arc, time::Duration};

use ducksync_catalog::{Catalog, auth::CatalogAuthenticator, crypto::SecretKey};
use ducksync_core::{
    Result,
    by_source::SourceTraffic,
    catalog::{DatasetStore, Versions},
    files::FileStore,
    savings::Savings,
    source::SourceDefinition,
};
use ducksync_engine::Engine;
use ducksync_feeds::{FeedCounters, Feeds};
use ducksync_flight::{FlightParts, Serving};
use ducksync_query::Query;
use tokio_util::sync::CancellationToken;

pub(crate) use self::doors::{Door, Doors};
use self::{
    background::Background, extra_doors::ExtraDoors, ground::Ground, storage::StorageMover,
};
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
    authenticator: Arc<CatalogAuthenticator>,
    /// Listeners that were opened while the server runs.
    pub(crate) extra_doors: Arc<ExtraDoors>,
    mover: Arc<StorageMover>,
    savings: Arc<Savings>,
    background: Background,
}

/// Makes all parts of a server that listens at `doors`.
///
/// # Errors
/// What cannot be opened, and how to mend it. Nothing that was made before is half done: the next
/// start goes on from it.
pub(crate) async fn compose(config: &Config, doors: &[Door]) -> Result<Parts> {
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
    let extra_doors = Arc::new(ExtraDoors::new(
        ground.config.clone(),
        doors,
        authenticator.clone(),
    ));
    let query = ground.query(&feeds, &mover, &extra_doors);
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
        extra_doors,
    })
}

impl Parts {
    /// Tells when the storage was moved, so that these parts must end and be made anew.
    pub(crate) fn moved(&self) -> &CancellationToken {
        self.mover.moved()
    }

    /// A Flight server behind a configured door, until `ending`.
    ///
    /// # Errors
    /// `FailedPrecondition` if certificate or key cannot be read.
    pub(crate) fn serve(
        &self,
        config: &Config,
        door: &Door,
        ending: CancellationToken,
    ) -> Result<Serving> {
        let parts = FlightParts {
            query: self.query.clone(),
            authenticator: self.authenticator.clone(),
        };
        flight::server(config, door, parts, Duration::ZERO)?.serve(door.listener()?, ending)
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
