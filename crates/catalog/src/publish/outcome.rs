//! What became of a COMMIT that got no answer.

use std::time::Duration;

use ducksync_core::{
    change::Published,
    error::{Error, Result},
    id::{RunId, SnapshotId},
};
use tokio::time::{Instant as Monotonic, sleep};

use super::lock;
use crate::{
    Catalog,
    db::{DbError, DbResult, LakeTime, sql},
};

impl Catalog {
    /// Looks for the run's commit until the catalog answers: `None` = it did not happen and cannot
    /// happen any more, because the lock is ours, so the old transaction has ended.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer until `give_up`.
    pub(super) async fn find_outcome(
        &self,
        run: RunId,
        give_up: Monotonic,
    ) -> Result<Option<Published>> {
        loop {
            match self.look_up(run).await {
                Ok(found) => return Ok(found),
                Err(DbError::Lost(_) | DbError::Busy(_)) if Monotonic::now() < give_up => {
                    sleep(Duration::from_millis(250)).await;
                }
                Err(error) => {
                    return Err(Error::unavailable(format!(
                        "the connection was lost while run {run} was committed, and the catalog \
                         does not tell whether it was"
                    ))
                    .with_remedy("keep the run's files; the next run finds out")
                    .with_source(Error::from(error)));
                }
            }
        }
    }

    async fn look_up(&self, run: RunId) -> DbResult<Option<Published>> {
        let mut tx = self.db.begin().await?;
        lock::take(&mut tx).await?;
        let found = tx
            .fetch_optional(
                sql(
                    "SELECT s.snapshot_id, s.snapshot_time FROM ducksync.publications p \
                     JOIN lake.ducklake_snapshot s ON s.snapshot_id = p.snapshot_id \
                     WHERE p.run_id = $1",
                )
                .bind(run.0),
            )
            .await?;
        tx.rollback().await?;
        found
            .map(|row| {
                Ok(Published {
                    snapshot: SnapshotId(row.get(0)?),
                    time: row.get::<LakeTime>(1)?.0,
                })
            })
            .transpose()
    }
}
