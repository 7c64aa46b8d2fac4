//! `ducklake_data_file` and `ducklake_delete_file`: the files of tables, as one snapshot shows them.

use std::collections::HashMap;

use ducksync_core::{
    id::SnapshotId,
    version::{DataFile, DeleteFile},
};

use super::{path, tables::Which};
use crate::db::{DbResult, Row, Tx, sql};

/// Room between the places of two files written one after the other, for files that later take the
/// place of one of them.
pub(crate) const GAP: i64 = 1 << 20;

/// A data file that a snapshot shows.
#[derive(Debug, Clone)]
pub(crate) struct LiveFile {
    pub(crate) id: i64,
    pub(crate) begin: i64,
    /// Files are read in the order of their places.
    pub(crate) place: i64,
    pub(crate) file: DataFile,
    /// The catalog id of its delete file.
    pub(crate) delete_id: Option<i64>,
    /// Why it cannot be read.
    pub(crate) problem: Option<&'static str>,
    /// Whether another client merged files of several snapshots into it.
    pub(crate) merged: bool,
    /// Whether it holds columns that are no columns of the table, or older ones.
    pub(crate) other_columns: bool,
}

macro_rules! files {
    ($filter:literal) => {
        concat!(
            "SELECT f.data_file_id, f.table_id, f.begin_snapshot, f.file_order, f.path, \
             f.path_is_relative, f.record_count, f.file_size_bytes, f.footer_size, \
             f.row_id_start, f.encryption_key, f.mapping_id, f.partial_max, o.data_file_id, \
             d.delete_file_id, d.path, d.path_is_relative, d.delete_count, d.file_size_bytes, \
             d.footer_size, d.format, d.encryption_key, d.partial_max \
             FROM lake.ducklake_data_file f \
             LEFT JOIN ducksync.older_columns o ON o.data_file_id = f.data_file_id \
             LEFT JOIN lake.ducklake_delete_file d ON d.data_file_id = f.data_file_id \
             AND d.begin_snapshot <= $1 AND (d.end_snapshot IS NULL OR d.end_snapshot > $1) \
             WHERE f.begin_snapshot <= $1 AND (f.end_snapshot IS NULL OR f.end_snapshot > $1)",
            $filter
        )
    };
}

/// The files of these tables at `snapshot`, in their order; `directories` has each table's directory.
/// Statistics are not read.
pub(crate) async fn live_files(
    tx: &mut Tx,
    snapshot: SnapshotId,
    which: &Which,
    directories: &HashMap<i64, String>,
) -> DbResult<HashMap<i64, Vec<LiveFile>>> {
    let statement = match which {
        Which::All => sql(files!("")).bind(snapshot.0),
        Which::Tables(ids) => sql(files!(" AND f.table_id = ANY($2)"))
            .bind(snapshot.0)
            .bind(ids.clone()),
    };
    let mut tables: HashMap<i64, Vec<LiveFile>> = HashMap::new();
    for row in tx.fetch_all(statement).await? {
        let table_id: i64 = row.get(1)?;
        if let Some(directory) = directories.get(&table_id) {
            let mut file = data_file(&row, snapshot, directory)?;
            add_deletes(&row, snapshot, directory, &mut file)?;
            tables.entry(table_id).or_default().push(file);
        }
    }
    for files in tables.values_mut() {
        files.sort_by_key(|file| (file.place, file.id));
    }
    Ok(tables)
}

fn data_file(row: &Row, snapshot: SnapshotId, directory: &str) -> DbResult<LiveFile> {
    let id: i64 = row.get(0)?;
    let stored: String = row.get(4)?;
    let partial: Option<i64> = row.optional(12)?;
    let own_row_ids = row.optional::<i64>(9)?.is_none();
    let problem = if row
        .optional::<String>(10)?
        .is_some_and(|key| !key.is_empty())
    {
        Some("a file is encrypted")
    } else if row.optional::<i64>(11)?.is_some() {
        Some("a file was added with a mapping of its column names")
    } else if partial.is_some_and(|newest| newest > snapshot.0) {
        Some("a merged file holds rows of later snapshots")
    } else {
        None
    };
    Ok(LiveFile {
        id,
        begin: row.get(2)?,
        place: row.optional(3)?.unwrap_or(id.saturating_mul(GAP)),
        file: DataFile {
            location: path::resolve(directory, &stored, row.optional(5)?.unwrap_or(true)),
            rows: unsigned(row, 6)?,
            size_bytes: unsigned(row, 7)?,
            footer_bytes: unsigned(row, 8)?,
            stats: std::sync::Arc::new([]),
            deletes: None,
            current_columns: true,
        },
        delete_id: None,
        problem,
        merged: partial.is_some(),
        other_columns: partial.is_some() || own_row_ids || row.optional::<i64>(13)?.is_some(),
    })
}

/// A data file has at most one delete file at a time.
fn add_deletes(
    row: &Row,
    snapshot: SnapshotId,
    directory: &str,
    file: &mut LiveFile,
) -> DbResult<()> {
    file.delete_id = row.optional(14)?;
    if file.delete_id.is_none() {
        return Ok(());
    }
    let stored: String = row.get(15)?;
    file.file.deletes = Some(DeleteFile {
        location: path::resolve(directory, &stored, row.optional(16)?.unwrap_or(true)),
        rows: unsigned(row, 17)?,
        size_bytes: unsigned(row, 18)?,
        footer_bytes: unsigned(row, 19)?,
    });
    let format: Option<String> = row.optional(20)?;
    let plain = format.is_none_or(|format| format == "parquet");
    let encrypted = row
        .optional::<String>(21)?
        .is_some_and(|key| !key.is_empty());
    let partial: Option<i64> = row.optional(22)?;
    if !plain || encrypted {
        file.problem = Some("rows are deleted by a deletion vector or an encrypted file");
    } else if partial.is_some_and(|newest| newest > snapshot.0) {
        file.problem = Some("a merged delete file holds deletions of later snapshots");
    }
    Ok(())
}

fn unsigned(row: &Row, place: usize) -> DbResult<u64> {
    let value: Option<i64> = row.optional(place)?;
    Ok(value
        .and_then(|value| u64::try_from(value).ok())
        .unwrap_or(0))
}
