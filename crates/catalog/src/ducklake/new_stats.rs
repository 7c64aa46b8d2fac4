//! Writes the statistics of new files. Those of wide tables are many: on Postgres they are sent to a
//! temporary table before the commit lock is taken, and only moved under it (G-5).

use std::collections::HashMap;

use ducksync_core::{change::Publication, version::ColumnStats};

use crate::db::{DbResult, Engine, Statement, Tx, Value, insert_rows, sql};

/// From how many rows on they are sent before the lock.
const MANY: usize = 2_000;

/// Statistics of files; a file has its location until it has a catalog id.
#[derive(Debug, Default)]
pub(crate) struct NewStats<'a> {
    rows: Vec<(&'a str, ColumnStats)>,
}

impl<'a> NewStats<'a> {
    pub(crate) fn add(&mut self, location: &'a str, stats: &[ColumnStats]) {
        let rows = stats
            .iter()
            .cloned()
            .map(|stats| (location, storable(stats)));
        self.rows.extend(rows);
    }

    /// Sends the publication's statistics ahead if they are many; whether it did.
    pub(crate) async fn send_ahead(tx: &mut Tx, publication: &'a Publication) -> DbResult<bool> {
        if tx.engine() != Engine::Postgres {
            return Ok(false);
        }
        let mut new = Self::default();
        for file in publication
            .changes
            .iter()
            .flat_map(|change| change.new_files())
        {
            new.add(&file.location, &file.stats);
        }
        if new.rows.len() < MANY {
            return Ok(false);
        }
        tx.execute_script(
            "CREATE TEMPORARY TABLE ducksync_new_stats (location TEXT, column_id BIGINT, \
             column_size_bytes BIGINT, value_count BIGINT, null_count BIGINT, min_value TEXT, \
             max_value TEXT, contains_nan BOOLEAN) ON COMMIT DROP",
        )
        .await?;
        let insert = sql(
            "INSERT INTO pg_temp.ducksync_new_stats SELECT * FROM UNNEST($1::text[], \
             $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], \
             $8::boolean[])",
        );
        let locations: Vec<String> = new.rows.iter().map(|row| row.0.to_owned()).collect();
        tx.execute(new.bind_columns(insert.bind(locations))).await?;
        Ok(true)
    }

    /// Moves what was sent ahead to its place: `files` has the catalog ids of new files of `table`.
    pub(crate) async fn move_ahead(
        tx: &mut Tx,
        table: i64,
        files: &HashMap<&str, i64>,
    ) -> DbResult<()> {
        let (locations, ids): (Vec<String>, Vec<i64>) = files
            .iter()
            .map(|(location, id)| ((*location).to_owned(), *id))
            .unzip();
        let statement = sql(
            "INSERT INTO lake.ducklake_file_column_stats (data_file_id, table_id, column_id, \
             column_size_bytes, value_count, null_count, min_value, max_value, contains_nan) \
             SELECT f.id, $1, s.column_id, s.column_size_bytes, s.value_count, s.null_count, \
             s.min_value, s.max_value, s.contains_nan FROM pg_temp.ducksync_new_stats s \
             JOIN UNNEST($2::text[], $3::bigint[]) f (location, id) ON f.location = s.location",
        );
        tx.execute(statement.bind(table).bind(locations).bind(ids))
            .await
            .map(drop)
    }

    /// Writes the rows.
    pub(crate) async fn insert(
        self,
        tx: &mut Tx,
        table: i64,
        files: &HashMap<&str, i64>,
    ) -> DbResult<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let of = |row: &(&str, ColumnStats)| files.get(row.0).copied().unwrap_or_default();
        let ids: Vec<i64> = self.rows.iter().map(of).collect();
        match tx.engine() {
            Engine::Postgres => self.insert_arrays(tx, table, ids).await,
            Engine::Sqlite => self.insert_values(tx, table, ids).await,
        }
    }

    /// One statement whatever their number.
    async fn insert_arrays(self, tx: &mut Tx, table: i64, ids: Vec<i64>) -> DbResult<()> {
        let statement = sql(
            "INSERT INTO lake.ducklake_file_column_stats (data_file_id, column_id, \
             column_size_bytes, value_count, null_count, min_value, max_value, contains_nan, \
             table_id) SELECT s.*, $9 FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], \
             $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::boolean[]) s",
        );
        let statement = self.bind_columns(statement.bind(ids)).bind(table);
        tx.execute(statement).await.map(drop)
    }

    /// Binds the seven columns that say something of a leaf column.
    fn bind_columns(&self, statement: Statement) -> Statement {
        let columns = || self.rows.iter().map(|(_, column)| column);
        statement
            .bind(columns().map(|c| c.field.0).collect::<Vec<_>>())
            .bind(Value::OptionalInts(
                columns().map(|c| c.size_bytes).collect(),
            ))
            .bind(columns().map(|c| c.value_count).collect::<Vec<_>>())
            .bind(columns().map(|c| c.null_count).collect::<Vec<_>>())
            .bind(Value::OptionalTexts(
                columns().map(|c| c.min.clone()).collect(),
            ))
            .bind(Value::OptionalTexts(
                columns().map(|c| c.max.clone()).collect(),
            ))
            .bind(Value::OptionalBools(
                columns().map(|c| c.contains_nan).collect(),
            ))
    }

    async fn insert_values(self, tx: &mut Tx, table: i64, ids: Vec<i64>) -> DbResult<()> {
        let rows = ids.into_iter().zip(self.rows).map(|(id, (_, column))| {
            vec![
                Value::from(id),
                table.into(),
                column.field.0.into(),
                column.size_bytes.into(),
                column.value_count.into(),
                column.null_count.into(),
                column.min.into(),
                column.max.into(),
                column.contains_nan.into(),
            ]
        });
        insert_rows(
            tx,
            "INSERT INTO lake.ducklake_file_column_stats (data_file_id, table_id, column_id, \
             column_size_bytes, value_count, null_count, min_value, max_value, contains_nan)",
            rows.collect(),
        )
        .await
    }
}

/// Longest text of a least or greatest value that is worth its place.
const MAX_TEXT: usize = 1024;

/// Postgres cannot store NUL, and half a range is worse than none.
fn storable(mut stats: ColumnStats) -> ColumnStats {
    let unfit = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|text| text.len() > MAX_TEXT || text.contains('\0'))
    };
    if unfit(&stats.min) || unfit(&stats.max) {
        stats.min = None;
        stats.max = None;
    }
    stats
}
