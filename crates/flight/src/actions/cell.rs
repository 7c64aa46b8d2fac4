//! One value of a management result, on its way into JSON or protobuf.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use ducksync_core::{Error, Result};

/// A value of one of the kinds that results have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Texts(Vec<String>),
    Integer(i64),
    Double(f64),
    Boolean(bool),
    /// Microseconds since 1970, UTC.
    Time(i64),
}

/// A result's row: column names and values, in order.
pub(super) fn row(batch: &RecordBatch, row: usize) -> Result<Vec<(String, Cell)>> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .map(|(field, column)| Ok((field.name().clone(), cell(column, row)?)))
        .collect()
}

fn cell(column: &ArrayRef, row: usize) -> Result<Cell> {
    if column.is_null(row) {
        return Ok(Cell::Null);
    }
    Ok(match column.data_type() {
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Int64 => Cell::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Cell::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Cell::Boolean(column.as_boolean().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Time(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::List(item) if *item.data_type() == DataType::Utf8 => {
            let texts = column.as_list::<i32>().value(row);
            Cell::Texts(
                texts
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .map(str::to_owned)
                    .collect(),
            )
        }
        other => {
            return Err(Error::internal(format!(
                "a command answered with a column of type {other}"
            )));
        }
    })
}
