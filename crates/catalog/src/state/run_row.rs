//! A run, as it is stored.

use ducksync_core::{
    id::{DatasetId, OwnerId, RunId, SnapshotId},
    run::{Run, RunCompletion, RunOutcome, RunReason, RunStatus, RunTrigger},
};
use serde::Serialize;

use crate::db::{DbError, DbResult, Row, Statement, sql};

/// Selects runs; [`read`] reads what it gives.
macro_rules! select_runs {
    ($rest:literal) => {
        concat!(
            "SELECT id, dataset, status, trigger, reason, owner, started_at, completed_at, \
             attempts, rows, bytes, data_timestamp, snapshot_id, source_query_ids, failure, note \
             FROM ducksync.runs ",
            $rest
        )
    };
}
pub(super) use select_runs;

/// The run of a row of [`select_runs`].
pub(super) fn read(row: &Row) -> DbResult<Run> {
    let reason: Option<String> = row.optional(4)?;
    Ok(Run {
        id: RunId(row.get(0)?),
        dataset: DatasetId(row.get(1)?),
        status: word(RunStatus::parse(&row.get::<String>(2)?))?,
        trigger: word(RunTrigger::parse(&row.get::<String>(3)?))?,
        reason: reason
            .map(|text| word(RunReason::parse(&text)))
            .transpose()?,
        owner: OwnerId(row.get(5)?),
        started_at: row.get(6)?,
        completed_at: row.optional(7)?,
        attempts: u32::try_from(row.get::<i64>(8)?).unwrap_or(u32::MAX),
        outcome: RunOutcome {
            rows: row.optional(9)?,
            bytes: row.optional(10)?,
            data_timestamp: row.optional(11)?,
            snapshot: row.optional(12)?.map(SnapshotId),
            source_query_ids: row.json(13)?.unwrap_or_default(),
            note: row.optional(15)?,
        },
        failure: row.json(14)?,
    })
}

/// Completes the record of a run that has not ended; touches no row otherwise. It is the one way in
/// which a run ends, so a run ends once: a publish that finds no row here must not commit.
pub(crate) fn complete(run: RunId, completion: &RunCompletion) -> DbResult<Statement> {
    let outcome = &completion.outcome;
    let failure = completion.failure.as_ref().map(json).transpose()?;
    Ok(sql(
        "UPDATE ducksync.runs SET status = $1, completed_at = now(), \
         reason = coalesce($2, reason), attempts = $3, rows = $4, bytes = $5, \
         data_timestamp = $6, snapshot_id = $7, source_query_ids = $8, failure = $9, note = $10 \
         WHERE id = $11 AND status IN ('pending', 'running')",
    )
    .bind(completion.status.as_str())
    .bind(completion.reason.map(RunReason::as_str))
    .bind(i64::from(completion.attempts))
    .bind(outcome.rows)
    .bind(outcome.bytes)
    .bind(outcome.data_timestamp)
    .bind(outcome.snapshot.map(|snapshot| snapshot.0))
    .bind(json(&outcome.source_query_ids)?)
    .bind(failure)
    .bind(outcome.note.as_deref())
    .bind(run.0))
}

pub(super) fn json<T: Serialize>(value: &T) -> DbResult<String> {
    serde_json::to_string(value).map_err(|error| DbError::Shape(error.to_string()))
}

fn word<T>(parsed: ducksync_core::Result<T>) -> DbResult<T> {
    parsed.map_err(|error| DbError::Shape(error.message().to_owned()))
}
