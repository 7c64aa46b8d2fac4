//! What must still be true when a publication commits: heads where the runs left them, claims held.

use std::collections::HashMap;

use ducksync_core::{
    change::{Basis, Publication, TableChange},
    error::{Error, Result},
    id::{ClaimToken, DatasetId, OwnerId, RunId, Seq, SnapshotId},
    run::{RunStatus, RunTrigger},
};
use uuid::Uuid;

use super::{
    Stop,
    foreign::ForeignChange,
    work::{Touched, Try},
};
use crate::db::{DbResult, Engine, Row, Tx, sql};

/// A row of `heads`.
#[derive(Debug, Clone)]
pub(crate) struct HeadRow {
    pub(crate) seq: Seq,
    pub(crate) run: RunId,
    pub(crate) snapshot: SnapshotId,
    pub(crate) claim: Option<i64>,
    pub(crate) definition_hash: Option<String>,
}

/// The heads of these datasets.
pub(crate) async fn heads(
    tx: &mut Tx,
    datasets: &[DatasetId],
) -> DbResult<HashMap<DatasetId, HeadRow>> {
    let ids: Vec<Uuid> = datasets.iter().map(|dataset| dataset.0).collect();
    let rows = tx
        .fetch_all(
            sql(
                "SELECT dataset, seq, run_id, snapshot_id, claim_token, definition_hash \
                 FROM ducksync.heads WHERE dataset = ANY($1)",
            )
            .bind(ids),
        )
        .await?;
    rows.iter()
        .map(|row| Ok((DatasetId(row.get(0)?), head(row, row.get(1)?)?)))
        .collect()
}

/// What our tables and the lake's know of a dataset.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) head: Option<HeadRow>,
    pub(super) fed: bool,
    pub(super) table_id: Option<i64>,
}

macro_rules! standings {
    ($ids:literal) => {
        concat!(
            "SELECT i.id, h.seq, h.run_id, h.snapshot_id, h.claim_token, h.definition_hash, \
             d.feed IS NOT NULL, t.table_id FROM ",
            $ids,
            " i LEFT JOIN ducksync.heads h ON h.dataset = i.id \
             LEFT JOIN ducksync.datasets d ON d.id = i.id \
             LEFT JOIN lake.ducklake_table t ON t.table_uuid = i.id AND t.end_snapshot IS NULL"
        )
    };
}

/// How these datasets stand.
pub(super) async fn standings(
    tx: &mut Tx,
    datasets: &[DatasetId],
) -> DbResult<HashMap<DatasetId, Standing>> {
    let ids: Vec<Uuid> = datasets.iter().map(|dataset| dataset.0).collect();
    let statement = match tx.engine() {
        Engine::Postgres => sql(standings!("(SELECT UNNEST($1::uuid[]) AS id)")),
        Engine::Sqlite => sql(standings!("(SELECT value AS id FROM json_each($1))")),
    };
    let rows = tx.fetch_all(statement.bind(ids)).await?;
    rows.iter()
        .map(|row| {
            let standing = Standing {
                head: row.optional(1)?.map(|seq| head(row, seq)).transpose()?,
                fed: row.get(6)?,
                table_id: row.optional(7)?,
            };
            Ok((DatasetId(row.get(0)?), standing))
        })
        .collect()
}

fn head(row: &Row, seq: i64) -> DbResult<HeadRow> {
    Ok(HeadRow {
        seq: Seq(seq),
        run: RunId(row.get(2)?),
        snapshot: SnapshotId(row.get(3)?),
        claim: row.optional(4)?,
        definition_hash: row.optional(5)?,
    })
}

/// Whether the table still is what the run started from.
pub(super) fn check_head(touched: &Touched, publication: &Publication) -> Result<(), Stop> {
    let found = touched.seq();
    if touched.fed
        && let Some(change) = ForeignChange::of(touched)
    {
        return Err(Stop::Foreign(change));
    }
    let Some(basis) = touched.basis else {
        return Ok(());
    };
    if found == basis.seq || appends_to_same_columns(touched, &basis, publication) {
        return Ok(());
    }
    let text = match (basis.seq, found) {
        (_, None) => "was dropped meanwhile",
        (None, Some(_)) => "was published by somebody else meanwhile",
        (Some(_), Some(_)) => "changed meanwhile",
    };
    Err(Stop::Failed(Error::conflict(format!(
        "dataset {} {text}",
        touched.dataset
    ))))
}

/// An append that is alone needs no unchanged head, only unchanged columns (G-5): `seq` is the
/// snapshot at which the run saw the table, so columns that are not newer are those it saw.
fn appends_to_same_columns(touched: &Touched, basis: &Basis, publication: &Publication) -> bool {
    let appends = |change: &TableChange| matches!(change, TableChange::Append { .. });
    let (Some(live), Some(seq)) = (&touched.live, basis.seq) else {
        return false;
    };
    publication.changes.iter().all(appends) && live.columns_changed.0 <= seq.0
}

/// Whether the run holds the claim of each fed dataset, unexpired; the rows stay locked, so that
/// nobody takes one over before this commits.
pub(super) async fn check_claim(
    tx: &mut Tx,
    touched: &Touched,
    run: RunId,
    owner: OwnerId,
) -> Result<(), Stop> {
    let Some(token) = touched.basis.and_then(|basis| basis.claim) else {
        return if touched.fed {
            Err(Stop::Failed(lost_claim(touched.dataset)))
        } else {
            Ok(())
        };
    };
    let held = tx
        .fetch_optional(
            sql(
                "SELECT dataset FROM ducksync.claims WHERE dataset = $1 AND token = $2 \
                 AND owner = $3 AND run_id = $4 AND expires_at > now() FOR UPDATE",
            )
            .bind(touched.dataset.0)
            .bind(token.0)
            .bind(owner.0)
            .bind(run.0),
        )
        .await?;
    match held {
        Some(_) => Ok(()),
        None => Err(Stop::Failed(lost_claim_token(touched.dataset, token))),
    }
}

/// Merging never aborts anybody (G-5): it ends files, so it waits while a client's statement or
/// transaction that may name them is under way. Those record their place in the table's directory
/// before they bind its files, and let the commits under way end in between ([`Publisher::settle`]), so
/// either they are seen here, under the lock, or they see what this commits.
///
/// [`Publisher::settle`]: ducksync_core::catalog::Publisher::settle
pub(super) async fn check_merges(
    work: &mut Try<'_>,
    publication: &Publication,
) -> Result<(), Stop> {
    for change in &publication.changes {
        let TableChange::Merge { dataset, .. } = change else {
            continue;
        };
        let table = work.tables.get(dataset).and_then(|t| t.before.as_ref());
        let Some(directory) = table.map(|before| before.directory.clone()) else {
            continue;
        };
        let writing = sql(
            "SELECT r.id FROM ducksync.staging s JOIN ducksync.runs r ON r.id = s.run_id \
             WHERE r.status = $1 AND r.trigger = $2 AND r.id <> $3 \
             AND substr(s.prefix, 1, length($4)) = $4",
        )
        .bind(RunStatus::Running.as_str())
        .bind(RunTrigger::Client.as_str())
        .bind(publication.run.0)
        .bind(directory);
        if work.tx.fetch_optional(writing).await?.is_some() {
            return Err(Stop::Failed(Error::conflict(format!(
                "a client's transaction is changing dataset {dataset}"
            ))));
        }
    }
    Ok(())
}

fn lost_claim(dataset: DatasetId) -> Error {
    Error::conflict(format!(
        "dataset {dataset} has a feed and was changed without its claim"
    ))
}

fn lost_claim_token(dataset: DatasetId, token: ClaimToken) -> Error {
    Error::conflict(format!(
        "the claim {token} on dataset {dataset} expired or was taken over"
    ))
    .with_remedy("the next run starts from what is published now")
}
