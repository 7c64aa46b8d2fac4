//! Gets a flight the right to work: a place among the checks and the dataset's claim (G-5, G-6).
//!
//! Neither is held while waiting for another process; its result is taken over if it does for those
//! who wait here.

use std::{panic::AssertUnwindSafe, sync::Arc};

use ducksync_core::{
    catalog::ClaimOutcome,
    error::{Error, ErrorKind, Result},
    id::{ClaimToken, RunId},
    name::Name,
    run::{Run, RunFailure, RunReason, RunResult, RunStatus, RunTrigger},
    version::Lake,
};
use futures::FutureExt;
use tokio::time::Instant;

use super::{
    Place,
    attempts::Work,
    flight::{Demand, Flight, cancelled},
    no_feed, no_such_dataset,
};
use crate::{
    decide::{Decision, decide, overwritten},
    driver::Inner,
    due::{Attempted, back_off},
    services::ours,
};

/// Flies a flight and every follow-up.
pub(super) async fn fly(feeds: Arc<Inner>, mut flight: Arc<Flight>) {
    loop {
        let work = AssertUnwindSafe(Box::pin(execute(&feeds, &flight)));
        let result = work
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::internal(format!("run {} broke down", flight.run))));
        note(&feeds, &flight, &result);
        let next = feeds.flights.land(&flight, result);
        feeds.signal.notify_one();
        match next {
            Some(next) => flight = next,
            None => return,
        }
    }
}

/// A defect of ours must neither keep the claim nor leave waiters waiting.
async fn survive(run: RunId, work: impl Future<Output = Result<RunResult>>) -> Result<RunResult> {
    let survived = AssertUnwindSafe(work).catch_unwind().await;
    survived.unwrap_or_else(|_| Err(Error::internal(format!("run {run} broke down"))))
}

/// Notes when the scheduler may come back, and counts.
fn note(feeds: &Inner, flight: &Flight, result: &Result<RunResult>) {
    let failure = match result {
        Ok(result) => {
            feeds.counters.ended(result.status, result.duration);
            result.failure.as_ref().map(|failure| failure.class)
        }
        Err(error) => {
            tracing::warn!(dataset = %flight.dataset, run = %flight.run, %error, "a run could not begin");
            Some(error.class())
        }
    };
    let attempted = Attempted {
        ended_at: feeds.services.clock.now(),
        failure,
    };
    feeds.attempted(flight.dataset, attempted);
}

async fn execute(feeds: &Inner, flight: &Flight) -> Result<RunResult> {
    let started = Instant::now();
    let mut other = None;
    loop {
        if flight.stopped().is_some() || started.elapsed() > feeds.config.run_timeout {
            return Ok(stopped_waiting(flight, other));
        }
        let loads = match at_once(feeds, flight, other).await? {
            AtOnce::Done(result) => return Ok(*result),
            AtOnce::Work { loads } => loads,
        };
        let place = tokio::select! {
            () = flight.stop.cancelled() => continue,
            place = Place::wait(loads, &feeds.workers, &feeds.checks) => place?,
        };
        match claim(feeds, flight).await? {
            ClaimOutcome::Held(token) => {
                let work = Box::pin(claimed(feeds, flight, token, place, other));
                let result = survive(flight.run, work).await;
                release(feeds, flight, token).await;
                return result;
            }
            ClaimOutcome::Busy(_, run) => {
                drop(place);
                if flight.only_scheduled() {
                    return Ok(skipped(RunReason::Fresh));
                }
                other = Some(run);
                wait_for_other(feeds, flight).await;
            }
        }
    }
}

/// What can be said of a flight before any work.
enum AtOnce {
    /// It needs none: a skip by state alone, or a source that is known to be down.
    Done(Box<RunResult>),
    /// It needs some; whether it is known to load.
    Work { loads: bool },
}

async fn at_once(feeds: &Inner, flight: &Flight, other: Option<RunId>) -> Result<AtOnce> {
    let done = |result| Ok(AtOnce::Done(Box::new(result)));
    let demand = flight.seal();
    let versions = &feeds.services.versions;
    let known = versions.current();
    // A read may rely on what this process knows; everybody else asks the catalog.
    let lake = match demand.read_after.is_none() && known.datasets.contains_key(&flight.dataset) {
        true => known,
        false => versions.ask().await?,
    };
    let Some(dataset) = lake.datasets.get(&flight.dataset) else {
        return Err(no_such_dataset(flight.dataset));
    };
    let Some(cache) = dataset.query_cache() else {
        return Err(no_feed(&dataset.name));
    };
    let overwritten = overwritten(&lake, dataset);
    let decision = decide(dataset, overwritten, demand.wanted, versions.now().await?);
    if let Decision::Skip(reason) = decision {
        // Nothing is left to do, perhaps because of the run that was waited for.
        let others = match other {
            Some(other) => taken_over(feeds, other, demand).await?,
            None => None,
        };
        let result = others.unwrap_or_else(|| skipped(reason));
        return done(feeds.record_if_kept(flight, demand, result).await);
    }
    // A reader is not made to wait for tries that are known to fail.
    let is_read =
        other.is_none() && demand.trigger == RunTrigger::Read && demand.read_after.is_none();
    if is_read
        && !feeds
            .services
            .breakers
            .admits(&cache.source, feeds.services.clock.now())
    {
        return done(source_down(feeds, &cache.source));
    }
    flight.unseal();
    let loads = matches!(decision, Decision::Load(_));
    Ok(AtOnce::Work { loads })
}

/// Claims the dataset; an unanswered claim is asked again for the same run, which is the same claim.
async fn claim(feeds: &Inner, flight: &Flight) -> Result<ClaimOutcome> {
    let mut unanswered = 0;
    loop {
        match feeds
            .services
            .claims
            .claim(flight.dataset, flight.run)
            .await
        {
            Err(error) if error.kind() == ErrorKind::Unavailable && unanswered < 3 => {
                unanswered += 1;
                let pause = back_off(feeds.config.retry_base, feeds.config.retry_cap, unanswered);
                tokio::time::sleep(pause).await;
            }
            answer => return answer,
        }
    }
}

async fn release(feeds: &Inner, flight: &Flight, token: ClaimToken) {
    let claims = &feeds.services.claims;
    for failures in 1..=3 {
        let Err(error) = claims.release(flight.dataset, token).await else {
            return;
        };
        tracing::warn!(dataset = %flight.dataset, %error, "could not give a claim back");
        tokio::time::sleep(back_off(
            feeds.config.retry_base,
            feeds.config.retry_cap,
            failures,
        ))
        .await;
    }
}

async fn claimed(
    feeds: &Inner,
    flight: &Flight,
    token: ClaimToken,
    place: Place,
    other: Option<RunId>,
) -> Result<RunResult> {
    if let Some(other) = other {
        let demand = flight.seal();
        // The catalog is asked, so that what the other published shows here before its waiters go on.
        feeds.services.versions.ask().await?;
        if let Some(result) = taken_over(feeds, other, demand).await? {
            return Ok(feeds.record_if_kept(flight, demand, result).await);
        }
        flight.unseal();
    }
    Box::pin(Work::new(feeds, flight, token, place).run()).await
}

/// The result of another process's run, if it does for the demand: its reading began after everybody
/// asked who needs that, and a forced load was a load.
async fn taken_over(feeds: &Inner, other: RunId, demand: Demand) -> Result<Option<RunResult>> {
    let run = match feeds.services.ledger.run(other).await {
        Ok(run) => run,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ours(error)),
    };
    Ok(does_for(&run, demand).then(|| result_of(run)))
}

fn does_for(run: &Run, demand: Demand) -> bool {
    let read_at = run.outcome.data_timestamp.unwrap_or(run.started_at);
    let late_enough = demand.read_after.is_none_or(|asked| read_at >= asked);
    let lost = run
        .failure
        .as_ref()
        .is_some_and(|failure| failure.code == "WORKER_LOST");
    match run.status {
        RunStatus::Completed => late_enough,
        RunStatus::Skipped => late_enough && !demand.wanted.force,
        RunStatus::Failed => late_enough && !demand.wanted.force && !lost,
        RunStatus::Pending | RunStatus::Running | RunStatus::Cancelled => false,
    }
}

fn result_of(run: Run) -> RunResult {
    let took = run.completed_at.unwrap_or(run.started_at) - run.started_at;
    RunResult {
        run: Some(run.id),
        status: run.status,
        reason: run.reason,
        outcome: run.outcome,
        failure: run.failure,
        duration: took.to_std().unwrap_or_default(),
    }
}

/// Waits until another look at the claim is worth it: the dataset moved, or a moment passed.
async fn wait_for_other(feeds: &Inner, flight: &Flight) {
    let mut versions = feeds.services.versions.subscribe();
    let state = |lake: &Lake| lake.datasets.get(&flight.dataset).cloned();
    let before = state(&versions.borrow_and_update());
    tokio::select! {
        () = flight.stop.cancelled() => {}
        () = tokio::time::sleep(feeds.config.busy_poll) => {}
        Ok(_) = versions.wait_for(|lake| state(lake) != before) => {}
    }
}

fn stopped_waiting(flight: &Flight, other: Option<RunId>) -> RunResult {
    match (flight.stopped(), other) {
        (None, Some(other)) => {
            let error = Error::deadline_exceeded(format!("run {other} of another process goes on"))
                .with_remedy("ask again when it ended, or raise refresh.run_timeout");
            RunResult {
                status: RunStatus::Failed,
                failure: Some(RunFailure::from(&error)),
                ..cancelled()
            }
        }
        _ => cancelled(),
    }
}

fn source_down(feeds: &Inner, source: &Name) -> RunResult {
    let error = feeds.services.breakers.refusal(source);
    RunResult {
        status: RunStatus::Failed,
        failure: Some(RunFailure::from(&error)),
        ..cancelled()
    }
}

/// A result without a record.
pub(super) fn skipped(reason: RunReason) -> RunResult {
    RunResult {
        status: RunStatus::Skipped,
        reason: Some(reason),
        ..cancelled()
    }
}
