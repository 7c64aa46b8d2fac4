//! What the feeds did since the process started, for metrics (O-4).
//!
//! Plain numbers that only grow (but the gauge of what is due); who exports them names them.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use ducksync_core::{by_source::BySource, run::RunStatus};

/// Counts of runs and of what they spared.
#[derive(Debug, Default)]
pub struct FeedCounters {
    /// Runs that published.
    pub completed: AtomicU64,
    /// Runs that failed.
    pub failed: AtomicU64,
    /// Runs that found nothing to do.
    pub skipped: AtomicU64,
    /// Runs that nobody wanted any more.
    pub cancelled: AtomicU64,
    /// Milliseconds that all ended runs took.
    pub run_milliseconds: AtomicU64,
    /// Further tries after a failed one.
    pub retries: AtomicU64,
    /// Loads that a proof of "unchanged" spared (`source_loads_avoided_total`).
    pub loads_avoided: BySource,
    /// Requests that were answered by a run somebody else had asked for.
    pub joined: AtomicU64,
    /// Claims that this process lost while it worked (`claims_expired_total`).
    pub claims_lost: AtomicU64,
    /// Publishes that lost against another change (`lake_conflicts_total`).
    pub conflicts: AtomicU64,
    /// Files of dead runs that were deleted.
    pub files_reaped: AtomicU64,
    /// Datasets that are due and not at work; a gauge.
    pub due: AtomicU64,
}

impl FeedCounters {
    pub(crate) fn ended(&self, status: RunStatus, took: Duration) {
        let counter = match status {
            RunStatus::Completed => &self.completed,
            RunStatus::Failed => &self.failed,
            RunStatus::Skipped => &self.skipped,
            RunStatus::Cancelled => &self.cancelled,
            RunStatus::Pending | RunStatus::Running => return,
        };
        counter.fetch_add(1, Relaxed);
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.run_milliseconds.fetch_add(milliseconds, Relaxed);
    }

    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Relaxed);
    }
}
