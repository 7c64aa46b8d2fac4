//! Whether a text always says the same of the same data.
//!
//! Not so where it calls a function that is not known: of the time, of chance, of the session, a user's
//! own. The list is of names only; how functions behave elsewhere is the business of `dialect`.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectNamePart, Query, TableFactor, Value, Visit, Visitor};

/// Functions of Snowflake whose value depends on their arguments alone.
const STABLE: &[&str] = &[
    "ABS",
    "ADD_MONTHS",
    "ANY_VALUE",
    "APPROX_COUNT_DISTINCT",
    "ARRAY_AGG",
    "ARRAY_CONTAINS",
    "ARRAY_SIZE",
    "ASCII",
    "AVG",
    "BITAND",
    "BITOR",
    "BITXOR",
    "BOOLAND_AGG",
    "BOOLOR_AGG",
    "CEIL",
    "CHARINDEX",
    "CHR",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "CONTAINS",
    "CORR",
    "COUNT",
    "COUNT_IF",
    "CUME_DIST",
    "DATE",
    "DATEADD",
    "DATEDIFF",
    "DATE_FROM_PARTS",
    "DATE_PART",
    "DATE_TRUNC",
    "DAY",
    "DAYNAME",
    "DAYOFMONTH",
    "DAYOFYEAR",
    "DECODE",
    "DENSE_RANK",
    "DIV0",
    "DIV0NULL",
    "ENDSWITH",
    "EQUAL_NULL",
    "EXP",
    "FIRST_VALUE",
    "FLOOR",
    "GREATEST",
    "HOUR",
    "IFF",
    "IFNULL",
    "INITCAP",
    "LAG",
    "LAST_DAY",
    "LAST_VALUE",
    "LEAD",
    "LEAST",
    "LEFT",
    "LEN",
    "LENGTH",
    "LISTAGG",
    "LN",
    "LOG",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MAX",
    "MAX_BY",
    "MD5",
    "MEDIAN",
    "MIN",
    "MINUTE",
    "MIN_BY",
    "MOD",
    "MODE",
    "MONTH",
    "MONTHNAME",
    "NTILE",
    "NULLIF",
    "NULLIFZERO",
    "NVL",
    "NVL2",
    "PERCENTILE_CONT",
    "PERCENTILE_DISC",
    "PERCENT_RANK",
    "POSITION",
    "POWER",
    "QUARTER",
    "RANK",
    "REGEXP_COUNT",
    "REGEXP_LIKE",
    "REGEXP_REPLACE",
    "REGEXP_SUBSTR",
    "REPEAT",
    "REPLACE",
    "REVERSE",
    "RIGHT",
    "ROUND",
    "ROW_NUMBER",
    "RPAD",
    "RTRIM",
    "SECOND",
    "SHA2",
    "SIGN",
    "SPLIT_PART",
    "SQRT",
    "STARTSWITH",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUBSTR",
    "SUBSTRING",
    "SUM",
    "TO_BOOLEAN",
    "TO_CHAR",
    "TO_DATE",
    "TO_DECIMAL",
    "TO_DOUBLE",
    "TO_NUMBER",
    "TO_NUMERIC",
    "TO_VARCHAR",
    "TRANSLATE",
    "TRIM",
    "TRUNC",
    "TRY_TO_DATE",
    "TRY_TO_NUMBER",
    "UPPER",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
    "WIDTH_BUCKET",
    "YEAR",
    "ZEROIFNULL",
];

/// Words without brackets that are functions of time or session.
const UNSTABLE_WORDS: &[&str] = &[
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "LOCALTIME",
    "LOCALTIMESTAMP",
];

/// What makes a query depend on more than its tables; `None` if nothing does.
pub(super) fn instability(query: &Query) -> Option<String> {
    let mut finder = Finder;
    match query.visit(&mut finder) {
        ControlFlow::Break(what) => Some(what),
        ControlFlow::Continue(()) => None,
    }
}

/// Whether an expression depends on its columns alone.
pub(super) fn is_stable(expr: &Expr) -> bool {
    expr.visit(&mut Finder).is_continue()
}

struct Finder;

impl Visitor for Finder {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        let unstable = match expr {
            Expr::Function(function) => match function.name.0.as_slice() {
                [ObjectNamePart::Identifier(name)] => {
                    let name = name.value.to_ascii_uppercase();
                    !STABLE.contains(&name.as_str())
                }
                _ => true,
            },
            Expr::Identifier(name) if name.quote_style.is_none() => {
                UNSTABLE_WORDS.contains(&name.value.to_ascii_uppercase().as_str())
                    || name.value.starts_with('$')
            }
            Expr::Value(value) => matches!(value.value, Value::Placeholder(_)),
            _ => false,
        };
        match unstable {
            true => ControlFlow::Break(expr.to_string()),
            false => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        let plain = match factor {
            TableFactor::Table {
                name,
                args,
                version,
                sample,
                ..
            } => {
                let stage = name.to_string().starts_with('@');
                !stage && args.is_none() && version.is_none() && sample.is_none()
            }
            TableFactor::Derived { sample, .. } => sample.is_none(),
            TableFactor::NestedJoin { .. } => true,
            _ => false,
        };
        match plain {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(factor.to_string()),
        }
    }
}
