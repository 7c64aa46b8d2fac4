//! From Snowflake's arrays to ours, column by column, as the plan says.
//!
//! A value is converted exactly or not at all: what does not fit is an error that names the column,
//! never a NULL or a rounded value.

mod numbers;
mod others;
mod temporal;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions, new_null_array},
    buffer::NullBuffer,
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};
use ducksync_core::{
    error::{Error, FailureClass, Reason, Result},
    types::LakeType,
};

use super::columns::{Column, Kind, Plan};

/// Why an array cannot become a column.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It has a form that this type never has.
    Form,
    /// A value of it is not one of this type.
    Value(String),
    /// Digits below microseconds would be lost.
    Precision,
    /// An instant of the source that a count of nanoseconds does not reach.
    Range,
}

impl From<ArrowError> for Misfit {
    fn from(error: ArrowError) -> Self {
        Self::Value(error.to_string())
    }
}

impl Plan {
    /// One batch in the result's schema.
    ///
    /// # Errors
    /// `InvalidArgument` of class SCHEMA for values that the options refuse, `DataLoss` for anything
    /// that the declaration does not allow.
    pub(super) fn convert(&self, wire: &RecordBatch) -> Result<RecordBatch> {
        if wire.num_columns() != self.columns.len() {
            return Err(Error::data_loss(format!(
                "snowflake declared {} columns and sent {}",
                self.columns.len(),
                wire.num_columns()
            )));
        }
        let mut arrays = Vec::with_capacity(self.fields.len());
        for (column, array) in self.columns.iter().zip(wire.columns()) {
            arrays.push(
                column
                    .convert(array)
                    .map_err(|misfit| column.error(array, &misfit))?,
            );
            if column.with_offset {
                let offsets = temporal::offsets(array);
                arrays.push(offsets.map_err(|misfit| column.error(array, &misfit))?);
            }
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(wire.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &rows)
            .map_err(|error| Error::internal("a batch lost its shape").with_source(error))
    }
}

impl Column {
    fn convert(&self, array: &ArrayRef) -> Result<ArrayRef, Misfit> {
        if *array.data_type() == DataType::Null {
            return Ok(new_null_array(&self.target.to_arrow(), array.len()));
        }
        let text = self.target == LakeType::Varchar;
        match self.kind {
            Kind::Number { precision, scale } => {
                numbers::number(array, precision, scale, &self.target)
            }
            Kind::Real | Kind::Boolean | Kind::Date => plain(array, &self.target.to_arrow()),
            Kind::Text | Kind::Json | Kind::Geo => others::text(array),
            Kind::Time { scale } if text => temporal::time_text(array, scale),
            Kind::Time { scale } => temporal::time(array, scale, self.sub_us),
            Kind::Timestamp { scale, .. } => {
                temporal::timestamp(array, scale, &self.target, self.sub_us)
            }
            Kind::Binary if text => others::hexadecimal(array),
            Kind::Binary => plain(array, &DataType::Binary),
            Kind::Vector { .. } if text => others::vector_text(array),
            Kind::Vector { .. } => plain_list(array, &self.target.to_arrow()),
            Kind::DecFloat => others::decimal_float(array),
            Kind::IntervalMonths => others::months(array),
            Kind::IntervalNanoseconds => others::nanoseconds(array),
            Kind::Unknown => others::anything(array),
        }
    }

    fn error(&self, array: &ArrayRef, misfit: &Misfit) -> Error {
        let name = &self.name;
        match misfit {
            Misfit::Form => Error::data_loss(format!(
                "column {name:?} arrived from snowflake as {}, which its type never is",
                array.data_type()
            ))
            .with_remedy("cast the column to VARCHAR in the statement"),
            Misfit::Value(what) => Error::data_loss(format!(
                "column {name:?} arrived from snowflake with an impossible value: {what}"
            )),
            Misfit::Range => Error::invalid(format!(
                "column {name:?} has an instant before 1678 or after 2261, which nanoseconds do not reach"
            ))
            .with_class(FailureClass::Schema)
            .with_remedy("set sub_us to truncate, or cast the column to VARCHAR in the statement"),
            Misfit::Precision => Error::invalid(format!(
                "column {name:?} has digits below microseconds, which would be lost"
            ))
            .with_reason(Reason::PrecisionLoss)
            .with_class(FailureClass::Schema)
            .with_remedy(match self.kind {
                Kind::Time { .. } => "set sub_us to truncate",
                _ => "set sub_us to truncate or ns",
            }),
        }
    }
}

/// An array that has its type already, but perhaps in another layout of the same values.
fn plain(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Misfit> {
    let from = array.data_type();
    if from == target {
        return Ok(array.clone());
    }
    match (from, target) {
        (DataType::Float32, DataType::Float64)
        | (DataType::Date64, DataType::Date32)
        | (DataType::LargeBinary | DataType::FixedSizeBinary(_), DataType::Binary) => {
            Ok(cast(array, target)?)
        }
        _ => Err(Misfit::Form),
    }
}

/// A list of numbers, in whatever layout of lists.
fn plain_list(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Misfit> {
    match array.data_type() {
        DataType::FixedSizeList(element, _) | DataType::List(element) => {
            let DataType::List(wanted) = target else {
                return Err(Misfit::Form);
            };
            if element.data_type() != wanted.data_type() {
                return Err(Misfit::Form);
            }
            // The cast keeps the element's name as the source has it; the schema says another.
            let list = cast(array, target)?;
            let (_, offsets, values, nulls) = list.as_list::<i32>().clone().into_parts();
            let named = ListArray::try_new(wanted.clone(), offsets, values, nulls)?;
            Ok(Arc::new(named))
        }
        _ => Err(Misfit::Form),
    }
}

/// An array of texts made cell by cell.
fn texts(
    rows: usize,
    nulls: Option<&NullBuffer>,
    text: impl Fn(usize) -> Result<String, Misfit>,
) -> Result<ArrayRef, Misfit> {
    let mut builder = arrow::array::StringBuilder::with_capacity(rows, rows * 16);
    for row in 0..rows {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            builder.append_null();
        } else {
            builder.append_value(text(row)?);
        }
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests;
