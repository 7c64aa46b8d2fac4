//! Cells as texts: Snowflake's JSON rowsets, and readable values for the control interface.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, FixedOffset};
use serde_json::Value;

use super::column::{ResultColumn, unscaled};
use super::temporal::{self, Instant};
use crate::error::SqlError;
use crate::types::SnowflakeType;

/// A row of a JSON rowset.
pub(crate) type TextRow = Vec<Option<String>>;

/// Appends the batch's rows in the form of a JSON rowset.
pub(crate) fn append_rows(
    columns: &[ResultColumn],
    batch: &RecordBatch,
    rows: &mut Vec<TextRow>,
) -> Result<(), SqlError> {
    let texts = columns
        .iter()
        .zip(batch.columns())
        .map(|(column, array)| texts(&column.kind, array))
        .collect::<Result<Vec<_>, _>>()?;
    rows.extend((0..batch.num_rows()).map(|row| {
        texts
            .iter()
            .map(|column| column.get(row).cloned().flatten())
            .collect::<TextRow>()
    }));
    Ok(())
}

fn texts(kind: &SnowflakeType, array: &ArrayRef) -> Result<TextRow, SqlError> {
    Ok(match kind {
        SnowflakeType::Number { scale, .. } => {
            let decimals = unscaled(array, *scale)?;
            (0..decimals.len())
                .map(|row| {
                    decimals
                        .is_valid(row)
                        .then(|| decimals.value_as_string(row))
                })
                .collect()
        }
        SnowflakeType::Boolean => {
            let array = cast(array, &DataType::Boolean)?;
            array
                .as_boolean()
                .iter()
                .map(|cell| cell.map(|value| i32::from(value).to_string()))
                .collect()
        }
        SnowflakeType::Real => {
            let array = cast(array, &DataType::Float64)?;
            array
                .as_primitive::<Float64Type>()
                .iter()
                .map(|cell| cell.map(|value| value.to_string()))
                .collect()
        }
        SnowflakeType::Date => {
            let array = cast(array, &DataType::Date32)?;
            array
                .as_primitive::<Date32Type>()
                .iter()
                .map(|cell| cell.map(|days| days.to_string()))
                .collect()
        }
        SnowflakeType::Time(scale) => {
            let split = |nanos: i64| {
                (
                    nanos / 1_000_000_000,
                    u32::try_from(nanos % 1_000_000_000).unwrap_or_default(),
                )
            };
            temporal::times(array)?
                .into_iter()
                .map(|nanos| nanos.map(|nanos| seconds(split(nanos), *scale)))
                .collect()
        }
        SnowflakeType::TimestampNtz(scale) | SnowflakeType::TimestampLtz(scale) => {
            temporal::instants(array)?
                .into_iter()
                .map(|cell| cell.map(|instant| seconds(instant, *scale)))
                .collect()
        }
        SnowflakeType::TimestampTz(scale) => {
            let (instants, offsets) = temporal::zoned(array)?;
            instants
                .into_iter()
                .enumerate()
                .map(|(row, cell)| {
                    cell.map(|instant| {
                        format!(
                            "{} {}",
                            seconds(instant, *scale),
                            i32::from(offsets.value(row)) + 1440
                        )
                    })
                })
                .collect()
        }
        SnowflakeType::Binary { .. } => {
            let array = cast(array, &DataType::Binary)?;
            array
                .as_binary::<i32>()
                .iter()
                .map(|cell| cell.map(hex))
                .collect()
        }
        SnowflakeType::Vector { .. } => displayed(array)?,
        SnowflakeType::Text { .. }
        | SnowflakeType::Variant
        | SnowflakeType::Object
        | SnowflakeType::Array
        | SnowflakeType::Geography
        | SnowflakeType::Geometry => {
            let array = cast(array, &DataType::Utf8)?;
            array
                .as_string::<i32>()
                .iter()
                .map(|cell| cell.map(str::to_owned))
                .collect()
        }
    })
}

/// Seconds with as many digits after the point as the scale says; before 1970 both parts are negative.
fn seconds((seconds, nanos): Instant, scale: u8) -> String {
    if scale == 0 {
        return seconds.to_string();
    }
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let sign = if total < 0 { "-" } else { "" };
    let (whole, fraction) = (
        total.unsigned_abs() / 1_000_000_000,
        total.unsigned_abs() % 1_000_000_000,
    );
    let digits = format!("{fraction:09}");
    let digits = digits.get(..usize::from(scale)).unwrap_or(&digits);
    format!("{sign}{whole}.{digits}")
}

/// Upper-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn displayed(array: &ArrayRef) -> Result<TextRow, SqlError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    Ok((0..array.len())
        .map(|row| {
            array
                .is_valid(row)
                .then(|| formatter.value(row).to_string())
        })
        .collect())
}

/// Appends the batch's rows as plain JSON values: numbers, booleans, and texts people can read.
pub(crate) fn append_values(
    columns: &[ResultColumn],
    batch: &RecordBatch,
    rows: &mut Vec<Vec<Value>>,
) -> Result<(), SqlError> {
    let values = columns
        .iter()
        .zip(batch.columns())
        .map(|(column, array)| values(&column.kind, array))
        .collect::<Result<Vec<_>, _>>()?;
    rows.extend((0..batch.num_rows()).map(|row| {
        values
            .iter()
            .map(|column| column.get(row).cloned().unwrap_or_default())
            .collect::<Vec<Value>>()
    }));
    Ok(())
}

fn values(kind: &SnowflakeType, array: &ArrayRef) -> Result<Vec<Value>, SqlError> {
    let as_is = matches!(
        kind,
        SnowflakeType::Number { .. }
            | SnowflakeType::Real
            | SnowflakeType::Text { .. }
            | SnowflakeType::Binary { .. }
    );
    let cells = match kind {
        SnowflakeType::TimestampTz(_) => zoned(array)?,
        SnowflakeType::TimestampLtz(_) => {
            let instants = temporal::instants(array)?.into_iter();
            instants
                .map(|cell| cell.and_then(|instant| rfc3339(instant, 0)))
                .collect()
        }
        _ if as_is => texts(kind, array)?,
        _ => displayed(array)?,
    };
    Ok(cells
        .into_iter()
        .map(|cell| match (kind, cell) {
            (_, None) => Value::Null,
            (SnowflakeType::Number { scale: 0, .. }, Some(text)) => text
                .parse::<i64>()
                .map_or_else(|_| text.clone().into(), Value::from),
            (SnowflakeType::Real, Some(text)) => {
                text.parse::<f64>().map_or(Value::Null, Value::from)
            }
            (SnowflakeType::Boolean, Some(text)) => Value::from(text == "true"),
            (_, Some(text)) => Value::from(text),
        })
        .collect())
}

fn zoned(array: &ArrayRef) -> Result<TextRow, SqlError> {
    let (instants, offsets) = temporal::zoned(array)?;
    let cells = instants.into_iter().enumerate();
    Ok(cells
        .map(|(row, cell)| cell.and_then(|instant| rfc3339(instant, offsets.value(row))))
        .collect())
}

fn rfc3339((seconds, nanos): Instant, offset_minutes: i16) -> Option<String> {
    let offset = FixedOffset::east_opt(i32::from(offset_minutes) * 60)?;
    Some(
        DateTime::from_timestamp(seconds, nanos)?
            .with_timezone(&offset)
            .to_rfc3339(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_the_digits_of_the_scale() {
        assert_eq!(seconds((1, 500_000_000), 3), "1.500");
        assert_eq!(seconds((-1, 500_000_000), 1), "-0.5");
        assert_eq!(seconds((7, 0), 0), "7");
        assert_eq!(
            rfc3339((0, 0), 90).as_deref(),
            Some("1970-01-01T01:30:00+01:30")
        );
        assert_eq!(hex(&[0, 0xab]), "00AB");
    }
}
