//! Writes how a table's files change: what ends, what begins, and what is known of it.

use std::collections::HashMap;

use ducksync_core::version::{DataFile, DeleteFile, Version};

use super::{
    Stop,
    difference::{FileDifference, NewFile, difference},
    work::{Touched, Try},
};
use crate::{
    db::{DbResult, Value, insert_rows, sql},
    ducklake::{new_stats::NewStats, path},
};

impl Try<'_> {
    pub(super) async fn write_files(
        &mut self,
        touched: &Touched,
        after: &Version,
    ) -> Result<(), Stop> {
        let Some(table) = touched.table_id else {
            return Ok(());
        };
        let before = touched.live.as_ref().map_or(&[][..], |live| &live.files);
        let found = difference(before, &after.files)?;
        self.forget_folded_stats(table).await?;
        if found == FileDifference::default() {
            return Ok(());
        }
        self.end_files(&found).await?;
        let ids = self.begin_files(table, after, &found.new, touched).await?;
        self.begin_deletes(table, after, &found, &ids).await?;
        if !found.ended.is_empty() || !found.new_deletes.is_empty() {
            self.changes.of("deleted_from_table", table);
        }
        if !found.new.is_empty() {
            self.changes.of("inserted_into_table", table);
        }
        Ok(())
    }

    async fn end_files(&mut self, found: &FileDifference) -> DbResult<()> {
        for (statement, ids) in [
            (
                "UPDATE lake.ducklake_data_file SET end_snapshot = $1 WHERE data_file_id = ANY($2)",
                &found.ended,
            ),
            (
                "UPDATE lake.ducklake_delete_file SET end_snapshot = $1 \
                 WHERE delete_file_id = ANY($2)",
                &found.ended_deletes,
            ),
        ] {
            if !ids.is_empty() {
                let statement = sql(statement).bind(self.id()).bind(ids.clone());
                self.tx.execute(statement).await?;
            }
        }
        Ok(())
    }

    /// Writes new files with their statistics; their catalog ids, in the same order.
    async fn begin_files(
        &mut self,
        table: i64,
        after: &Version,
        new: &[NewFile],
        touched: &Touched,
    ) -> DbResult<Vec<i64>> {
        let mut next_row = touched.live.as_ref().map_or(0, |live| live.next_row);
        let mut stats = NewStats::default();
        let mut by_location = HashMap::new();
        let (mut ids, mut rows, mut older) = (Vec::new(), Vec::new(), Vec::new());
        for NewFile { file, place } in new {
            let id = self.new_file_id();
            rows.push(self.file_row(id, table, after, file, *place, next_row));
            stats.add(&file.location, &file.stats);
            by_location.insert(file.location.as_str(), id);
            next_row += signed(file.rows);
            if touched.older_columns.contains(&file.location) {
                older.push(vec![id.into()]);
            }
            ids.push(id);
        }
        insert_rows(
            self.tx,
            "INSERT INTO lake.ducklake_data_file (data_file_id, table_id, begin_snapshot, \
             file_order, path, path_is_relative, file_format, record_count, file_size_bytes, \
             footer_size, row_id_start)",
            rows,
        )
        .await?;
        insert_rows(
            self.tx,
            "INSERT INTO ducksync.older_columns (data_file_id)",
            older,
        )
        .await?;
        if self.stats_ahead {
            NewStats::move_ahead(self.tx, table, &by_location).await?;
        } else {
            stats.insert(self.tx, table, &by_location).await?;
        }
        self.write_totals(table, after, next_row).await?;
        Ok(ids)
    }

    fn file_row(
        &self,
        id: i64,
        table: i64,
        after: &Version,
        file: &DataFile,
        place: Option<i64>,
        first_row: i64,
    ) -> Vec<Value> {
        let (path, relative) = path::store(&after.directory, &file.location);
        vec![
            id.into(),
            table.into(),
            self.id().into(),
            place.into(),
            path.into(),
            relative.into(),
            "parquet".into(),
            signed(file.rows).into(),
            signed(file.size_bytes).into(),
            signed(file.footer_bytes).into(),
            first_row.into(),
        ]
    }

    async fn begin_deletes(
        &mut self,
        table: i64,
        after: &Version,
        found: &FileDifference,
        new_ids: &[i64],
    ) -> DbResult<()> {
        let of_new = found.new.iter().zip(new_ids);
        let of_new = of_new.filter_map(|(new, id)| Some((*id, new.file.deletes.clone()?)));
        let deletes: Vec<(i64, DeleteFile)> =
            found.new_deletes.iter().cloned().chain(of_new).collect();
        let mut rows = Vec::with_capacity(deletes.len());
        for (data_file, deletes) in deletes {
            let (path, relative) = path::store(&after.directory, &deletes.location);
            rows.push(vec![
                self.new_file_id().into(),
                table.into(),
                self.id().into(),
                data_file.into(),
                path.into(),
                relative.into(),
                "parquet".into(),
                signed(deletes.rows).into(),
                signed(deletes.size_bytes).into(),
                signed(deletes.footer_bytes).into(),
            ]);
        }
        insert_rows(
            self.tx,
            "INSERT INTO lake.ducklake_delete_file (delete_file_id, table_id, begin_snapshot, \
             data_file_id, path, path_is_relative, format, delete_count, file_size_bytes, \
             footer_size)",
            rows,
        )
        .await
    }

    /// One row of totals for each table: deleted rows are still counted in `record_count`.
    async fn write_totals(&mut self, table: i64, after: &Version, next_row: i64) -> DbResult<()> {
        let rows: u64 = after.files.iter().map(|file| file.rows).sum();
        let bytes: u64 = after.files.iter().map(|file| file.size_bytes).sum();
        let (rows, bytes) = (signed(rows), signed(bytes));
        let update = sql("UPDATE lake.ducklake_table_stats SET record_count = $1, \
             next_row_id = $2, file_size_bytes = $3 WHERE table_id = $4");
        let update = update.bind(rows).bind(next_row).bind(bytes).bind(table);
        if self.tx.execute(update).await? > 0 {
            return Ok(());
        }
        let row = vec![table.into(), rows.into(), next_row.into(), bytes.into()];
        insert_rows(
            self.tx,
            "INSERT INTO lake.ducklake_table_stats (table_id, record_count, next_row_id, \
             file_size_bytes)",
            vec![row],
        )
        .await
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
