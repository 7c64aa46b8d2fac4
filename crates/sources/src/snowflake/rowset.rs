//! JSON rowsets: texts in rows, as SHOW, DESC and DML answer, made into the arrays that Arrow results
//! would have, so that one conversion serves both.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
        Int32Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray,
        StructArray, Time64NanosecondArray,
    },
    buffer::NullBuffer,
    datatypes::{DataType, Field, Float32Type, Int32Type, Schema},
};
use ducksync_core::error::{Error, Result};

use super::{
    columns::{Column, Kind, Plan, Zone},
    protocol::Cell,
};

const NANOS: i128 = 1_000_000_000;

/// One batch of the rows.
///
/// # Errors
/// `DataLoss` for a row of another width, or a text that is no value of its column's type.
pub(super) fn batch(plan: &Plan, rows: &[Vec<Cell>]) -> Result<RecordBatch> {
    if let Some(row) = rows.iter().find(|row| row.len() != plan.columns.len()) {
        return Err(Error::data_loss(format!(
            "snowflake declared {} columns and sent a row of {}",
            plan.columns.len(),
            row.len()
        )));
    }
    let mut fields = Vec::with_capacity(plan.columns.len());
    let mut arrays = Vec::with_capacity(plan.columns.len());
    for (at, column) in plan.columns.iter().enumerate() {
        let cells: Vec<Option<&str>> = rows.iter().map(|row| row[at].0.as_deref()).collect();
        let array = array(column, &cells).map_err(|text| {
            Error::data_loss(format!(
                "column {:?} arrived from snowflake with {text:?}, which is no value of its type",
                column.name
            ))
        })?;
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let count = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &count)
        .map_err(|error| Error::internal("a rowset lost its shape").with_source(error))
}

/// The array of one column, or the text that has no value.
fn array<'a>(column: &Column, cells: &[Option<&'a str>]) -> Result<ArrayRef, &'a str> {
    Ok(match column.kind {
        Kind::Number { scale, .. } => {
            let values = parsed(cells, |text| fixed_point(text, u32::from(scale)))?;
            let decimals = Decimal128Array::from(values);
            let scale = i8::try_from(scale).unwrap_or(38);
            Arc::new(
                decimals
                    .with_precision_and_scale(38, scale)
                    .map_err(|_| "")?,
            )
        }
        Kind::Real => Arc::new(Float64Array::from(parsed(cells, |text| text.parse().ok())?)),
        Kind::Boolean => Arc::new(BooleanArray::from(parsed(cells, boolean)?)),
        Kind::Date => Arc::new(Date32Array::from(parsed(cells, |text| text.parse().ok())?)),
        Kind::Time { .. } => {
            let nanos = |text: &str| i64::try_from(fixed_point(text, 9)?).ok();
            Arc::new(Time64NanosecondArray::from(parsed(cells, nanos)?))
        }
        Kind::Timestamp { zone, .. } => Arc::new(instants(cells, zone == Zone::Offset)?),
        Kind::Binary => {
            let bytes = parsed(cells, bytes_of_hexadecimal)?;
            Arc::new(BinaryArray::from_iter(bytes))
        }
        Kind::Vector { integers: true } => {
            let lists = parsed(cells, list::<i32>)?;
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))
        }
        Kind::Vector { integers: false } => {
            let lists = parsed(cells, list::<f32>)?;
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists))
        }
        Kind::Text
        | Kind::Json
        | Kind::Geo
        | Kind::DecFloat
        | Kind::IntervalMonths
        | Kind::IntervalNanoseconds
        | Kind::Unknown => Arc::new(StringArray::from(cells.to_vec())),
    })
}

fn parsed<'a, T>(
    cells: &[Option<&'a str>],
    parse: impl Fn(&'a str) -> Option<T>,
) -> Result<Vec<Option<T>>, &'a str> {
    cells
        .iter()
        .map(|cell| match cell {
            Some(text) => parse(text).map(Some).ok_or(*text),
            None => Ok(None),
        })
        .collect()
}

/// The number times 10 to the scale; `None` if digits would be lost.
fn fixed_point(text: &str, scale: u32) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = scale.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let mut value = 0_i128;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value
            .checked_mul(10)?
            .checked_add(i128::from(digit.to_digit(10)?))?;
    }
    let value = value.checked_mul(10_i128.checked_pow(missing)?)?;
    Some(if negative { -value } else { value })
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// Seconds with a fraction, and for TIMESTAMP_TZ a space and the offset, as the struct of epoch,
/// fraction and time zone.
fn instants<'a>(cells: &[Option<&'a str>], with_zone: bool) -> Result<StructArray, &'a str> {
    let parts = parsed(cells, |text| {
        let (seconds, zone) = match text.split_once(' ') {
            Some((seconds, zone)) if with_zone => (seconds, zone.parse().ok()?),
            None if !with_zone => (text, 0_i32),
            _ => return None,
        };
        let nanos = fixed_point(seconds, 9)?;
        let epoch = i64::try_from(nanos.div_euclid(NANOS)).ok()?;
        let fraction = i32::try_from(nanos.rem_euclid(NANOS)).ok()?;
        Some((epoch, fraction, zone))
    })?;
    let epochs: Int64Array = parts.iter().map(|part| part.map(|part| part.0)).collect();
    let fractions: Int32Array = parts.iter().map(|part| part.map(|part| part.1)).collect();
    let nulls = NullBuffer::from_iter(parts.iter().map(Option::is_some));
    let mut fields = vec![
        Field::new("epoch", DataType::Int64, true),
        Field::new("fraction", DataType::Int32, true),
    ];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(epochs), Arc::new(fractions)];
    if with_zone {
        let zones: Int32Array = parts.iter().map(|part| part.map(|part| part.2)).collect();
        fields.push(Field::new("timezone", DataType::Int32, true));
        arrays.push(Arc::new(zones));
    }
    StructArray::try_new_with_length(fields.into(), arrays, Some(nulls), cells.len())
        .map_err(|_| "")
}

fn bytes_of_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect()
}

fn list<T: std::str::FromStr>(text: &str) -> Option<Vec<Option<T>>> {
    let inside = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    if inside.trim().is_empty() {
        return Some(Vec::new());
    }
    inside
        .split(',')
        .map(|part| part.trim().parse().ok().map(Some))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_texts_are_exact_or_refused() {
        assert_eq!(fixed_point("-12.340", 2), Some(-1234));
        assert_eq!(fixed_point("7", 3), Some(7000));
        assert_eq!(fixed_point(&"9".repeat(38), 0), Some(10_i128.pow(38) - 1));
        for bad in ["", ".", "1.234", "1e3", "x", "--1"] {
            assert_eq!(fixed_point(bad, 2), None, "{bad}");
        }
    }

    #[test]
    fn instants_before_1970_have_a_positive_fraction() {
        let array = instants(&[Some("-0.5"), None], false).unwrap();
        let epochs = array
            .column(0)
            .as_any()
            .downcast_ref::<Int64Array>()
            .unwrap();
        let fractions = array
            .column(1)
            .as_any()
            .downcast_ref::<Int32Array>()
            .unwrap();
        assert_eq!((epochs.value(0), fractions.value(0)), (-1, 500_000_000));
        assert!(instants(&[Some("1.5")], true).is_err(), "a zone is missing");
    }

    #[test]
    fn bytes_and_lists() {
        assert_eq!(bytes_of_hexadecimal("00fF"), Some(vec![0, 255]));
        assert_eq!(bytes_of_hexadecimal("0"), None);
        assert_eq!(list::<i32>("[1, -2]"), Some(vec![Some(1), Some(-2)]));
        assert_eq!(list::<f32>("[0.5,x]"), None);
    }
}
