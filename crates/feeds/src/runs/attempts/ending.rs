//! How a run ends: what is recorded of it, and what its waiters are told (G-12).
//!
//! A run that published is completed by its publish, in the same transaction; every other end is
//! recorded here. A publish of unknown outcome is recorded by nobody: its record is left for whoever
//! can learn the outcome.

use ducksync_core::{
    catalog::StateChange,
    dataset::{Dataset, Proof},
    error::Error,
    run::{RunCompletion, RunFailure, RunOutcome, RunReason, RunResult, RunStatus},
};

use super::{Ended, Start, Work};
use crate::{
    FeedCounters, failure,
    runs::{
        execute::skipped,
        flight::{Stopped, cancelled},
    },
    services::ours,
};

impl Work<'_> {
    pub(super) async fn published(
        &self,
        before: &Dataset,
        reason: RunReason,
        outcome: RunOutcome,
    ) -> RunResult {
        // What is staged now belongs to the lake: it must not be undone.
        let _ = self.progress.take_left_over();
        // Files of one staging are all named by the snapshot; those of earlier tries are the reaper's.
        if self.progress.stagings() == 1 {
            let ledger = &self.feeds.services.ledger;
            if let Err(error) = ledger.forget_staging(self.flight.run).await {
                tracing::debug!(%error, "the reaper will forget where this run staged");
            }
        }
        failure::healed(&self.feeds.services, before).await;
        self.result(RunStatus::Completed, Some(reason), outcome, None)
    }

    pub(super) async fn unchanged(&mut self, dataset: &Dataset, proof: Proof) -> Ended {
        let datasets = &self.feeds.services.datasets;
        let change = StateChange::Unchanged(proof);
        if let Err(error) = datasets.change_state(dataset.id, change).await {
            return Ended::Failed(ours(error));
        }
        self.skipped_after_check(RunReason::SourceUnchanged).await
    }

    /// As [`Work::unchanged`], but the data timestamp stays: the run has seen no data as of now.
    pub(super) async fn hinted(&mut self, dataset: &Dataset, proof: Proof) -> Ended {
        self.read_at = Some(proof.data_timestamp);
        let datasets = &self.feeds.services.datasets;
        let change = StateChange::Unchanged(proof);
        if let Err(error) = datasets.change_state(dataset.id, change).await {
            return Ended::Failed(ours(error));
        }
        self.skipped_after_check(RunReason::FingerprintUnchanged)
            .await
    }

    async fn skipped_after_check(&self, reason: RunReason) -> Ended {
        FeedCounters::add(&self.feeds.counters.loads_avoided, 1);
        let done = self.finish(RunStatus::Skipped, Some(reason), None).await;
        Ended::Done(Box::new(done))
    }

    pub(super) async fn skip(&mut self, reason: RunReason, start: &Start) -> Ended {
        let done = match self.recorded {
            true => self.finish(RunStatus::Skipped, Some(reason), None).await,
            false => {
                let result = skipped(reason);
                self.feeds
                    .record_if_kept(self.flight, start.demand, result)
                    .await
            }
        };
        Ended::Done(Box::new(done))
    }

    pub(super) async fn stopped(&mut self, reason: Stopped) -> RunResult {
        if !self.recorded {
            return cancelled();
        }
        match reason {
            Stopped::Abandoned | Stopped::ByHand | Stopped::Shutdown => {
                self.finish(RunStatus::Cancelled, self.reason, None).await
            }
            Stopped::ClaimLost => {
                let error = Error::conflict("another process took this run's claim over")
                    .with_remedy("nothing; the other process brings the dataset up to date");
                let failure = RunFailure::from(&error);
                self.finish(RunStatus::Failed, self.reason, Some(failure))
                    .await
            }
        }
    }

    pub(super) async fn failed(&mut self, error: &Error) -> RunResult {
        let failure = failure::of(error);
        let result = self
            .finish(RunStatus::Failed, self.reason, Some(failure.clone()))
            .await;
        failure::record(self.feeds, self.flight.dataset, failure).await;
        result
    }

    pub(super) fn unknown(&self, error: &Error) -> RunResult {
        tracing::error!(run = %self.flight.run, %error, "the outcome of a publish is unknown");
        let failure = failure::of(error);
        self.result(
            RunStatus::Failed,
            self.reason,
            RunOutcome::default(),
            Some(failure),
        )
    }

    pub(super) async fn finish(
        &self,
        status: RunStatus,
        reason: Option<RunReason>,
        failure: Option<RunFailure>,
    ) -> RunResult {
        let completion = self.completion(status, reason, failure.clone());
        let outcome = completion.outcome.clone();
        self.feeds.finish(self.flight.run, completion).await;
        self.result(status, reason, outcome, failure)
    }

    pub(super) fn completion(
        &self,
        status: RunStatus,
        reason: Option<RunReason>,
        failure: Option<RunFailure>,
    ) -> RunCompletion {
        RunCompletion {
            status,
            reason,
            attempts: self.tries,
            outcome: RunOutcome {
                data_timestamp: self.read_at,
                source_query_ids: self.progress.query_ids(),
                note: self.progress.note(),
                ..RunOutcome::default()
            },
            failure,
        }
    }

    pub(super) fn result(
        &self,
        status: RunStatus,
        reason: Option<RunReason>,
        outcome: RunOutcome,
        failure: Option<RunFailure>,
    ) -> RunResult {
        RunResult {
            run: Some(self.flight.run),
            status,
            reason,
            outcome,
            failure,
            duration: self.began.elapsed(),
        }
    }
}
