//! How long runs are remembered (G-12).

use std::time::Duration;

use chrono::TimeDelta;
use ducksync_core::{error::Result, time::Instant};

use crate::{Catalog, db::sql};

/// Runs forgotten by one transaction, so that none takes long.
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
}
