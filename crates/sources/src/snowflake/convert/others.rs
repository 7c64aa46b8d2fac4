//! Texts, bytes, vectors, and the types that become text.

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    buffer::NullBuffer,
    compute::{CastOptions, can_cast_types, cast, cast_with_options},
    datatypes::{DataType, Float32Type, Int32Type, Int64Type},
};

use super::{Misfit, texts};

/// A text; bytes (as GEOGRAPHY may come) as upper-case hexadecimal digits.
pub(super) fn text(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    match array.data_type() {
        DataType::Utf8 => Ok(array.clone()),
        DataType::LargeUtf8 | DataType::Utf8View => Ok(cast(array, &DataType::Utf8)?),
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            hexadecimal(array)
        }
        _ => Err(Misfit::Form),
    }
}

/// Bytes as Snowflake prints them by default.
pub(super) fn hexadecimal(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    let array = super::plain(array, &DataType::Binary)?;
    let bytes = array.as_binary::<i32>();
    texts(array.len(), array.nulls(), |row| {
        Ok(bytes
            .value(row)
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect())
    })
}

/// A VECTOR as a JSON list.
pub(super) fn vector_text(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    let values = |row: usize| match array.data_type() {
        DataType::FixedSizeList(..) => Ok(array.as_fixed_size_list().value(row)),
        DataType::List(_) => Ok(array.as_list::<i32>().value(row)),
        _ => Err(Misfit::Form),
    };
    texts(array.len(), array.nulls(), |row| {
        let values = values(row)?;
        let numbers: Vec<String> = match values.data_type() {
            DataType::Int32 => values
                .as_primitive::<Int32Type>()
                .values()
                .iter()
                .map(i32::to_string)
                .collect(),
            DataType::Float32 => values
                .as_primitive::<Float32Type>()
                .values()
                .iter()
                .map(f32::to_string)
                .collect(),
            _ => return Err(Misfit::Form),
        };
        Ok(format!("[{}]", numbers.join(",")))
    })
}

/// A DECFLOAT: a power of ten, and digits as a big-endian integer in two's complement.
pub(super) fn decimal_float(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    let Some(parts) = array.as_struct_opt() else {
        return anything(array);
    };
    let exponent = parts.column_by_name("exponent").ok_or(Misfit::Form)?;
    let exponent = integers(exponent)?;
    let significand = parts.column_by_name("significand").ok_or(Misfit::Form)?;
    let significand = super::plain(significand, &DataType::Binary)?;
    let significand = significand.as_binary::<i32>();
    // A value with a part that is NULL is NULL, whatever the struct says of itself.
    let parts_known = NullBuffer::union(exponent.nulls(), significand.nulls());
    let known = NullBuffer::union(parts.nulls(), parts_known.as_ref());
    texts(parts.len(), known.as_ref(), |row| {
        let bytes = significand.value(row);
        let digits = big_endian(bytes)
            .ok_or_else(|| Misfit::Value(format!("a significand of {} bytes", bytes.len())))?;
        Ok(decimal_text(digits, exponent.value(row)))
    })
}

fn big_endian(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; 16];
    let start = 16_usize.checked_sub(bytes.len())?;
    whole[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(whole))
}

/// All digits, and an exponent only where the point would stand far from them.
fn decimal_text(digits: i128, exponent: i64) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let digits = digits.unsigned_abs().to_string();
    let behind = usize::try_from(-exponent)
        .ok()
        .filter(|behind| *behind <= 38);
    match behind {
        Some(0) => format!("{sign}{digits}"),
        Some(behind) => {
            let padded = format!("{digits:0>width$}", width = behind + 1);
            let (whole, fraction) = padded.split_at(padded.len() - behind);
            format!("{sign}{whole}.{fraction}")
        }
        None => format!("{sign}{digits}e{exponent}"),
    }
}

/// An INTERVAL YEAR TO MONTH: months, as `+years-months`.
pub(super) fn months(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    if !array.data_type().is_integer() {
        return anything(array);
    }
    let months = integers(array)?;
    texts(array.len(), array.nulls(), |row| {
        let count = months.value(row);
        let sign = if count < 0 { '-' } else { '+' };
        let count = count.unsigned_abs();
        Ok(format!("{sign}{}-{:02}", count / 12, count % 12))
    })
}

/// An INTERVAL DAY TO SECOND: nanoseconds, as `+days hours:minutes:seconds.nanoseconds`.
pub(super) fn nanoseconds(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    let is_count =
        array.data_type().is_integer() || matches!(array.data_type(), DataType::Decimal128(_, 0));
    if !is_count {
        return anything(array);
    }
    let counts = super::numbers::unscaled(array, 0)?;
    texts(array.len(), array.nulls(), |row| {
        let count = counts.value(row);
        let sign = if count < 0 { '-' } else { '+' };
        let (seconds, nanos) = (
            count.unsigned_abs() / 1_000_000_000,
            count.unsigned_abs() % 1_000_000_000,
        );
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        Ok(format!(
            "{sign}{days} {hour:02}:{minute:02}:{second:02}.{nanos:09}"
        ))
    })
}

/// The exact text of a value of a type that we do not know.
pub(super) fn anything(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    match array.data_type() {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::FixedSizeBinary(_) => text(array),
        simple if !simple.is_nested() && can_cast_types(simple, &DataType::Utf8) => {
            // What has no text is an error here, not a NULL.
            let strict = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            Ok(cast_with_options(array, &DataType::Utf8, &strict)?)
        }
        _ => Err(Misfit::Form),
    }
}

fn integers(array: &ArrayRef) -> Result<Int64Array, Misfit> {
    if !array.data_type().is_integer() {
        return Err(Misfit::Form);
    }
    Ok(cast(array, &DataType::Int64)?
        .as_primitive::<Int64Type>()
        .clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_decimal_floats_keep_every_digit() {
        for (digits, exponent, text) in [
            (12345, -2, "123.45"),
            (-5, -3, "-0.005"),
            (7, 0, "7"),
            (7, 3, "7e3"),
            (1, -40, "1e-40"),
        ] {
            assert_eq!(decimal_text(digits, exponent), text);
        }
        assert_eq!(big_endian(&[0xff, 0x38]), Some(-200));
        assert_eq!(big_endian(&[0x00, 0xc8]), Some(200));
        assert_eq!(big_endian(&[]), Some(0));
        assert_eq!(big_endian(&[0; 17]), None);
    }
}
