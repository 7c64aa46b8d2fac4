//! Whether a stream fits a table, and how its batches become what DuckDB reads without loss.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions},
    datatypes::{
        DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit, TimestampNanosecondType,
    },
};
use ducksync_core::{
    Error, Reason, Result,
    error::FailureClass,
    types::{Field, LakeType},
};

use crate::conform::strict_cast;

/// How the batches of one stream are read: the request's columns in order, of types DuckDB knows.
pub(super) struct Fit {
    sources: Vec<usize>,
    schema: SchemaRef,
}

impl Fit {
    /// Matches columns by name.
    ///
    /// # Errors
    /// `InvalidArgument` of class SCHEMA naming a column that is missing, unknown or of a type that
    /// would lose something.
    pub(super) fn plan(columns: &[Field], input: &Schema) -> Result<Self> {
        let names: Vec<_> = input.fields().iter().map(|field| &**field.name()).collect();
        let sources = match_names(columns, &names)?;
        let fields = columns
            .iter()
            .zip(&sources)
            .map(|(column, source)| readable(column, input.field(*source)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            sources,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// The schema that DuckDB reads.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// A batch of the stream as DuckDB reads it.
    ///
    /// # Errors
    /// `InvalidArgument` of class SCHEMA if a value does not fit.
    pub(super) fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let columns = self
            .sources
            .iter()
            .zip(self.schema.fields())
            .map(|(source, field)| {
                let column = batch.columns().get(*source);
                let column = column
                    .ok_or_else(|| misfit(format!("a batch lacks column {:?}", field.name())))?;
                convert(column, field)
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(|error| {
            misfit(format!(
                "a batch does not have its stream's columns: {error}"
            ))
        })
    }
}

/// For each column of a table the place of the input's column of that name.
///
/// # Errors
/// `InvalidArgument` of class SCHEMA naming a column that is missing, unknown or there twice.
pub(super) fn match_names(columns: &[Field], names: &[&str]) -> Result<Vec<usize>> {
    let find = |name: &str| -> Vec<usize> {
        let folded = name.to_lowercase();
        (0..names.len())
            .filter(|index| names[*index].to_lowercase() == folded)
            .collect()
    };
    let mut sources = Vec::with_capacity(columns.len());
    for column in columns {
        match find(&column.name).as_slice() {
            [index] => sources.push(*index),
            [] => return Err(misfit(format!("column {:?} is missing", column.name))),
            _ => return Err(misfit(format!("column {:?} is there twice", column.name))),
        }
    }
    match (0..names.len()).find(|index| !sources.contains(index)) {
        Some(extra) => Err(misfit(format!(
            "column {:?} is not one of the table's",
            names[extra]
        ))),
        None => Ok(sources),
    }
}

/// The Arrow field in which DuckDB reads a column, if its type loses nothing.
fn readable(column: &Field, input: &ArrowField) -> Result<ArrowField> {
    let given = input.data_type();
    let refuse = || {
        misfit(format!(
            "column {:?}: {given} does not fit {} without loss",
            column.name,
            column.lake_type.duckdb_sql()
        ))
        .with_remedy("cast it in the query, or change the column's type")
    };
    let lake_type = LakeType::from_arrow(given).map_err(|_| refuse())?;
    let nanos = given.is_nested() && has_zoned_nanoseconds(given);
    if nanos || (*given != DataType::Null && !fits(&lake_type, &column.lake_type)) {
        return Err(refuse());
    }
    let read = match is_native(given) {
        true => given.clone(),
        false => lake_type.to_arrow(),
    };
    Ok(ArrowField::new(&column.name, read, true))
}

fn convert(column: &ArrayRef, field: &ArrowField) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(column.clone());
    }
    if let DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) = column.data_type() {
        let instants = column.as_primitive::<TimestampNanosecondType>();
        if instants.iter().flatten().any(|nanos| nanos % 1000 != 0) {
            return Err(misfit(format!(
                "column {:?} has digits below microseconds",
                field.name()
            ))
            .with_reason(Reason::PrecisionLoss));
        }
    }
    strict_cast(column, field.data_type())
        .map_err(|error| misfit(format!("column {:?}: {error}", field.name())))
}

/// Whether every value of `from` can be a value of `to`, or fails to be one with an error.
fn fits(from: &LakeType, to: &LakeType) -> bool {
    use LakeType as T;
    if from.same_shape(to) {
        return true;
    }
    match (from, to) {
        (T::Decimal { scale: from, .. }, T::Decimal { scale: to, .. }) => from <= to,
        (T::Decimal { scale: 0, .. }, to) if is_integer(to) => true,
        (T::Decimal { .. }, T::Float64) | (T::Float32, T::Float64) => true,
        (from, T::Float32 | T::Float64 | T::Decimal { .. }) if is_integer(from) => true,
        (from, to) if is_integer(from) && is_integer(to) => true,
        (T::Date, to) if unit(to).is_some() => true,
        (T::Time, T::TimeTz) => true,
        (T::Varchar, T::Json | T::Uuid) => true,
        (T::List(from), T::List(to)) => fits(&from.lake_type, &to.lake_type),
        (T::Map { key: fk, value: fv }, T::Map { key: tk, value: tv }) => {
            fits(&fk.lake_type, &tk.lake_type) && fits(&fv.lake_type, &tv.lake_type)
        }
        (T::Struct(from), T::Struct(to)) => parts_fit(from, to),
        (T::Blob, T::Varchar) => false,
        (from, T::Varchar) => !from.is_nested(),
        _ => match (unit(from), unit(to)) {
            (Some(from), Some(to)) => from <= to,
            _ => false,
        },
    }
}

/// DuckDB casts structs by their parts' names, and would leave out what it does not find.
fn parts_fit(from: &[Field], to: &[Field]) -> bool {
    from.len() == to.len()
        && to.iter().all(|to| {
            let mut same = from.iter().filter(|from| from.name == to.name);
            let found = same.next();
            same.next().is_none() && found.is_some_and(|from| fits(&from.lake_type, &to.lake_type))
        })
}

fn is_integer(lake_type: &LakeType) -> bool {
    use LakeType as T;
    matches!(
        lake_type,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Uint8 | T::Uint16 | T::Uint32 | T::Uint64
    )
}

/// Digits of a timestamp's second.
fn unit(lake_type: &LakeType) -> Option<u8> {
    match lake_type {
        LakeType::TimestampS => Some(0),
        LakeType::TimestampMs => Some(3),
        LakeType::Timestamp => Some(6),
        LakeType::TimestampNs => Some(9),
        _ => None,
    }
}

/// Whether DuckDB reads the type as it is, with every value.
fn is_native(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_native(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_native(field.data_type())),
        DataType::Map(entries, _) => is_native(entries.data_type()),
        DataType::Timestamp(unit, Some(_)) => *unit == TimeUnit::Microsecond,
        DataType::Decimal128(_, scale) => *scale >= 0,
        DataType::Time32(_)
        | DataType::Date64
        | DataType::Float16
        | DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Dictionary(_, _)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Interval(_)
        | DataType::Duration(_) => false,
        _ => true,
    }
}

fn has_zoned_nanoseconds(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => has_zoned_nanoseconds(item.data_type()),
        DataType::Struct(fields) => fields
            .iter()
            .any(|field| has_zoned_nanoseconds(field.data_type())),
        _ => false,
    }
}

fn misfit(message: String) -> Error {
    Error::invalid(message).with_class(FailureClass::Schema)
}
