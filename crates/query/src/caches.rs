//! Reads of caches: is this one fresh enough, and what if not (C-13, V-1, V-13)?

use std::{sync::Arc, time::Duration};

use ducksync_core::{
    Error, Reason, Result,
    catalog::Versions,
    dataset::{Dataset, InvalidationMode},
    freshness::{Freshness, age_seconds, freshness},
    run::{RunOutcome, RunRequest, RunRequests, RunResult, RunStatus, RunTrigger},
    session::{CacheStatus, Consistency, Contract},
    time::Instant,
};
use tokio::task::JoinHandle;

/// What a read needs before a cache may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: what is there answers.
    Nothing,
    /// A run; `check` = tokens are asked although the TTL is not over.
    Run {
        check: bool,
        /// Whether data whose reading began before will do.
        join_running: bool,
        /// Whether only a proof will do, no hint.
        prove: bool,
    },
}

/// What `cache` needs for a read under `contract` at `now`. Pure.
pub(crate) fn need(cache: &Dataset, contract: &Contract, now: Instant) -> Need {
    if contract.only_if_cached {
        return Need::Nothing;
    }
    let manual = cache
        .query_cache()
        .is_some_and(|c| c.invalidation_mode == InvalidationMode::Manual);
    if manual || cache.suspended || cache.quarantine.is_some() {
        return Need::Nothing;
    }
    if contract.consistency == Consistency::Fresh {
        return Need::Run {
            check: true,
            join_running: false,
            prove: true,
        };
    }
    match freshness(cache, now) {
        Freshness::Never | Freshness::Expired => Need::Run {
            check: false,
            join_running: true,
            prove: false,
        },
        _ if too_old(cache, contract, now) => Need::Run {
            check: true,
            join_running: true,
            prove: true,
        },
        Freshness::Fresh | Freshness::Stale | Freshness::Error => Need::Nothing,
    }
}

fn too_old(cache: &Dataset, contract: &Contract, now: Instant) -> bool {
    let age = age_seconds(cache, now);
    matches!((contract.max_staleness, age), (Some(max), Some(age)) if age > max.as_secs_f64())
}

/// How a cache may answer after its run ended, or `Err` if it may not. Pure.
///
/// # Errors
/// `NOT_CACHED` without a version, naming the call to make; `STALE` if the contract forbids what is
/// there.
pub(crate) fn verdict(
    cache: &Dataset,
    contract: &Contract,
    ran: Option<&RunResult>,
    default_stale_if_error: Duration,
    now: Instant,
) -> Result<CacheStatus> {
    let name = &cache.name.name;
    let failed = ran.and_then(|run| run.failure.as_ref());
    if cache.head.is_none() {
        let why = match failed {
            Some(failure) => format!(": its load failed: {}", failure.message),
            None => String::new(),
        };
        return Err(
            Error::failed_precondition(format!("cache {name} has no data yet{why}"))
                .with_reason(Reason::NotCached)
                .with_remedy(format!("call ducksync_refresh('{name}', force := true)")),
        );
    }
    if too_old(cache, contract, now) {
        let age = age_seconds(cache, now).unwrap_or_default();
        return Err(Error::failed_precondition(format!(
            "cache {name} is {age:.0} seconds old, older than max_staleness allows"
        ))
        .with_reason(Reason::Stale)
        .with_remedy(format!(
            "raise max_staleness or call ducksync_refresh('{name}')"
        )));
    }
    let in_time = !matches!(freshness(cache, now), Freshness::Expired);
    match ran.map(|run| run.status) {
        Some(RunStatus::Completed) => Ok(CacheStatus::Miss),
        Some(RunStatus::Skipped) if in_time => Ok(CacheStatus::Revalidated),
        // Nobody checked, which is what `fresh` asks for.
        None if freshness(cache, now) == Freshness::Fresh
            && contract.consistency != Consistency::Fresh =>
        {
            Ok(CacheStatus::Hit)
        }
        _ => stale(
            cache,
            contract,
            default_stale_if_error,
            failed.is_some(),
            now,
        ),
    }
}

fn stale(
    cache: &Dataset,
    contract: &Contract,
    default_stale_if_error: Duration,
    failed: bool,
    now: Instant,
) -> Result<CacheStatus> {
    let allowed = contract.stale_if_error.unwrap_or(default_stale_if_error);
    let expired = cache.proof.as_ref().and_then(|proof| proof.expires_at);
    // How long the data has been past what the dataset promises.
    let overdue = expired.map_or(0.0, |end| (now - end).num_milliseconds() as f64 / 1000.0);
    let forbidden = contract.consistency == Consistency::Fresh && contract.stale_if_error.is_none();
    if failed && (forbidden || overdue > allowed.as_secs_f64()) {
        let name = &cache.name.name;
        return Err(Error::failed_precondition(format!(
            "cache {name} could not be refreshed and its data is too old to answer"
        ))
        .with_reason(Reason::Stale)
        .with_remedy("raise stale_if_error, or mend the source: see ducksync_cache_history"));
    }
    Ok(CacheStatus::Stale)
}

/// Runs what `need` says, and waits for it.
///
/// A client that goes away leaves the run (G-6). A wait that is over does not: the run goes on for the
/// next reader, or a load that takes longer than one wait would never end.
pub(crate) async fn bring(
    runs: &Arc<dyn RunRequests>,
    versions: &dyn Versions,
    cache: &Arc<Dataset>,
    need: Need,
    wait: Duration,
) -> Result<Option<RunResult>> {
    let Need::Run {
        check,
        join_running,
        prove,
    } = need
    else {
        return Ok(None);
    };
    let request = RunRequest {
        dataset: cache.id,
        trigger: RunTrigger::Read,
        force: false,
        join_running,
        check,
        prove,
    };
    let runs = runs.clone();
    let task = tokio::spawn(async move { runs.bring_up_to_date(request).await });
    let mut waiting = AbortOnDrop { task, armed: true };
    let Ok(ended) = tokio::time::timeout(wait, &mut waiting.task).await else {
        waiting.armed = false;
        return Ok(Some(still_running(wait)));
    };
    let result =
        ended.map_err(|error| Error::internal("a run ended abruptly").with_source(error))??;
    // The run may have been another process's: its publish must be known here before binding.
    if result.status == RunStatus::Completed {
        versions.ask().await?;
    }
    Ok(Some(result))
}

fn still_running(waited: Duration) -> RunResult {
    RunResult {
        run: None,
        status: RunStatus::Running,
        reason: None,
        outcome: RunOutcome::default(),
        failure: None,
        duration: waited,
    }
}

/// A task that ends with its waiter, unless it is let go.
struct AbortOnDrop {
    task: JoinHandle<Result<RunResult>>,
    armed: bool,
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if self.armed {
            self.task.abort();
        }
    }
}
