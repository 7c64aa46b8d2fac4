//! One Arrow value as DuckDB's value, to bind it to a parameter with its own type.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use ducksync_core::{Error, Result, types::LakeType};
use libduckdb_sys as ffi;

use super::logical::Logical;
use crate::conform::strict_cast;

/// A value of DuckDB's, destroyed when dropped.
pub(super) struct Value(ffi::duckdb_value);

impl Value {
    /// NULL of no type.
    pub(super) fn null() -> Self {
        // SAFETY: makes a value of ours.
        Self(unsafe { ffi::duckdb_create_null_value() })
    }

    pub(super) fn raw(&self) -> ffi::duckdb_value {
        self.0
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: made for us and not used again.
        unsafe { ffi::duckdb_destroy_value(&mut self.0) };
    }
}

/// The value of `array` at `row`.
///
/// # Errors
/// `InvalidArgument` for types that cannot be bound.
pub(super) fn of(array: &ArrayRef, row: usize) -> Result<Value> {
    // A null array says of no place that it is null.
    if array.data_type() == &DataType::Null || array.is_null(row) {
        return Ok(Value::null());
    }
    let canonical = LakeType::from_arrow(array.data_type())?.to_arrow();
    match &canonical {
        DataType::List(_) => list(array, row),
        DataType::Struct(_) | DataType::Map(_, _) => Err(Error::invalid(format!(
            "a value of type {} cannot be bound; bind its JSON text and cast it",
            array.data_type()
        ))),
        scalar => {
            let array =
                strict_cast(array, scalar).map_err(|error| Error::invalid(error.to_string()))?;
            plain(&array, row)
        }
    }
}

fn plain(array: &ArrayRef, row: usize) -> Result<Value> {
    // SAFETY (all calls): each makes a value of ours from plain data; texts and blobs are copied.
    let raw = unsafe {
        match array.data_type() {
            DataType::Boolean => ffi::duckdb_create_bool(array.as_boolean().value(row)),
            DataType::Int8 => ffi::duckdb_create_int8(array.as_primitive::<Int8Type>().value(row)),
            DataType::Int16 => {
                ffi::duckdb_create_int16(array.as_primitive::<Int16Type>().value(row))
            }
            DataType::Int32 => {
                ffi::duckdb_create_int32(array.as_primitive::<Int32Type>().value(row))
            }
            DataType::Int64 => {
                ffi::duckdb_create_int64(array.as_primitive::<Int64Type>().value(row))
            }
            DataType::UInt8 => {
                ffi::duckdb_create_uint8(array.as_primitive::<UInt8Type>().value(row))
            }
            DataType::UInt16 => {
                ffi::duckdb_create_uint16(array.as_primitive::<UInt16Type>().value(row))
            }
            DataType::UInt32 => {
                ffi::duckdb_create_uint32(array.as_primitive::<UInt32Type>().value(row))
            }
            DataType::UInt64 => {
                ffi::duckdb_create_uint64(array.as_primitive::<UInt64Type>().value(row))
            }
            DataType::Float32 => {
                ffi::duckdb_create_float(array.as_primitive::<Float32Type>().value(row))
            }
            DataType::Float64 => {
                ffi::duckdb_create_double(array.as_primitive::<Float64Type>().value(row))
            }
            DataType::Decimal128(precision, scale) => {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                ffi::duckdb_create_decimal(ffi::duckdb_decimal {
                    width: *precision,
                    scale: scale.unsigned_abs(),
                    value: hugeint(value),
                })
            }
            DataType::Date32 => ffi::duckdb_create_date(ffi::duckdb_date {
                days: array.as_primitive::<Date32Type>().value(row),
            }),
            DataType::Time64(TimeUnit::Microsecond) => ffi::duckdb_create_time(ffi::duckdb_time {
                micros: array.as_primitive::<Time64MicrosecondType>().value(row),
            }),
            DataType::Timestamp(unit, zone) => timestamp(array, row, *unit, zone.is_some()),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                ffi::duckdb_create_interval(ffi::duckdb_interval {
                    months: value.months,
                    days: value.days,
                    micros: value.nanoseconds / 1000,
                })
            }
            DataType::Utf8 => {
                let value = array.as_string::<i32>().value(row);
                ffi::duckdb_create_varchar_length(value.as_ptr().cast(), value.len() as ffi::idx_t)
            }
            DataType::Binary => {
                let value = array.as_binary::<i32>().value(row);
                ffi::duckdb_create_blob(value.as_ptr(), value.len() as ffi::idx_t)
            }
            other => {
                return Err(Error::invalid(format!(
                    "a value of type {other} cannot be bound; bind its text and cast it"
                )));
            }
        }
    };
    made(raw)
}

/// # Safety
/// `array` is a timestamp array of `unit`.
unsafe fn timestamp(array: &ArrayRef, row: usize, unit: TimeUnit, zone: bool) -> ffi::duckdb_value {
    // SAFETY: each makes a value of ours from plain data.
    unsafe {
        match unit {
            TimeUnit::Second => ffi::duckdb_create_timestamp_s(ffi::duckdb_timestamp_s {
                seconds: array.as_primitive::<TimestampSecondType>().value(row),
            }),
            TimeUnit::Millisecond => ffi::duckdb_create_timestamp_ms(ffi::duckdb_timestamp_ms {
                millis: array.as_primitive::<TimestampMillisecondType>().value(row),
            }),
            TimeUnit::Nanosecond => ffi::duckdb_create_timestamp_ns(ffi::duckdb_timestamp_ns {
                nanos: array.as_primitive::<TimestampNanosecondType>().value(row),
            }),
            TimeUnit::Microsecond => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let value = ffi::duckdb_timestamp { micros };
                match zone {
                    true => ffi::duckdb_create_timestamp_tz(value),
                    false => ffi::duckdb_create_timestamp(value),
                }
            }
        }
    }
}

fn list(array: &ArrayRef, row: usize) -> Result<Value> {
    let array = match array.data_type() {
        DataType::List(_) => array.clone(),
        other => match other {
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                strict_cast(array, &DataType::List(item.clone()))
                    .map_err(|error| Error::invalid(error.to_string()))?
            }
            _ => {
                return Err(Error::invalid(format!(
                    "a value of type {other} cannot be bound"
                )));
            }
        },
    };
    let elements = array.as_list::<i32>().value(row);
    let values: Vec<Value> = (0..elements.len())
        .map(|index| of(&elements, index))
        .collect::<Result<_>>()?;
    let mut raw: Vec<_> = values.iter().map(Value::raw).collect();
    let element = element_type(elements.data_type())?;
    // SAFETY: type and values are alive for the call, which copies them.
    made(unsafe {
        ffi::duckdb_create_list_value(element.0, raw.as_mut_ptr(), raw.len() as ffi::idx_t)
    })
}

fn element_type(data_type: &DataType) -> Result<Logical> {
    let id = match LakeType::from_arrow(data_type)? {
        LakeType::Boolean => ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN,
        LakeType::Int8 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT,
        LakeType::Int16 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT,
        LakeType::Int32 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER,
        LakeType::Int64 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT,
        LakeType::Uint8 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT,
        LakeType::Uint16 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT,
        LakeType::Uint32 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER,
        LakeType::Uint64 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT,
        LakeType::Float32 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT,
        LakeType::Float64 => ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE,
        LakeType::Date => ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE,
        LakeType::Timestamp => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP,
        LakeType::TimestampTz => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ,
        LakeType::Varchar => ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR,
        LakeType::Blob => ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB,
        _ => {
            return Err(Error::invalid(format!(
                "a list of {data_type} cannot be bound; bind its text and cast it"
            )));
        }
    };
    // SAFETY: makes a type of ours.
    Ok(Logical(unsafe { ffi::duckdb_create_logical_type(id) }))
}

fn made(raw: ffi::duckdb_value) -> Result<Value> {
    if raw.is_null() {
        return Err(Error::invalid("the value cannot be bound"));
    }
    Ok(Value(raw))
}

fn hugeint(value: i128) -> ffi::duckdb_hugeint {
    ffi::duckdb_hugeint {
        lower: value as u64,
        upper: (value >> 64) as i64,
    }
}
