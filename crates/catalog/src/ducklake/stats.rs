//! `ducklake_file_column_stats`: what is known of each file's columns.
//!
//! Rows of the unversioned `ducklake_table_column_stats` are never written, and removed from every
//! table we publish to: readers fold them into answers of every snapshot, and they would be wrong for
//! some.

use std::{collections::HashMap, sync::Arc};

use ducksync_core::{
    id::{FieldId, SnapshotId},
    version::ColumnStats,
};

use crate::db::{DbResult, Row, Statement, Tx, sql};

/// Statistics by the catalog ids of their files.
pub(crate) type FileStats = HashMap<i64, Arc<[ColumnStats]>>;

macro_rules! stats {
    ($filter:literal) => {
        concat!(
            "SELECT s.data_file_id, s.column_id, s.column_size_bytes, s.value_count, \
             s.null_count, s.min_value, s.max_value, s.contains_nan \
             FROM lake.ducklake_file_column_stats s ",
            $filter,
            " ORDER BY s.data_file_id, s.column_id"
        )
    };
}

/// The statistics of all files that `snapshot` shows.
pub(crate) async fn all_stats(tx: &mut Tx, snapshot: SnapshotId) -> DbResult<FileStats> {
    let statement = sql(stats!(
        "JOIN lake.ducklake_data_file f ON f.data_file_id = s.data_file_id \
         WHERE f.begin_snapshot <= $1 AND (f.end_snapshot IS NULL OR f.end_snapshot > $1)"
    ));
    collect(tx, statement.bind(snapshot.0)).await
}

/// The statistics of these files.
pub(crate) async fn stats_of(tx: &mut Tx, files: Vec<i64>) -> DbResult<FileStats> {
    if files.is_empty() {
        return Ok(FileStats::new());
    }
    collect(
        tx,
        sql(stats!("WHERE s.data_file_id = ANY($1)")).bind(files),
    )
    .await
}

async fn collect(tx: &mut Tx, statement: Statement) -> DbResult<FileStats> {
    let mut files: HashMap<i64, Vec<ColumnStats>> = HashMap::new();
    for row in tx.fetch_all(statement).await? {
        files.entry(row.get(0)?).or_default().push(read(&row)?);
    }
    Ok(files
        .into_iter()
        .map(|(id, stats)| (id, stats.into()))
        .collect())
}

fn read(row: &Row) -> DbResult<ColumnStats> {
    Ok(ColumnStats {
        field: FieldId(row.get(1)?),
        size_bytes: row.optional(2)?,
        value_count: row.optional(3)?.unwrap_or(0),
        null_count: row.optional(4)?.unwrap_or(0),
        min: row.optional(5)?,
        max: row.optional(6)?,
        contains_nan: row.optional(7)?,
    })
}
