//! The lake's upkeep (O-8): what snapshots there are, and which files may be deleted.
//!
//! Nothing here deletes a file: the caller does, when it knows that nobody reads it any more.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use ducksync_core::{
    catalog::{SnapshotInfo, Upkeep, Versions},
    error::Result,
    id::{DatasetId, SnapshotId},
    time::Instant,
};

use super::changed_tables::TableNames;
use crate::{
    Catalog,
    db::{LakeTime, sql},
    ducklake::path,
};

/// Snapshots looked at by one statement.
const PAGE: i64 = 500;

#[async_trait]
impl Upkeep for Catalog {
    async fn snapshots(&self, dataset: Option<DatasetId>, limit: u32) -> Result<Vec<SnapshotInfo>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut tx = self.db.snapshot().await?;
        let names = TableNames::load(&mut tx).await?;
        let mut found = Vec::new();
        let mut before = i64::MAX;
        while found.len() < limit {
            let rows = tx
                .fetch_all(
                    sql(
                        "SELECT s.snapshot_id, s.snapshot_time, c.changes_made, p.run_id \
                         FROM lake.ducklake_snapshot s \
                         LEFT JOIN lake.ducklake_snapshot_changes c \
                         ON c.snapshot_id = s.snapshot_id \
                         LEFT JOIN ducksync.publications p ON p.snapshot_id = s.snapshot_id \
                         WHERE s.snapshot_id < $1 ORDER BY s.snapshot_id DESC LIMIT $2",
                    )
                    .bind(before)
                    .bind(PAGE),
                )
                .await?;
            for row in &rows {
                before = row.get(0)?;
                let changes: Option<String> = row.optional(2)?;
                let changed = names.changed(before, changes.as_deref().unwrap_or_default());
                if dataset.is_some_and(|id| !changed.iter().any(|table| table.dataset == id)) {
                    continue;
                }
                found.push(SnapshotInfo {
                    id: SnapshotId(before),
                    time: row.get::<LakeTime>(1)?.0,
                    tables: changed.iter().map(|table| table.name.to_string()).collect(),
                    run: row.optional(3)?.map(ducksync_core::id::RunId),
                });
            }
            if rows.is_empty() {
                break;
            }
        }
        tx.rollback().await?;
        found.truncate(limit);
        Ok(found)
    }

    async fn expire(&self, older_than: Duration, held: &[SnapshotId]) -> Result<u64> {
        self.expire_snapshots(older_than, held).await
    }

    async fn deletable(&self, scheduled_for: Duration, limit: u32) -> Result<Vec<String>> {
        let lake = self.current();
        let mut tx = self.db.snapshot().await?;
        let scheduled_for = TimeDelta::from_std(scheduled_for).unwrap_or(TimeDelta::MAX);
        let now = tx.now().await?;
        let until = now
            .checked_sub_signed(scheduled_for)
            .unwrap_or(Instant::MIN_UTC);
        let rows = tx
            .fetch_all(
                sql("SELECT path, path_is_relative, schedule_start \
                     FROM lake.ducklake_files_scheduled_for_deletion \
                     ORDER BY schedule_start, data_file_id LIMIT $1")
                .bind(i64::from(limit)),
            )
            .await?;
        tx.rollback().await?;
        let mut files = Vec::new();
        for row in rows {
            if row.get::<LakeTime>(2)?.0 <= until {
                let stored: String = row.get(0)?;
                files.push(path::resolve(&lake.data_path, &stored, row.get(1)?));
            }
        }
        Ok(files)
    }

    async fn forget_deleted(&self, locations: &[String]) -> Result<()> {
        let lake = self.current();
        let mut tx = self.db.begin().await?;
        let relative: Vec<String> = locations
            .iter()
            .filter_map(|location| location.strip_prefix(&lake.data_path))
            .map(str::to_owned)
            .collect();
        for (paths, is_relative) in [(relative, true), (locations.to_vec(), false)] {
            tx.execute(
                sql("DELETE FROM lake.ducklake_files_scheduled_for_deletion \
                     WHERE path = ANY($1) AND path_is_relative = $2")
                .bind(paths)
                .bind(is_relative),
            )
            .await?;
        }
        Ok(tx.commit().await?)
    }
}
