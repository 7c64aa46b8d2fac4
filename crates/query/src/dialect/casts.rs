//! Casts that lose nothing, or round as both round.

use sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, TimezoneInfo};

use super::{
    Mover, Moving,
    scope::{Scope, Typed},
    stop,
    types::{Number, Type},
};

impl Mover<'_> {
    /// `CAST(expr AS type)`, `expr::type`.
    pub(super) fn cast(
        &mut self,
        kind: &CastKind,
        expr: &Expr,
        data_type: &DataType,
        scope: &Scope<'_>,
    ) -> Moving<Typed> {
        if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) {
            return stop("TRY_CAST");
        }
        let value = self.expression(expr, scope)?;
        let Some(target) = target(data_type) else {
            return stop(format!("a cast to {data_type}"));
        };
        let from = value.ty.word();
        let sql = match (&value.ty, &target) {
            // Half away from zero in both.
            (Type::Number(_), Type::Number(number)) => {
                format!(
                    "CAST({} AS DECIMAL({},{}))",
                    value.sql, number.most, number.scale
                )
            }
            (Type::Number(number), Type::Text) if number.scale == 0 => {
                format!("CAST({} AS VARCHAR)", value.sql)
            }
            (Type::Null, target) => match target.lake_type() {
                Some(ty) => format!("CAST(NULL AS {})", ty.duckdb_sql()),
                None => return stop(format!("a cast to {data_type}")),
            },
            (Type::Text, Type::Text) => value.sql,
            (Type::Text, Type::Date | Type::Timestamp) if value.literal.is_some() => {
                super::dates::literal_as(&target, &value)?
            }
            (Type::Date | Type::Timestamp, Type::Date) => {
                format!("CAST({} AS DATE)", value.sql)
            }
            (Type::Date | Type::Timestamp, Type::Timestamp) => {
                format!("CAST({} AS TIMESTAMP)", value.sql)
            }
            (Type::Boolean, Type::Boolean) | (Type::Float, Type::Float) => value.sql,
            _ => return stop(format!("a cast of {from} to {data_type}")),
        };
        Ok(Typed::new(sql, target))
    }
}

/// The types that are cast to. TIMESTAMP alone is none: what it means is a session parameter.
fn target(data_type: &DataType) -> Option<Type> {
    let number = |info: &ExactNumberInfo| match info {
        ExactNumberInfo::None => Some(Number::exact(38, 0)),
        ExactNumberInfo::Precision(precision) => {
            u8::try_from(*precision).ok().map(|p| Number::exact(p, 0))
        }
        ExactNumberInfo::PrecisionAndScale(precision, scale) => {
            let precision = u8::try_from(*precision).ok()?;
            let scale = u8::try_from(*scale).ok()?;
            Some(Number::exact(precision, scale))
        }
    };
    let valid = |number: &Number| (1..=38).contains(&number.most) && number.scale <= number.most;
    match data_type {
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            number(info).filter(valid).map(Type::Number)
        }
        // NUMBER is no keyword of the parser's.
        DataType::Custom(name, arguments) => {
            let name = name.to_string().to_ascii_uppercase();
            let digits: Option<Vec<u8>> = arguments.iter().map(|text| text.parse().ok()).collect();
            match (name.as_str(), digits?.as_slice()) {
                ("NUMBER", []) => Some(Type::Number(Number::exact(38, 0))),
                ("NUMBER", [precision]) => Some(Number::exact(*precision, 0))
                    .filter(valid)
                    .map(Type::Number),
                ("NUMBER", [precision, scale]) => Some(Number::exact(*precision, *scale))
                    .filter(valid)
                    .map(Type::Number),
                ("TIMESTAMP_NTZ", []) => Some(Type::Timestamp),
                ("STRING", []) => Some(Type::Text),
                _ => None,
            }
        }
        // All whole-number types of Snowflake are NUMBER(38,0).
        DataType::Int(None)
        | DataType::Integer(None)
        | DataType::BigInt(None)
        | DataType::SmallInt(None)
        | DataType::TinyInt(None) => Some(Type::Number(Number::exact(38, 0))),
        DataType::Varchar(None) | DataType::String(None) | DataType::Text => Some(Type::Text),
        DataType::Date => Some(Type::Date),
        DataType::Boolean => Some(Type::Boolean),
        DataType::Float(sqlparser::ast::ExactNumberInfo::None) => Some(Type::Float),
        DataType::Datetime(None) | DataType::TimestampNtz(None) => Some(Type::Timestamp),
        DataType::Timestamp(None, TimezoneInfo::WithoutTimeZone) => Some(Type::Timestamp),
        _ => None,
    }
}
