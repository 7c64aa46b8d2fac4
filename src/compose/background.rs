//! Small reconcilers of the program itself: sessions that nobody uses, records that are too old,
//! counts that are not stored yet.
//!
//! Each looks at the world by period and does what is due; a failure is logged and the next look is the
//! retry.

use std::{sync::Arc, time::Duration};

use ducksync_catalog::Catalog;
use ducksync_core::savings::Savings;
use ducksync_query::Query;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::Config;

/// How often idle sessions are looked for.
const SESSIONS: Duration = Duration::from_secs(10);
/// How often old run records are looked for.
const HISTORY: Duration = Duration::from_secs(3600);

/// How often what caches spared is stored.
const SAVINGS: Duration = Duration::from_secs(10);
/// How long that is kept.
const SAVINGS_KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// The running reconcilers; they end when this is dropped.
pub(crate) struct Background {
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Background {
    /// Starts them; must be called within a runtime.
    pub(crate) fn start(
        config: &Config,
        query: Arc<Query>,
        catalog: Arc<Catalog>,
        savings: Arc<Savings>,
    ) -> Self {
        let stop = CancellationToken::new();
        let sessions = every(SESSIONS, move || {
            let query = query.clone();
            async move { query.close_idle_sessions().await }
        });
        let retention = config.history_retention;
        let history = every(HISTORY, move || {
            let catalog = catalog.clone();
            async move {
                if let Err(error) = catalog.prune_runs(retention).await {
                    tracing::warn!(%error, "old run records could not be removed");
                }
                if let Err(error) = catalog.prune_publications().await {
                    tracing::warn!(%error, "records of expired snapshots could not be removed");
                }
                if let Err(error) = catalog.prune_savings(SAVINGS_KEPT).await {
                    tracing::warn!(%error, "old savings could not be removed");
                }
            }
        });
        let flushes = every(SAVINGS, move || {
            let savings = savings.clone();
            async move {
                if let Err(error) = savings.flush().await {
                    tracing::debug!(%error, "what caches spared is stored later");
                }
            }
        });
        tokio::spawn(stop.clone().run_until_cancelled_owned(sessions));
        tokio::spawn(stop.clone().run_until_cancelled_owned(flushes));
        tokio::spawn(stop.clone().run_until_cancelled_owned(history));
        Self {
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Ends them now.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

async fn every<Work: Future<Output = ()>>(period: Duration, mut work: impl FnMut() -> Work) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work().await;
    }
}
