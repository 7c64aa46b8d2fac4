//! Snowflake's types: how they are declared, shown, and stored in DuckDB.

mod parse;

use serde_json::{Value, json};

/// The length of a VARCHAR without one, in characters (and of its bytes, the largest there is).
const TEXT_MAX: u64 = 16_777_216;
const BINARY_MAX: u64 = 8_388_608;

/// The DuckDB shape of a TIMESTAMP_TZ: the instant in UTC and the offset in minutes.
pub(crate) const TZ_SHAPE: &str = "STRUCT(\"sf~utc\" TIMESTAMP, \"sf~tz\" SMALLINT)";

/// A type as a table declares it or a result reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SnowflakeType {
    Number { precision: u8, scale: u8 },
    Real,
    Text { length: u64 },
    Boolean,
    Date,
    Time(u8),
    TimestampNtz(u8),
    TimestampLtz(u8),
    TimestampTz(u8),
    Binary { length: u64 },
    Variant,
    Object,
    Array,
    Geography,
    Geometry,
    Vector { integers: bool, dimension: u32 },
}

impl SnowflakeType {
    pub(crate) const INTEGER: Self = Self::Number {
        precision: 38,
        scale: 0,
    };
    pub(crate) const TEXT: Self = Self::Text { length: TEXT_MAX };

    /// The type that DuckDB stores such a column with.
    pub(crate) fn physical(&self) -> String {
        match self {
            Self::Number { precision, scale } => format!("DECIMAL({precision},{scale})"),
            Self::Real => "DOUBLE".to_owned(),
            Self::Text { .. } | Self::Geography | Self::Geometry => "VARCHAR".to_owned(),
            Self::Boolean => "BOOLEAN".to_owned(),
            Self::Date => "DATE".to_owned(),
            Self::Time(_) => "TIME".to_owned(),
            Self::TimestampNtz(_) => "TIMESTAMP".to_owned(),
            Self::TimestampLtz(_) => "TIMESTAMPTZ".to_owned(),
            Self::TimestampTz(_) => TZ_SHAPE.to_owned(),
            Self::Binary { .. } => "BLOB".to_owned(),
            Self::Variant | Self::Object | Self::Array => "JSON".to_owned(),
            Self::Vector {
                integers: true,
                dimension,
            } => format!("INTEGER[{dimension}]"),
            Self::Vector {
                integers: false,
                dimension,
            } => format!("FLOAT[{dimension}]"),
        }
    }

    /// The type to report for a column of which only DuckDB's type is known.
    pub(crate) fn from_duckdb(name: &str) -> Self {
        if name == TZ_SHAPE {
            return Self::TimestampTz(9);
        }
        if let Some(inner) = name.strip_suffix(']') {
            let (element, dimension) = inner.rsplit_once('[').unwrap_or((inner, ""));
            return match (element, dimension.parse()) {
                ("FLOAT", Ok(dimension)) => Self::Vector {
                    integers: false,
                    dimension,
                },
                ("INTEGER", Ok(dimension)) => Self::Vector {
                    integers: true,
                    dimension,
                },
                _ => Self::Array,
            };
        }
        match name {
            "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "HUGEINT" | "UTINYINT"
            | "USMALLINT" | "UINTEGER" | "UBIGINT" | "UHUGEINT" => Self::INTEGER,
            "FLOAT" | "DOUBLE" => Self::Real,
            "BOOLEAN" => Self::Boolean,
            "DATE" => Self::Date,
            "TIME" | "TIME_NS" => Self::Time(9),
            "TIMESTAMP" | "TIMESTAMP_NS" => Self::TimestampNtz(9),
            "TIMESTAMP_S" => Self::TimestampNtz(0),
            "TIMESTAMP_MS" => Self::TimestampNtz(3),
            "TIMESTAMP WITH TIME ZONE" => Self::TimestampLtz(9),
            "BLOB" => Self::Binary { length: BINARY_MAX },
            "JSON" | "VARIANT" => Self::Variant,
            _ if name.starts_with("DECIMAL(") => decimal(name).unwrap_or(Self::INTEGER),
            _ if name.starts_with("STRUCT(") || name.starts_with("MAP(") => Self::Object,
            _ => Self::TEXT,
        }
    }

    /// Whether a column of DuckDB's type can be sent as this one.
    pub(crate) fn accepts(&self, duckdb: &str) -> bool {
        let derived = Self::from_duckdb(duckdb);
        let semi_structured = |t: &Self| matches!(t, Self::Variant | Self::Object | Self::Array);
        let text = |t: &Self| matches!(t, Self::Text { .. } | Self::Geography | Self::Geometry);
        std::mem::discriminant(self) == std::mem::discriminant(&derived)
            || (semi_structured(self) && semi_structured(&derived))
            || (text(self) && text(&derived))
    }

    /// The `type` of a `rowtype` entry.
    pub(crate) fn wire_name(&self) -> &'static str {
        match self {
            Self::Number { .. } => "fixed",
            Self::Real => "real",
            Self::Text { .. } => "text",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time(_) => "time",
            Self::TimestampNtz(_) => "timestamp_ntz",
            Self::TimestampLtz(_) => "timestamp_ltz",
            Self::TimestampTz(_) => "timestamp_tz",
            Self::Binary { .. } => "binary",
            Self::Variant => "variant",
            Self::Object => "object",
            Self::Array => "array",
            Self::Geography => "geography",
            Self::Geometry => "geometry",
            Self::Vector { .. } => "vector",
        }
    }

    /// The name in `information_schema.columns.data_type`.
    pub(crate) fn data_type(&self) -> String {
        match self {
            Self::Number { .. } => "NUMBER".to_owned(),
            Self::Real => "FLOAT".to_owned(),
            other => other.wire_name().to_uppercase(),
        }
    }

    /// The name that DESC shows.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::Number { precision, scale } => format!("NUMBER({precision},{scale})"),
            Self::Text { length } => format!("VARCHAR({length})"),
            Self::Binary { length } => format!("BINARY({length})"),
            Self::Vector {
                integers,
                dimension,
            } => {
                format!(
                    "VECTOR({}, {dimension})",
                    if *integers { "INT" } else { "FLOAT" }
                )
            }
            other => match other.scale() {
                Some(scale) => format!("{}({scale})", other.data_type()),
                None => other.data_type(),
            },
        }
    }

    pub(crate) fn precision(&self) -> Option<u8> {
        match self {
            Self::Number { precision, .. } => Some(*precision),
            Self::Time(_)
            | Self::TimestampNtz(_)
            | Self::TimestampLtz(_)
            | Self::TimestampTz(_) => Some(0),
            _ => None,
        }
    }

    pub(crate) fn scale(&self) -> Option<u8> {
        match self {
            Self::Number { scale, .. }
            | Self::Time(scale)
            | Self::TimestampNtz(scale)
            | Self::TimestampLtz(scale)
            | Self::TimestampTz(scale) => Some(*scale),
            _ => None,
        }
    }

    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Text { length } | Self::Binary { length } => Some(*length),
            _ => None,
        }
    }

    pub(crate) fn byte_length(&self) -> Option<u64> {
        match self {
            Self::Text { length } => Some((length * 4).min(TEXT_MAX)),
            Self::Binary { length } => Some(*length),
            _ => None,
        }
    }

    /// One entry of `rowtype`.
    pub(crate) fn rowtype(&self, name: &str, nullable: bool) -> Value {
        let mut entry = json!({
            "name": name, "database": "", "schema": "", "table": "",
            "type": self.wire_name(), "nullable": nullable,
            "precision": self.precision(), "scale": self.scale(),
            "length": self.length(), "byteLength": self.byte_length(),
            "collation": null,
        });
        if let Self::Vector {
            integers,
            dimension,
        } = self
        {
            let element = if *integers { Self::INTEGER } else { Self::Real };
            entry["vectorDimension"] = json!(dimension);
            entry["fields"] = json!([{ "type": element.wire_name(), "nullable": true,
                "precision": element.precision(), "scale": element.scale(), "length": null, "byteLength": null }]);
        }
        entry
    }
}

fn decimal(name: &str) -> Option<SnowflakeType> {
    let inside = name.strip_prefix("DECIMAL(")?.strip_suffix(')')?;
    let (precision, scale) = inside.split_once(',')?;
    Some(SnowflakeType::Number {
        precision: precision.trim().parse().ok()?,
        scale: scale.trim().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Cursor;

    fn parsed(text: &str) -> String {
        let mut cursor = Cursor::over(text).unwrap();
        let found = SnowflakeType::parse(&mut cursor).unwrap();
        assert!(cursor.is_done(), "{text}");
        found.display()
    }

    #[test]
    fn declared_types_show_as_snowflake_shows_them() {
        for (text, shown) in [
            ("int", "NUMBER(38,0)"),
            ("number(12, 2)", "NUMBER(12,2)"),
            ("double precision", "FLOAT"),
            ("string", "VARCHAR(16777216)"),
            ("char", "VARCHAR(1)"),
            ("character varying(7)", "VARCHAR(7)"),
            ("timestamp", "TIMESTAMP_NTZ(9)"),
            ("timestamp(3) with time zone", "TIMESTAMP_TZ(3)"),
            ("timestamp_ltz(6)", "TIMESTAMP_LTZ(6)"),
            ("time(4)", "TIME(4)"),
            ("binary", "BINARY(8388608)"),
            ("variant", "VARIANT"),
            ("vector(float, 3)", "VECTOR(FLOAT, 3)"),
        ] {
            assert_eq!(parsed(text), shown);
        }
        assert!(SnowflakeType::parse(&mut Cursor::over("nonsense").unwrap()).is_err());
    }

    #[test]
    fn duckdb_types_become_snowflake_types() {
        for (name, shown) in [
            ("BIGINT", "NUMBER(38,0)"),
            ("DECIMAL(15,2)", "NUMBER(15,2)"),
            ("TIMESTAMP_MS", "TIMESTAMP_NTZ(3)"),
            ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP_LTZ(9)"),
            (TZ_SHAPE, "TIMESTAMP_TZ(9)"),
            ("INTEGER[]", "ARRAY"),
            ("FLOAT[3]", "VECTOR(FLOAT, 3)"),
            ("STRUCT(a INTEGER)", "OBJECT"),
            ("UUID", "VARCHAR(16777216)"),
        ] {
            assert_eq!(SnowflakeType::from_duckdb(name).display(), shown);
        }
    }

    #[test]
    fn every_declared_type_accepts_what_it_is_stored_as() {
        for text in [
            "int",
            "float",
            "text",
            "date",
            "time(3)",
            "timestamp_tz(3)",
            "object",
            "array",
            "geography",
        ] {
            let declared = SnowflakeType::parse(&mut Cursor::over(text).unwrap()).unwrap();
            let stored = declared
                .physical()
                .replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE");
            assert!(declared.accepts(&stored), "{text}");
        }
    }
}
