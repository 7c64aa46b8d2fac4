//! Expressions: columns, literals, conditional values, and where everything else is found.

use ducksync_core::name::quote_literal;
use sqlparser::ast::{BinaryOperator, CaseWhen, Expr, UnaryOperator, Value};

use super::{
    Mover, Moving, numbers,
    scope::{Scope, Typed},
    stop,
    types::{Number, Type, unified},
};

impl Mover<'_> {
    /// An expression.
    pub(super) fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> Moving<Typed> {
        match expr {
            Expr::Identifier(name) => scope.column(std::slice::from_ref(name)),
            Expr::CompoundIdentifier(parts) => scope.column(parts),
            Expr::Nested(inner) => self.expression(inner, scope),
            Expr::Value(value) => literal(&value.value),
            Expr::TypedString(typed) => super::dates::typed_literal(typed),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: inner,
            } => {
                let value = self.expression(inner, scope)?;
                match value.ty {
                    Type::Number(_) => Ok(Typed::new(format!("(-{})", value.sql), value.ty)),
                    other => stop(format!("-{}", other.word())),
                }
            }
            Expr::BinaryOp { left, op, right } => match op {
                BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply => {
                    let left = self.expression(left, scope)?;
                    let right = self.expression(right, scope)?;
                    numbers::computed(&left, op, &right)
                }
                BinaryOperator::StringConcat => {
                    let parts = [
                        self.expression(left, scope)?,
                        self.expression(right, scope)?,
                    ];
                    super::text::joined(&parts)
                }
                _ => self.condition(expr, scope),
            },
            Expr::Case {
                operand: None,
                conditions,
                else_result,
                ..
            } => self.case(conditions, else_result.as_deref(), scope),
            Expr::Function(function) => self.function(function, scope),
            Expr::Cast {
                kind,
                expr,
                data_type,
                format: None,
            } => self.cast(kind, expr, data_type, scope),
            Expr::Extract { field, expr, .. } => {
                let value = self.expression(expr, scope)?;
                super::dates::part(&field.to_string(), &value)
            }
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for: length,
                ..
            } => {
                let value = self.expression(expr, scope)?;
                super::text::substring(&value, from, length.as_deref())
            }
            Expr::Subquery(query) => {
                let inner = self.query(query, Some(scope), false)?;
                let [output] = inner.outputs.as_slice() else {
                    return stop("a subquery of several columns as a value");
                };
                Ok(Typed::new(format!("({})", inner.sql), output.ty.clone()))
            }
            other => self.condition(other, scope),
        }
    }

    fn case(
        &mut self,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Moving<Typed> {
        let mut whens = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            whens.push(self.predicate(&when.condition, scope)?);
            results.push(self.expression(&when.result, scope)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expression(otherwise, scope)?);
        }
        let (results, ty) = alike(results, "CASE")?;
        let mut text = String::from("CASE");
        for (when, then) in whens.iter().zip(&results) {
            text.push_str(&format!(" WHEN {when} THEN {then}"));
        }
        if let Some(otherwise) = results.get(whens.len()) {
            text.push_str(&format!(" ELSE {otherwise}"));
        }
        Ok(Typed::new(format!("({text} END)"), ty))
    }
}

/// Results that become one value, in one type.
pub(super) fn alike(values: Vec<Typed>, what: &str) -> Moving<(Vec<String>, Type)> {
    let types: Vec<_> = values.iter().map(|value| value.ty.clone()).collect();
    let ty = unified(&types, what)?;
    if matches!(ty, Type::Null | Type::Opaque(_)) {
        return stop(format!("{what} of {}", ty.word()));
    }
    let texts = values.into_iter().map(|value| match (&ty, &value.ty) {
        (Type::Number(number), Type::Number(_)) => {
            format!("CAST({} AS {})", value.sql, number.wide())
        }
        _ => value.sql,
    });
    Ok((texts.collect(), ty))
}

fn literal(value: &Value) -> Moving<Typed> {
    match value {
        Value::Null => Ok(Typed::new("NULL", Type::Null)),
        Value::Boolean(value) => Ok(Typed::new(value.to_string(), Type::Boolean)),
        Value::SingleQuotedString(text) => Ok(Typed {
            literal: Some(text.clone()),
            ..Typed::new(quote_literal(text), Type::Text)
        }),
        Value::Number(digits, false) => number(digits),
        other => stop(format!("the literal {other}")),
    }
}

/// A number is as precise as it has digits; one with an exponent is a FLOAT or not, by its size.
fn number(digits: &str) -> Moving<Typed> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let whole = whole.trim_start_matches('0');
    let count = whole.len() + fraction.len();
    if !plain(whole) || !plain(fraction) || count > 38 || fraction.len() > 37 {
        return stop(format!("the number {digits}"));
    }
    let lengths = (u8::try_from(whole.len()), u8::try_from(fraction.len()));
    let (Ok(leading), Ok(scale)) = lengths else {
        return stop(format!("the number {digits}"));
    };
    let text = match (whole, fraction) {
        ("", "") => "0".to_owned(),
        (whole, "") => whole.to_owned(),
        (whole, fraction) => format!("{whole}.{fraction}"),
    };
    // Whether zeros at the end count as digits is not documented.
    let ty = match fraction.is_empty() {
        true => Number::exact(leading.max(1), 0),
        false => Number {
            least: scale.max(1),
            ..Number::exact((leading + scale).max(1), scale)
        },
    };
    let precision = (leading + scale).max(1);
    let sql = match precision > 18 {
        true => format!("CAST('{text}' AS DECIMAL({precision},{scale}))"),
        false if text.starts_with('.') => format!("0{text}"),
        false => text,
    };
    Ok(Typed::new(sql, Type::Number(ty)))
}
