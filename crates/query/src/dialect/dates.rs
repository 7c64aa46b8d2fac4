//! Dates and timestamps without zone.
//!
//! Texts are read as dates only in ISO form, which Snowflake's default input format reads alike. Weeks
//! are absent: where they begin is a session parameter.

use chrono::{NaiveDate, NaiveDateTime};
use sqlparser::ast::{DataType, Expr, TypedString, Value};

use super::{
    Moving,
    scope::Typed,
    stop,
    text::signed,
    types::{Number, Type},
};

/// `DATE '2024-05-31'`.
pub(super) fn typed_literal(typed: &TypedString) -> Moving<Typed> {
    match (&typed.data_type, &typed.value.value) {
        (DataType::Date, Value::SingleQuotedString(text)) if !typed.uses_odbc_syntax => {
            Ok(Typed::new(date(text)?, Type::Date))
        }
        _ => stop(format!("the literal {typed}")),
    }
}

/// A text literal where a date or timestamp is wanted.
pub(super) fn literal_as(ty: &Type, value: &Typed) -> Moving<String> {
    match (&value.literal, ty) {
        (Some(text), Type::Date) => date(text),
        (Some(text), _) => timestamp(text),
        (None, _) => stop(format!("a comparison of VARCHAR with {}", ty.word())),
    }
}

fn date(text: &str) -> Moving<String> {
    let iso = |date: &NaiveDate| date.format("%Y-%m-%d").to_string() == text;
    match NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(iso) {
        Some(_) => Ok(format!("DATE '{text}'")),
        None => stop(format!("'{text}' as a date")),
    }
}

fn timestamp(text: &str) -> Moving<String> {
    if date(text).is_ok() {
        return Ok(format!("TIMESTAMP '{text} 00:00:00'"));
    }
    let seconds = text.split_once('.').map_or(text, |(seconds, _)| seconds);
    let known = NaiveDateTime::parse_from_str(seconds, "%Y-%m-%d %H:%M:%S").ok();
    let iso = known.is_some_and(|t| t.format("%Y-%m-%d %H:%M:%S").to_string() == seconds);
    let fraction = text.get(seconds.len() + 1..).unwrap_or("0");
    let digits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    match iso && digits {
        true => Ok(format!("TIMESTAMP '{text}'")),
        false => stop(format!("'{text}' as a timestamp")),
    }
}

/// Units that mean the same in both.
fn unit(name: &str) -> Moving<&'static str> {
    Ok(
        match name.trim_matches('\'').to_ascii_lowercase().as_str() {
            "year" | "years" => "year",
            "quarter" | "quarters" => "quarter",
            "month" | "months" => "month",
            "day" | "days" => "day",
            "hour" | "hours" => "hour",
            "minute" | "minutes" => "minute",
            "second" | "seconds" => "second",
            other => return stop(format!("the date part {other}")),
        },
    )
}

fn is_of_day(unit: &str) -> bool {
    matches!(unit, "hour" | "minute" | "second")
}

/// The unit that a first argument names: a bare word or a text.
pub(super) fn unit_argument(expr: &Expr) -> Moving<&'static str> {
    match expr {
        Expr::Identifier(name) if name.quote_style.is_none() => unit(&name.value),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => unit(text),
            other => stop(format!("the date part {other}")),
        },
        other => stop(format!("the date part {other}")),
    }
}

/// `EXTRACT(unit FROM value)`: a whole number whose precision is not documented.
pub(super) fn part(name: &str, value: &Typed) -> Moving<Typed> {
    let unit = unit(name)?;
    let fits = match value.ty {
        Type::Date => !is_of_day(unit),
        Type::Timestamp => true,
        _ => false,
    };
    if !fits {
        return stop(format!("{unit} of {}", value.ty.word()));
    }
    // Of a second with its fraction DuckDB's date_part gives the whole seconds, as Snowflake does.
    let sql = format!("date_part('{unit}', {})", value.sql);
    Ok(Typed::new(sql, Type::Number(Number::untold(0))))
}

/// `DATE_TRUNC(unit, value)`, of the value's type.
pub(super) fn truncated(unit: &str, value: &Typed) -> Moving<Typed> {
    let target = match value.ty {
        Type::Date if !is_of_day(unit) => "DATE",
        Type::Timestamp => "TIMESTAMP",
        _ => return stop(format!("DATE_TRUNC of {} to {unit}", value.ty.word())),
    };
    let sql = format!("CAST(date_trunc('{unit}', {}) AS {target})", value.sql);
    Ok(Typed::new(sql, value.ty.clone()))
}

/// `DATEADD(unit, count, value)` with a literal count.
pub(super) fn added(unit: &str, count: &Expr, value: &Typed) -> Moving<Typed> {
    let Some(count) = signed(count) else {
        return stop(format!("DATEADD of {count}, which is no literal"));
    };
    let target = match value.ty {
        Type::Date if !is_of_day(unit) => "DATE",
        Type::Timestamp => "TIMESTAMP",
        _ => return stop(format!("DATEADD of {unit} to {}", value.ty.word())),
    };
    let sql = format!(
        "CAST({} + INTERVAL '{count}' {unit} AS {target})",
        value.sql
    );
    Ok(Typed::new(sql, value.ty.clone()))
}

/// `DATEDIFF(unit, from, to)`: boundaries crossed, of a precision that is not documented.
pub(super) fn difference(unit: &str, from: &Typed, to: &Typed) -> Moving<Typed> {
    let known = |ty: &Type| match ty {
        Type::Date => !is_of_day(unit),
        Type::Timestamp => true,
        _ => false,
    };
    if !known(&from.ty) || !known(&to.ty) {
        return stop(format!(
            "DATEDIFF of {} and {}",
            from.ty.word(),
            to.ty.word()
        ));
    }
    let sql = format!("date_diff('{unit}', {}, {})", from.sql, to.sql);
    Ok(Typed::new(sql, Type::Number(Number::untold(0))))
}
