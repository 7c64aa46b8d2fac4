//! How long runs are remembered, and what they published (G-12, G-4).

use std::time::Duration;

use chrono::TimeDelta;
use ducksync_core::{error::Result, time::Instant};

use crate::{Catalog, db::sql};

/// Records forgotten by one transaction, so that none takes long.
const AT_ONCE: i64 = 1000;

impl Catalog {
    /// Forgets runs that ended longer than `retention` ago, but never the last that succeeded and the
    /// last that failed of a dataset, nor one that may have left files. Returns how many.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn prune_runs(&self, retention: Duration) -> Result<u64> {
        let retention = TimeDelta::from_std(retention).unwrap_or(TimeDelta::MAX);
        let now = self.db.now().await?;
        let before = now
            .checked_sub_signed(retention)
            .unwrap_or(Instant::MIN_UTC);
        let mut pruned = 0;
        loop {
            let forgotten = self
                .db
                .execute(sql(include_str!("prune.sql")).bind(before).bind(AT_ONCE))
                .await?;
            pruned += forgotten;
            if forgotten == 0 {
                return Ok(pruned);
            }
        }
    }

    /// Forgets which runs made snapshots that have expired, where nobody can ask any more: no run of
    /// them is undecided or holds files or a claim, and no table of a snapshot that is kept was last
    /// changed by one, so that versions keep their names. Returns how many.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn prune_publications(&self) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let statement = sql(include_str!("prune_publications.sql")).bind(AT_ONCE);
            let forgotten = self.db.execute(statement).await?;
            pruned += forgotten;
            if forgotten == 0 {
                return Ok(pruned);
            }
        }
    }
}
