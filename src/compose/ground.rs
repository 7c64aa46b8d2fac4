//! What all services stand on, and the services that are made on it.

use std::{sync::Arc, time::Duration};

use ducksync_catalog::{
    Catalog,
    auth::{AuthConfig, CatalogAuthenticator},
    crypto::SecretKey,
};
use ducksync_core::{
    Result,
    breaker::Breakers,
    by_source::SourceTraffic,
    catalog::{SecretStore, Versions},
    savings::Savings,
    source::Sources,
    time::SystemClock,
};
use ducksync_engine::Engine;
use ducksync_feeds::{Feeds, FeedsConfig, Services};
use ducksync_query::{Query, QueryConfig, QueryParts};

use super::{
    engine, extra_doors::ExtraDoors, secrets::AllSecrets, sources, storage, storage::StorageMover,
};
use crate::config::Config;

/// How long a source that was not reached is left alone at first, and at most (G-10).
const BREAKER: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// What all services stand on.
pub(super) struct Ground {
    /// As configured, or as the storage was moved since.
    pub(super) config: Config,
    key: SecretKey,
    pub(super) catalog: Arc<Catalog>,
    pub(super) engine: Arc<Engine>,
    secrets: Arc<dyn SecretStore>,
    sources: Arc<dyn Sources>,
    breakers: Arc<Breakers>,
    pub(super) savings: Arc<Savings>,
    pub(super) traffic: Arc<SourceTraffic>,
}

impl Ground {
    pub(super) async fn open(config: &Config, key: SecretKey) -> Result<Self> {
        let (config, catalog) = storage::open(config, &key).await?;
        let secrets: Arc<dyn SecretStore> =
            Arc::new(AllSecrets::new(config.secrets.clone(), catalog.clone()));
        let data_path = catalog.current().data_path.clone();
        let engine = engine::open(&config, &data_path, secrets.as_ref()).await?;
        let traffic = Arc::default();
        let sources = sources::open(&config, catalog.clone(), secrets.clone(), &traffic);
        Ok(Self {
            sources: Arc::new(sources),
            breakers: Arc::new(Breakers::new(BREAKER.0, BREAKER.1)),
            savings: Arc::new(Savings::new(catalog.clone(), Arc::new(SystemClock))),
            traffic,
            config,
            key,
            catalog,
            engine,
            secrets,
        })
    }

    pub(super) fn authenticator(&self) -> Arc<CatalogAuthenticator> {
        let auth = AuthConfig {
            token_idle: self.config.token_idle,
            catalog_grace: self.config.serving.catalog_grace.0,
            ..AuthConfig::default()
        };
        let catalog = &self.catalog;
        Arc::new(CatalogAuthenticator::new(
            catalog.clone(),
            catalog.clone(),
            &self.key,
            &auth,
        ))
    }

    pub(super) fn feeds(&self) -> Arc<Feeds> {
        let refresh = &self.config.refresh;
        let settings = FeedsConfig {
            workers: refresh.workers,
            checks: refresh.checks,
            stage1_max_skip: refresh.stage1_max_skip.0,
            poll_interval: refresh.poll_interval.0,
            heartbeat: refresh.heartbeat.0,
            claim_expiry: refresh.claim_expiry.0,
            max_retries: refresh.max_retries,
            retry_base: refresh.retry_base.0,
            run_timeout: refresh.run_timeout.0,
            upkeep_interval: self.config.maintenance.interval.0,
            expire_older_than: self.config.maintenance.expire_older_than.0,
            cleanup_older_than: self.config.maintenance.cleanup_older_than.0,
            ..FeedsConfig::default()
        };
        let catalog = &self.catalog;
        let services = Services {
            versions: catalog.clone(),
            publisher: catalog.clone(),
            datasets: catalog.clone(),
            ledger: catalog.clone(),
            claims: catalog.clone(),
            upkeep: catalog.clone(),
            sources: self.sources.clone(),
            stager: self.engine.clone(),
            files: self.engine.files(),
            clock: Arc::new(SystemClock),
            breakers: self.breakers.clone(),
            savings: self.savings.clone(),
        };
        Arc::new(Feeds::start(settings, services))
    }

    pub(super) fn mover(&self) -> Arc<StorageMover> {
        Arc::new(StorageMover::new(
            self.config.clone(),
            self.key.clone(),
            self.catalog.clone(),
            self.secrets.clone(),
        ))
    }

    pub(super) fn query(
        &self,
        feeds: &Arc<Feeds>,
        mover: &Arc<StorageMover>,
        listeners: &Arc<ExtraDoors>,
    ) -> Arc<Query> {
        let serving = &self.config.serving;
        let settings = QueryConfig {
            wait_timeout: serving.wait_timeout.0,
            stale_if_error: serving.stale_if_error.0,
            statement_timeout: serving.statement_timeout.0,
            ticket_life: self.config.flight.ticket_life.0,
            unread_life: serving.unread_life.0,
            passthrough_memory: serving.passthrough_memory.0,
            max_sessions: serving.max_sessions,
            session_idle: serving.session_idle.0,
        };
        let catalog = &self.catalog;
        let sealing = self.key.derive("ticket");
        let parts = QueryParts {
            versions: catalog.clone(),
            publisher: catalog.clone(),
            datasets: catalog.clone(),
            secrets: self.secrets.clone(),
            ledger: catalog.clone(),
            upkeep: catalog.clone(),
            grants: catalog.clone(),
            engine: self.engine.clone(),
            stager: self.engine.clone(),
            files: self.engine.files(),
            sources: self.sources.clone(),
            runs: feeds.clone(),
            storage: mover.clone(),
            listeners: listeners.clone(),
            breakers: self.breakers.clone(),
            savings: self.savings.clone(),
            clock: Arc::new(SystemClock),
            sealing_key: sealing.fingerprint(&[b"sealing key of the query service"]),
        };
        Query::new(parts, settings)
    }
}
