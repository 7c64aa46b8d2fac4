//! TIME and TIMESTAMP: integers in units of 10⁻ˢ s, or structs of epoch, fraction and offset.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int16Array, Int64Array, PrimitiveArray, StructArray,
        Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    },
    buffer::NullBuffer,
    compute::cast,
    datatypes::{DataType, Int32Type, Int64Type, TimeUnit},
};
use ducksync_core::{source::SubMicroseconds, types::LakeType};

use super::{Misfit, texts};

const NANOS: i64 = 1_000_000_000;
/// How many minutes Snowflake adds to an offset to send it.
const OFFSET_BASE: i32 = 1440;

/// Instants, or times of day, before they have a unit of ours.
enum Parts {
    /// Counts of 10⁻ˢ s.
    Scaled { counts: Int64Array, digits: u32 },
    /// Whole seconds, rounded down, and nanoseconds.
    Split {
        seconds: Int64Array,
        nanoseconds: PrimitiveArray<Int32Type>,
        nulls: Option<NullBuffer>,
    },
}

impl Parts {
    fn of(array: &ArrayRef, scale: u8) -> Result<Self, Misfit> {
        let (counts, digits) = match array.data_type() {
            DataType::Struct(_) => return Self::of_struct(array.as_struct(), scale),
            data_type if data_type.is_integer() => (array.clone(), u32::from(scale)),
            DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
                (array.clone(), digits(*unit))
            }
            _ => return Err(Misfit::Form),
        };
        // A Time32 holds 32 bits, which cast to 64 only by way of 32.
        let counts = match counts.data_type() {
            DataType::Time32(_) => cast(&counts, &DataType::Int32)?,
            _ => counts,
        };
        let counts = cast(&counts, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .clone();
        Ok(Self::Scaled { counts, digits })
    }

    fn of_struct(parts: &StructArray, scale: u8) -> Result<Self, Misfit> {
        let epoch = parts.column_by_name("epoch").ok_or(Misfit::Form)?;
        let epoch = epoch.as_primitive_opt::<Int64Type>().ok_or(Misfit::Form)?;
        let nulls = NullBuffer::union(parts.nulls(), epoch.nulls());
        let Some(fraction) = parts.column_by_name("fraction") else {
            let counts = Int64Array::new(epoch.values().clone(), nulls);
            let digits = u32::from(scale);
            return Ok(Self::Scaled { counts, digits });
        };
        let nanoseconds = fraction
            .as_primitive_opt::<Int32Type>()
            .ok_or(Misfit::Form)?;
        Ok(Self::Split {
            seconds: epoch.clone(),
            nanoseconds: nanoseconds.clone(),
            nulls: NullBuffer::union(nulls.as_ref(), nanoseconds.nulls()),
        })
    }

    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Self::Scaled { counts, .. } => counts.nulls(),
            Self::Split { nulls, .. } => nulls.as_ref(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Scaled { counts, .. } => counts.len(),
            Self::Split { seconds, .. } => seconds.len(),
        }
    }

    /// Counts of 10^-`digits` s. What stands behind a NULL is not looked at.
    fn counts(&self, digits: u32, sub_us: SubMicroseconds) -> Result<Vec<i64>, Misfit> {
        let nulls = self.nulls();
        let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        let mut counts = Vec::with_capacity(self.len());
        for row in 0..self.len() {
            let count = match self {
                _ if !valid(row) => 0,
                Self::Scaled {
                    counts,
                    digits: sent,
                } => rescaled(counts.value(row).into(), *sent, digits, sub_us)?,
                Self::Split {
                    seconds,
                    nanoseconds,
                    ..
                } => {
                    let part = i64::from(nanoseconds.value(row));
                    if !(0..NANOS).contains(&part) {
                        return Err(Misfit::Value(format!("a fraction of {part} ns")));
                    }
                    // Wider than the result: before 1970 the whole seconds alone may lie beyond it.
                    let nanos =
                        i128::from(seconds.value(row)) * i128::from(NANOS) + i128::from(part);
                    rescaled(nanos, 9, digits, sub_us)?
                }
            };
            counts.push(count);
        }
        Ok(counts)
    }
}

/// A TIMESTAMP of any kind as `target`: microseconds, or nanoseconds; UTC where there is a zone.
pub(super) fn timestamp(
    array: &ArrayRef,
    scale: u8,
    target: &LakeType,
    sub_us: SubMicroseconds,
) -> Result<ArrayRef, Misfit> {
    let parts = Parts::of(array, scale)?;
    let nulls = parts.nulls().cloned();
    if *target == LakeType::TimestampNs {
        let counts = parts.counts(9, sub_us)?;
        return Ok(Arc::new(TimestampNanosecondArray::new(
            counts.into(),
            nulls,
        )));
    }
    let micros = TimestampMicrosecondArray::new(parts.counts(6, sub_us)?.into(), nulls);
    Ok(match target {
        LakeType::TimestampTz => Arc::new(micros.with_timezone("UTC")),
        _ => Arc::new(micros),
    })
}

/// The offsets from UTC of a TIMESTAMP_TZ, in minutes.
pub(super) fn offsets(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    if *array.data_type() == DataType::Null {
        return Ok(arrow::array::new_null_array(&DataType::Int16, array.len()));
    }
    let parts = array.as_struct_opt().ok_or(Misfit::Form)?;
    let zones = parts.column_by_name("timezone").ok_or(Misfit::Form)?;
    let zones = zones.as_primitive_opt::<Int32Type>().ok_or(Misfit::Form)?;
    let mut offsets = Vec::with_capacity(zones.len());
    for row in 0..zones.len() {
        let known = parts.is_valid(row) && zones.is_valid(row);
        let minutes = zones.value(row).checked_sub(OFFSET_BASE);
        let minutes = minutes.and_then(|minutes| i16::try_from(minutes).ok());
        match (known, minutes) {
            (false, _) => offsets.push(None),
            (true, Some(minutes)) => offsets.push(Some(minutes)),
            (true, None) => return Err(Misfit::Value("an offset beyond a day".to_owned())),
        }
    }
    Ok(Arc::new(Int16Array::from(offsets)))
}

/// A TIME in microseconds.
pub(super) fn time(
    array: &ArrayRef,
    scale: u8,
    sub_us: SubMicroseconds,
) -> Result<ArrayRef, Misfit> {
    let parts = Parts::of(array, scale)?;
    let counts = parts.counts(6, sub_us)?;
    Ok(Arc::new(Time64MicrosecondArray::new(
        counts.into(),
        parts.nulls().cloned(),
    )))
}

/// A TIME as text, with the digits behind the point that are not zero.
pub(super) fn time_text(array: &ArrayRef, scale: u8) -> Result<ArrayRef, Misfit> {
    let counts = Parts::of(array, scale)?.counts(9, SubMicroseconds::Fail)?;
    texts(array.len(), array.nulls(), |row| {
        let (seconds, nanos) = (counts[row] / 1_000_000_000, counts[row] % 1_000_000_000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let text = format!("{hour:02}:{minute:02}:{second:02}.{nanos:09}");
        Ok(text.trim_end_matches('0').trim_end_matches('.').to_owned())
    })
}

fn rescaled(count: i128, from: u32, to: u32, sub_us: SubMicroseconds) -> Result<i64, Misfit> {
    let rescaled = if from <= to {
        count * 10_i128.pow(to - from)
    } else {
        let factor = 10_i128.pow(from - to);
        if count.rem_euclid(factor) != 0 && sub_us != SubMicroseconds::Truncate {
            return Err(Misfit::Precision);
        }
        // Rounds down, which cuts off digits as written also before 1970.
        count.div_euclid(factor)
    };
    i64::try_from(rescaled).map_err(|_| Misfit::Range)
}

fn digits(unit: TimeUnit) -> u32 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}
