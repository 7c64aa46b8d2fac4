//! `explain_route`: how a statement would be routed, without contacting a source.

use std::sync::Arc;

use ducksync_core::{
    Result,
    command::ExplainRoute,
    freshness::{age_seconds, reason},
    name::Name,
};

use super::answer;
use crate::{
    Query, Session, hint,
    parsed::{self, Parsed},
    read::{Planner, Purpose},
    routing::{SourceStatement, Step},
    scope::Target,
    system::{Literal, Rows, optional, text, visible},
    tree::RelationRef,
};

impl Query {
    pub(super) async fn explain_route(
        &self,
        session: &Arc<Session>,
        arguments: ExplainRoute,
    ) -> Result<Rows> {
        let contract = hint::contract(&arguments.sql, session.contract())?;
        let planner = self.planner(session, &contract, None, None, Purpose::Describe);
        if let Some(source) = &arguments.source_name {
            let name = Name::parse("source_name", source)?;
            let statement = SourceStatement {
                sql: &arguments.sql,
                source: Some(name),
                ours: true,
            };
            return source_rows(&planner, &statement).await;
        }
        let query = match parsed::parse(self.parts.engine.as_ref(), &arguments.sql).await? {
            Parsed::Query(query) => query,
            Parsed::Foreign(foreign) => {
                return source_rows(&planner, &planner.of_session(&foreign.sql)).await;
            }
            _ => return answer("explain_route", Vec::new()),
        };
        let scope = planner.scope().await?;
        let statement = planner.of_session(&query.sql);
        if statement.ours && !planner.is_ours(&query, &scope)? {
            return source_rows(&planner, &statement).await;
        }
        let now = self.parts.clock.now();
        let mut targets: Vec<(&RelationRef, Target)> = Vec::new();
        for relation in query.names.relations.iter().filter(|r| r.call.is_none()) {
            targets.push((relation, scope.resolve(&relation.parts)?));
        }
        let none_local = targets
            .iter()
            .all(|(_, target)| matches!(target, Target::Unknown));
        if none_local && !targets.is_empty() {
            return source_rows(&planner, &statement).await;
        }
        let all_local = targets
            .iter()
            .all(|(_, target)| !matches!(target, Target::Unknown));
        let route = if all_local { "local" } else { "passthrough" };
        let mut rows = Vec::new();
        for (relation, target) in &targets {
            let name = relation.parts.join(".");
            let (dataset, why, age) = match target {
                Target::Table(version) => {
                    let dataset = scope.lake.datasets.get(&version.dataset);
                    let age = dataset.and_then(|dataset| age_seconds(dataset, now));
                    (version.name.clone(), "named in the lake".to_owned(), age)
                }
                Target::Cache(cache) => (
                    cache.name.clone(),
                    reason(cache, now),
                    age_seconds(cache, now),
                ),
                Target::View(view) => (view.name.clone(), "a view of the lake".to_owned(), None),
                Target::System(schema, name) => {
                    let table = ducksync_core::name::TableName::new(schema, name);
                    (table, "a relation of this server".to_owned(), None)
                }
                Target::Unknown => {
                    rows.push(unmatched(
                        &name,
                        "not in the lake and not cached",
                        &arguments.sql,
                    ));
                    continue;
                }
            };
            if !visible(&session.principal(), &dataset.schema, &dataset.name)
                && !matches!(target, Target::System(..))
            {
                rows.push(unmatched(
                    &name,
                    "not in the lake and not cached",
                    &arguments.sql,
                ));
                continue;
            }
            rows.push(vec![
                text(&name),
                text(&dataset.to_string()),
                "true".into(),
                text(&why),
                text(route),
                text("V-5a"),
                optional(age, |age| format!("{age}::DOUBLE")),
                text(&arguments.sql),
            ]);
        }
        if rows.is_empty() {
            rows.push(local_without_relations(&arguments.sql));
        }
        answer("explain_route", rows)
    }
}

/// The lines of a statement in the dialect of a source.
async fn source_rows(planner: &Planner<'_>, statement: &SourceStatement<'_>) -> Result<Rows> {
    let explained = planner.source_route(statement).await?;
    let route = if explained.local {
        "local"
    } else {
        "passthrough"
    };
    let row = |step: &Step| {
        vec![
            text(&step.relation),
            optional(step.dataset.as_deref(), text),
            step.matched.to_string(),
            text(&step.reason),
            text(route),
            text(step.rule),
            optional(step.age_seconds, |age| format!("{age}::DOUBLE")),
            text(statement.sql),
        ]
    };
    let mut rows: Vec<_> = explained.steps.iter().map(row).collect();
    if rows.is_empty() {
        rows.push(local_without_relations(statement.sql));
    }
    answer("explain_route", rows)
}

fn unmatched(name: &str, why: &str, sql: &str) -> Vec<Literal> {
    vec![
        text(name),
        "NULL".into(),
        "false".into(),
        text(why),
        text("passthrough"),
        text("V-8"),
        "NULL".into(),
        text(sql),
    ]
}

fn local_without_relations(sql: &str) -> Vec<Literal> {
    vec![
        "NULL".into(),
        "NULL".into(),
        "true".into(),
        text("names no relation"),
        text("local"),
        text("V-5a"),
        "NULL".into(),
        text(sql),
    ]
}
