//! A table's past: which point is meant, whether it can still be told, and by which query.

use std::sync::PoisonError;

use chrono::{DateTime, Utc};

use super::Executor;
use crate::catalog::{Change, Object, change_at};
use crate::error::SqlError;
use crate::history;
use crate::names::ObjectName;
use crate::rewrite::{Past, PointAsked, PointBy};

impl Executor<'_> {
    /// The last change that a statement sees which begins now: in a transaction, that of its begin.
    pub(super) fn now(&self) -> Change {
        let begun = self.session.and_then(|session| {
            let open = session
                .transaction
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            open.as_ref().map(|open| open.begun)
        });
        begun.unwrap_or_else(|| self.engine.catalog().last_change())
    }

    /// The query that takes the place of a table whose past is asked for.
    pub(super) fn past(&self, parts: &[String], past: &Past) -> Result<String, SqlError> {
        let name = self.context.resolve(parts)?;
        let from = self.point(&past.from)?;
        let to = match &past.to {
            Some(to) => self.point(to)?,
            None => self.now(),
        };
        let catalog = self.engine.catalog();
        let object = catalog.require(&name)?;
        if object.is_view() {
            return Err(SqlError::unsupported("the past of a view"));
        }
        if from < object.oldest() || (past.to.is_some() && to < object.oldest()) {
            return Err(SqlError::no_time_travel(&name.name));
        }
        match past.changes {
            Some(information) => {
                let since = object.tracked().filter(|since| from >= *since);
                let since = since.ok_or_else(|| SqlError::not_tracked(&name.display()))?;
                Ok(history::changes(object, since, information, (from, to)))
            }
            None => rows_at(&name, object, from),
        }
    }

    fn point(&self, asked: &PointAsked) -> Result<Change, SqlError> {
        match asked.by {
            PointBy::Statement => {
                let id: String = self.value("VARCHAR", &asked.expression)?;
                let point = self.engine.points.get(&id).ok_or_else(|| {
                    SqlError::new("000709", "02000", format!("Statement {id} not found"))
                })?;
                Ok(if asked.before { point.before } else { point.at })
            }
            PointBy::Timestamp => {
                let instant = format!("epoch_us(CAST(({}) AS TIMESTAMPTZ))", asked.expression);
                at_micros(self.value("BIGINT", &instant)?, asked.before)
            }
            PointBy::Offset => {
                let seconds: f64 = self.value("DOUBLE", &asked.expression)?;
                let micros = (seconds * 1e6) as i64;
                at_micros(
                    Utc::now().timestamp_micros().saturating_add(micros),
                    asked.before,
                )
            }
        }
    }

    fn value<T: duckdb::types::FromSql>(
        &self,
        kind: &str,
        expression: &str,
    ) -> Result<T, SqlError> {
        let connection = self.engine.connect(&self.context)?;
        let sql = format!("SELECT CAST(({expression}) AS {kind})");
        Ok(connection.query_row(&sql, [], |row| row.get(0))?)
    }
}

fn at_micros(micros: i64, before: bool) -> Result<Change, SqlError> {
    let time = DateTime::from_timestamp_micros(micros - i64::from(before));
    time.map(change_at)
        .ok_or_else(|| SqlError::internal(format!("no such time: {micros} µs")))
}

/// The rows of a table at a point. Only tables with change tracking have a past here; of others the
/// present is known, and that it has not changed since.
fn rows_at(name: &ObjectName, object: &Object, at: Change) -> Result<String, SqlError> {
    if let Some(since) = object.tracked().filter(|since| at >= *since) {
        return Ok(history::rows_at(object, since, at));
    }
    if at >= object.change {
        return Ok(format!("FROM {}", name.quoted()));
    }
    Err(SqlError::unsupported(
        "time travel on a table without change tracking",
    ))
}
