//! The plain types: how they lie in DuckDB's vectors, and what they become in Arrow.

use libduckdb_sys as ffi;

use crate::duck::logical::Logical;

/// How a plain type lies in DuckDB's vectors, and what it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes that become bits.
    Boolean,
    /// The same bytes on both sides.
    Same(usize),
    /// Integers of this many bytes that become 16.
    Decimal(usize),
    /// 16 bytes of which Arrow takes 38 digits.
    Huge,
    /// Months, days, microseconds that become nanoseconds.
    Interval,
    /// A time and its offset that become a time in UTC.
    TimeTz,
    /// 16 bytes that become text.
    Uuid,
    /// Text or bytes, inline or elsewhere.
    Text,
    /// NULL and nothing else.
    Null,
}

impl Kind {
    pub(super) fn of(logical: &Logical) -> Option<Self> {
        Some(match logical.id() {
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Self::Boolean,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT | ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => {
                Self::Same(1)
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT | ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => {
                Self::Same(2)
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE => Self::Same(4),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS
            | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ => Self::Same(8),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => Self::Huge,
            // SAFETY: the type is a DECIMAL.
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => {
                match unsafe { ffi::duckdb_decimal_width(logical.0) } {
                    0..=4 => Self::Decimal(2),
                    5..=9 => Self::Decimal(4),
                    10..=18 => Self::Decimal(8),
                    _ => Self::Same(16),
                }
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL => Self::Interval,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME_TZ => Self::TimeTz,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UUID => Self::Uuid,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR | ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB => Self::Text,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL => Self::Null,
            _ => return None,
        })
    }
}
