//! Background work as reconcilers: each looks at the world, does what is due and records it; each may
//! be run twice and killed at any moment.
//!
//! [`Feeds::start`] spawns them, [`Feeds::shutdown`] ends them in order. What they do is in the
//! modules below; requests from statements come in through [`crate::runs`].

pub(crate) mod heartbeat;
mod merging;
mod reaper;
mod scheduler;
mod upkeep;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ducksync_core::{
    error::Result,
    id::{DatasetId, RunId},
    run::{RunCompletion, RunOutcome, RunResult, RunStatus},
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    FeedCounters, FeedsConfig, Services,
    due::{Attempted, back_off},
    runs::flight::{Demand, Flight, Flights},
};

/// The feeds of one process. Dropping it stops all its work at once; [`Feeds::shutdown`] is kinder.
pub struct Feeds {
    inner: Arc<Inner>,
    _stop: DropGuard,
    _stop_runs: DropGuard,
}

/// What all tasks share.
pub(crate) struct Inner {
    pub(crate) config: FeedsConfig,
    pub(crate) services: Services,
    pub(crate) counters: Arc<FeedCounters>,
    pub(crate) flights: Arc<Flights>,
    /// Runs at work, checks and loads: many.
    pub(crate) checks: Arc<Semaphore>,
    /// Loads at work: few. A run takes one when it has to load.
    pub(crate) workers: Arc<Semaphore>,
    /// Tells the scheduler to look now.
    pub(crate) signal: Notify,
    /// Runs and their follow-ups.
    pub(crate) tracker: TaskTracker,
    /// No new work.
    pub(crate) stop: CancellationToken,
    stop_runs: CancellationToken,
    attempts: Mutex<HashMap<DatasetId, Attempted>>,
}

impl Feeds {
    /// Starts the background work; must be called within a runtime.
    pub fn start(config: FeedsConfig, services: Services) -> Self {
        let stop = CancellationToken::new();
        let stop_runs = CancellationToken::new();
        let inner = Arc::new(Inner {
            checks: Arc::new(Semaphore::new(config.checks.max(1))),
            workers: Arc::new(Semaphore::new(config.workers.max(1))),
            flights: Arc::new(Flights::new(stop_runs.clone())),
            counters: Arc::default(),
            signal: Notify::new(),
            tracker: TaskTracker::new(),
            stop: stop.clone(),
            stop_runs: stop_runs.clone(),
            attempts: Mutex::default(),
            config,
            services,
        });
        if inner.config.schedule {
            tokio::spawn(
                stop.clone()
                    .run_until_cancelled_owned(scheduler::run(inner.clone())),
            );
        }
        // Claims are kept alive as long as runs may be at work, so also during shutdown.
        tokio::spawn(
            stop_runs
                .clone()
                .run_until_cancelled_owned(heartbeat::run(inner.clone())),
        );
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(reaper::run(inner.clone())),
        );
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(upkeep::run(inner.clone())),
        );
        Self {
            inner,
            _stop: stop.drop_guard(),
            _stop_runs: stop_runs.drop_guard(),
        }
    }

    /// What was done so far, for metrics.
    pub fn counters(&self) -> Arc<FeedCounters> {
        self.inner.counters.clone()
    }

    /// Ends all work in order (O-6): the scheduler and new requests first; runs at work publish within
    /// `grace`; what is left then aborts, and gives its claim back, within as long again. Returns the
    /// names of the datasets whose runs were aborted.
    pub async fn shutdown(&self, grace: Duration) -> Vec<String> {
        self.inner.stop.cancel();
        self.inner.tracker.close();
        if ended_within(&self.inner.tracker, grace).await {
            self.inner.stop_runs.cancel();
            return Vec::new();
        }
        let aborted = self.inner.names(&self.inner.flights.pending());
        tracing::warn!(datasets = ?aborted, "runs are aborted by shutdown");
        self.inner.stop_runs.cancel();
        if !ended_within(&self.inner.tracker, grace).await {
            tracing::warn!("runs did not end in time; their claims end with this process");
        }
        aborted
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

async fn ended_within(tracker: &TaskTracker, limit: Duration) -> bool {
    tokio::time::timeout(limit, tracker.wait()).await.is_ok()
}

impl Inner {
    /// Notes how a dataset's last run of this process ended.
    pub(crate) fn attempted(&self, dataset: DatasetId, attempted: Attempted) {
        self.lock().insert(dataset, attempted);
    }

    /// How a dataset's last run of this process ended.
    pub(crate) fn last_attempt(&self, dataset: DatasetId) -> Option<Attempted> {
        self.lock().get(&dataset).copied()
    }

    /// Forgets datasets that are no more.
    pub(crate) fn forget_attempts(&self, exists: impl Fn(&DatasetId) -> bool) {
        self.lock().retain(|dataset, _| exists(dataset));
    }

    /// Records the end of a run that did not publish; a catalog that does not answer is asked again a
    /// few times. A record left open is ended by the reaper of another process, or of the next start.
    pub(crate) async fn finish(&self, run: RunId, completion: RunCompletion) {
        for failures in 1..=3 {
            let finished = self.services.ledger.finish(run, completion.clone()).await;
            let Err(error) = finished else { return };
            tracing::warn!(%run, %error, "could not record the end of a run");
            let pause = back_off(self.config.retry_base, self.config.retry_cap, failures);
            tokio::time::sleep(pause).await;
        }
    }

    /// Gives a result without a run the record of its flight, if somebody will look for it.
    pub(crate) async fn record_if_kept(
        &self,
        flight: &Flight,
        demand: Demand,
        mut result: RunResult,
    ) -> RunResult {
        if !flight.must_be_recorded() {
            return result;
        }
        match self.record(flight, demand, &result).await {
            Ok(()) => result.run = Some(flight.run),
            Err(error) => tracing::warn!(run = %flight.run, %error, "could not record a run"),
        }
        result
    }

    async fn record(&self, flight: &Flight, demand: Demand, result: &RunResult) -> Result<()> {
        let ledger = &self.services.ledger;
        ledger
            .begin(flight.run, flight.dataset, demand.trigger)
            .await?;
        // Only the run that published is `completed`: this one found its work done.
        let status = match result.status {
            RunStatus::Completed => RunStatus::Skipped,
            status => status,
        };
        let completion = RunCompletion {
            status,
            reason: result.reason,
            attempts: 1,
            outcome: RunOutcome {
                data_timestamp: result.outcome.data_timestamp,
                ..Default::default()
            },
            failure: result.failure.clone(),
        };
        ledger.finish(flight.run, completion).await
    }

    fn names(&self, datasets: &[DatasetId]) -> Vec<String> {
        let lake = self.services.versions.current();
        let name = |id: &DatasetId| match lake.datasets.get(id) {
            Some(dataset) => dataset.name.to_string(),
            None => id.to_string(),
        };
        datasets.iter().map(name).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DatasetId, Attempted>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
