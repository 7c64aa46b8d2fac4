//! Immutable versions of datasets, and the map of those that one snapshot shows.
//!
//! A [`Version`] is a list of files with their columns: enough to answer any question about it without
//! a catalog, a lock or a transaction. A process holds one [`Lake`], replaced whole when it hears of a
//! newer snapshot (G-14); a statement binds its relations to versions of one `Lake` and keeps them.

use std::{collections::HashMap, sync::Arc};

use crate::{
    dataset::Dataset,
    id::{DatasetId, FieldId, RunId, Seq, SnapshotId},
    name::{Name, TableName, path_segment},
    source::SourceDefinition,
    time::Instant,
    types::{Field, Fields},
};

/// What a Parquet file holds of one leaf column, in DuckLake's text form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnStats {
    /// The leaf column.
    pub field: FieldId,
    /// Compressed size in bytes.
    pub size_bytes: Option<i64>,
    /// Values, NULLs included.
    pub value_count: i64,
    /// NULLs.
    pub null_count: i64,
    /// The least value, if it is known and can be stored as text.
    pub min: Option<String>,
    /// The greatest value, likewise.
    pub max: Option<String>,
    /// Whether a float column holds a NaN, if it is known.
    pub contains_nan: Option<bool>,
}

/// Row positions of one data file that are deleted: a Parquet file of `file_path, pos`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteFile {
    /// Absolute path or `s3://` URL.
    pub location: String,
    /// Deleted rows in it: all that are deleted of its data file.
    pub rows: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Size of the Parquet footer in bytes.
    pub footer_bytes: u64,
}

/// One immutable Parquet file of a version. Its location is its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Absolute path or `s3://` URL.
    pub location: String,
    /// Rows in the file, deleted ones included.
    pub rows: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Size of the Parquet footer in bytes.
    pub footer_bytes: u64,
    /// Per leaf column; may be empty.
    pub stats: Arc<[ColumnStats]>,
    /// Rows deleted since it was written.
    pub deletes: Option<DeleteFile>,
    /// Whether its columns carry the field ids and names of the version that lists it, so that it can
    /// be read by name; otherwise it is read by field id.
    pub current_columns: bool,
}

impl DataFile {
    /// Rows that are not deleted.
    pub fn live_rows(&self) -> u64 {
        self.rows
            .saturating_sub(self.deletes.as_ref().map_or(0, |deletes| deletes.rows))
    }
}

/// One published state of a dataset; immutable, named by dataset and run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The dataset.
    pub dataset: DatasetId,
    /// The run that published it.
    pub run: RunId,
    /// Where the dataset stands in its life when this was published.
    pub seq: Seq,
    /// The snapshot that first shows it.
    pub snapshot: SnapshotId,
    /// The table's name at that snapshot.
    pub name: TableName,
    /// The table's columns, with ids.
    pub columns: Fields,
    /// The first field id that this table has never used.
    pub next_field: FieldId,
    /// The directory for new files of the table: absolute path or `s3://` URL, ending in `/`.
    pub directory: String,
    /// Its files, in the order in which their rows are read.
    pub files: Arc<[DataFile]>,
    /// Why we cannot read it although it exists, such as inlined rows of a foreign client.
    pub unreadable: Option<String>,
}

impl Version {
    /// Rows of the version.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::live_rows).sum()
    }

    /// Bytes of its files, delete files included.
    pub fn size_bytes(&self) -> u64 {
        let deletes = |file: &DataFile| file.deletes.as_ref().map_or(0, |d| d.size_bytes);
        self.files
            .iter()
            .map(|file| file.size_bytes + deletes(file))
            .sum()
    }

    /// The column of that name, ignoring case.
    pub fn column(&self, name: &str) -> Option<&Field> {
        let name = name.to_lowercase();
        self.columns
            .iter()
            .find(|column| column.name.to_lowercase() == name)
    }
}

/// A view of the lake: text that is resolved when a statement reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The view's name.
    pub name: TableName,
    /// The query, fully qualified, in DuckDB's dialect.
    pub sql: String,
    /// Names of its columns, in order; empty = those of the query.
    pub column_aliases: Vec<String>,
}

/// A schema of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeSchema {
    /// Its name, in the case of its making.
    pub name: String,
    /// Where its tables' directories lie: absolute path or `s3://` URL, ending in `/`.
    pub directory: String,
}

/// Everything a process knows of the lake and of our definitions at one moment, replaced whole.
#[derive(Debug, Clone, Default)]
pub struct Lake {
    /// The lake's name, the first part of `{lake}.{schema}.{table}`.
    pub name: String,
    /// Where its files lie: absolute path or `s3://` URL, ending in `/`.
    pub data_path: String,
    /// The snapshot it shows.
    pub snapshot: SnapshotId,
    /// When that snapshot was committed.
    pub snapshot_time: Option<Instant>,
    /// Counts every change of our state, those without a snapshot included.
    pub revision: i64,
    /// Schemas by folded name.
    pub schemas: HashMap<String, Arc<LakeSchema>>,
    /// Versions of all tables.
    pub versions: HashMap<DatasetId, Arc<Version>>,
    /// Tables by folded schema and name.
    pub tables: HashMap<(String, String), DatasetId>,
    /// Views by folded schema and name.
    pub views: HashMap<(String, String), Arc<View>>,
    /// Definitions and state of datasets, those without a version included.
    pub datasets: HashMap<DatasetId, Arc<Dataset>>,
    /// Sources by folded name.
    pub sources: HashMap<String, Arc<SourceDefinition>>,
}

impl Lake {
    /// The version of the table of that name.
    pub fn table(&self, schema: &str, name: &str) -> Option<&Arc<Version>> {
        let key = (schema.to_lowercase(), name.to_lowercase());
        self.versions.get(self.tables.get(&key)?)
    }

    /// The query cache of that name.
    pub fn cache(&self, name: &str) -> Option<&Arc<Dataset>> {
        self.datasets
            .values()
            .find(|d| d.feed.is_some() && d.name.name.eq_ignore_ascii_case(name))
    }

    /// The source of that name.
    pub fn source(&self, name: &Name) -> Option<&Arc<SourceDefinition>> {
        self.sources.get(&name.folded())
    }

    /// The directory for the first files of a table that does not exist yet. It holds the dataset's
    /// id, so that a table of the same name made later never shares it.
    pub fn new_table_directory(&self, name: &TableName, dataset: DatasetId) -> String {
        let schema = match self.schemas.get(&name.schema.to_lowercase()) {
            Some(schema) => schema.directory.clone(),
            None => self.new_schema_directory(&name.schema),
        };
        format!(
            "{schema}{}-{}/",
            path_segment(&name.name),
            dataset.0.simple()
        )
    }

    /// The directory of a schema that does not exist yet.
    pub fn new_schema_directory(&self, schema: &str) -> String {
        format!("{}{}/", self.data_path, path_segment(schema))
    }
}
