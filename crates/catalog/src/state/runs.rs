//! The ledger of runs (G-12).

use async_trait::async_trait;
use ducksync_core::{
    catalog::RunLedger,
    error::{Error, Result},
    id::{DatasetId, RunId},
    run::{Run, RunCompletion, RunReason, RunStatus, RunTrigger},
};

use super::run_row::{self, select_runs};
use crate::{Catalog, db::sql};

#[async_trait]
impl RunLedger for Catalog {
    async fn begin(&self, run: RunId, dataset: DatasetId, trigger: RunTrigger) -> Result<()> {
        self.db
            .execute(
                sql(
                    "INSERT INTO ducksync.runs (id, dataset, status, trigger, owner, started_at) \
                     VALUES ($1, $2, $3, $4, $5, now())",
                )
                .bind(run.0)
                .bind(dataset.0)
                .bind(RunStatus::Running.as_str())
                .bind(trigger.as_str())
                .bind(self.owner.0),
            )
            .await?;
        Ok(())
    }

    async fn record_staging(
        &self,
        run: RunId,
        prefix: &str,
        reason: Option<RunReason>,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        tx.execute(
            sql(
                "INSERT INTO ducksync.staging (run_id, prefix) VALUES ($1, $2) \
                 ON CONFLICT (run_id, prefix) DO NOTHING",
            )
            .bind(run.0)
            .bind(prefix),
        )
        .await?;
        if let Some(reason) = reason {
            tx.execute(
                sql("UPDATE ducksync.runs SET reason = $1 WHERE id = $2")
                    .bind(reason.as_str())
                    .bind(run.0),
            )
            .await?;
        }
        Ok(tx.commit().await?)
    }

    async fn finish(&self, run: RunId, completion: RunCompletion) -> Result<()> {
        let ended = self
            .db
            .execute(run_row::complete(run, &completion)?)
            .await?;
        if ended == 0 {
            // It ended before: by a publish of unknown outcome, or because we were held for dead.
            // The first end stays; a run that never was is an error.
            self.run(run).await?;
        }
        Ok(())
    }

    async fn run(&self, run: RunId) -> Result<Run> {
        let row = self
            .db
            .fetch_optional(sql(select_runs!("WHERE id = $1")).bind(run.0))
            .await?
            .ok_or_else(|| Error::not_found(format!("there is no run {run}")))?;
        Ok(run_row::read(&row)?)
    }

    async fn history(&self, dataset: Option<DatasetId>, limit: u32) -> Result<Vec<Run>> {
        let limit = i64::from(limit);
        let statement = match dataset {
            Some(dataset) => sql(select_runs!(
                "WHERE dataset = $1 ORDER BY started_at DESC, id DESC LIMIT $2"
            ))
            .bind(dataset.0),
            None => sql(select_runs!("ORDER BY started_at DESC, id DESC LIMIT $1")),
        };
        let rows = self.db.fetch_all(statement.bind(limit)).await?;
        let runs: Result<Vec<_>, _> = rows.iter().map(run_row::read).collect();
        Ok(runs?)
    }

    async fn forget_staging(&self, run: RunId) -> Result<()> {
        self.db
            .execute(sql("DELETE FROM ducksync.staging WHERE run_id = $1").bind(run.0))
            .await?;
        Ok(())
    }
}
