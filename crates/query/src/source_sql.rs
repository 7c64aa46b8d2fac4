//! What we must know of a statement in a source's dialect (C-15, V-8).
//!
//! The text itself always travels unchanged; this only looks at it.

use std::{collections::HashSet, ops::ControlFlow};

use ducksync_core::{Error, Result};
use sqlparser::{
    ast::{Expr, Query, SetExpr, Statement, Visit, Visitor},
    dialect::SnowflakeDialect,
    parser::Parser,
};

/// Functions whose value depends on the time or on chance.
const UNSTABLE: &[&str] = &[
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "sysdate",
    "systimestamp",
    "getdate",
    "now",
    "random",
    "randstr",
    "uniform",
    "normal",
    "zipf",
    "uuid_string",
    "seq1",
    "seq2",
    "seq4",
    "seq8",
];

/// The query of a cache definition.
///
/// # Errors
/// `InvalidArgument` naming `source_query` unless it is exactly one read-only statement (C-15).
pub(crate) fn cache_query(sql: &str) -> Result<Box<Query>> {
    let refuse = |why: String| {
        Error::invalid(format!("source_query {why}")).with_remedy("give exactly one SELECT")
    };
    let statements = Parser::parse_sql(&SnowflakeDialect {}, sql)
        .map_err(|error| refuse(format!("cannot be parsed: {error}")))?;
    match <[Statement; 1]>::try_from(statements) {
        Ok([Statement::Query(query)]) if reads_only(&query) => Ok(query),
        Ok(_) => Err(refuse("is not a statement that only reads".into())),
        Err(several) => Err(refuse(format!("holds {} statements", several.len()))),
    }
}

/// System functions that only tell; all others may act (cancel statements, change tasks).
const TELLING: &[&str] = &[
    "system$last_change_commit_time",
    "system$typeof",
    "system$clustering_information",
    "system$clustering_depth",
    "system$explain_plan_json",
];

/// Whether a function or sequence of that name acts when it is called.
fn acts(name: &str) -> bool {
    let name = name.to_lowercase();
    let last = name.rsplit('.').next().unwrap_or(&name).trim_matches('"');
    last == "nextval" || last.starts_with("system$") && !TELLING.contains(&last)
}

/// Whether a query changes nothing: no INSERT, UPDATE, DELETE or SELECT INTO anywhere in it, and no
/// function that acts.
pub(crate) fn reads_only(query: &Query) -> bool {
    struct Writes;
    impl Visitor for Writes {
        type Break = ();
        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            let acting = match expression {
                Expr::Function(function) => acts(&function.name.to_string()),
                Expr::CompoundIdentifier(parts) => {
                    parts.last().is_some_and(|part| acts(&part.value))
                }
                _ => false,
            };
            match acting {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            match set_reads(&query.body) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        }
    }
    query.visit(&mut Writes).is_continue()
}

fn set_reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::SetOperation { left, right, .. } => set_reads(left) && set_reads(right),
        SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => true,
        _ => false,
    }
}

/// The first function of the query whose value depends on the time or on chance.
pub(crate) fn unstable(query: &Query) -> Option<String> {
    struct Finder;
    impl Visitor for Finder {
        type Break = String;
        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<String> {
            let name = match expression {
                Expr::Function(function) => function.name.to_string().to_lowercase(),
                Expr::Identifier(identifier) if identifier.quote_style.is_none() => {
                    identifier.value.to_lowercase()
                }
                _ => return ControlFlow::Continue(()),
            };
            match UNSTABLE.contains(&name.as_str()) {
                true => ControlFlow::Break(name),
                false => ControlFlow::Continue(()),
            }
        }
    }
    match query.visit(&mut Finder) {
        ControlFlow::Break(name) => Some(name),
        ControlFlow::Continue(()) => None,
    }
}

/// The relations that the text names, with CTE names left out, as parts with whether each was quoted.
pub(crate) fn relations(query: &Query) -> Vec<Vec<(String, bool)>> {
    struct Relations {
        found: Vec<Vec<(String, bool)>>,
        ctes: HashSet<String>,
    }
    impl Visitor for Relations {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            // A CTE hides a table of its name in the whole statement here: what that may miss, the
            // source's own plan names (C-10).
            for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
                self.ctes.insert(cte.alias.name.value.to_lowercase());
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_relation(&mut self, relation: &sqlparser::ast::ObjectName) -> ControlFlow<()> {
            let parts: Vec<_> = relation
                .0
                .iter()
                .filter_map(|part| part.as_ident())
                .map(|ident| (ident.value.clone(), ident.quote_style.is_some()))
                .collect();
            if parts.len() == relation.0.len() && !parts.is_empty() {
                self.found.push(parts);
            }
            ControlFlow::Continue(())
        }
    }
    let mut relations = Relations {
        found: Vec::new(),
        ctes: HashSet::new(),
    };
    let _ = query.visit(&mut relations);
    let Relations { mut found, ctes } = relations;
    found.retain(|parts| parts.len() > 1 || !ctes.contains(&parts[0].0.to_lowercase()));
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v8_only_what_reads_is_a_cache_query() {
        for good in [
            "SELECT * FROM db.s.t WHERE a IN (SELECT b FROM u)",
            "WITH x AS (SELECT 1 AS a) SELECT a FROM x UNION ALL SELECT 2",
            "SELECT SYSTEM$TYPEOF(a) FROM t",
        ] {
            assert!(cache_query(good).is_ok(), "{good}");
        }
        for bad in [
            "DELETE FROM t",
            "SELECT 1; SELECT 2",
            "SELECT SYSTEM$CANCEL_ALL_QUERIES(1) FROM t",
            "SELECT db.s.seq.NEXTVAL FROM t",
            "SELECT a FROM t WHERE EXISTS (SELECT s.\"NEXTVAL\" FROM u)",
            "CREATE TABLE x AS SELECT 1",
            "",
            "SELEC 1",
        ] {
            assert!(cache_query(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn c10_relations_are_found_with_their_quotes_and_without_ctes() {
        let query = cache_query("WITH c AS (SELECT * FROM a.\"B\") SELECT * FROM c JOIN d ON true")
            .unwrap();
        let part = |text: &str, quoted| (text.to_owned(), quoted);
        assert_eq!(
            relations(&query),
            [
                vec![part("a", false), part("B", true)],
                vec![part("d", false)]
            ]
        );
    }

    #[test]
    fn c15_values_of_time_and_chance_are_found() {
        for (sql, expected) in [
            ("SELECT CURRENT_TIMESTAMP() AS a", true),
            ("SELECT current_date AS a", true),
            ("SELECT a FROM t WHERE b < RANDOM()", true),
            ("SELECT \"current_date\" AS a FROM t", false),
        ] {
            assert_eq!(
                unstable(&cache_query(sql).unwrap()).is_some(),
                expected,
                "{sql}"
            );
        }
    }
}
