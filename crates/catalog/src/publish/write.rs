//! Writes what a publication changes into DuckLake's tables.

use ducksync_core::{
    error::Error,
    id::DatasetId,
    version::{LakeSchema, Version, View},
};
use uuid::Uuid;

use super::{
    Stop,
    work::{Touched, Try},
};
use crate::{
    db::{DbResult, Statement, Value, insert_rows, sql},
    ducklake::{columns, path, schemas::alias_text},
};

impl Try<'_> {
    /// Writes every table's difference. Tables that end come first, so that another may take a name.
    pub(super) async fn write_tables(&mut self) -> Result<(), Stop> {
        let mut datasets: Vec<DatasetId> = self.tables.keys().copied().collect();
        datasets.sort();
        let ends = |touched: &Touched| touched.after.is_none();
        datasets.sort_by_key(|dataset| self.tables.get(dataset).is_some_and(|t| !ends(t)));
        for dataset in datasets {
            if let Some(mut touched) = self.tables.remove(&dataset) {
                self.write_table(&mut touched).await?;
                self.tables.insert(dataset, touched);
            }
        }
        Ok(())
    }

    async fn write_table(&mut self, touched: &mut Touched) -> Result<(), Stop> {
        match (touched.before.is_some(), touched.after.clone()) {
            (false, None) => Ok(()),
            (true, None) => self.drop_table(touched).await,
            (created, Some(after)) => {
                self.schema_changed |= !created || touched.altered;
                if !created {
                    let id = self.new_catalog_id();
                    touched.table_id = Some(id);
                    self.begin_table(id, &after, None).await?;
                    self.changes
                        .created("table", &after.name.schema, &after.name.name);
                } else if touched
                    .before
                    .as_ref()
                    .is_some_and(|b| b.name != after.name)
                {
                    self.rename_table(touched, &after).await?;
                }
                self.write_columns(touched, &after).await?;
                self.write_files(touched, &after).await
            }
        }
    }

    async fn drop_table(&mut self, touched: &Touched) -> Result<(), Stop> {
        let Some(id) = touched.table_id else {
            return Ok(());
        };
        for statement in [
            sql("UPDATE lake.ducklake_table SET end_snapshot = $1 \
                 WHERE table_id = $2 AND end_snapshot IS NULL"),
            sql("UPDATE lake.ducklake_column SET end_snapshot = $1 \
                 WHERE table_id = $2 AND end_snapshot IS NULL"),
            sql("UPDATE lake.ducklake_data_file SET end_snapshot = $1 \
                 WHERE table_id = $2 AND end_snapshot IS NULL"),
            sql("UPDATE lake.ducklake_delete_file SET end_snapshot = $1 \
                 WHERE table_id = $2 AND end_snapshot IS NULL"),
            sql("UPDATE lake.ducklake_partition_info SET end_snapshot = $1 \
                 WHERE table_id = $2 AND end_snapshot IS NULL"),
            sql("UPDATE lake.ducklake_sort_info SET end_snapshot = $1 \
                 WHERE table_id = $2 AND end_snapshot IS NULL"),
            sql("UPDATE lake.ducklake_column_tag SET end_snapshot = $1 \
                 WHERE table_id = $2 AND end_snapshot IS NULL"),
            sql("UPDATE lake.ducklake_tag SET end_snapshot = $1 \
                 WHERE object_id = $2 AND end_snapshot IS NULL"),
        ] {
            self.end(statement, id).await?;
        }
        self.forget_folded_stats(id).await?;
        self.changes.of("dropped_table", id);
        self.schema_changed = true;
        Ok(())
    }

    async fn rename_table(&mut self, touched: &Touched, after: &Version) -> Result<(), Stop> {
        let Some(live) = &touched.live else {
            return Ok(());
        };
        self.end(
            sql("UPDATE lake.ducklake_table SET end_snapshot = $1 \
                 WHERE table_id = $2 AND end_snapshot IS NULL"),
            live.id,
        )
        .await?;
        let same_schema = self.schema_id(&after.name.schema) == Some(live.schema_id);
        let stored = same_schema.then(|| live.stored_path.clone());
        self.begin_table(live.id, after, stored).await?;
        self.changes.of("altered_table", live.id);
        self.changes
            .created("table", &after.name.schema, &after.name.name);
        self.schema_changed = true;
        Ok(())
    }

    /// The row of a table that begins now; its path is stored as before, or relative to its schema.
    async fn begin_table(
        &mut self,
        id: i64,
        after: &Version,
        stored: Option<(String, bool)>,
    ) -> Result<(), Stop> {
        let Some(schema) = self.schema_id(&after.name.schema) else {
            return Err(Error::internal("a table has no schema").into());
        };
        let parent = self
            .schemas
            .get(&schema)
            .map_or("", |schema| &schema.directory);
        let (path, relative) = stored.unwrap_or_else(|| {
            let (path, relative) = path::store(parent, &after.directory);
            (path.to_owned(), relative)
        });
        let row = vec![
            id.into(),
            after.dataset.0.into(),
            self.id().into(),
            schema.into(),
            after.name.name.clone().into(),
            path.into(),
            relative.into(),
        ];
        insert_rows(
            self.tx,
            "INSERT INTO lake.ducklake_table (table_id, table_uuid, begin_snapshot, schema_id, \
             table_name, path, path_is_relative)",
            vec![row],
        )
        .await?;
        Ok(())
    }

    async fn write_columns(&mut self, touched: &mut Touched, after: &Version) -> Result<(), Stop> {
        let Some(table) = touched.table_id else {
            return Ok(());
        };
        let known = touched.live.as_ref().map_or(&[][..], |live| &live.columns);
        let (ended, begun) = columns::difference(known, columns::flatten(&after.columns));
        if ended.is_empty() && begun.is_empty() {
            return Ok(());
        }
        let snapshot = self.id();
        self.tx
            .execute(
                sql(
                    "UPDATE lake.ducklake_column SET end_snapshot = $1 WHERE table_id = $2 \
                     AND end_snapshot IS NULL AND column_id = ANY($3)",
                )
                .bind(snapshot)
                .bind(table)
                .bind(ended),
            )
            .await?;
        let rows = begun
            .iter()
            .map(|row| row.values(table, snapshot))
            .collect();
        insert_rows(self.tx, columns::INSERT, rows).await?;
        if touched.live.is_some() {
            self.changes.of("altered_table", table);
        }
        touched.altered = true;
        self.schema_changed = true;
        Ok(())
    }

    /// Each altered or new table's row of the schema version that this snapshot makes.
    pub(super) async fn write_schema_versions(&mut self) -> DbResult<()> {
        let (snapshot, version) = (self.id(), self.next.schema_version);
        let renamed = |t: &Touched| match (&t.before, &t.after) {
            (Some(before), Some(after)) => before.name != after.name,
            (None, after) => after.is_some(),
            (Some(_), None) => false,
        };
        let changed = self.tables.values().filter(|t| t.after.is_some());
        let changed = changed.filter(|touched| touched.altered || renamed(touched));
        let rows = changed.filter_map(|touched| touched.table_id);
        let rows = rows.map(|table| vec![snapshot.into(), version.into(), table.into()]);
        let rows: Vec<Vec<Value>> = rows.collect();
        insert_rows(
            self.tx,
            "INSERT INTO lake.ducklake_schema_versions (begin_snapshot, schema_version, table_id)",
            rows,
        )
        .await
    }

    pub(super) async fn write_schema(&mut self, id: i64, schema: &LakeSchema) -> DbResult<()> {
        let (path, relative) = path::store(&self.data_path, &schema.directory);
        let row = vec![
            id.into(),
            Uuid::new_v4().into(),
            self.next.id.0.into(),
            schema.name.clone().into(),
            path.into(),
            relative.into(),
        ];
        insert_rows(
            self.tx,
            "INSERT INTO lake.ducklake_schema (schema_id, schema_uuid, begin_snapshot, \
             schema_name, path, path_is_relative)",
            vec![row],
        )
        .await
    }

    pub(super) async fn end_schema(&mut self, id: i64) -> DbResult<()> {
        let statement = sql("UPDATE lake.ducklake_schema SET end_snapshot = $1 \
                             WHERE schema_id = $2 AND end_snapshot IS NULL");
        self.end(statement, id).await
    }

    pub(super) async fn write_view(&mut self, id: i64, schema: i64, view: &View) -> DbResult<()> {
        let row = vec![
            id.into(),
            Uuid::new_v4().into(),
            self.next.id.0.into(),
            schema.into(),
            view.name.name.clone().into(),
            "duckdb".into(),
            view.sql.clone().into(),
            alias_text(&view.column_aliases).into(),
        ];
        insert_rows(
            self.tx,
            "INSERT INTO lake.ducklake_view (view_id, view_uuid, begin_snapshot, schema_id, \
             view_name, dialect, sql, column_aliases)",
            vec![row],
        )
        .await
    }

    pub(super) async fn end_view(&mut self, id: i64) -> DbResult<()> {
        let statement = sql("UPDATE lake.ducklake_view SET end_snapshot = $1 \
                             WHERE view_id = $2 AND end_snapshot IS NULL");
        self.end(statement, id).await
    }

    async fn end(&mut self, statement: Statement, id: i64) -> DbResult<()> {
        let statement = statement.bind(self.id()).bind(id);
        self.tx.execute(statement).await.map(drop)
    }

    /// See [`crate::ducklake::stats`]: such rows have no version and would be wrong for some snapshot.
    pub(super) async fn forget_folded_stats(&mut self, table: i64) -> DbResult<()> {
        let statement = sql("DELETE FROM lake.ducklake_table_column_stats WHERE table_id = $1");
        self.tx.execute(statement.bind(table)).await.map(drop)
    }
}
