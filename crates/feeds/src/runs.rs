//! Runs: who asks for one, who shares it, and how it is carried through (G-6).
//!
//! [`flight`] says which requests share a run and when it stops; [`execute`] gets it the right to
//! work (a worker's permit, the claim); [`attempts`] carries it through with its tries and records how
//! it ended. Nothing here knows what a load is.

mod attempts;
mod execute;
pub(crate) mod flight;
mod place;
mod progress;
mod undo;

pub(crate) use place::Place;
pub(crate) use progress::{Progress, Watch};

use std::sync::Arc;

use async_trait::async_trait;
use ducksync_core::{
    dataset::Feed,
    error::{Error, Result},
    id::{DatasetId, RunId},
    run::{RunReason, RunRequest, RunRequests, RunResult},
};

use crate::{
    decide::{Decision, Verdict, Wanted, decide, overwritten},
    driver::{Feeds, Inner},
    query_cache,
    runs::flight::{Demand, Interest},
};

#[async_trait]
impl RunRequests for Feeds {
    async fn bring_up_to_date(&self, request: RunRequest) -> Result<RunResult> {
        let waiter = self.inner().ask(&request, Interest::Waiting).await?;
        waiter.landed().await
    }

    async fn start(&self, request: RunRequest) -> Result<RunId> {
        let inner = self.inner();
        inner.known(request.dataset).await?;
        let waiter = inner.ask(&request, Interest::Kept).await?;
        Ok(waiter.run())
    }

    async fn needs_refresh(&self, dataset: DatasetId) -> Result<(bool, RunReason)> {
        self.inner().needs_refresh(dataset).await
    }

    async fn cancel(&self, dataset: DatasetId) {
        self.inner().flights.cancel(dataset).await;
    }
}

impl Inner {
    /// Joins or starts a flight for a request.
    async fn ask(
        self: &Arc<Self>,
        request: &RunRequest,
        interest: Interest,
    ) -> Result<flight::Waiter> {
        if self.stop.is_cancelled() {
            return Err(Error::unavailable("the server is shutting down"));
        }
        // By the catalog's clock: another process's reading is compared with it.
        let demand = Demand::of(request, self.services.versions.now().await?);
        Ok(self.take_off(request.dataset, demand, interest))
    }

    /// Joins or starts a flight.
    pub(crate) fn take_off(
        self: &Arc<Self>,
        dataset: DatasetId,
        demand: Demand,
        interest: Interest,
    ) -> flight::Waiter {
        let (waiter, new) = self.flights.join(dataset, demand, interest);
        match new {
            Some(flight) => drop(self.tracker.spawn(execute::fly(self.clone(), flight))),
            None => crate::FeedCounters::add(&self.counters.joined, 1),
        }
        waiter
    }

    /// A dataset with a feed, as the catalog has it now if this process does not know it yet.
    async fn known(&self, id: DatasetId) -> Result<Arc<ducksync_core::dataset::Dataset>> {
        let known = self.services.versions.current().datasets.get(&id).cloned();
        let dataset = match known {
            Some(dataset) => dataset,
            None => {
                let lake = self.services.versions.ask().await?;
                let dataset = lake.datasets.get(&id).cloned();
                dataset.ok_or_else(|| no_such_dataset(id))?
            }
        };
        match dataset.feed {
            Some(_) => Ok(dataset),
            None => Err(no_feed(&dataset.name)),
        }
    }

    async fn needs_refresh(&self, id: DatasetId) -> Result<(bool, RunReason)> {
        let lake = self.services.versions.ask().await?;
        let dataset = self.known(id).await?;
        let now = self.services.versions.now().await?;
        let wanted = Wanted {
            force: false,
            check: true,
            prove: false,
        };
        let check = match decide(&dataset, overwritten(&lake, &dataset), wanted, now) {
            Decision::Load(reason) => return Ok((true, reason)),
            Decision::Skip(reason) => return Ok((false, reason)),
            Decision::Check(check) => check,
        };
        let Some(Feed::QueryCache(cache)) = &dataset.feed else {
            return Ok((false, RunReason::Fresh));
        };
        let (services, config) = (&self.services, &self.config);
        let verdict =
            query_cache::would_load(services, &dataset, cache, check, config, now).await?;
        Ok(match verdict {
            Verdict::Proved => (false, RunReason::SourceUnchanged),
            Verdict::WithinTtl => (false, RunReason::Fresh),
            Verdict::Hinted => (false, RunReason::FingerprintUnchanged),
            Verdict::Load(reason) => (true, reason),
        })
    }
}

pub(crate) fn no_such_dataset(id: DatasetId) -> Error {
    Error::not_found(format!("there is no dataset {id}"))
}

pub(crate) fn no_feed(name: &ducksync_core::name::TableName) -> Error {
    Error::failed_precondition(format!("{name} is a plain lake table: nothing feeds it"))
        .with_remedy("refresh caches only; write to this table with INSERT")
}
