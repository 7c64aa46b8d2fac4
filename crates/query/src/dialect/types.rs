//! The types of expressions as Snowflake sees them, as far as a copy still tells.
//!
//! A copy keeps NUMBER(p,0) of at most 18 digits as BIGINT and forgets p. So the precision of a number is
//! a range; where a result's type would depend on what was forgotten, the source must tell it.

use ducksync_core::types::{Field, LakeType};

use super::{Moving, stop};

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    /// NUMBER.
    Number(Number),
    /// FLOAT.
    Float,
    /// VARCHAR that compares byte by byte.
    Text,
    /// BOOLEAN.
    Boolean,
    /// DATE.
    Date,
    /// TIMESTAMP_NTZ.
    Timestamp,
    /// Of the literal NULL.
    Null,
    /// A column that is only handed on: its values do not compare or compute here as there.
    Opaque(LakeType),
}

/// A fixed-point number: its precision lies in a range, its scale is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    /// The least precision that it can have.
    pub(crate) least: u8,
    /// The greatest.
    pub(crate) most: u8,
    /// Digits behind the point.
    pub(crate) scale: u8,
}

/// The most digits of a number, there and here.
const DIGITS: u8 = 38;

impl Number {
    /// NUMBER(precision, scale).
    pub(super) fn exact(precision: u8, scale: u8) -> Self {
        Self {
            least: precision,
            most: precision,
            scale,
        }
    }

    /// A number whose precision Snowflake's documentation does not tell.
    pub(super) fn untold(scale: u8) -> Self {
        Self {
            least: scale.max(1),
            most: DIGITS,
            scale,
        }
    }

    /// The most digits before the point.
    pub(super) fn leading(self) -> u8 {
        self.most - self.scale
    }

    /// A number with that many digits before and behind the point, cut at what a number can have.
    pub(super) fn with(leading: (u8, u8), scale: u8) -> Self {
        Self {
            least: (leading.0 + scale).min(DIGITS),
            most: (leading.1 + scale).min(DIGITS),
            scale,
        }
    }

    /// The digits before the point: at least and at most.
    pub(super) fn leading_range(self) -> (u8, u8) {
        (self.least.saturating_sub(self.scale), self.leading())
    }

    /// The type in which DuckDB computes with it.
    pub(super) fn wide(self) -> String {
        format!("DECIMAL({DIGITS},{})", self.scale)
    }

    fn lake_type(self) -> Option<LakeType> {
        if self.scale == 0 && self.most <= 18 {
            return Some(LakeType::Int64);
        }
        // NUMBER(p,0) of few digits would be BIGINT, of many DECIMAL: a range over both tells nothing.
        (self.least == self.most).then_some(LakeType::Decimal {
            precision: self.most,
            scale: self.scale,
        })
    }
}

impl Type {
    /// The type of a column; `plain_text` = a text in it compares byte by byte at the source.
    pub(crate) fn of(field: &Field, plain_text: bool) -> Self {
        match &field.lake_type {
            LakeType::Int64 => Self::Number(Number {
                least: 1,
                most: 18,
                scale: 0,
            }),
            LakeType::Decimal { precision, scale } => {
                Self::Number(Number::exact(*precision, *scale))
            }
            LakeType::Float64 => Self::Float,
            LakeType::Boolean => Self::Boolean,
            LakeType::Date => Self::Date,
            LakeType::Timestamp => Self::Timestamp,
            LakeType::Varchar if plain_text => Self::Text,
            other => Self::Opaque(other.clone()),
        }
    }

    /// What a result column of this type becomes on its way from the source; `None` if that depends on
    /// what is not known.
    pub(crate) fn lake_type(&self) -> Option<LakeType> {
        match self {
            Self::Number(number) => number.lake_type(),
            Self::Float => Some(LakeType::Float64),
            Self::Text => Some(LakeType::Varchar),
            Self::Boolean => Some(LakeType::Boolean),
            Self::Date => Some(LakeType::Date),
            Self::Timestamp => Some(LakeType::Timestamp),
            Self::Null => None,
            Self::Opaque(lake_type) => Some(lake_type.clone()),
        }
    }

    /// Whether values are equal and ordered here as there.
    pub(crate) fn is_ordered(&self) -> bool {
        match self {
            Self::Number(_)
            | Self::Float
            | Self::Text
            | Self::Boolean
            | Self::Date
            | Self::Timestamp => true,
            Self::Null | Self::Opaque(_) => false,
        }
    }

    /// Whether equal values are one value: not so of FLOAT, where 0 and -0 are equal.
    pub(super) fn is_groupable(&self) -> bool {
        self.is_ordered() && *self != Self::Float
    }

    /// The word for messages.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Number(_) => "NUMBER".into(),
            Self::Float => "FLOAT".into(),
            Self::Text => "VARCHAR".into(),
            Self::Boolean => "BOOLEAN".into(),
            Self::Date => "DATE".into(),
            Self::Timestamp => "TIMESTAMP_NTZ".into(),
            Self::Null => "NULL".into(),
            Self::Opaque(LakeType::Varchar) => {
                "a VARCHAR with collation, or another type kept as text".into()
            }
            Self::Opaque(other) => format!("a type kept as {}", other.duckdb_sql()),
        }
    }
}

/// The one type of several results (CASE, COALESCE, UNION).
pub(super) fn unified(types: &[Type], what: &str) -> Moving<Type> {
    let mut known = types.iter().filter(|ty| **ty != Type::Null);
    let Some(first) = known.next() else {
        return Ok(Type::Null);
    };
    let mut result = first.clone();
    for ty in known {
        result = match (&result, ty) {
            (left, right) if left == right => result,
            (Type::Number(left), Type::Number(right)) => Type::Number(wider(*left, *right, what)?),
            (left, right) => {
                return stop(format!("{what} of {} and {}", left.word(), right.word()));
            }
        };
    }
    Ok(result)
}

fn wider(left: Number, right: Number, what: &str) -> Moving<Number> {
    let scale = left.scale.max(right.scale);
    let leading = left.leading().max(right.leading());
    if leading + scale > DIGITS {
        return stop(format!(
            "{what} of numbers with more than 38 digits together"
        ));
    }
    // How Snowflake finds the precision is not documented; whole numbers of at most 18 digits are BIGINT
    // whichever it is.
    let most = match scale == 0 && left.most.max(right.most) <= 18 {
        true => left.most.max(right.most),
        false => DIGITS,
    };
    Ok(Number {
        least: scale.max(1),
        most,
        scale,
    })
}
