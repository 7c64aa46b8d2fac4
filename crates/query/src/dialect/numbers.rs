//! Arithmetic of fixed-point numbers, with Snowflake's rules for the result's type.
//!
//! Division is absent: Snowflake rounds to a scale that it computes, DuckDB divides in DOUBLE.

use sqlparser::ast::BinaryOperator;

use super::{
    Moving,
    scope::Typed,
    stop,
    types::{Number, Type},
};

/// Digits behind the point up to which a product keeps all of them.
const PRODUCT_SCALE: u8 = 12;

/// `left + right`, `left - right`, `left * right`.
pub(super) fn computed(left: &Typed, op: &BinaryOperator, right: &Typed) -> Moving<Typed> {
    let (Type::Number(l), Type::Number(r)) = (&left.ty, &right.ty) else {
        let (left, right) = (left.ty.word(), right.ty.word());
        return stop(format!("{left} {op} {right}"));
    };
    let (l, r) = (*l, *r);
    let number = match op {
        BinaryOperator::Multiply => product(l, r)?,
        _ => sum(l, r),
    };
    if l.scale.max(r.scale) + l.leading().max(r.leading()) > 38 {
        // Each side must fit into one type of DuckDB's.
        if *op != BinaryOperator::Multiply && l.scale != r.scale {
            return stop(format!("{op} of numbers with more than 38 digits together"));
        }
    }
    let wide = |value: &Typed, number: Number| format!("CAST({} AS {})", value.sql, number.wide());
    let sql = format!(
        "CAST({} {op} {} AS {})",
        wide(left, l),
        wide(right, r),
        number.wide()
    );
    Ok(Typed::new(sql, Type::Number(number)))
}

/// Leading digits: the larger + 1; scale: the larger.
fn sum(l: Number, r: Number) -> Number {
    let ((l_low, l_high), (r_low, r_high)) = (l.leading_range(), r.leading_range());
    Number::with(
        (l_low.max(r_low) + 1, l_high.max(r_high) + 1),
        l.scale.max(r.scale),
    )
}

/// Leading digits and scales add up; beyond 12 digits behind the point Snowflake rounds.
fn product(l: Number, r: Number) -> Moving<Number> {
    let scale = l.scale + r.scale;
    if scale > PRODUCT_SCALE.max(l.scale).max(r.scale) {
        return stop("a product with more than 12 digits behind the point");
    }
    let ((l_low, l_high), (r_low, r_high)) = (l.leading_range(), r.leading_range());
    Ok(Number::with((l_low + r_low, l_high + r_high), scale))
}
