//! `ducklake_table` with all that belongs to a table, as one snapshot shows it.

use std::collections::HashMap;

use ducksync_core::{
    id::{DatasetId, FieldId, RunId, Seq, SnapshotId},
    name::TableName,
    version::{DataFile, Version},
};
use uuid::Uuid;

use super::{
    columns::{self, ColumnRow, column_list},
    files::{LiveFile, live_files},
    path,
    schemas::Schemas,
    unreadable::inlined_tables,
};
use crate::db::{DbResult, Row, Tx, sql};

/// Which tables to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them.
    All,
    /// Those with these catalog ids.
    Tables(Vec<i64>),
}

/// A table that a snapshot shows.
#[derive(Debug, Clone)]
pub(crate) struct LiveTable {
    pub(crate) id: i64,
    pub(crate) schema_id: i64,
    pub(crate) dataset: DatasetId,
    pub(crate) name: TableName,
    pub(crate) directory: String,
    /// As stored, to be stored again when the table gets another name.
    pub(crate) stored_path: (String, bool),
    /// The rows of its columns.
    pub(crate) columns: Vec<ColumnRow>,
    pub(crate) next_field: FieldId,
    pub(crate) files: Vec<LiveFile>,
    /// The first row id that no file of it ever had.
    pub(crate) next_row: i64,
    /// The last snapshot that changed anything of it.
    pub(crate) changed: SnapshotId,
    /// The last snapshot that changed its columns.
    pub(crate) columns_changed: SnapshotId,
    pub(crate) unreadable: Option<String>,
}

macro_rules! tables {
    ($filter:literal) => {
        concat!(
            "SELECT t.table_id, t.table_uuid, t.schema_id, t.table_name, t.path, \
             t.path_is_relative, t.begin_snapshot, \
             (SELECT max(begin_snapshot) FROM lake.ducklake_data_file f \
              WHERE f.table_id = t.table_id AND f.begin_snapshot <= $1), \
             (SELECT max(end_snapshot) FROM lake.ducklake_data_file f \
              WHERE f.table_id = t.table_id AND f.end_snapshot <= $1), \
             (SELECT max(begin_snapshot) FROM lake.ducklake_delete_file f \
              WHERE f.table_id = t.table_id AND f.begin_snapshot <= $1), \
             (SELECT max(end_snapshot) FROM lake.ducklake_delete_file f \
              WHERE f.table_id = t.table_id AND f.end_snapshot <= $1), \
             (SELECT max(next_row_id) FROM lake.ducklake_table_stats s \
              WHERE s.table_id = t.table_id) \
             FROM lake.ducklake_table t \
             WHERE t.begin_snapshot <= $1 AND (t.end_snapshot IS NULL OR t.end_snapshot > $1)",
            $filter
        )
    };
}

/// Reads these tables of `snapshot`, without the statistics of their files.
pub(crate) async fn live_tables(
    tx: &mut Tx,
    snapshot: SnapshotId,
    which: &Which,
    schemas: &Schemas,
) -> DbResult<Vec<LiveTable>> {
    let statement = match which {
        Which::All => sql(tables!("")).bind(snapshot.0),
        Which::Tables(ids) => sql(tables!(" AND t.table_id = ANY($2)"))
            .bind(snapshot.0)
            .bind(ids.clone()),
    };
    let mut tables = Vec::new();
    for row in tx.fetch_all(statement).await? {
        tables.extend(table(&row, schemas)?);
    }
    if tables.is_empty() {
        return Ok(tables);
    }
    let mut columns = column_rows(tx, which).await?;
    let directories = tables.iter().map(|t| (t.id, t.directory.clone())).collect();
    let mut files = live_files(tx, snapshot, which, &directories).await?;
    let inlined = inlined_tables(tx, snapshot, which).await?;
    for table in &mut tables {
        table.set_columns(columns.remove(&table.id).unwrap_or_default(), snapshot);
        table.set_files(files.remove(&table.id).unwrap_or_default());
        table.changed = table.changed.max(table.columns_changed);
        if inlined.contains(&table.id) {
            table.unreadable = Some(
                "rows are stored in the catalog instead of files; \
                 run CALL ducklake_flush_inlined_data in DuckDB"
                    .into(),
            );
        }
    }
    Ok(tables)
}

fn table(row: &Row, schemas: &Schemas) -> DbResult<Option<LiveTable>> {
    let schema_id = row.get(2)?;
    let Some(schema) = schemas.get(&schema_id) else {
        return Ok(None);
    };
    let stored = row.optional::<String>(4)?.unwrap_or_default();
    let relative = row.optional(5)?.unwrap_or(true);
    let mut changed: i64 = row.get(6)?;
    for place in 7..=10 {
        changed = changed.max(row.optional(place)?.unwrap_or(0));
    }
    Ok(Some(LiveTable {
        id: row.get(0)?,
        schema_id,
        dataset: DatasetId(row.get(1)?),
        name: TableName::new(&schema.name, row.get::<String>(3)?),
        directory: path::directory(path::resolve(&schema.directory, &stored, relative)),
        stored_path: (stored, relative),
        columns: Vec::new(),
        next_field: FieldId(1),
        files: Vec::new(),
        changed: SnapshotId(changed),
        next_row: row.optional(11)?.unwrap_or(0),
        columns_changed: SnapshotId(0),
        unreadable: None,
    }))
}

macro_rules! column_rows {
    ($filter:literal) => {
        concat!(
            "SELECT ",
            column_list!(),
            " FROM lake.ducklake_column",
            $filter
        )
    };
}

/// All rows of the tables' columns, ended ones included: their ids are used up.
async fn column_rows(tx: &mut Tx, which: &Which) -> DbResult<HashMap<i64, Vec<ColumnRow>>> {
    let statement = match which {
        Which::All => sql(column_rows!("")),
        Which::Tables(ids) => sql(column_rows!(" WHERE table_id = ANY($1)")).bind(ids.clone()),
    };
    let mut tables: HashMap<i64, Vec<ColumnRow>> = HashMap::new();
    for row in tx.fetch_all(statement).await? {
        let column = ColumnRow::read(&row)?;
        tables.entry(column.table_id).or_default().push(column);
    }
    Ok(tables)
}

impl LiveTable {
    fn set_columns(&mut self, rows: Vec<ColumnRow>, snapshot: SnapshotId) {
        let next = rows.iter().map(|row| row.id + 1).max().unwrap_or(1);
        self.next_field = FieldId(next);
        let times = rows
            .iter()
            .flat_map(|row| [Some(row.begin), row.end])
            .flatten();
        let last = times.filter(|time| *time <= snapshot.0).max().unwrap_or(0);
        self.columns_changed = SnapshotId(last);
        self.columns = rows;
        self.columns.retain(|row| row.live_at(snapshot.0));
        self.columns.sort_by_key(|row| (row.order, row.id));
    }

    fn set_files(&mut self, mut files: Vec<LiveFile>) {
        for file in &mut files {
            // A file that is older than the columns is read by field id.
            let older = file.begin < self.columns_changed.0;
            file.file.current_columns = !older && !file.other_columns;
            if let Some(problem) = file.problem {
                self.unreadable = Some(format!("{problem}; rewrite the table with DuckDB"));
            }
        }
        self.files = files;
    }

    /// The version, named by its run and place in the dataset's life. Another client's merge of files
    /// leaves no trace but the merged file itself, which then is part of the name: a version of other
    /// files never has the same one.
    pub(crate) fn version(&self, run: RunId, seq: Seq, snapshot: SnapshotId) -> Version {
        let (columns, problem) = columns::build(self.columns.clone());
        let files: Vec<DataFile> = self.files.iter().map(|file| file.file.clone()).collect();
        let merged = self
            .files
            .iter()
            .filter(|file| file.merged)
            .map(|file| file.id)
            .max();
        Version {
            dataset: self.dataset,
            run: merged.map_or(run, |id| RunId(Uuid::new_v5(&run.0, &id.to_be_bytes()))),
            seq,
            snapshot,
            name: self.name.clone(),
            columns,
            next_field: self.next_field,
            directory: self.directory.clone(),
            files: files.into(),
            unreadable: self.unreadable.clone().or(problem),
        }
    }
}
