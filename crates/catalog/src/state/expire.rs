//! Expiry of snapshots, as DuckLake does it.
//!
//! A snapshot goes by losing its row. Then every data or delete file whose life held none but expired
//! snapshots is named by none: its row goes, and its path is written down for deletion. Since a file
//! is live in `[begin, end)`, and rows of the newest state have no end, what any remaining snapshot
//! can show keeps its row, and a row that stays keeps its file: a path that a remaining row names too
//! is not written down. Columns of tables that live on are kept, ended ones too, so that no column id
//! is ever used twice.

use std::{collections::HashSet, time::Duration};

use chrono::TimeDelta;
use ducksync_core::{catalog::Versions, error::Result, id::SnapshotId, time::Instant};

use crate::{
    Catalog,
    db::{DbResult, LakeTime, Tx, sql},
    publish::lock,
};

/// Snapshots that one transaction expires: it holds the commit lock.
const AT_ONCE: usize = 50;

/// True of rows that no remaining snapshot shows.
macro_rules! unseen {
    ($row:literal) => {
        concat!(
            $row,
            ".end_snapshot IS NOT NULL AND NOT EXISTS (SELECT 1 \
             FROM lake.ducklake_snapshot s WHERE s.snapshot_id >= ",
            $row,
            ".begin_snapshot AND s.snapshot_id < ",
            $row,
            ".end_snapshot)"
        )
    };
}

mod files;

use files::remove_files;

impl Catalog {
    pub(super) async fn expire_snapshots(
        &self,
        older_than: Duration,
        held: &[SnapshotId],
    ) -> Result<u64> {
        let data_path = self.current().data_path.clone();
        let old = self.old_snapshots(older_than, held).await?;
        let mut expired = 0;
        for some in old.chunks(AT_ONCE) {
            let mut tx = self.db.begin().await?;
            lock::take(&mut tx).await?;
            expired += remove_snapshots(&mut tx, some).await?;
            remove_files(&mut tx, &data_path).await?;
            remove_tables(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(expired)
    }

    async fn old_snapshots(&self, older_than: Duration, held: &[SnapshotId]) -> Result<Vec<i64>> {
        let older_than = TimeDelta::from_std(older_than).unwrap_or(TimeDelta::MAX);
        let now = self.db.now().await?;
        let before = now
            .checked_sub_signed(older_than)
            .unwrap_or(Instant::MIN_UTC);
        let rows = self
            .db
            .fetch_all(sql(
                "SELECT snapshot_id, snapshot_time FROM lake.ducklake_snapshot ORDER BY snapshot_id",
            ))
            .await?;
        let held: HashSet<i64> = held.iter().map(|snapshot| snapshot.0).collect();
        let mut old = Vec::new();
        for row in &rows {
            let id = row.get(0)?;
            if row.get::<LakeTime>(1)?.0 < before && !held.contains(&id) {
                old.push(id);
            }
        }
        Ok(old)
    }
}

/// Removes snapshots, but never the newest.
async fn remove_snapshots(tx: &mut Tx, snapshots: &[i64]) -> DbResult<u64> {
    let removed = tx
        .execute(
            sql(
                "DELETE FROM lake.ducklake_snapshot WHERE snapshot_id = ANY($1) \
                 AND snapshot_id < (SELECT max(snapshot_id) FROM lake.ducklake_snapshot)",
            )
            .bind(snapshots.to_vec()),
        )
        .await?;
    tx.execute(
        sql(
            "DELETE FROM lake.ducklake_snapshot_changes WHERE snapshot_id = ANY($1) \
             AND snapshot_id NOT IN (SELECT snapshot_id FROM lake.ducklake_snapshot)",
        )
        .bind(snapshots.to_vec()),
    )
    .await?;
    Ok(removed)
}

/// Removes what is left of tables, views and schemas that no remaining snapshot shows.
async fn remove_tables(tx: &mut Tx) -> DbResult<()> {
    let rows = tx
        .fetch_all(sql(concat!(
            "SELECT DISTINCT t.table_id FROM lake.ducklake_table t WHERE ",
            unseen!("t"),
            " AND NOT EXISTS (SELECT 1 FROM lake.ducklake_table other \
             WHERE other.table_id = t.table_id AND NOT (",
            unseen!("other"),
            ")) AND NOT EXISTS (SELECT 1 FROM lake.ducklake_data_file f \
             WHERE f.table_id = t.table_id) \
             AND NOT EXISTS (SELECT 1 FROM lake.ducklake_inlined_data_tables i \
             WHERE i.table_id = t.table_id)"
        )))
        .await?;
    let gone: Vec<i64> = rows.iter().map(|row| row.get(0)).collect::<DbResult<_>>()?;
    for statement in OF_TABLE {
        tx.execute(sql(statement).bind(gone.clone())).await?;
    }
    for statement in UNSEEN {
        tx.execute(sql(statement)).await?;
    }
    Ok(())
}

/// Everything that belongs to tables, by `table_id`; the tables' own rows last.
const OF_TABLE: &[&str] = &[
    "DELETE FROM lake.ducklake_sort_expression WHERE sort_id IN \
     (SELECT sort_id FROM lake.ducklake_sort_info WHERE table_id = ANY($1))",
    "DELETE FROM lake.ducklake_sort_info WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_name_mapping WHERE mapping_id IN \
     (SELECT mapping_id FROM lake.ducklake_column_mapping WHERE table_id = ANY($1))",
    "DELETE FROM lake.ducklake_column_mapping WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_partition_column WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_partition_info WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_tag WHERE object_id = ANY($1)",
    "DELETE FROM lake.ducklake_column_tag WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_table_column_stats WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_table_stats WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_schema_versions WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_column WHERE table_id = ANY($1)",
    "DELETE FROM lake.ducklake_table WHERE table_id = ANY($1)",
];

/// Views and schemas; a schema stays while a table that is still known lies in its directory.
const UNSEEN: &[&str] = &[
    concat!("DELETE FROM lake.ducklake_view AS v WHERE ", unseen!("v")),
    concat!(
        "DELETE FROM lake.ducklake_schema AS c WHERE ",
        unseen!("c"),
        " AND NOT EXISTS (SELECT 1 FROM lake.ducklake_table t WHERE t.schema_id = c.schema_id)",
        " AND NOT EXISTS (SELECT 1 FROM lake.ducklake_view v WHERE v.schema_id = c.schema_id)"
    ),
];
