//! Conditions: comparisons, tests, and what combines them.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::{
    Mover, Moving, dates,
    scope::{Scope, Typed},
    stop,
    types::Type,
};

impl Mover<'_> {
    /// An expression that must be a condition.
    pub(super) fn predicate(&mut self, expr: &Expr, scope: &Scope<'_>) -> Moving<String> {
        let value = self.expression(expr, scope)?;
        match value.ty {
            Type::Boolean => Ok(value.sql),
            other => stop(format!("{} as a condition", other.word())),
        }
    }

    /// A condition, by its form.
    pub(super) fn condition(&mut self, expr: &Expr, scope: &Scope<'_>) -> Moving<Typed> {
        let text = match expr {
            Expr::BinaryOp { left, op, right } => match op {
                BinaryOperator::And | BinaryOperator::Or => {
                    let left = self.predicate(left, scope)?;
                    let right = self.predicate(right, scope)?;
                    format!("({left} {op} {right})")
                }
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq => {
                    let left = self.expression(left, scope)?;
                    let right = self.expression(right, scope)?;
                    let (left, right) = comparable(left, right)?;
                    format!("({left} {op} {right})")
                }
                _ => return stop(format!("the operator {op}")),
            },
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => format!("(NOT {})", self.predicate(expr, scope)?),
            Expr::IsNull(expr) => format!("({} IS NULL)", self.expression(expr, scope)?.sql),
            Expr::IsNotNull(expr) => {
                format!("({} IS NOT NULL)", self.expression(expr, scope)?.sql)
            }
            Expr::IsTrue(expr) => format!("({} IS TRUE)", self.predicate(expr, scope)?),
            Expr::IsNotTrue(expr) => format!("({} IS NOT TRUE)", self.predicate(expr, scope)?),
            Expr::IsFalse(expr) => format!("({} IS FALSE)", self.predicate(expr, scope)?),
            Expr::IsNotFalse(expr) => format!("({} IS NOT FALSE)", self.predicate(expr, scope)?),
            Expr::IsDistinctFrom(left, right) => self.distinct(left, right, "", scope)?,
            Expr::IsNotDistinctFrom(left, right) => self.distinct(left, right, "NOT ", scope)?,
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let value = self.expression(expr, scope)?;
                let low = self.expression(low, scope)?;
                let high = self.expression(high, scope)?;
                let (left, low) = comparable(value.clone(), low)?;
                let (right, high) = comparable(value, high)?;
                format!("({}({left} >= {low} AND {right} <= {high}))", not(*negated))
            }
            Expr::InList {
                expr,
                list,
                negated,
            } => {
                let value = self.expression(expr, scope)?;
                let mut equal = Vec::new();
                for item in list {
                    let item = self.expression(item, scope)?;
                    let (left, right) = comparable(value.clone(), item)?;
                    equal.push((left, right));
                }
                in_list(&equal, *negated)
            }
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let value = self.expression(expr, scope)?;
                let inner = self.query(subquery, Some(scope), false)?;
                let [output] = inner.outputs.as_slice() else {
                    return stop("IN with a subquery of several columns");
                };
                comparable(value.clone(), Typed::new("", output.ty.clone()))?;
                format!("({} {}IN ({}))", value.sql, not(*negated), inner.sql)
            }
            Expr::Exists { subquery, negated } => {
                let inner = self.query(subquery, Some(scope), false)?;
                format!("({}EXISTS ({}))", not(*negated), inner.sql)
            }
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => {
                let value = self.expression(expr, scope)?;
                let pattern = self.expression(pattern, scope)?;
                if value.ty != Type::Text || pattern.literal.is_none() {
                    return stop(format!(
                        "LIKE of {} and what is no literal",
                        value.ty.word()
                    ));
                }
                format!("({} {}LIKE {})", value.sql, not(*negated), pattern.sql)
            }
            Expr::Value(value) => match &value.value {
                Value::Boolean(value) => value.to_string(),
                other => return stop(format!("the literal {other}")),
            },
            other => return stop(named(other)),
        };
        Ok(Typed::new(text, Type::Boolean))
    }

    fn distinct(
        &mut self,
        left: &Expr,
        right: &Expr,
        not: &str,
        scope: &Scope<'_>,
    ) -> Moving<String> {
        let left = self.expression(left, scope)?;
        let right = self.expression(right, scope)?;
        let (left, right) = comparable(left, right)?;
        Ok(format!("({left} IS {not}DISTINCT FROM {right})"))
    }
}

/// `x IN (a, b)`; one form of the left side is enough where all items compare with the same.
fn in_list(equal: &[(String, String)], negated: bool) -> String {
    let left = equal.first().map_or("", |(left, _)| left.as_str());
    if equal.iter().all(|(other, _)| other == left) {
        let items: Vec<_> = equal.iter().map(|(_, item)| item.as_str()).collect();
        return format!("({left} {}IN ({}))", not(negated), items.join(", "));
    }
    let any: Vec<_> = equal.iter().map(|(l, r)| format!("{l} = {r}")).collect();
    format!("({}({}))", not(negated), any.join(" OR "))
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

/// Both sides of a comparison, in forms that compare as Snowflake compares them.
pub(super) fn comparable(left: Typed, right: Typed) -> Moving<(String, String)> {
    match (&left.ty, &right.ty) {
        (Type::Number(l), Type::Number(r)) => {
            if l.leading().max(r.leading()) + l.scale.max(r.scale) > 38 {
                return stop("a comparison of numbers with more than 38 digits together");
            }
            Ok((left.sql, right.sql))
        }
        (Type::Float, Type::Number(_)) if is_number(&right.sql) => {
            let literal = format!("CAST('{}' AS DOUBLE)", right.sql);
            Ok((left.sql, literal))
        }
        (Type::Number(_), Type::Float) if is_number(&left.sql) => {
            let literal = format!("CAST('{}' AS DOUBLE)", left.sql);
            Ok((literal, right.sql))
        }
        (Type::Date | Type::Timestamp, Type::Text) => {
            let right = dates::literal_as(&left.ty, &right)?;
            Ok((left.sql, right))
        }
        (Type::Text, Type::Date | Type::Timestamp) => {
            let left = dates::literal_as(&right.ty, &left)?;
            Ok((left, right.sql))
        }
        (Type::Date, Type::Timestamp) | (Type::Timestamp, Type::Date) => Ok((left.sql, right.sql)),
        (Type::Null, ty) | (ty, Type::Null) if ty.is_ordered() => Ok((left.sql, right.sql)),
        (l, r) if l == r && l.is_ordered() => Ok((left.sql, right.sql)),
        (l, r) => stop(format!("a comparison of {} with {}", l.word(), r.word())),
    }
}

/// Whether a moved text is a plain number of so few digits that it is the same DOUBLE everywhere.
fn is_number(sql: &str) -> bool {
    let digits = sql.bytes().filter(u8::is_ascii_digit).count();
    digits <= 15 && sql.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// An expression by its text, cut where it is long.
fn named(expr: &Expr) -> String {
    let text = expr.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
