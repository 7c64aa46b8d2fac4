//! Dates and times on the wire: scaled integers, or structs of epoch, fraction and time zone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int16Array, Int32Array, Int64Array, StructArray};
use arrow::datatypes::{
    DataType, Field, Fields, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use crate::error::SqlError;

/// Seconds since 1970 and nanoseconds within the second.
pub(crate) type Instant = (i64, u32);

/// The instants of a timestamp column of any unit.
pub(crate) fn instants(array: &ArrayRef) -> Result<Vec<Option<Instant>>, SqlError> {
    let split = |per_second: i64| {
        move |value: i64| {
            let fraction = u32::try_from(value.rem_euclid(per_second)).unwrap_or_default();
            let nanos = fraction * (1_000_000_000 / u32::try_from(per_second).unwrap_or(1));
            (value.div_euclid(per_second), nanos)
        }
    };
    let DataType::Timestamp(unit, _) = array.data_type() else {
        return Err(SqlError::internal(format!(
            "{} is no timestamp",
            array.data_type()
        )));
    };
    Ok(match unit {
        TimeUnit::Second => mapped(array.as_primitive::<TimestampSecondType>().iter(), split(1)),
        TimeUnit::Millisecond => mapped(
            array.as_primitive::<TimestampMillisecondType>().iter(),
            split(1_000),
        ),
        TimeUnit::Microsecond => mapped(
            array.as_primitive::<TimestampMicrosecondType>().iter(),
            split(1_000_000),
        ),
        TimeUnit::Nanosecond => mapped(
            array.as_primitive::<TimestampNanosecondType>().iter(),
            split(1_000_000_000),
        ),
    })
}

fn mapped(
    values: impl Iterator<Item = Option<i64>>,
    split: impl Fn(i64) -> Instant,
) -> Vec<Option<Instant>> {
    values.map(|value| value.map(&split)).collect()
}

/// The instants and offsets (in minutes) of a TIMESTAMP_TZ column.
pub(crate) fn zoned(array: &ArrayRef) -> Result<(Vec<Option<Instant>>, Int16Array), SqlError> {
    let parts = array
        .as_struct_opt()
        .filter(|parts| parts.num_columns() == 2);
    let parts = parts.ok_or_else(|| SqlError::internal("a TIMESTAMP_TZ is stored in two parts"))?;
    let mut found = instants(parts.column(0))?;
    for (row, instant) in found.iter_mut().enumerate() {
        if parts.is_null(row) {
            *instant = None;
        }
    }
    Ok((found, parts.column(1).as_primitive().clone()))
}

/// Nanoseconds since midnight of a TIME column.
pub(crate) fn times(array: &ArrayRef) -> Result<Vec<Option<i64>>, SqlError> {
    // Not by Arrow's cast: it would also convert what lies behind nulls, and overflow.
    Ok(match array.data_type() {
        DataType::Time64(TimeUnit::Nanosecond) => array
            .as_primitive::<Time64NanosecondType>()
            .iter()
            .collect(),
        DataType::Time64(TimeUnit::Microsecond) => {
            let micros = array.as_primitive::<Time64MicrosecondType>().iter();
            micros
                .map(|value| value.map(|value| value * 1_000))
                .collect()
        }
        other => return Err(SqlError::internal(format!("{other} is no time"))),
    })
}

/// TIME(s): an integer in units of 10⁻ˢ s, narrow up to scale 4.
pub(crate) fn time_array(array: &ArrayRef, scale: u8) -> Result<ArrayRef, SqlError> {
    let unit = 10_i64.pow(u32::from(9 - scale));
    let scaled = times(array)?
        .into_iter()
        .map(|nanos| nanos.map(|nanos| nanos / unit));
    Ok(if scale <= 4 {
        Arc::new(
            scaled
                .map(|value| value.and_then(|value| i32::try_from(value).ok()))
                .collect::<Int32Array>(),
        )
    } else {
        Arc::new(scaled.collect::<Int64Array>())
    })
}

/// TIMESTAMP_NTZ(s) and TIMESTAMP_LTZ(s): an integer up to scale 7, a struct above.
pub(crate) fn timestamp_array(array: &ArrayRef, scale: u8) -> Result<ArrayRef, SqlError> {
    let found = instants(array)?;
    if scale <= 7 {
        return Ok(Arc::new(scaled(&found, scale)));
    }
    let children: Vec<(&str, ArrayRef)> = vec![
        ("epoch", Arc::new(epochs(&found))),
        ("fraction", Arc::new(fractions(&found, scale))),
    ];
    structure(children, &found)
}

/// TIMESTAMP_TZ(s): always a struct; the fraction is its own field above scale 3.
pub(crate) fn zoned_array(array: &ArrayRef, scale: u8) -> Result<ArrayRef, SqlError> {
    let (found, offsets) = zoned(array)?;
    let zones: Int32Array = offsets
        .iter()
        .zip(&found)
        .map(|(offset, instant)| instant.map(|_| i32::from(offset.unwrap_or_default()) + 1440))
        .collect();
    let mut children: Vec<(&str, ArrayRef)> = Vec::new();
    if scale <= 3 {
        children.push(("epoch", Arc::new(scaled(&found, scale))));
    } else {
        children.push(("epoch", Arc::new(epochs(&found))));
        children.push(("fraction", Arc::new(fractions(&found, scale))));
    }
    children.push(("timezone", Arc::new(zones)));
    structure(children, &found)
}

fn scaled(found: &[Option<Instant>], scale: u8) -> Int64Array {
    let per_second = 10_i64.pow(u32::from(scale));
    let unit = 10_i64.pow(u32::from(9 - scale));
    found
        .iter()
        .map(|instant| {
            instant.map(|(seconds, nanos)| seconds * per_second + i64::from(nanos) / unit)
        })
        .collect()
}

fn epochs(found: &[Option<Instant>]) -> Int64Array {
    found
        .iter()
        .map(|instant| instant.map(|(seconds, _)| seconds))
        .collect()
}

fn fractions(found: &[Option<Instant>], scale: u8) -> Int32Array {
    let unit = 10_u32.pow(u32::from(9 - scale));
    found
        .iter()
        .map(|instant| instant.and_then(|(_, nanos)| i32::try_from(nanos / unit * unit).ok()))
        .collect()
}

fn structure(
    children: Vec<(&str, ArrayRef)>,
    found: &[Option<Instant>],
) -> Result<ArrayRef, SqlError> {
    let fields: Fields = children
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = children.into_iter().map(|(_, array)| array).collect();
    let nulls = found.iter().map(Option::is_some).collect::<Vec<bool>>();
    Ok(Arc::new(StructArray::try_new(
        fields,
        arrays,
        Some(nulls.into()),
    )?))
}

#[cfg(test)]
mod tests {
    use arrow::array::{TimestampMicrosecondArray, TimestampNanosecondArray};

    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn scales_up_to_seven_are_integers_and_above_structs() {
        let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
            Some(-1),
            None,
            Some(1_500_000),
        ]));
        let millis = timestamp_array(&array, 3).unwrap();
        assert_eq!(
            millis.as_primitive::<Int64Type>().values()[0],
            -1,
            "floors before 1970"
        );
        assert!(millis.is_null(1));
        let nine = timestamp_array(&array, 9).unwrap();
        let parts = nine.as_struct();
        assert_eq!(parts.column_names(), ["epoch", "fraction"]);
        assert_eq!(parts.column(0).as_primitive::<Int64Type>().values()[2], 1);
        assert!(parts.is_null(1));
    }

    #[test]
    fn nanoseconds_are_exact() {
        let array: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_000_000_123]));
        assert_eq!(instants(&array).unwrap(), [Some((1, 123))]);
    }
}
