//! Hears of other processes' commits: by LISTEN on Postgres, and by asking each `notice_interval`.
//!
//! A notification is only a hint that asking is worth while (G-14): one that is lost costs at most an
//! interval.

use std::{sync::Arc, time::Duration};

use ducksync_core::error::Result;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::{sync::Notify, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    config::{CatalogConfig, Location},
    connect::connect_options,
    versions::Known,
};

/// The tasks that keep the map fresh; they end with this.
pub(crate) struct Follower {
    _poller: AbortOnDropHandle<()>,
    _listener: Option<AbortOnDropHandle<()>>,
}

/// Keeps `known` fresh from now on.
pub(crate) fn follow(config: &CatalogConfig, known: Arc<Known>) -> Result<Follower> {
    let hint = Arc::new(Notify::new());
    let listener = match config.location()? {
        Location::Sqlite(_) => None,
        Location::Postgres => {
            let options = connect_options(config)?;
            let channel = known.channel().to_owned();
            Some(listen(
                options,
                channel,
                Arc::clone(&hint),
                config.notice_interval,
            ))
        }
    };
    let poller = poll(known, hint, config.notice_interval);
    Ok(Follower {
        _poller: AbortOnDropHandle::new(tokio::spawn(poller)),
        _listener: listener.map(|listener| AbortOnDropHandle::new(tokio::spawn(listener))),
    })
}

async fn poll(known: Arc<Known>, hint: Arc<Notify>, interval: Duration) {
    let mut reachable = true;
    loop {
        // Whether by hint or by time, what is to be done is the same.
        let _ = timeout(interval, hint.notified()).await;
        match (known.refresh().await, reachable) {
            (Ok(_), true) | (Err(_), false) => {}
            (Ok(_), false) => {
                reachable = true;
                tracing::info!("the catalog answers again");
            }
            (Err(error), true) => {
                reachable = false;
                tracing::warn!(%error, "the catalog does not answer; known versions are served");
            }
        }
    }
}

async fn listen(options: PgConnectOptions, channel: String, hint: Arc<Notify>, pause: Duration) {
    loop {
        if let Err(error) = listen_until_lost(&options, &channel, &hint).await {
            tracing::debug!(%error, "no notifications from the catalog");
        }
        tokio::time::sleep(pause).await;
        hint.notify_one();
    }
}

async fn listen_until_lost(
    options: &PgConnectOptions,
    channel: &str,
    hint: &Notify,
) -> Result<(), sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_with(options.clone())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(channel).await?;
    // What was committed before LISTEN was in force.
    hint.notify_one();
    // `None` = the connection was lost.
    while listener.try_recv().await?.is_some() {
        hint.notify_one();
    }
    Ok(())
}
