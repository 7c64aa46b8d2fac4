//! Keeps this process's claims alive, and stops the runs whose claim was lost (G-5).
//!
//! Stopping is a courtesy to the source: a run without its claim cannot publish, whatever it does.

use std::sync::Arc;

use super::Inner;
use crate::FeedCounters;

pub(super) async fn run(feeds: Arc<Inner>) {
    loop {
        tokio::time::sleep(feeds.config.heartbeat).await;
        beat(&feeds).await;
    }
}

/// Keeps all claims, and stops the runs that lost theirs.
pub(crate) async fn beat(feeds: &Inner) {
    let lost = match feeds.services.claims.heartbeat().await {
        Ok(lost) => lost,
        Err(error) => return tracing::warn!(%error, "could not keep claims alive"),
    };
    FeedCounters::add(&feeds.counters.claims_lost, lost.len() as u64);
    for dataset in lost {
        tracing::warn!(%dataset, "a claim of this process was taken over or voided");
        feeds.flights.claim_lost(dataset);
    }
}
