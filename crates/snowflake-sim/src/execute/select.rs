//! Queries: bind, find the types to report, run, encode.

use std::sync::RwLockReadGuard;

use duckdb::Connection;
use duckdb::arrow::array::RecordBatch;

use super::Executor;
use crate::error::SqlError;
use crate::labels::labels;
use crate::lineage;
use crate::points::Point;
use crate::result::{Format, ResultSet, Rows};
use crate::statement::{Kind, Statement};
use crate::types::SnowflakeType;
use crate::wire::chunk::ChunkWriter;
use crate::wire::column::ResultColumn;
use crate::wire::text;

/// A query's columns, and the query that delivers them in types that Arrow can carry.
pub(super) struct Bound {
    pub(super) columns: Vec<ResultColumn>,
    pub(super) sql: String,
}

impl Executor<'_> {
    pub(super) fn select(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let scratch = self.engine.next_scratch();
        let settled = self.settled();
        let rewritten = self.rewrite(&statement.tokens, scratch)?;
        if rewritten.information_of.is_empty() {
            return self.run_select(settled, statement, &rewritten.sql);
        }
        drop(settled);
        self.with_information(&rewritten, scratch, || {
            self.run_select(self.settled(), statement, &rewritten.sql)
        })
    }

    /// Runs a query; what it sees is what is committed while `settled` is held.
    fn run_select(
        &self,
        settled: RwLockReadGuard<'_, ()>,
        statement: &Statement,
        sql: &str,
    ) -> Result<ResultSet, SqlError> {
        let at = self.now();
        if let Some(id) = self.query_id {
            self.engine.points.set(id, Point { before: at, at });
        }
        self.in_transaction(|connection, open| {
            if open.is_none() {
                // DuckDB begins in each database when a name in it is bound: so that is now.
                connection.execute_batch("BEGIN TRANSACTION")?;
            }
            let mut bound = self.bind(connection, sql)?;
            drop(settled);
            let names: Vec<String> = bound
                .columns
                .iter()
                .map(|column| column.label.clone())
                .collect();
            let labels = labels(&statement.tokens, &names);
            for (column, label) in bound.columns.iter_mut().zip(labels) {
                column.label = label;
            }
            let rows = if self.describe_only {
                Rows::Text(Vec::new())
            } else {
                self.run(connection, &bound)?
            };
            let result = ResultSet {
                kind: Kind::Select,
                columns: bound.columns,
                rows,
                affected: 0,
                context: self.context.clone(),
            };
            Ok(ResultSet {
                affected: result.total() as u64,
                ..result
            })
        })
    }

    /// Binds a query without running it. Labels are still DuckDB's.
    pub(super) fn bind(&self, connection: &Connection, sql: &str) -> Result<Bound, SqlError> {
        let mut statement = connection.prepare(&format!("DESCRIBE {sql}"))?;
        let described = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let described = described.collect::<Result<Vec<_>, _>>()?;
        let declared = lineage::tree(connection, sql)
            .ok()
            .and_then(|tree| lineage::declared(&tree, &self.engine.catalog(), &self.context))
            .filter(|declared| declared.len() == described.len())
            .unwrap_or_else(|| vec![None; described.len()]);
        let columns = described
            .iter()
            .zip(declared)
            .map(|((label, duckdb), declared)| {
                let declared = declared.filter(|declared| declared.accepts(duckdb));
                ResultColumn::new(
                    label,
                    declared.unwrap_or_else(|| SnowflakeType::from_duckdb(duckdb)),
                )
            })
            .collect();
        let types: Vec<&str> = described
            .iter()
            .map(|(_, duckdb)| duckdb.as_str())
            .collect();
        Ok(Bound {
            columns,
            sql: portable(sql, &types),
        })
    }

    fn run(&self, connection: &Connection, bound: &Bound) -> Result<Rows, SqlError> {
        let columns = &bound.columns;
        match self.format {
            Format::Arrow {
                inline_rows,
                rows_per_chunk,
            } => {
                let mut writer = ChunkWriter::new(columns, inline_rows, rows_per_chunk);
                self.each_batch(connection, &bound.sql, |batch| writer.write(batch))?;
                Ok(Rows::Arrow(writer.finish()?))
            }
            Format::Text => {
                let mut rows = Vec::new();
                self.each_batch(connection, &bound.sql, |batch| {
                    text::append_rows(columns, &batch, &mut rows)
                })?;
                Ok(Rows::Text(rows))
            }
            Format::Values => {
                let mut rows = Vec::new();
                self.each_batch(connection, &bound.sql, |batch| {
                    text::append_values(columns, &batch, &mut rows)
                })?;
                Ok(Rows::Values(rows))
            }
        }
    }

    fn each_batch(
        &self,
        connection: &Connection,
        sql: &str,
        mut take: impl FnMut(RecordBatch) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let mut statement = connection.prepare(sql)?;
        drop(statement.stream_arrow([])?);
        while let Some(batch) = statement.step()? {
            self.interrupt.check()?;
            take(RecordBatch::from(&batch))?;
        }
        Ok(())
    }
}

/// The query with casts around columns whose DuckDB type has no plain Arrow counterpart.
fn portable(sql: &str, types: &[&str]) -> String {
    let cast = |at: usize, duckdb: &str| -> Option<String> {
        let column = format!("c{at}");
        let semi_structured = duckdb.starts_with("STRUCT(")
            || duckdb.starts_with("MAP(")
            || duckdb.starts_with("UNION(");
        match SnowflakeType::from_duckdb(duckdb) {
            SnowflakeType::TimestampTz(_) | SnowflakeType::Vector { .. } => None,
            SnowflakeType::Number { .. }
                if matches!(duckdb, "HUGEINT" | "UHUGEINT" | "UBIGINT") =>
            {
                Some(format!("CAST({column} AS DECIMAL(38, 0))"))
            }
            SnowflakeType::Text { .. } if semi_structured => {
                Some(format!("CAST(to_json({column}) AS VARCHAR)"))
            }
            SnowflakeType::Text { .. } if duckdb != "VARCHAR" => {
                Some(format!("CAST({column} AS VARCHAR)"))
            }
            SnowflakeType::Array | SnowflakeType::Object => {
                Some(format!("CAST(to_json({column}) AS VARCHAR)"))
            }
            SnowflakeType::Variant if duckdb == "VARIANT" => {
                Some(format!("CAST(to_json({column}) AS VARCHAR)"))
            }
            SnowflakeType::Variant => Some(format!("CAST({column} AS VARCHAR)")),
            _ => None,
        }
    };
    let casts: Vec<Option<String>> = types
        .iter()
        .enumerate()
        .map(|(at, duckdb)| cast(at, duckdb))
        .collect();
    if casts.iter().all(Option::is_none) {
        return sql.to_owned();
    }
    let names: Vec<String> = (0..types.len()).map(|at| format!("c{at}")).collect();
    let chosen: Vec<String> = casts
        .into_iter()
        .zip(&names)
        .map(|(cast, name)| cast.unwrap_or_else(|| name.clone()))
        .collect();
    format!(
        "SELECT {} FROM ({sql}) AS q({})",
        chosen.join(", "),
        names.join(", ")
    )
}
