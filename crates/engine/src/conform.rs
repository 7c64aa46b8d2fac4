//! DuckDB's Arrow as the schema that a result declares.
//!
//! Most columns pass untouched. The others differ in what the format leaves open: the zone's name of
//! an instant, the names of list items, dictionaries, lists of fixed length.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions,
        StructArray, make_array, new_null_array,
    },
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Decimal128Type, SchemaRef},
    error::ArrowError,
    util::display::FormatOptions,
};
use ducksync_core::{
    Error, Result,
    types::{Fields, result_schema},
};

use crate::duck::Column;

/// Decimals of 38 digits end before this.
const DIGITS_38: u128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;

/// The declared shape of a result.
#[derive(Clone)]
pub(crate) struct Shape {
    /// The lake types of the columns.
    pub(crate) fields: Fields,
    /// The Arrow schema of every batch.
    pub(crate) schema: SchemaRef,
    huge: Arc<[bool]>,
}

impl Shape {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        let huge = columns.iter().map(|column| column.huge).collect();
        let fields: Fields = columns.into_iter().map(|column| column.field).collect();
        Self {
            schema: result_schema(&fields),
            fields,
            huge,
        }
    }

    /// The batch that `chunk` is, in exactly the declared schema.
    ///
    /// # Errors
    /// `InvalidArgument` for a 128-bit integer beyond 38 digits.
    pub(crate) fn conform(&self, chunk: StructArray) -> Result<RecordBatch> {
        let rows = chunk.len();
        let columns = chunk
            .columns()
            .iter()
            .zip(self.schema.fields())
            .zip(self.huge.iter())
            .map(|((column, field), huge)| {
                if *huge {
                    check_digits(column, field.name())?;
                }
                conform(column, field.data_type()).map_err(|error| {
                    Error::internal(format!("column {:?} could not be converted", field.name()))
                        .with_source(error)
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(|error| {
            Error::internal("a batch does not have its declared columns").with_source(error)
        })
    }
}

fn conform(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    Ok(match (array.data_type(), to) {
        (DataType::Timestamp(from, _), DataType::Timestamp(unit, _)) if from == unit => {
            let data = array.to_data().into_builder().data_type(to.clone());
            make_array(data.build()?)
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = array.as_list::<i32>();
            let values = conform(list.values(), item.data_type())?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(ListArray::try_new(item.clone(), offsets, values, nulls)?)
        }
        (DataType::FixedSizeList(item, _), DataType::List(_)) => {
            conform(&strict_cast(array, &DataType::List(item.clone()))?, to)?
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let parts = array.as_struct();
            let columns = parts
                .columns()
                .iter()
                .zip(fields)
                .map(|(column, field)| conform(column, field.data_type()))
                .collect::<Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new(
                fields.clone(),
                columns,
                parts.nulls().cloned(),
            )?)
        }
        (DataType::Map(_, _), DataType::Map(entries, ordered)) => {
            let map = array.as_map();
            let pairs: ArrayRef = Arc::new(map.entries().clone());
            let pairs = conform(&pairs, entries.data_type())?;
            Arc::new(MapArray::try_new(
                entries.clone(),
                map.offsets().clone(),
                pairs.as_struct().clone(),
                map.nulls().cloned(),
                *ordered,
            )?)
        }
        (DataType::Null, _) => new_null_array(to, array.len()),
        _ => strict_cast(array, to)?,
    })
}

/// A cast that fails where a value does not fit; Arrow's default would make it NULL.
pub(crate) fn strict_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let strict = CastOptions {
        safe: false,
        format_options: FormatOptions::new(),
    };
    cast_with_options(array, to, &strict)
}

/// DuckDB hands 128-bit integers over as decimals of 38 digits without looking.
fn check_digits(array: &ArrayRef, column: &str) -> Result<()> {
    let fits = match array.data_type() {
        DataType::Decimal128(38, 0) => array
            .as_primitive::<Decimal128Type>()
            .iter()
            .flatten()
            .all(|value| value.unsigned_abs() < DIGITS_38),
        DataType::List(_) => return check_digits(array.as_list::<i32>().values(), column),
        DataType::FixedSizeList(_, _) => {
            return check_digits(array.as_fixed_size_list().values(), column);
        }
        DataType::Map(_, _) => {
            let pairs: ArrayRef = Arc::new(array.as_map().entries().clone());
            return check_digits(&pairs, column);
        }
        DataType::Struct(_) => {
            return array
                .as_struct()
                .columns()
                .iter()
                .try_for_each(|part| check_digits(part, column));
        }
        _ => true,
    };
    if fits {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "column {column:?}: a HUGEINT has more than 38 digits"
    ))
    .with_remedy("cast it to DOUBLE or VARCHAR"))
}
