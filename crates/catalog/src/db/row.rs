//! Rows, read alike from both engines.

use chrono::{DateTime, NaiveDateTime, Utc};
use ducksync_core::time::Instant;
use serde::de::DeserializeOwned;
use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

use super::error::{DbError, DbResult};

/// A row of a result; columns are read by place.
pub(crate) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

/// A time in DuckLake's tables: text on SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LakeTime(pub(crate) Instant);

/// What a column can be read as.
pub(crate) trait Column: Sized {
    /// The value at `place`; `None` is NULL.
    fn read(row: &Row, place: usize) -> DbResult<Option<Self>>;
}

impl Row {
    /// The value at `place`, which is not NULL.
    pub(crate) fn get<T: Column>(&self, place: usize) -> DbResult<T> {
        T::read(self, place)?.ok_or_else(|| DbError::Shape(format!("column {place} is NULL")))
    }

    /// The value at `place`, or `None` for NULL.
    pub(crate) fn optional<T: Column>(&self, place: usize) -> DbResult<Option<T>> {
        T::read(self, place)
    }

    /// The JSON text at `place`, parsed; `None` for NULL.
    pub(crate) fn json<T: DeserializeOwned>(&self, place: usize) -> DbResult<Option<T>> {
        let Some(text) = self.optional::<String>(place)? else {
            return Ok(None);
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            DbError::Shape(format!("column {place} is not the JSON of ours: {error}"))
        })
    }
}

macro_rules! plain {
    ($($type:ty),+) => {$(
        impl Column for $type {
            fn read(row: &Row, place: usize) -> DbResult<Option<Self>> {
                Ok(match row {
                    Row::Postgres(row) => row.try_get(place)?,
                    Row::Sqlite(row) => row.try_get_unchecked(place)?,
                })
            }
        }
    )+};
}

plain!(i64, f64, String, Vec<u8>);

impl Column for bool {
    fn read(row: &Row, place: usize) -> DbResult<Option<Self>> {
        Ok(match row {
            Row::Postgres(row) => row.try_get(place)?,
            Row::Sqlite(_) => i64::read(row, place)?.map(|flag| flag != 0),
        })
    }
}

impl Column for Uuid {
    fn read(row: &Row, place: usize) -> DbResult<Option<Self>> {
        if let Row::Postgres(row) = row {
            return Ok(row.try_get(place)?);
        }
        let parse = |text: String| {
            Self::parse_str(&text).map_err(|_| DbError::Shape(format!("{text:?} is not a UUID")))
        };
        String::read(row, place)?.map(parse).transpose()
    }
}

impl Column for Instant {
    fn read(row: &Row, place: usize) -> DbResult<Option<Self>> {
        if let Row::Postgres(row) = row {
            return Ok(row.try_get(place)?);
        }
        let convert = |micros: i64| {
            DateTime::from_timestamp_micros(micros)
                .ok_or_else(|| DbError::Shape(format!("{micros} is not a time")))
        };
        i64::read(row, place)?.map(convert).transpose()
    }
}

impl Column for LakeTime {
    fn read(row: &Row, place: usize) -> DbResult<Option<Self>> {
        match row {
            Row::Postgres(_) => Ok(Instant::read(row, place)?.map(Self)),
            Row::Sqlite(_) => String::read(row, place)?
                .map(|text| parse(&text))
                .transpose(),
        }
    }
}

/// `2026-11-21 09:10:48.0856+00`: any number of fraction digits, any offset.
fn parse(text: &str) -> DbResult<LakeTime> {
    let with_offset = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z");
    let plain = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|t| t.and_utc());
    with_offset
        .map(|time| time.with_timezone(&Utc))
        .or_else(|_| plain())
        .map(LakeTime)
        .map_err(|_| DbError::Shape(format!("{text:?} is not a time")))
}

#[cfg(test)]
mod tests {
    use super::{super::value::lake_text, *};

    #[test]
    fn g8_lake_times_are_instants_whatever_their_text() {
        let time = parse("2026-11-21 09:10:48.0856+00").unwrap();
        assert_eq!(lake_text(time.0), "2026-11-21 09:10:48.085600+00");
        assert_eq!(parse("2026-11-21 11:10:48.085600+02").unwrap(), time);
        assert_eq!(parse("2026-11-21 14:40:48.0856+05:30").unwrap(), time);
        assert_eq!(
            parse("2026-11-21 09:10:48").unwrap().0.timestamp_micros() % 1_000_000,
            0
        );
        assert!(parse("yesterday").is_err());
    }
}
