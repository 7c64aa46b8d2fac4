//! Which names the lake's tables and views have, ignoring case as DuckDB does.

use std::collections::HashMap;

use ducksync_core::{
    change::TableChange,
    error::{Error, Result},
    id::{DatasetId, SnapshotId},
    name::TableName,
};

use crate::{
    db::{DbResult, Tx, sql},
    ducklake::schemas::{self, Schemas},
};

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Table(DatasetId),
    View(i64),
}

/// The names of all tables and views, followed through the changes of a publication.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<(String, String), Named>);

impl Names {
    /// Reads the names if any of `changes` needs them.
    pub(super) async fn read(
        tx: &mut Tx,
        snapshot: SnapshotId,
        schemas: &Schemas,
        changes: &[TableChange],
    ) -> DbResult<Self> {
        let mut names = Self::default();
        if !changes.iter().any(needs_names) {
            return Ok(names);
        }
        let tables = tx
            .fetch_all(sql(
                "SELECT schema_id, table_name, table_uuid FROM lake.ducklake_table \
                 WHERE end_snapshot IS NULL",
            ))
            .await?;
        for row in tables {
            if let Some(schema) = schemas.get(&row.get(0)?) {
                let name = TableName::new(&schema.name, row.get::<String>(1)?);
                names.put(&name, Named::Table(DatasetId(row.get(2)?)));
            }
        }
        for view in schemas::views(tx, snapshot, schemas).await? {
            names.put(&view.view.name, Named::View(view.id));
        }
        Ok(names)
    }

    pub(super) fn get(&self, name: &TableName) -> Option<Named> {
        self.0.get(&name.folded()).copied()
    }

    pub(super) fn put(&mut self, name: &TableName, named: Named) {
        self.0.insert(name.folded(), named);
    }

    pub(super) fn remove(&mut self, name: &TableName) {
        self.0.remove(&name.folded());
    }

    /// Whether nothing has that name.
    pub(super) fn require_free(&self, name: &TableName) -> Result<()> {
        match self.get(name) {
            None => Ok(()),
            Some(Named::Table(_)) => Err(Error::already_exists(format!(
                "the lake has a table {name} already"
            ))),
            Some(Named::View(_)) => Err(Error::already_exists(format!(
                "the lake has a view {name} already"
            ))),
        }
    }

    /// Whether a schema holds nothing.
    pub(super) fn is_empty(&self, schema: &str) -> bool {
        let schema = schema.to_lowercase();
        self.0.keys().all(|(of, _)| *of != schema)
    }
}

fn needs_names(change: &TableChange) -> bool {
    match change {
        TableChange::Create { .. }
        | TableChange::Rename { .. }
        | TableChange::CreateView(_)
        | TableChange::DropView { .. }
        | TableChange::DropSchema { .. } => true,
        TableChange::CreateSchema { .. }
        | TableChange::Replace { .. }
        | TableChange::Append { .. }
        | TableChange::Delete { .. }
        | TableChange::Merge { .. }
        | TableChange::Alter { .. }
        | TableChange::Drop { .. } => false,
    }
}
