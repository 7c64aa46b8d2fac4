//! One list of table changes serves caches, client statements, feeds and tests.
//!
//! A [`Publication`] is a list of changes with what must still be true for them; it is committed whole
//! or not at all (G-4). [`apply()`] says what a change makes of a version: the catalog's transaction and
//! a client's open transaction must agree with it.

mod apply;

pub use apply::apply;

use serde::{Deserialize, Serialize};

use crate::{
    dataset::Checkpoint,
    id::{ClaimToken, DatasetId, RunId, Seq, SnapshotId},
    name::TableName,
    run::RunCompletion,
    time::Instant,
    types::Fields,
    version::{ColumnStats, DataFile, DeleteFile, View},
};

/// A new Parquet file on stable storage, not yet named by any snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedFile {
    /// Absolute path or `s3://` URL.
    pub location: String,
    /// Rows in it.
    pub rows: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Size of the Parquet footer in bytes.
    pub footer_bytes: u64,
    /// Per leaf column.
    pub stats: Vec<ColumnStats>,
}

/// A new delete file for one data file; it lists every deleted row of that file and replaces the one
/// it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedDeletes {
    /// The location of the data file.
    pub data_file: String,
    /// The new delete file.
    pub file: DeleteFile,
}

/// One change of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// Makes a schema.
    CreateSchema {
        /// Its name.
        name: String,
    },
    /// Drops an empty schema.
    DropSchema {
        /// Its name.
        name: String,
    },
    /// Makes or replaces a view.
    CreateView(View),
    /// Drops a view.
    DropView {
        /// Its name.
        name: TableName,
    },
    /// Makes an empty table (and its schema, if there is none); follow it by [`TableChange::Append`].
    Create {
        /// The new dataset.
        dataset: DatasetId,
        /// Its name.
        name: TableName,
        /// Its directory, of [`crate::version::Lake::new_table_directory`].
        directory: String,
        /// Its columns, with ids from 1 on.
        columns: Fields,
    },
    /// Replaces all rows, and the columns if they are given.
    Replace {
        /// The table.
        dataset: DatasetId,
        /// New columns, with ids never used before in the table; `None` keeps them.
        columns: Option<Fields>,
        /// The files with the new rows, in order.
        files: Vec<StagedFile>,
    },
    /// Adds rows. Alone in its publication it needs no unchanged head, only unchanged columns (G-5).
    Append {
        /// The table.
        dataset: DatasetId,
        /// The files with the new rows, in order.
        files: Vec<StagedFile>,
    },
    /// Deletes rows by position, and whole files.
    Delete {
        /// The table.
        dataset: DatasetId,
        /// New delete files, at most one for a data file.
        deletes: Vec<StagedDeletes>,
        /// Locations of data files that end.
        ended: Vec<String>,
    },
    /// Replaces files by others that hold the same rows (compaction): no change of data.
    Merge {
        /// The table.
        dataset: DatasetId,
        /// Locations of the files that end.
        ended: Vec<String>,
        /// The files that take their place, at the place of the first.
        files: Vec<StagedFile>,
    },
    /// Changes the columns and keeps the rows: kept ids keep their data, new ids read their default.
    Alter {
        /// The table.
        dataset: DatasetId,
        /// All columns after the change.
        columns: Fields,
    },
    /// Gives the table another name.
    Rename {
        /// The table.
        dataset: DatasetId,
        /// The new name; its schema exists.
        name: TableName,
    },
    /// Drops the table.
    Drop {
        /// The table.
        dataset: DatasetId,
    },
}

impl TableChange {
    /// The table that it changes.
    pub fn dataset(&self) -> Option<DatasetId> {
        match self {
            Self::CreateSchema { .. }
            | Self::DropSchema { .. }
            | Self::CreateView(_)
            | Self::DropView { .. } => None,
            Self::Create { dataset, .. }
            | Self::Replace { dataset, .. }
            | Self::Append { dataset, .. }
            | Self::Delete { dataset, .. }
            | Self::Merge { dataset, .. }
            | Self::Alter { dataset, .. }
            | Self::Rename { dataset, .. }
            | Self::Drop { dataset } => Some(*dataset),
        }
    }

    /// New data files it brings.
    pub fn new_files(&self) -> &[StagedFile] {
        match self {
            Self::Replace { files, .. }
            | Self::Append { files, .. }
            | Self::Merge { files, .. } => files,
            _ => &[],
        }
    }
}

impl From<StagedFile> for DataFile {
    fn from(staged: StagedFile) -> Self {
        Self {
            location: staged.location,
            rows: staged.rows,
            size_bytes: staged.size_bytes,
            footer_bytes: staged.footer_bytes,
            stats: staged.stats.into(),
            deletes: None,
            current_columns: true,
        }
    }
}

/// What must still be true of a dataset when a publication commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The dataset.
    pub dataset: DatasetId,
    /// The head's `seq` that the run started from; `None` = the dataset has no head yet.
    pub seq: Option<Seq>,
    /// The claim the run holds; datasets without feed need none.
    pub claim: Option<ClaimToken>,
}

/// Changes that commit together, with the checkpoint and the run record.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The run; it names the versions it makes.
    pub run: RunId,
    /// Every dataset it changes, as it was when the run began.
    pub basis: Vec<Basis>,
    /// The changes, in order.
    pub changes: Vec<TableChange>,
    /// New checkpoints of fed datasets. A checkpoint ends the dataset's failures and its quarantine.
    pub checkpoints: Vec<(DatasetId, Checkpoint)>,
    /// How the run record reads afterwards; `None` for client statements that have no run record.
    pub completion: Option<RunCompletion>,
}

/// What a commit made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The new snapshot.
    pub snapshot: SnapshotId,
    /// When it was committed, by the catalog's clock.
    pub time: Instant,
}
