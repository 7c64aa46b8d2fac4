//! Values to bind, in the form that each engine stores.

use chrono::{DateTime, Utc};
use ducksync_core::time::Instant;
use sqlx::{Postgres, Sqlite, postgres::PgArguments, query::Query, sqlite::SqliteArguments};
use uuid::Uuid;

/// One bound value. SQLite has no times, UUIDs, flags or lists: they become microseconds since 1970,
/// text, 0 or 1, and JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Int(Option<i64>),
    Float(Option<f64>),
    Text(Option<String>),
    Bool(Option<bool>),
    Uuid(Option<Uuid>),
    Time(Option<Instant>),
    /// A time in DuckLake's tables: text on SQLite.
    LakeTime(Option<Instant>),
    Bytes(Option<Vec<u8>>),
    /// For `= ANY($n)`.
    Ints(Vec<i64>),
    /// For `= ANY($n)`.
    Texts(Vec<String>),
    /// For `= ANY($n)`.
    Uuids(Vec<Uuid>),
    /// For `UNNEST` on Postgres.
    OptionalInts(Vec<Option<i64>>),
    /// For `UNNEST` on Postgres.
    OptionalTexts(Vec<Option<String>>),
    /// For `UNNEST` on Postgres.
    OptionalBools(Vec<Option<bool>>),
}

macro_rules! from {
    ($($type:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(Some(value))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value)
            }
        }
    )+};
}

from!(i64 => Int, f64 => Float, String => Text, bool => Bool, Uuid => Uuid, Instant => Time,
    Vec<u8> => Bytes);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<Vec<i64>> for Value {
    fn from(values: Vec<i64>) -> Self {
        Self::Ints(values)
    }
}

impl From<Vec<String>> for Value {
    fn from(values: Vec<String>) -> Self {
        Self::Texts(values)
    }
}

impl From<Vec<Uuid>> for Value {
    fn from(values: Vec<Uuid>) -> Self {
        Self::Uuids(values)
    }
}

/// DuckLake's text of an instant, as its extension writes it to SQLite.
pub(super) fn lake_text(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

pub(super) fn bind_postgres<'q>(
    query: Query<'q, Postgres, PgArguments>,
    value: Value,
) -> Query<'q, Postgres, PgArguments> {
    match value {
        Value::Int(v) => query.bind(v),
        Value::Float(v) => query.bind(v),
        Value::Text(v) => query.bind(v),
        Value::Bool(v) => query.bind(v),
        Value::Uuid(v) => query.bind(v),
        Value::Time(v) | Value::LakeTime(v) => query.bind(v),
        Value::Bytes(v) => query.bind(v),
        Value::Ints(v) => query.bind(v),
        Value::Texts(v) => query.bind(v),
        Value::Uuids(v) => query.bind(v),
        Value::OptionalInts(v) => query.bind(v),
        Value::OptionalTexts(v) => query.bind(v),
        Value::OptionalBools(v) => query.bind(v),
    }
}

pub(super) fn bind_sqlite<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    value: Value,
) -> Query<'q, Sqlite, SqliteArguments> {
    match value {
        Value::Int(v) => query.bind(v),
        Value::Float(v) => query.bind(v),
        Value::Text(v) => query.bind(v),
        Value::Bool(v) => query.bind(v.map(i64::from)),
        Value::Uuid(v) => query.bind(v.map(|uuid| uuid.to_string())),
        Value::Time(v) => query.bind(v.map(|time| time.timestamp_micros())),
        Value::LakeTime(v) => query.bind(v.map(lake_text)),
        Value::Bytes(v) => query.bind(v),
        Value::Ints(v) => query.bind(json(&v)),
        Value::Texts(v) => query.bind(json(&v)),
        Value::Uuids(v) => query.bind(json(&v)),
        Value::OptionalInts(v) => query.bind(json(&v)),
        Value::OptionalTexts(v) => query.bind(json(&v)),
        Value::OptionalBools(v) => query.bind(json(&v)),
    }
}

fn json<T: serde::Serialize>(values: &[T]) -> String {
    serde_json::to_string(values).unwrap_or_else(|_| "[]".into())
}
