//! Runs whose worker is gone, and what they left behind (S-13, O-8).
//!
//! A run is ended under the commit lock, so it either committed its publish before (and reads
//! `completed`, which is left alone) or can commit none any more. Only then its files are anybody's
//! to delete. Nothing here deletes a file.

use std::collections::{HashMap, HashSet};

use ducksync_core::{
    catalog::DeadRun,
    error::{FailureClass, Reason, Result},
    id::{DatasetId, OwnerId, RunId},
    run::{RunFailure, RunStatus},
};
use uuid::Uuid;

use super::run_row::json;
use crate::{
    Catalog,
    db::{DbResult, Tx, sql},
    owner::living_owners,
    publish::lock,
};

impl Catalog {
    pub(super) async fn reap_lost(&self) -> Result<Vec<DeadRun>> {
        let mut tx = self.db.begin().await?;
        lock::take(&mut tx).await?;
        let living = living_owners(&mut tx, self.owner).await?;
        for run in expired_claims(&mut tx, &living).await? {
            end_run(&mut tx, run).await?;
        }
        for run in orphaned_runs(&mut tx, &living).await? {
            end_run(&mut tx, run).await?;
        }
        let dead = runs_with_files(&mut tx).await?;
        tx.commit().await?;
        Ok(dead)
    }
}

/// Ends a run as `failed/WORKER_LOST`, unless it ended already. Call it under the commit lock.
pub(super) async fn end_run(tx: &mut Tx, run: RunId) -> DbResult<()> {
    tx.execute(
        sql(
            "UPDATE ducksync.runs SET status = $1, completed_at = now(), failure = $2 \
             WHERE id = $3 AND status IN ('pending', 'running')",
        )
        .bind(RunStatus::Failed.as_str())
        .bind(json(&worker_lost())?)
        .bind(run.0),
    )
    .await?;
    Ok(())
}

fn worker_lost() -> RunFailure {
    RunFailure {
        class: FailureClass::Resource,
        code: Reason::WorkerLost.as_str().to_owned(),
        message: "the process that ran it ended or did not answer in time".to_owned(),
        retryable: true,
        remedy: Some("nothing: it is run again; see the log of that process".to_owned()),
    }
}

/// Voids claims that expired or whose owner is gone, and names their runs.
async fn expired_claims(tx: &mut Tx, living: &HashSet<OwnerId>) -> DbResult<Vec<RunId>> {
    let now = tx.now().await?;
    let rows = tx
        .fetch_all(sql(
            "SELECT dataset, owner, run_id, expires_at FROM ducksync.claims \
             WHERE owner IS NOT NULL FOR UPDATE",
        ))
        .await?;
    let mut runs = Vec::new();
    for row in rows {
        let expires: ducksync_core::time::Instant = row.get(3)?;
        if living.contains(&OwnerId(row.get(1)?)) && expires > now {
            continue;
        }
        runs.push(RunId(row.get(2)?));
        tx.execute(
            sql(
                "UPDATE ducksync.claims SET token = token + 1, owner = NULL, run_id = NULL, \
                 expires_at = NULL WHERE dataset = $1",
            )
            .bind(row.get::<Uuid>(0)?),
        )
        .await?;
    }
    Ok(runs)
}

async fn orphaned_runs(tx: &mut Tx, living: &HashSet<OwnerId>) -> DbResult<Vec<RunId>> {
    let rows = tx
        .fetch_all(sql(
            "SELECT id, owner FROM ducksync.runs WHERE status IN ('pending', 'running')",
        ))
        .await?;
    let mut runs = Vec::new();
    for row in rows {
        if !living.contains(&OwnerId(row.get(1)?)) {
            runs.push(RunId(row.get(0)?));
        }
    }
    Ok(runs)
}

/// Every ended run with staged files left, whoever ran it.
async fn runs_with_files(tx: &mut Tx) -> DbResult<Vec<DeadRun>> {
    let rows = tx
        .fetch_all(sql(
            "SELECT r.id, r.dataset, s.prefix FROM ducksync.staging s \
             JOIN ducksync.runs r ON r.id = s.run_id \
             WHERE r.status NOT IN ('pending', 'running') ORDER BY r.started_at, r.id, s.prefix",
        ))
        .await?;
    let mut dead: Vec<DeadRun> = Vec::new();
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    for row in rows {
        let id: Uuid = row.get(0)?;
        let place = *places.entry(id).or_insert(dead.len());
        if place == dead.len() {
            dead.push(DeadRun {
                run: RunId(id),
                dataset: DatasetId(row.get(1)?),
                prefixes: Vec::new(),
            });
        }
        dead[place].prefixes.push(row.get(2)?);
    }
    Ok(dead)
}
