//! What COPY returns of a file, as the catalog keeps it.

use std::collections::HashMap;

use arrow::{
    array::{Array, ArrayRef, AsArray, StructArray},
    datatypes::{DataType, Int64Type},
};
use ducksync_core::{
    Error, Result, change::StagedFile, name::quote, types::Field, version::ColumnStats,
};

use crate::conform::strict_cast;

type Columns = HashMap<String, HashMap<String, String>>;

/// The files that the rows of a COPY with RETURN_STATS describe.
pub(super) fn staged_files(rows: &StructArray, columns: &[Field]) -> Result<Vec<StagedFile>> {
    let number = |name: &str| -> Result<ArrayRef> {
        let column = rows.column_by_name(name).ok_or_else(|| unknown(name))?;
        strict_cast(column, &DataType::Int64).map_err(|_| unknown(name))
    };
    let (counts, sizes) = (number("count")?, number("file_size_bytes")?);
    let footers = number("footer_size_bytes")?;
    let names = rows
        .column_by_name("filename")
        .ok_or_else(|| unknown("filename"))?;
    let stats = rows
        .column_by_name("column_statistics")
        .ok_or_else(|| unknown("column_statistics"))?;
    let value = |column: &ArrayRef, row: usize| {
        column.as_primitive::<Int64Type>().value(row).unsigned_abs()
    };
    (0..rows.len())
        .map(|row| {
            Ok(StagedFile {
                location: names.as_string::<i32>().value(row).to_owned(),
                rows: value(&counts, row),
                size_bytes: value(&sizes, row),
                footer_bytes: value(&footers, row),
                stats: column_stats(&read(stats, row), columns),
            })
        })
        .collect()
}

fn read(stats: &ArrayRef, row: usize) -> Columns {
    let entries = stats.as_map().value(row);
    let (paths, values) = (entries.column(0), entries.column(1));
    let paths = paths.as_string::<i32>();
    (0..entries.len())
        .map(|index| {
            let pairs = values.as_map().value(index);
            let (keys, texts) = (pairs.column(0), pairs.column(1));
            let (keys, texts) = (keys.as_string::<i32>(), texts.as_string::<i32>());
            let pairs = (0..pairs.len())
                .filter(|pair| texts.is_valid(*pair))
                .map(|pair| (keys.value(pair).to_owned(), texts.value(pair).to_owned()))
                .collect();
            (paths.value(index).to_owned(), pairs)
        })
        .collect()
}

fn column_stats(stats: &Columns, columns: &[Field]) -> Vec<ColumnStats> {
    let mut leaves = Vec::new();
    for column in columns {
        collect(stats, column, quote(&column.name), &mut leaves);
    }
    leaves
}

/// Only leaves have statistics; a nested column's parts are named by the path to them.
fn collect(stats: &Columns, field: &Field, path: String, leaves: &mut Vec<ColumnStats>) {
    let children = field.lake_type.children();
    if children.is_empty() {
        leaves.extend(stats.get(&path).and_then(|values| leaf(field, values)));
    }
    for child in children {
        let path = format!("{path}.{}", quote(&child.name));
        collect(stats, child, path, leaves);
    }
}

fn leaf(field: &Field, values: &HashMap<String, String>) -> Option<ColumnStats> {
    let number = |key: &str| values.get(key).and_then(|text| text.parse::<i64>().ok());
    let (value_count, size_bytes) = (number("num_values")?, number("column_size_bytes"));
    // For INTERVAL and TIMETZ DuckDB says that there is nothing: it did not look.
    if value_count == 0 && size_bytes == Some(0) {
        return None;
    }
    // Postgres cannot store a NUL; unknown bounds are right, only slower.
    let bound = |key: &str| values.get(key).filter(|text| !text.contains('\0')).cloned();
    Some(ColumnStats {
        field: field.id,
        size_bytes,
        value_count,
        null_count: number("null_count")?,
        min: bound("min"),
        max: bound("max"),
        contains_nan: values.get("has_nan").map(|text| text == "true"),
    })
}

fn unknown(column: &str) -> Error {
    Error::internal(format!("duckdb's COPY did not return {column}"))
}
