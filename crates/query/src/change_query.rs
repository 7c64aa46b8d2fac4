//! Whether a cache's rows can be brought up to date by the changes of its one table (C-11).
//!
//! They can where each row of the result comes from one row of the table and from nothing else: a
//! projection of plain expressions, and a filter. Then an image of a row that changed gives, by the same
//! projection and filter, the image of the result's row. Whatever is not known to be so is loaded whole.
//!
//! The query's text is kept as it is, taken apart around the table's name.

use std::ops::ControlFlow;

use ducksync_core::dataset::ChangeQuery;
use sqlparser::{
    ast::{
        Expr, Function, FunctionArguments, GroupByExpr, Query, Select, SelectItem, SetExpr,
        Spanned, TableFactor, TableWithJoins, Visit, Visitor,
    },
    tokenizer::Location,
};

/// Functions whose value depends on their arguments alone, row by row.
const ROW_FUNCTIONS: &[&str] = &[
    "abs",
    "ceil",
    "coalesce",
    "concat",
    "contains",
    "dateadd",
    "datediff",
    "date_trunc",
    "day",
    "dayofweek",
    "dayofyear",
    "decode",
    "endswith",
    "equal_null",
    "floor",
    "greatest",
    "hour",
    "iff",
    "ifnull",
    "initcap",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "minute",
    "mod",
    "month",
    "nullif",
    "nullifzero",
    "nvl",
    "nvl2",
    "quarter",
    "regexp_like",
    "regexp_replace",
    "replace",
    "right",
    "round",
    "rpad",
    "rtrim",
    "second",
    "sign",
    "split_part",
    "startswith",
    "substr",
    "substring",
    "to_char",
    "to_date",
    "to_decimal",
    "to_double",
    "to_number",
    "to_time",
    "to_timestamp_ntz",
    "to_varchar",
    "trim",
    "trunc",
    "try_to_date",
    "try_to_number",
    "upper",
    "week",
    "year",
    "zeroifnull",
];

/// The change query of a cache's query, or why it has none.
pub(crate) fn change_query(sql: &str, query: &Query) -> Result<ChangeQuery, &'static str> {
    let select = plain_select(query)?;
    let [TableWithJoins { relation, joins }] = select.from.as_slice() else {
        return Err("it reads more than one table");
    };
    if !joins.is_empty() {
        return Err("it joins tables");
    }
    let TableFactor::Table {
        name,
        args: None,
        version: None,
        sample: None,
        with_ordinality: false,
        ..
    } = relation
    else {
        return Err("it does not read a table by its name");
    };
    let all = projects_all(select)?;
    if expressions(select).any(|expression| !is_plain(expression)) {
        return Err("it computes with something else than the columns of one row");
    }
    let span = name.span();
    let unknown = "the place of its table's name in the text is not known";
    let (start, end) = (offset(sql, span.start), offset(sql, span.end));
    let (start, end) = start.zip(end).ok_or(unknown)?;
    let written = sql.get(start..end).ok_or(unknown)?;
    if written != name.to_string() {
        return Err(unknown);
    }
    let head = sql[..start].trim_start();
    let keyword = head
        .get(..6)
        .filter(|word| word.eq_ignore_ascii_case("select"));
    let before = match (keyword, all) {
        (None, _) => return Err("it does not begin with SELECT"),
        (Some(_), true) => head.to_owned(),
        (Some(select), false) => format!("{select} METADATA$ACTION,{}", &head[6..]),
    };
    let after = sql[end..].trim_end().trim_end_matches(';').to_owned();
    Ok(ChangeQuery {
        table: written.to_owned(),
        before,
        after,
    })
}

fn plain_select(query: &Query) -> Result<&Select, &'static str> {
    if query.with.is_some() {
        return Err("it has a WITH clause");
    }
    if query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return Err("it orders or limits its rows");
    }
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Err("it is not one SELECT");
    };
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(expressions, modifiers) => {
            !expressions.is_empty() || !modifiers.is_empty()
        }
        GroupByExpr::All(_) => true,
    };
    if grouped || select.having.is_some() || select.distinct.is_some() {
        return Err("it groups rows");
    }
    let more = select.qualify.is_some()
        || select.top.is_some()
        || select.into.is_some()
        || select.prewhere.is_some()
        || !select.lateral_views.is_empty()
        || !select.connect_by.is_empty()
        || !select.named_window.is_empty();
    if more {
        return Err("it does more than to filter and project");
    }
    Ok(select)
}

/// Whether it yields all columns, which it must not do in any other way than by a bare `*`.
fn projects_all(select: &Select) -> Result<bool, &'static str> {
    match select.projection.as_slice() {
        [SelectItem::Wildcard(options)] if options.to_string().is_empty() => Ok(true),
        items => match items.iter().all(|item| {
            matches!(
                item,
                SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
            )
        }) {
            true => Ok(false),
            false => Err("it mixes * with other columns"),
        },
    }
}

fn expressions(select: &Select) -> impl Iterator<Item = &Expr> {
    let projected = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expression)
        | SelectItem::ExprWithAlias {
            expr: expression, ..
        } => Some(expression),
        _ => None,
    });
    projected.chain(&select.selection)
}

/// Whether an expression is one of a row's own columns, literals, and what is known to be a function of
/// them.
fn is_plain(expression: &Expr) -> bool {
    struct Foreign;
    impl Visitor for Foreign {
        type Break = ();
        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            let plain = match expression {
                Expr::Function(function) => is_row_function(function),
                Expr::Subquery(_)
                | Expr::InSubquery { .. }
                | Expr::Exists { .. }
                | Expr::Lambda(_)
                | Expr::MatchAgainst { .. }
                | Expr::GroupingSets(_)
                | Expr::Cube(_)
                | Expr::Rollup(_) => false,
                Expr::Identifier(name) if name.quote_style.is_none() => {
                    let name = name.value.to_lowercase();
                    !name.starts_with("current_")
                        && !matches!(name.as_str(), "localtime" | "localtimestamp" | "sysdate")
                }
                Expr::CompoundIdentifier(parts) => parts
                    .last()
                    .is_none_or(|part| !part.value.eq_ignore_ascii_case("nextval")),
                _ => true,
            };
            match plain {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        }
    }
    expression.visit(&mut Foreign).is_continue()
}

fn is_row_function(function: &Function) -> bool {
    let name = function.name.to_string().to_lowercase();
    function.over.is_none()
        && function.filter.is_none()
        && function.within_group.is_empty()
        && !matches!(function.args, FunctionArguments::Subquery(_))
        && ROW_FUNCTIONS.contains(&name.as_str())
}

/// The byte of a place that counts lines and characters from 1.
fn offset(sql: &str, place: Location) -> Option<usize> {
    let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
    let begins = match line {
        0 => 0,
        _ => sql.match_indices('\n').nth(line - 1)?.0 + 1,
    };
    let rest = &sql[begins..];
    let within = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    Some(begins + within.clone().nth(column)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_sql::cache_query;

    fn of(sql: &str) -> Result<ChangeQuery, &'static str> {
        change_query(sql, &cache_query(sql).unwrap())
    }

    #[test]
    fn c11_a_filter_and_projection_of_one_table_is_taken_apart_around_its_name() {
        let found =
            of("select  id, upper(\"région\") as r\nfrom \"Db\".s.\"Ört\" t where t.id > 5;")
                .unwrap();
        assert_eq!(
            found.before,
            "select METADATA$ACTION,  id, upper(\"région\") as r\nfrom "
        );
        assert_eq!(found.table, "\"Db\".s.\"Ört\"");
        assert_eq!(found.after, " t where t.id > 5");
        let all = of("SELECT * FROM db.s.t").unwrap();
        assert_eq!(
            (all.before.as_str(), all.after.as_str()),
            ("SELECT * FROM ", "")
        );
    }

    #[test]
    fn c11_whatever_is_more_than_rows_of_one_table_is_loaded_whole() {
        for sql in [
            "select a from t join u on true",
            "select a from t, u",
            "select a from (select 1 as a) t",
            "with x as (select 1) select a from t",
            "select a from t order by a",
            "select a from t limit 3",
            "select distinct a from t",
            "select count(*) as n from t",
            "select a, sum(b) over () as s from t",
            "select my_function(a) as b from t",
            "select a from t where a in (select b from u)",
            "select a from t where d < current_date",
            "select a from t where d < current_timestamp()",
            "select a from t qualify row_number() over (order by a) = 1",
            "select a from t group by a",
            "select a from t union all select a from t",
            "select *, a as b from t",
            "select t.* from t",
            "select a from table(f(1))",
            "select a from t sample (10)",
        ] {
            assert!(of(sql).is_err(), "{sql}: {:?}", of(sql));
        }
    }
}
