//! The run's part of a publish: its record, its staged files, and which snapshot it made.

use ducksync_core::{
    error::Error,
    id::{OwnerId, RunId},
    run::{RunCompletion, RunStatus},
};

use super::{Stop, state::json, work::Try};
use crate::db::{DbError, DbResult, sql};

impl Try<'_> {
    /// Completes the run record, which must still be this process's and unfinished.
    pub(super) async fn complete_run(
        &mut self,
        run: RunId,
        completion: &RunCompletion,
        owner: OwnerId,
    ) -> Result<(), Stop> {
        let outcome = &completion.outcome;
        let failure = completion.failure.as_ref().map(json).transpose()?;
        let (id, now) = (self.id(), self.now());
        let done = self
            .tx
            .execute(
                sql(
                    "UPDATE ducksync.runs SET status = $1, reason = $2, completed_at = $3, \
                     attempts = $4, rows = $5, bytes = $6, data_timestamp = $7, snapshot_id = $8, \
                     source_query_ids = $9, failure = $10, note = $11 \
                     WHERE id = $12 AND owner = $13 AND status = $14",
                )
                .bind(completion.status.as_str())
                .bind(completion.reason.map(|reason| reason.as_str()))
                .bind(now)
                .bind(i64::from(completion.attempts))
                .bind(outcome.rows)
                .bind(outcome.bytes)
                .bind(outcome.data_timestamp)
                .bind(id)
                .bind(json(&outcome.source_query_ids)?)
                .bind(failure)
                .bind(outcome.note.as_deref())
                .bind(run.0)
                .bind(owner.0)
                .bind(RunStatus::Running.as_str()),
            )
            .await?;
        match done {
            1 => Ok(()),
            _ => Err(Stop::Failed(Error::conflict(format!(
                "run {run} was ended by another process before it published"
            )))),
        }
    }

    /// What a snapshot names is no longer a run's to delete: prefixes that hold published files go. (What
    /// a failed try left under them stays until the data path is swept by hand.)
    pub(super) async fn forget_staging(&mut self, run: RunId) -> DbResult<()> {
        let staged = "SELECT prefix FROM ducksync.staging WHERE run_id = $1";
        let staged = self.tx.fetch_all(sql(staged).bind(run.0)).await?;
        for row in staged {
            let prefix: String = row.get(0)?;
            let named = self
                .tables
                .values()
                .filter_map(|touched| touched.after.as_ref());
            let mut named = named.flat_map(|version| version.files.iter());
            let holds = |location: &str| location.starts_with(&prefix);
            let published = named.any(|file| {
                holds(&file.location) || file.deletes.as_ref().is_some_and(|d| holds(&d.location))
            });
            if published {
                let forget = sql("DELETE FROM ducksync.staging WHERE run_id = $1 AND prefix = $2");
                self.tx.execute(forget.bind(run.0).bind(prefix)).await?;
            }
        }
        Ok(())
    }

    /// Which run made the snapshot: by this row a commit of unknown outcome is found, so it says the same
    /// as the commit itself. One of a run exists already only if the run published before.
    pub(super) async fn record(&mut self, run: RunId) -> Result<(), Stop> {
        let insert = "INSERT INTO ducksync.publications (snapshot_id, run_id) VALUES ($1, $2)";
        let insert = sql(insert).bind(self.id()).bind(run.0);
        match self.tx.execute(insert).await {
            Ok(_) => Ok(()),
            Err(DbError::Unique(source)) => Err(Stop::Failed(
                Error::conflict(format!("run {run} has published before")).with_source(source),
            )),
            Err(error) => Err(error.into()),
        }
    }
}
