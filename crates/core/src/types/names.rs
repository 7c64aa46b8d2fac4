//! The types' names in DuckLake's catalog and in DuckDB's SQL.

use super::LakeType;
use crate::{
    error::{Error, Result},
    name::quote,
};

impl LakeType {
    /// The name in `ducklake_column.column_type`; the parts of a nested type are rows of their own.
    pub fn ducklake_name(&self) -> String {
        match self {
            Self::Boolean => "boolean".into(),
            Self::Int8 => "int8".into(),
            Self::Int16 => "int16".into(),
            Self::Int32 => "int32".into(),
            Self::Int64 => "int64".into(),
            Self::Uint8 => "uint8".into(),
            Self::Uint16 => "uint16".into(),
            Self::Uint32 => "uint32".into(),
            Self::Uint64 => "uint64".into(),
            Self::Float32 => "float32".into(),
            Self::Float64 => "float64".into(),
            Self::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Self::Date => "date".into(),
            Self::Time => "time".into(),
            Self::TimeTz => "timetz".into(),
            Self::Timestamp => "timestamp".into(),
            Self::TimestampS => "timestamp_s".into(),
            Self::TimestampMs => "timestamp_ms".into(),
            Self::TimestampNs => "timestamp_ns".into(),
            Self::TimestampTz => "timestamptz".into(),
            Self::Interval => "interval".into(),
            Self::Varchar => "varchar".into(),
            Self::Blob => "blob".into(),
            Self::Json => "json".into(),
            Self::Uuid => "uuid".into(),
            Self::List(_) => "list".into(),
            Self::Struct(_) => "struct".into(),
            Self::Map { .. } => "map".into(),
        }
    }

    /// The plain type of that DuckLake name.
    ///
    /// # Errors
    /// `Unimplemented` for nested names (their parts are other rows) and for types we cannot read.
    pub fn from_ducklake_name(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "boolean" => Self::Boolean,
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "uint8" => Self::Uint8,
            "uint16" => Self::Uint16,
            "uint32" => Self::Uint32,
            "uint64" => Self::Uint64,
            "float32" => Self::Float32,
            "float64" => Self::Float64,
            "date" => Self::Date,
            "time" => Self::Time,
            "timetz" => Self::TimeTz,
            "timestamp" | "timestamp_us" => Self::Timestamp,
            "timestamp_s" => Self::TimestampS,
            "timestamp_ms" => Self::TimestampMs,
            "timestamp_ns" => Self::TimestampNs,
            "timestamptz" => Self::TimestampTz,
            "interval" => Self::Interval,
            "varchar" => Self::Varchar,
            "blob" => Self::Blob,
            "json" => Self::Json,
            "uuid" => Self::Uuid,
            other => decimal(other).ok_or_else(|| {
                Error::unimplemented(format!("lake type {name:?} cannot be read by this version"))
            })?,
        })
    }

    /// The type in DuckDB's SQL, as in `CAST(x AS …)`.
    pub fn duckdb_sql(&self) -> String {
        match self {
            Self::Boolean => "BOOLEAN".into(),
            Self::Int8 => "TINYINT".into(),
            Self::Int16 => "SMALLINT".into(),
            Self::Int32 => "INTEGER".into(),
            Self::Int64 => "BIGINT".into(),
            Self::Uint8 => "UTINYINT".into(),
            Self::Uint16 => "USMALLINT".into(),
            Self::Uint32 => "UINTEGER".into(),
            Self::Uint64 => "UBIGINT".into(),
            Self::Float32 => "FLOAT".into(),
            Self::Float64 => "DOUBLE".into(),
            Self::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
            Self::Date => "DATE".into(),
            Self::Time => "TIME".into(),
            Self::TimeTz => "TIMETZ".into(),
            Self::Timestamp => "TIMESTAMP".into(),
            Self::TimestampS => "TIMESTAMP_S".into(),
            Self::TimestampMs => "TIMESTAMP_MS".into(),
            Self::TimestampNs => "TIMESTAMP_NS".into(),
            Self::TimestampTz => "TIMESTAMPTZ".into(),
            Self::Interval => "INTERVAL".into(),
            Self::Varchar => "VARCHAR".into(),
            Self::Blob => "BLOB".into(),
            Self::Json => "JSON".into(),
            Self::Uuid => "UUID".into(),
            Self::List(element) => format!("{}[]", element.lake_type.duckdb_sql()),
            Self::Struct(fields) => {
                let parts: Vec<_> = fields
                    .iter()
                    .map(|field| format!("{} {}", quote(&field.name), field.lake_type.duckdb_sql()))
                    .collect();
                format!("STRUCT({})", parts.join(", "))
            }
            Self::Map { key, value } => {
                format!(
                    "MAP({}, {})",
                    key.lake_type.duckdb_sql(),
                    value.lake_type.duckdb_sql()
                )
            }
        }
    }
}

fn decimal(name: &str) -> Option<LakeType> {
    let digits = name.strip_prefix("decimal(")?.strip_suffix(')')?;
    let (precision, scale) = digits.split_once(',')?;
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    (1..=38)
        .contains(&precision)
        .then_some(LakeType::Decimal { precision, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_come_back_as_the_same_type() {
        for name in [
            "boolean",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "float32",
            "float64",
            "decimal(38,9)",
            "date",
            "time",
            "timetz",
            "timestamp",
            "timestamp_s",
            "timestamp_ms",
            "timestamp_ns",
            "timestamptz",
            "interval",
            "varchar",
            "blob",
            "json",
            "uuid",
        ] {
            assert_eq!(
                LakeType::from_ducklake_name(name).unwrap().ducklake_name(),
                name
            );
        }
        assert!(LakeType::from_ducklake_name("variant").is_err());
    }

    #[test]
    fn nested_types_are_written_as_duckdb_reads_them() {
        let ty = LakeType::list(LakeType::Struct(vec![
            crate::types::Field::new("a b", LakeType::Int32),
            crate::types::Field::new("m", LakeType::map(LakeType::Varchar, LakeType::Json)),
        ]));
        assert_eq!(
            ty.duckdb_sql(),
            r#"STRUCT("a b" INTEGER, "m" MAP(VARCHAR, JSON))[]"#
        );
    }
}
