//! NUMBER: scaled integers of any width, chosen by Snowflake chunk by chunk, or decimals.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type},
    error::ArrowError,
};
use ducksync_core::types::LakeType;

use super::Misfit;

/// The column as `target`, which follows from precision and scale.
pub(super) fn number(
    array: &ArrayRef,
    precision: u8,
    scale: u8,
    target: &LakeType,
) -> Result<ArrayRef, Misfit> {
    match target {
        LakeType::Int64 if array.data_type().is_integer() => Ok(cast(array, &DataType::Int64)?),
        LakeType::Int64 => {
            let whole = unscaled(array, scale)?.try_unary::<_, Int64Type, ArrowError>(|value| {
                i64::try_from(value).map_err(|_| beyond(precision))
            })?;
            Ok(Arc::new(whole))
        }
        LakeType::Float64 => {
            let doubles = unscaled(array, scale)?.unary::<_, Float64Type>(|v| double(v, scale));
            Ok(Arc::new(doubles))
        }
        _ => {
            let sent = i8::try_from(scale).map_err(|_| Misfit::Form)?;
            let decimals = unscaled(array, scale)?.with_precision_and_scale(precision, sent)?;
            decimals.validate_decimal_precision(precision)?;
            Ok(Arc::new(decimals))
        }
    }
}

/// The values times 10 to the scale, as integers.
pub(super) fn unscaled(array: &ArrayRef, scale: u8) -> Result<Decimal128Array, Misfit> {
    Ok(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().unary(i128::from),
        DataType::Int16 => array.as_primitive::<Int16Type>().unary(i128::from),
        DataType::Int32 => array.as_primitive::<Int32Type>().unary(i128::from),
        DataType::Int64 => array.as_primitive::<Int64Type>().unary(i128::from),
        DataType::Decimal128(_, sent) => {
            let decimals = array.as_primitive::<Decimal128Type>();
            rescaled(decimals, i32::from(scale) - i32::from(*sent))?
        }
        _ => return Err(Misfit::Form),
    })
}

/// The same values with `more` digits behind the point; fewer only where those are zero.
fn rescaled(decimals: &Decimal128Array, more: i32) -> Result<Decimal128Array, Misfit> {
    if more == 0 {
        return Ok(decimals.clone());
    }
    let factor = 10_i128
        .checked_pow(more.unsigned_abs())
        .ok_or(Misfit::Form)?;
    Ok(
        decimals.try_unary::<_, Decimal128Type, ArrowError>(|value| {
            let changed = match more {
                1.. => value.checked_mul(factor),
                _ => (value % factor == 0).then_some(value / factor),
            };
            changed.ok_or_else(|| ArrowError::ComputeError(format!("{value} has another scale")))
        })?,
    )
}

/// The double next to `unscaled` / 10^`scale`, rounded once.
fn double(unscaled: i128, scale: u8) -> f64 {
    /// Powers of ten that a double holds exactly.
    const EXACT: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    match EXACT.get(usize::from(scale)) {
        // Both sides are exact, so the division rounds once.
        Some(power) if unscaled.unsigned_abs() < 1 << 53 => unscaled as f64 / power,
        // The parser of the standard library rounds correctly whatever the digits.
        _ => format!("{unscaled}e-{scale}").parse().unwrap_or(f64::NAN),
    }
}

fn beyond(precision: u8) -> ArrowError {
    ArrowError::ComputeError(format!("a number has more than {precision} digits"))
}
