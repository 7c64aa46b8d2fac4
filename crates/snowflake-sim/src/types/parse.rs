//! Reads a type as a declaration or a cast spells it.

use sqlparser::tokenizer::Token;

use super::{BINARY_MAX, SnowflakeType, TEXT_MAX};
use crate::error::SqlError;
use crate::tokens::Cursor;

impl SnowflakeType {
    /// Parses a type at the cursor: `NUMBER(12, 2)`, `TIMESTAMP_TZ`, `DOUBLE PRECISION` …
    /// DuckDB's own type names are understood too.
    pub(crate) fn parse(cursor: &mut Cursor) -> Result<Self, SqlError> {
        let Some(word) = cursor.word() else {
            return Err(cursor.unexpected());
        };
        let unknown = cursor.unexpected();
        cursor.next();
        if word == "VECTOR" {
            return Self::parse_vector(cursor);
        }
        let (first, second) = arguments(cursor)?;
        let narrow = |argument: Option<u64>, default: u8| {
            argument.map_or(default, |n| u8::try_from(n).unwrap_or(default))
        };
        let scale = narrow(first, 9).min(9);
        Ok(match word.as_str() {
            "NUMBER" | "NUMERIC" | "DECIMAL" | "DEC" => Self::Number {
                precision: narrow(first, 38).clamp(1, 38),
                scale: narrow(second, 0).min(37),
            },
            "INT" | "INTEGER" | "BIGINT" | "SMALLINT" | "TINYINT" | "BYTEINT" | "HUGEINT"
            | "UBIGINT" | "UINTEGER" => Self::INTEGER,
            "FLOAT" | "FLOAT4" | "FLOAT8" | "REAL" | "DOUBLE" => {
                cursor.eat(&["PRECISION"]);
                Self::Real
            }
            "VARCHAR" | "STRING" | "TEXT" | "NVARCHAR" | "NVARCHAR2" => Self::Text {
                length: first.unwrap_or(TEXT_MAX),
            },
            "CHAR" | "CHARACTER" | "NCHAR" => {
                let varying = cursor.eat(&["VARYING"]);
                let default = if varying { TEXT_MAX } else { 1 };
                let (late, _) = arguments(cursor)?;
                Self::Text {
                    length: first.or(late).unwrap_or(default),
                }
            }
            "BOOLEAN" | "BOOL" => Self::Boolean,
            "DATE" => Self::Date,
            "TIME" | "TIME_NS" => Self::Time(scale),
            "TIMESTAMP" | "DATETIME" => {
                if cursor.eat(&["WITH", "TIME", "ZONE"]) {
                    Self::TimestampTz(scale)
                } else if cursor.eat(&["WITH", "LOCAL", "TIME", "ZONE"]) {
                    Self::TimestampLtz(scale)
                } else {
                    cursor.eat(&["WITHOUT", "TIME", "ZONE"]);
                    Self::TimestampNtz(scale)
                }
            }
            "TIMESTAMP_NTZ" | "TIMESTAMPNTZ" | "TIMESTAMP_NS" | "TIMESTAMP_US" => {
                Self::TimestampNtz(scale)
            }
            "TIMESTAMP_S" => Self::TimestampNtz(0),
            "TIMESTAMP_MS" => Self::TimestampNtz(3),
            "TIMESTAMP_LTZ" | "TIMESTAMPLTZ" | "TIMESTAMPTZ" => Self::TimestampLtz(scale),
            "TIMESTAMP_TZ" => Self::TimestampTz(scale),
            "BINARY" | "VARBINARY" | "BLOB" => Self::Binary {
                length: first.unwrap_or(BINARY_MAX),
            },
            "VARIANT" | "JSON" => Self::Variant,
            "OBJECT" => Self::Object,
            "ARRAY" => Self::Array,
            "GEOGRAPHY" => Self::Geography,
            "GEOMETRY" => Self::Geometry,
            _ => return Err(unknown),
        })
    }

    fn parse_vector(cursor: &mut Cursor) -> Result<Self, SqlError> {
        cursor.expect_token(&Token::LParen)?;
        let integers = cursor.identifier()? == "INT";
        cursor.expect_token(&Token::Comma)?;
        let dimension = cursor.number().and_then(|n| u32::try_from(n).ok());
        let dimension = dimension.ok_or_else(|| cursor.unexpected())?;
        cursor.expect_token(&Token::RParen)?;
        Ok(Self::Vector {
            integers,
            dimension,
        })
    }
}

/// Up to two numbers in parentheses.
fn arguments(cursor: &mut Cursor) -> Result<(Option<u64>, Option<u64>), SqlError> {
    if !cursor.eat_token(&Token::LParen) {
        return Ok((None, None));
    }
    let first = cursor.number();
    let second = if cursor.eat_token(&Token::Comma) {
        cursor.number()
    } else {
        None
    };
    cursor.expect_token(&Token::RParen)?;
    Ok((first, second))
}
