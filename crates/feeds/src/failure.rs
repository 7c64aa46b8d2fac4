//! What a failed run means for its dataset: recorded, and quarantined where waiting does not help
//! (G-10).

use std::sync::Arc;

use ducksync_core::{
    catalog::StateChange,
    dataset::{Dataset, Quarantine},
    error::{Error, ErrorKind, FailureClass, Result},
    id::{DatasetId, RunId},
    run::{Run, RunFailure, RunStatus},
};

use crate::{
    driver::Inner,
    services::{Services, ours},
};

/// The code of failures of our own catalog or data path.
const OURS_UNAVAILABLE: &str = "UNAVAILABLE";

/// How a failed run is recorded.
pub(crate) fn of(error: &Error) -> RunFailure {
    let mut failure = RunFailure::from(error);
    if error.kind() == ErrorKind::Unavailable && failure.class != FailureClass::Source {
        failure.code = OURS_UNAVAILABLE.into();
    }
    failure
}

/// Whether a failure speaks against the dataset. An unreachable source, and a catalog or data path
/// that is down, speak against none: all recover by themselves.
fn speaks_against(failure: &RunFailure) -> bool {
    failure.class != FailureClass::Source && failure.code != OURS_UNAVAILABLE
}

/// Records a failure with the dataset, and quarantines it if this one was the last straw. That the
/// catalog cannot be told is logged: the run record or its absence will show it.
pub(crate) async fn record(feeds: &Inner, dataset: DatasetId, failure: RunFailure) {
    if let Err(error) = try_record(feeds, dataset, failure).await
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(%dataset, %error, "could not record a failed run with its dataset");
    }
}

async fn try_record(feeds: &Inner, id: DatasetId, failure: RunFailure) -> Result<()> {
    let services = &feeds.services;
    let change = StateChange::Failed(failure.clone());
    services.datasets.change_state(id, change).await?;
    let lake = services.versions.current();
    let Some(dataset) = lake.datasets.get(&id).cloned() else {
        return Ok(());
    };
    if dataset.quarantine.is_some() {
        return Ok(());
    }
    let Some(reason) = last_straw(feeds, &dataset, &failure).await? else {
        return Ok(());
    };
    tracing::warn!(dataset = %dataset.name, %reason, "quarantined");
    let quarantine = Quarantine {
        since: services.versions.now().await?,
        reason,
    };
    let change = StateChange::Quarantine(quarantine);
    services.datasets.change_state(id, change).await
}

/// Why this failure quarantines: one of class SCHEMA, a foreign client's change, or too many in a row.
async fn last_straw(
    feeds: &Inner,
    dataset: &Arc<Dataset>,
    failure: &RunFailure,
) -> Result<Option<String>> {
    if failure.class == FailureClass::Schema {
        return Ok(Some(because("", failure)));
    }
    if failure.class == FailureClass::Conflict && foreign_change(feeds, dataset) {
        let text = "another DuckLake client changed the table; ".to_owned();
        return Ok(Some(because(&text, failure)));
    }
    let limit = feeds.config.quarantine_after;
    if dataset.failures_in_a_row < limit || !speaks_against(failure) {
        return Ok(None);
    }
    let recent = dataset.failures_in_a_row.min(200);
    let ledger = &feeds.services.ledger;
    let history = ledger
        .history(Some(dataset.id), recent)
        .await
        .map_err(ours)?;
    let counted = in_a_row(&history);
    let prefix = format!("{limit} runs in a row failed; last: ");
    Ok((counted >= limit).then(|| because(&prefix, failure)))
}

/// Failures that speak against the dataset since the last run that did not fail, newest first.
fn in_a_row(history: &[Run]) -> u32 {
    let ended = history.iter().filter(|run| {
        !matches!(
            run.status,
            RunStatus::Pending | RunStatus::Running | RunStatus::Cancelled
        )
    });
    let failures = ended.map_while(|run| run.failure.as_ref());
    let counted = failures.filter(|failure| speaks_against(failure)).count();
    u32::try_from(counted).unwrap_or(u32::MAX)
}

fn foreign_change(feeds: &Inner, dataset: &Dataset) -> bool {
    let lake = feeds.services.versions.current();
    lake.versions
        .get(&dataset.id)
        .is_some_and(|version| version.run == RunId::adopted(dataset.id, version.snapshot))
}

fn because(prefix: &str, failure: &RunFailure) -> String {
    let remedy = failure.remedy.as_deref().unwrap_or("mend the cause");
    let message = &failure.message;
    format!("{prefix}{message}; {remedy}, then call ducksync_resume")
}

/// A forced load that succeeded ends the quarantine (G-5), unless the catalog has done so with the
/// publish. A suspension by hand stays.
pub(crate) async fn healed(services: &Services, before: &Dataset) {
    if before.quarantine.is_none() {
        return;
    }
    let lake = services.versions.current();
    let Some(dataset) = lake.datasets.get(&before.id) else {
        return;
    };
    if dataset.quarantine.is_none() || dataset.suspended {
        return;
    }
    let resumed = services
        .datasets
        .change_state(before.id, StateChange::Resume);
    if let Err(error) = resumed.await {
        tracing::warn!(dataset = %before.name, %error, "could not end a quarantine");
    }
}
