//! Opens the catalog, waiting a bounded time for a database that is not up yet.

use std::{sync::Arc, time::Duration};

use ducksync_catalog::{Catalog, CatalogConfig, crypto::SecretKey};
use ducksync_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use crate::config::{CatalogUrl, Config};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Opens the configured catalog.
///
/// # Errors
/// As [`Catalog::open`]; a database that is down is tried again until `catalog.connect_timeout`.
pub(crate) async fn open(config: &Config, key: &SecretKey) -> Result<Arc<Catalog>> {
    let wanted = settings(config, key);
    let deadline = Instant::now() + config.catalog_connect_timeout;
    let mut pause = FIRST_PAUSE;
    loop {
        // Opening is several statements, each with a deadline of its own; this bounds the whole.
        let opened = tokio::time::timeout_at(deadline, Box::pin(Catalog::open(wanted.clone())));
        let error = match opened.await {
            Ok(Ok(catalog)) => return Ok(catalog),
            Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => error,
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(silent(config)),
        };
        if Instant::now() + pause >= deadline {
            return Err(given_up(config, &error));
        }
        tracing::warn!(catalog = %config.catalog.shown(), %error, "the catalog is not there yet; trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn settings(config: &Config, key: &SecretKey) -> CatalogConfig {
    let url = match &config.catalog {
        CatalogUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        CatalogUrl::Postgres(url) => url.expose().to_owned(),
    };
    CatalogConfig {
        schema: config.catalog_schema.clone(),
        metadata_schema: config.lake.metadata_schema.clone(),
        lake_name: config.lake.name.clone(),
        claim_expiry: config.refresh.claim_expiry.0,
        heartbeat: config.refresh.heartbeat.0,
        notice_interval: config.refresh.notice_interval.0,
        ..CatalogConfig::new(url, config.lake.data_path.clone(), key.clone())
    }
}

fn silent(config: &Config) -> Error {
    let shown = config.catalog.shown();
    Error::unavailable(format!("the catalog {shown} did not answer in time"))
        .with_remedy("check that the database runs, or raise catalog.connect_timeout")
}

fn given_up(config: &Config, error: &Error) -> Error {
    let shown = config.catalog.shown();
    let remedy = error
        .remedy()
        .unwrap_or("check that the database runs and can be reached from here");
    Error::unavailable(format!(
        "the catalog {shown} cannot be opened: {}",
        error.message()
    ))
    .with_remedy(format!(
        "{remedy}; catalog.connect_timeout says how long the start waits"
    ))
}
