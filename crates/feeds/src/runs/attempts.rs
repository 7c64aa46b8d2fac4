//! Carries one run through: tries, pauses, the time limit, and the record of how it ended (G-10, G-12).
//!
//! Everything before the publish may be dropped at any moment: when the run is stopped or its time is
//! over, the future of the try is dropped, which stops the work behind it, and what it left is undone.
//! The publish itself is never dropped: its outcome would be unknown.

mod ending;

use std::{sync::Arc, time::Duration};

use ducksync_core::{
    change::{Basis, Publication},
    dataset::{Dataset, Feed},
    error::{Error, ErrorKind, Result},
    id::ClaimToken,
    run::{RunOutcome, RunReason, RunResult, RunStatus, RunTrigger},
    time::Instant,
    version::Lake,
};
use tokio::time::Instant as Moment;

use super::{
    Place, Progress,
    flight::{Demand, Flight, Stopped},
    no_feed, no_such_dataset,
    undo::undo,
};
use crate::{
    FeedCounters,
    decide::{Decision, decide, overwritten},
    driver::{Inner, heartbeat},
    due::{back_off, jittered},
    publishing::{PublishOutcome, publish},
    query_cache::{self, Load, Prepared, Try},
    services::ours,
};

/// A claimed run at work.
pub(super) struct Work<'a> {
    feeds: &'a Inner,
    flight: &'a Flight,
    claim: ClaimToken,
    place: Place,
    progress: Progress,
    began: Moment,
    tries: u32,
    recorded: bool,
    read_at: Option<Instant>,
    reason: Option<RunReason>,
}

/// What a try starts from.
struct Start {
    lake: Arc<Lake>,
    dataset: Arc<Dataset>,
    demand: Demand,
    decision: Decision,
    at: Instant,
}

/// How a try ended.
enum Ended {
    Done(Box<RunResult>),
    Failed(Error),
    Stopped(Stopped),
    /// The publish was not answered: nothing may be undone or recorded.
    Unknown(Error),
}

impl<'a> Work<'a> {
    pub(super) fn new(
        feeds: &'a Inner,
        flight: &'a Flight,
        claim: ClaimToken,
        place: Place,
    ) -> Self {
        Self {
            feeds,
            flight,
            claim,
            place,
            progress: Progress::default(),
            began: Moment::now(),
            tries: 0,
            recorded: false,
            read_at: None,
            reason: None,
        }
    }

    /// Tries until it is done, stopped, out of tries or out of time.
    ///
    /// # Errors
    /// Only what happened before the run was recorded.
    pub(super) async fn run(mut self) -> Result<RunResult> {
        loop {
            let ended = self.one_try().await;
            if !matches!(ended, Ended::Unknown(_)) {
                undo(&self.feeds.services, &self.progress).await;
            }
            let error = match ended {
                Ended::Done(result) => return Ok(*result),
                Ended::Stopped(reason) => return Ok(self.stopped(reason).await),
                Ended::Unknown(error) => return Ok(self.unknown(&error)),
                Ended::Failed(error) => error,
            };
            if !self.recorded {
                return Err(error);
            }
            if !error.class().retryable() || self.out_of_tries() {
                return Ok(self.failed(&error).await);
            }
            tracing::info!(run = %self.flight.run, attempt = self.tries, %error, "a try failed");
            FeedCounters::add(&self.feeds.counters.retries, 1);
            // Whoever asks during the pause is served by the next try, whose reading begins later.
            self.flight.unseal();
            self.pause().await;
        }
    }

    async fn one_try(&mut self) -> Ended {
        if let Some(reason) = self.flight.stopped() {
            return Ended::Stopped(reason);
        }
        self.tries += 1;
        let start = match self.start().await {
            Ok(start) => start,
            Err(error) if self.recorded && error.kind() == ErrorKind::NotFound => {
                return Ended::Stopped(Stopped::ByHand);
            }
            Err(error) => return Ended::Failed(ours(error)),
        };
        if let Decision::Skip(reason) = start.decision {
            return self.skip(reason, &start).await;
        }
        if let Err(error) = self.begin(start.demand.trigger).await {
            return Ended::Failed(ours(error));
        }
        let left = self.time_left();
        let prepared = tokio::select! {
            biased;
            () = self.flight.stop.cancelled() => {
                return Ended::Stopped(self.flight.stopped().unwrap_or(Stopped::ByHand));
            }
            () = tokio::time::sleep(left) => Err(out_of_time(self.feeds.config.run_timeout)),
            prepared = Box::pin(self.prepare(&start, left)) => prepared,
        };
        self.note_source(&start.dataset);
        match prepared {
            Ok(Prepared::Load(load)) => Box::pin(self.publish(start, *load)).await,
            Ok(Prepared::Unchanged(proof)) => self.unchanged(&start.dataset, proof).await,
            Ok(Prepared::WithinTtl) => self.skip(RunReason::Fresh, &start).await,
            Ok(Prepared::Hinted(proof)) => self.hinted(&start.dataset, proof).await,
            Err(error) => Ended::Failed(error),
        }
    }

    /// Looks at the world as it is now: another process, a client or a person may have moved it.
    async fn start(&mut self) -> Result<Start> {
        let demand = self.flight.seal();
        let services = &self.feeds.services;
        let lake = services.versions.ask().await?;
        let dataset = lake.datasets.get(&self.flight.dataset).cloned();
        let dataset = dataset.ok_or_else(|| no_such_dataset(self.flight.dataset))?;
        // T: before anything is asked of the source, so that whatever the tokens vouch for had been
        // committed by then (G-7).
        let at = services.versions.now().await?;
        let decision = decide(&dataset, overwritten(&lake, &dataset), demand.wanted, at);
        self.read_at = Some(at);
        Ok(Start {
            lake,
            dataset,
            demand,
            decision,
            at,
        })
    }

    async fn begin(&mut self, trigger: RunTrigger) -> Result<()> {
        if self.recorded {
            return Ok(());
        }
        let ledger = &self.feeds.services.ledger;
        ledger
            .begin(self.flight.run, self.flight.dataset, trigger)
            .await?;
        self.recorded = true;
        Ok(())
    }

    async fn prepare(&self, start: &Start, left: Duration) -> Result<Prepared> {
        match &start.dataset.feed {
            None => Err(no_feed(&start.dataset.name)),
            Some(Feed::QueryCache(cache)) => {
                let a_try = Try {
                    services: &self.feeds.services,
                    progress: &self.progress,
                    run: self.flight.run,
                    number: self.tries,
                    lake: &start.lake,
                    dataset: &start.dataset,
                    decision: start.decision,
                    prove: start.demand.wanted.prove,
                    place: &self.place,
                    stage1_max_skip: self.feeds.config.stage1_max_skip,
                    at: start.at,
                    context: query_cache::context(cache, self.flight.run, left),
                };
                query_cache::prepare(&a_try, cache).await
            }
        }
    }

    async fn publish(&mut self, start: Start, load: Load) -> Ended {
        self.reason = Some(load.reason);
        if let Some(reason) = self.flight.stopped() {
            return Ended::Stopped(reason);
        }
        match self.still_defined(&start.dataset) {
            Ok(true) => {}
            Ok(false) => return Ended::Stopped(Stopped::ByHand),
            Err(error) => return Ended::Failed(error),
        }
        let mut completion = self.completion(RunStatus::Completed, Some(load.reason), None);
        completion.outcome = load.outcome.clone();
        let publication = Publication {
            run: self.flight.run,
            basis: vec![Basis {
                dataset: start.dataset.id,
                seq: start.dataset.head.as_ref().map(|head| head.seq),
                claim: Some(self.claim),
            }],
            changes: load.changes,
            checkpoints: vec![(start.dataset.id, load.checkpoint)],
            completion: Some(completion),
        };
        let patience = self.feeds.config.claim_expiry;
        match publish(&self.feeds.services, publication, patience).await {
            PublishOutcome::Published(snapshot) => {
                let outcome = RunOutcome {
                    snapshot,
                    ..load.outcome
                };
                let done = self.published(&start.dataset, load.reason, outcome).await;
                Ended::Done(Box::new(done))
            }
            PublishOutcome::Refused(error) => self.refused(error).await,
            PublishOutcome::Unknown(error) => Ended::Unknown(error),
        }
    }

    /// A lost race is run again, but not by a run that has lost its claim: whoever has it now will.
    async fn refused(&self, error: Error) -> Ended {
        if error.kind() == ErrorKind::Conflict {
            FeedCounters::add(&self.feeds.counters.conflicts, 1);
            heartbeat::beat(self.feeds).await;
        }
        match self.flight.stopped() {
            Some(Stopped::ClaimLost) => Ended::Stopped(Stopped::ClaimLost),
            _ => Ended::Failed(error),
        }
    }

    /// A definition that changed while its rows were read makes them somebody else's answer: the run
    /// reads again by the new one (C-14). False if the dataset was dropped.
    fn still_defined(&self, before: &Dataset) -> Result<bool> {
        let lake = self.feeds.services.versions.current();
        let Some(dataset) = lake.datasets.get(&before.id) else {
            return Ok(false);
        };
        let hash = |dataset: &Dataset| dataset.feed.as_ref().map(Feed::definition_hash);
        if hash(dataset) != hash(before) {
            return Err(Error::conflict("the definition changed while the run read"));
        }
        Ok(true)
    }

    /// Tells the source's breaker what this try saw of it.
    fn note_source(&self, dataset: &Dataset) {
        let Some(cache) = dataset.query_cache() else {
            return;
        };
        if self.progress.source_down() {
            let now = self.feeds.services.clock.now();
            if self.out_of_tries() {
                self.feeds.services.breakers.failed(&cache.source, now);
            }
        } else if self.progress.source_reached() {
            self.feeds.services.breakers.reached(&cache.source);
        }
    }

    fn out_of_tries(&self) -> bool {
        self.tries > self.feeds.config.max_retries || self.time_left().is_zero()
    }

    fn time_left(&self) -> Duration {
        let limit = self.feeds.config.run_timeout;
        limit.saturating_sub(self.began.elapsed())
    }

    async fn pause(&self) {
        let config = &self.feeds.config;
        let pause = back_off(config.retry_base, config.retry_cap, self.tries);
        let pause = jittered(pause, rand::random()).min(self.time_left());
        tokio::select! {
            () = self.flight.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn out_of_time(limit: Duration) -> Error {
    Error::deadline_exceeded(format!(
        "the run took longer than {} s",
        limit.as_secs_f64()
    ))
    .with_remedy("raise refresh.run_timeout, or make source_query cheaper")
}
