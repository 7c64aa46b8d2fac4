//! `explain_route`: how a statement would be routed, without contacting a source.

use std::sync::Arc;

use ducksync_core::{
    Result,
    command::ExplainRoute,
    freshness::{age_seconds, reason},
};

use super::answer;
use crate::{
    Query, Session, hint,
    parsed::{self, Parsed},
    read::Purpose,
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
        let query = match parsed::parse(self.parts.engine.as_ref(), &arguments.sql).await? {
            Parsed::Query(query) => query,
            Parsed::Foreign(foreign) => {
                let row = unmatched("", "not a statement of DuckDB's dialect", &foreign.sql);
                return answer("explain_route", vec![row]);
            }
            _ => return answer("explain_route", Vec::new()),
        };
        let planner = self.planner(session, &contract, None, None, Purpose::Describe);
        let scope = planner.scope().await?;
        let now = self.parts.clock.now();
        let mut targets: Vec<(&RelationRef, Target)> = Vec::new();
        for relation in query.names.relations.iter().filter(|r| r.call.is_none()) {
            targets.push((relation, scope.resolve(&relation.parts)?));
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
