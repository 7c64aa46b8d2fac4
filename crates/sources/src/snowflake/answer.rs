//! Small answers as texts: what SHOW, EXPLAIN and questions of metadata return.

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};
use ducksync_core::{
    error::{Error, Result},
    source::{SubMicroseconds, TypeOptions},
};

use super::{
    columns::Plan,
    result,
    session::Session,
    settings::Options,
    statement::{self, Manner},
};

/// An answer whose cells are texts.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// The place of a column, found ignoring case.
    ///
    /// # Errors
    /// `DataLoss` if the answer lacks it.
    pub(super) fn column(&self, name: &str) -> Result<usize> {
        let found = self
            .columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name));
        found.ok_or_else(|| Error::data_loss(format!("snowflake's answer lacks the column {name}")))
    }
}

/// Runs a statement whose answer is known to be small.
pub(super) async fn table(
    session: &Arc<Session>,
    sql: &str,
    manner: &Manner,
    options: Options,
) -> Result<Table> {
    let mut reply = statement::run(session, sql, manner).await?;
    let exact = TypeOptions {
        sub_us: SubMicroseconds::Ns,
        ..TypeOptions::default()
    };
    let plan = Plan::of(&reply.rowtype.take().unwrap_or_default(), &exact)?;
    let columns = plan
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let id = reply.query_id.clone().unwrap_or_default();
    let stream = result::stream(session.clone(), id, plan, reply, options).await?;
    let mut rows = Vec::new();
    for batch in stream.collect().await? {
        let texts = batch
            .columns()
            .iter()
            .map(text)
            .collect::<Result<Vec<_>, _>>();
        let texts = texts.map_err(|error| {
            Error::internal("an answer of snowflake has no texts").with_source(error)
        })?;
        rows.extend((0..batch.num_rows()).map(|row| {
            let cell = |text: &ArrayRef| {
                let text = text.as_string::<i32>();
                text.is_valid(row).then(|| text.value(row).to_owned())
            };
            texts.iter().map(cell).collect::<Vec<_>>()
        }));
    }
    Ok(Table { columns, rows })
}

/// The cells of a statement that answers with one row of `width` cells.
pub(super) async fn row(
    session: &Arc<Session>,
    sql: &str,
    width: usize,
    manner: &Manner,
    options: Options,
) -> Result<Vec<Option<String>>> {
    let table = table(session, sql, manner, options).await?;
    match <[_; 1]>::try_from(table.rows) {
        Ok([row]) if row.len() == width => Ok(row),
        _ => Err(Error::data_loss(
            "snowflake answered a question by other cells than it was asked for",
        )),
    }
}

/// A column as texts; instants as counts of their unit, which is exact and needs no zone.
fn text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Timestamp(..) => cast(&cast(column, &DataType::Int64)?, &DataType::Utf8),
        _ => cast(column, &DataType::Utf8),
    }
}
