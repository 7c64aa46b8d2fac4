//! Texts. Case mapping, trimming and patterns beyond LIKE are absent: they differ outside of ASCII.

use sqlparser::ast::{Expr, Value};

use super::{Moving, scope::Typed, stop, types::Type};

/// Texts one after another; NULL if one is NULL.
pub(super) fn joined(parts: &[Typed]) -> Moving<Typed> {
    if let Some(other) = parts.iter().find(|part| part.ty != Type::Text) {
        return stop(format!("joining {} to a text", other.ty.word()));
    }
    let texts: Vec<_> = parts.iter().map(|part| part.sql.as_str()).collect();
    Ok(Typed::new(format!("({})", texts.join(" || ")), Type::Text))
}

/// A part of a text by positions that are literals.
pub(super) fn substring(value: &Typed, from: &Expr, length: Option<&Expr>) -> Moving<Typed> {
    if value.ty != Type::Text {
        return stop(format!("SUBSTR of {}", value.ty.word()));
    }
    let from = match whole(from) {
        Some(from) if from >= 1 => from,
        _ => return stop(format!("SUBSTR from {from}")),
    };
    let length = match length.map(whole) {
        None => String::new(),
        Some(Some(length)) => format!(", {length}"),
        Some(None) => return stop("SUBSTR of a length that is no literal"),
    };
    let sql = format!("substring({}, {from}{length})", value.sql);
    Ok(Typed::new(sql, Type::Text))
}

/// A literal whole number, not negative.
pub(super) fn whole(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => digits.parse().ok(),
            _ => None,
        },
        Expr::Nested(inner) => whole(inner),
        _ => None,
    }
}

/// A literal whole number, with its sign.
pub(super) fn signed(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::UnaryOp {
            op: sqlparser::ast::UnaryOperator::Minus,
            expr,
        } => whole(expr).map(|value| -i64::from(value)),
        other => whole(other).map(i64::from),
    }
}
