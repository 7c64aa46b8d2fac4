//! One column of a chunk in Arrow, as Snowflake encodes it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Field, Int8Type, Int16Type, Int32Type, Int64Type,
};

use super::temporal;
use crate::error::SqlError;
use crate::types::SnowflakeType;

/// A column of a result: its label and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResultColumn {
    pub(crate) label: String,
    pub(crate) kind: SnowflakeType,
    pub(crate) nullable: bool,
}

impl ResultColumn {
    pub(crate) fn new(label: &str, kind: SnowflakeType) -> Self {
        Self {
            label: label.to_owned(),
            kind,
            nullable: true,
        }
    }

    /// Encodes the column's values, with the narrowest integers that hold them.
    pub(crate) fn encode(&self, array: &ArrayRef) -> Result<(Field, ArrayRef), SqlError> {
        let encoded = match &self.kind {
            SnowflakeType::Number { precision, scale } => number(array, *precision, *scale)?,
            SnowflakeType::Real => cast(array, &DataType::Float64)?,
            SnowflakeType::Boolean => cast(array, &DataType::Boolean)?,
            SnowflakeType::Date => cast(array, &DataType::Date32)?,
            SnowflakeType::Time(scale) => temporal::time_array(array, *scale)?,
            SnowflakeType::TimestampNtz(scale) | SnowflakeType::TimestampLtz(scale) => {
                temporal::timestamp_array(array, *scale)?
            }
            SnowflakeType::TimestampTz(scale) => temporal::zoned_array(array, *scale)?,
            SnowflakeType::Binary { .. } => cast(array, &DataType::Binary)?,
            SnowflakeType::Vector { .. } => array.clone(),
            SnowflakeType::Text { .. }
            | SnowflakeType::Variant
            | SnowflakeType::Object
            | SnowflakeType::Array
            | SnowflakeType::Geography
            | SnowflakeType::Geometry => cast(array, &DataType::Utf8)?,
        };
        let field = Field::new(&self.label, encoded.data_type().clone(), self.nullable)
            .with_metadata(self.metadata());
        Ok((field, encoded))
    }

    /// Drivers tell the struct forms of timestamps apart by their bytes.
    fn byte_length(&self) -> u64 {
        match self.kind {
            SnowflakeType::TimestampTz(scale) if scale <= 3 => 8,
            SnowflakeType::TimestampNtz(scale) | SnowflakeType::TimestampLtz(scale)
                if scale <= 7 =>
            {
                8
            }
            SnowflakeType::TimestampTz(_)
            | SnowflakeType::TimestampNtz(_)
            | SnowflakeType::TimestampLtz(_) => 16,
            _ => self.kind.byte_length().unwrap_or(0),
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        let logical = self.kind.wire_name().to_uppercase();
        let entries = [
            ("logicalType", logical),
            ("finalType", "T".to_owned()),
            ("precision", self.kind.precision().unwrap_or(0).to_string()),
            ("scale", self.kind.scale().unwrap_or(0).to_string()),
            ("charLength", self.kind.length().unwrap_or(0).to_string()),
            ("byteLength", self.byte_length().to_string()),
        ];
        entries.map(|(key, value)| (key.to_owned(), value)).into()
    }
}

/// The unscaled values of a number column.
pub(crate) fn unscaled(array: &ArrayRef, scale: u8) -> Result<Decimal128Array, SqlError> {
    let target = DataType::Decimal128(38, i8::try_from(scale).unwrap_or(0));
    Ok(cast(array, &target)?
        .as_primitive::<Decimal128Type>()
        .clone())
}

fn number(array: &ArrayRef, precision: u8, scale: u8) -> Result<ArrayRef, SqlError> {
    let decimals = unscaled(array, scale)?;
    let values = decimals.iter().flatten();
    let (low, high) = values.fold((0, 0), |(low, high), value| {
        (value.min(low), value.max(high))
    });
    let fits = |min: i64, max: i64| low >= i128::from(min) && high <= i128::from(max);
    let nulls = decimals.nulls().cloned();
    let values = decimals.values();
    Ok(if fits(i8::MIN.into(), i8::MAX.into()) {
        narrow::<Int8Type>(values, nulls, |value| value as i8)
    } else if fits(i16::MIN.into(), i16::MAX.into()) {
        narrow::<Int16Type>(values, nulls, |value| value as i16)
    } else if fits(i32::MIN.into(), i32::MAX.into()) {
        narrow::<Int32Type>(values, nulls, |value| value as i32)
    } else if fits(i64::MIN, i64::MAX) {
        narrow::<Int64Type>(values, nulls, |value| value as i64)
    } else {
        let scale = i8::try_from(scale).unwrap_or(0);
        Arc::new(decimals.with_precision_and_scale(precision, scale)?)
    })
}

/// `convert` sees values behind nulls as well; what it makes of those does not matter.
fn narrow<T: ArrowPrimitiveType>(
    values: &[i128],
    nulls: Option<NullBuffer>,
    convert: impl Fn(i128) -> T::Native,
) -> ArrayRef {
    let converted: Vec<T::Native> = values.iter().map(|value| convert(*value)).collect();
    Arc::new(PrimitiveArray::<T>::new(converted.into(), nulls))
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn integers_are_as_wide_as_the_values_of_the_chunk() {
        let column = ResultColumn::new(
            "N",
            SnowflakeType::Number {
                precision: 12,
                scale: 2,
            },
        );
        for (value, expected) in [
            (1, DataType::Int8),
            (-2, DataType::Int16),
            (4_000, DataType::Int32),
            (40_000_000, DataType::Int64),
        ] {
            let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(value), None]));
            let (field, encoded) = column.encode(&array).unwrap();
            assert_eq!(*encoded.data_type(), expected, "{value}");
            assert_eq!(field.metadata()["logicalType"], "FIXED");
            assert_eq!(field.metadata()["scale"], "2");
            assert!(encoded.is_null(1));
        }
    }

    #[test]
    fn what_64_bits_do_not_hold_stays_decimal() {
        let column = ResultColumn::new("N", SnowflakeType::INTEGER);
        let array: ArrayRef = Arc::new(
            Decimal128Array::from(vec![i128::from(i64::MAX) + 1])
                .with_precision_and_scale(38, 0)
                .unwrap(),
        );
        let (_, encoded) = column.encode(&array).unwrap();
        assert_eq!(*encoded.data_type(), DataType::Decimal128(38, 0));
    }
}
