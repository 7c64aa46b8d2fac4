//! Failing open: the source answers where a copy cannot (C-13, V-13).
//!
//! A copy without data, one that is older than the contract allows, and one whose files cannot be read
//! are no reason to refuse what the source can say. A statement over tables of the source goes there as
//! it is. The name of a cache means nothing there; but all of a cache is what its query yields, so
//! `SELECT * FROM cache` goes there as that query.

use ducksync_core::{
    Error, Reason, Result,
    auth::{GrantTarget, Privilege},
    dataset::QueryCache,
    engine::{BoundStatement, StatementDescription},
    name::Name,
};
use sqlparser::{
    ast::{SetExpr, Statement, TableFactor},
    dialect::GenericDialect,
    parser::Parser,
};

use crate::{
    Query,
    read::{LocalPlan, PassthroughPlan, Plan, Planner},
    scope::{Scope, Target},
};

impl Planner<'_> {
    /// The source's answer in place of a copy that may not give one; else why it may not.
    pub(crate) fn instead_of_cache(&self, sql: &str, scope: &Scope, error: Error) -> Result<Plan> {
        let plan = match is_lacking(&error) {
            true => self.cache_by_source(sql, scope, "C-13", error.message()),
            false => None,
        };
        plan.map(Plan::Passthrough).ok_or(error)
    }

    /// The statement as one of the source: the query of the cache of which it wants everything. `None` if
    /// it wants something else, or the source may not be asked.
    pub(crate) fn cache_by_source(
        &self,
        sql: &str,
        scope: &Scope,
        rule: &'static str,
        why: &str,
    ) -> Option<PassthroughPlan> {
        let name = all_of(sql)?;
        let Ok(Target::Cache(dataset)) = scope.resolve(&name) else {
            return None;
        };
        self.require_select(&dataset.name.schema, &dataset.name.name)
            .ok()?;
        let cache = dataset.query_cache()?;
        let source = self.open_source(cache, scope)?;
        Some(PassthroughPlan {
            source,
            sql: cache.query.clone(),
            reason: why.to_owned(),
            rule,
            of_cache: Some(cache.types.clone()),
        })
    }

    /// A cache's source, if this statement may be answered by it, and of this moment.
    fn open_source(&self, cache: &QueryCache, scope: &Scope) -> Option<Name> {
        if self.contract.only_if_cached || self.contract.snapshot.is_some() {
            return None;
        }
        let source = scope.lake.source(&cache.source)?;
        let target = GrantTarget::Source(source.name.to_string());
        let granted = self
            .session
            .principal()
            .may(Privilege::Passthrough, &target);
        (source.passthrough_enabled && granted).then(|| source.name.clone())
    }
}

/// Who answers a plan of the local route.
pub(crate) enum Answerer {
    /// The engine, with this result.
    Engine(StatementDescription),
    /// The source: the files of the versions cannot be read (V-13).
    Source(PassthroughPlan),
}

impl Query {
    /// Has the engine describe a plan's statement, unless its files cannot be read and the source may
    /// answer instead.
    ///
    /// # Errors
    /// As [`ducksync_core::engine::QueryEngine::describe`].
    pub(crate) async fn answerer(
        &self,
        plan: &mut LocalPlan,
        statement: &BoundStatement,
    ) -> Result<Answerer> {
        let Some(mut instead) = plan.instead.take() else {
            let described = self.parts.engine.describe(statement).await?;
            return Ok(Answerer::Engine(described));
        };
        let files = self.parts.files.as_ref();
        instead.reason = match self.data_path.look(files, &plan.versions).await {
            Err(why) => unreadable(&why),
            Ok(()) => match self.parts.engine.describe(statement).await {
                Ok(described) => return Ok(Answerer::Engine(described)),
                Err(error) if self.data_path.judge(&error) => unreadable(error.message()),
                Err(error) => return Err(error),
            },
        };
        Ok(Answerer::Source(instead))
    }
}

fn unreadable(why: &str) -> String {
    format!("the lake's files cannot be read: {why}")
}

/// Whether an error says that no copy may answer, and nothing else is wrong.
pub(crate) fn is_lacking(error: &Error) -> bool {
    matches!(error.reason(), Some(Reason::NotCached | Reason::Stale))
}

/// The name of the one relation of which a statement wants all rows and columns, in no order.
fn all_of(sql: &str) -> Option<Vec<String>> {
    let statements = Parser::parse_sql(&GenericDialect {}, sql).ok()?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return None;
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let [from] = select.from.as_slice() else {
        return None;
    };
    let TableFactor::Table { name, .. } = &from.relation else {
        return None;
    };
    // Whatever else it asks for would be in its text.
    if query.to_string() != format!("SELECT * FROM {name}") {
        return None;
    }
    let idents = name.0.iter().map(|part| part.as_ident());
    idents.map(|ident| Some(ident?.value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c13_all_of_a_relation_is_told_from_anything_more() {
        for sql in [
            "SELECT * FROM sales",
            "select *\nfrom Sales -- all of it\n;",
            "/*+ ducksync(max_staleness=5) */ SELECT * FROM \"Sales\"",
            "SELECT * FROM lake.prod.sales",
        ] {
            assert!(all_of(sql).is_some(), "{sql}");
        }
        for sql in [
            "SELECT * FROM sales LIMIT 5",
            "SELECT * FROM sales ORDER BY 1",
            "SELECT * FROM sales WHERE true",
            "SELECT * EXCLUDE (a) FROM sales",
            "SELECT DISTINCT * FROM sales",
            "SELECT a FROM sales",
            "SELECT * FROM sales, other",
            "SELECT * FROM sales JOIN other USING (a)",
            "SELECT * FROM sales AS s(a, b)",
            "SELECT * FROM sales TABLESAMPLE (10)",
            "SELECT * FROM sales UNION SELECT * FROM sales",
            "WITH sales AS (SELECT 1) SELECT * FROM sales",
            "SELECT * FROM (SELECT * FROM sales)",
            "SELECT * FROM sales('a')",
            "SELECT * FROM sales; SELECT * FROM sales",
            "SELECT * FROM sales FOR UPDATE",
        ] {
            assert_eq!(all_of(sql), None, "{sql}");
        }
    }
}
