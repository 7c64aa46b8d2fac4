//! What stands in the places of a statement's relations: versions, rows of ours, views, other snapshots.

use std::sync::Arc;

use ducksync_core::{
    Error, Reason, Result,
    command::CommandSpec,
    dataset::Dataset,
    freshness::{age_seconds, freshness},
    session::DatasetAnswer,
    source::{Aspect, SourceContext},
    version::{Version, View},
};

use super::{LocalPlan, Planner, Purpose, empty};
use crate::{
    bind::{BoundText, Replacement, VersionRef, splice},
    call,
    parsed::{Parsed, ParsedQuery},
    routing::query_call,
    scope::{Scope, Target},
    system,
    tree::RelationRef,
};

/// How deep views may name views.
const MAX_VIEW_DEPTH: usize = 32;

impl Planner<'_> {
    /// Puts versions, rows of ours and views in the places of the relations.
    pub(super) async fn bind(
        &self,
        query: &ParsedQuery,
        scope: &Scope,
        depth: usize,
    ) -> Result<LocalPlan> {
        let mut plan = LocalPlan {
            rule: "V-5a".into(),
            ..LocalPlan::default()
        };
        if let Some(shown) = &query.names.shows {
            plan.text = self.show(shown, scope)?;
            plan.reason = "a listing of this server".into();
            return Ok(plan);
        }
        let mut replacements = Vec::new();
        for relation in &query.names.relations {
            replacements.push(
                self.replacement(relation, query, scope, depth, &mut plan)
                    .await?,
            );
        }
        let text = splice(&query.sql, &query.names, replacements)?;
        plan.reason = match query.names.relations.is_empty() {
            true => "names no relation".into(),
            false => "every relation is in the lake".into(),
        };
        plan.order_versions(text);
        Ok(plan)
    }

    pub(crate) async fn replacement(
        &self,
        relation: &RelationRef,
        query: &ParsedQuery,
        scope: &Scope,
        depth: usize,
        plan: &mut LocalPlan,
    ) -> Result<Replacement> {
        if let Some(call) = query_call(relation)? {
            return self.inner_query_call(&call, plan).await;
        }
        if let Some(arguments) = &relation.call {
            let Some(spec) = call::command_of(relation)? else {
                return Ok(Replacement::Keep);
            };
            return self.call(spec, arguments, query, depth, plan).await;
        }
        let past = match &relation.at {
            Some((unit, value)) => Some(self.at(unit, value, scope).await?),
            None => None,
        };
        let scope = past.as_ref().unwrap_or(scope);
        match scope.resolve(&relation.parts)? {
            Target::Table(version) => {
                let places = depth == 0 && self.places_at == Some(relation.location);
                self.version(version, places, scope, plan)
            }
            Target::Cache(cache) => match scope.lake.versions.get(&cache.id) {
                Some(version) => self.version(version.clone(), false, scope, plan),
                None => self.unpublished(&cache).await,
            },
            Target::View(view) => self.view(&view, scope, depth, plan).await,
            Target::System(schema, name) => {
                let (principal, now) = (self.session.principal(), self.query.parts.clock.now());
                let rows = system::rows(&schema, &name, &scope.lake, &principal, now);
                Ok(Replacement::Query(BoundText::plain(rows.sql()), Vec::new()))
            }
            Target::Unknown => Err(Error::not_found(format!(
                "{} does not exist at that snapshot",
                relation.parts.join(".")
            ))),
        }
    }

    pub(crate) fn version(
        &self,
        version: Arc<Version>,
        places: bool,
        scope: &Scope,
        plan: &mut LocalPlan,
    ) -> Result<Replacement> {
        self.require_select(&version.name.schema, &version.name.name)?;
        if let Some(why) = &version.unreadable {
            return Err(Error::failed_precondition(format!(
                "{} cannot be read: {why}",
                version.name
            )));
        }
        let own = self.transaction.as_ref().is_some_and(|t| t.owns(&version));
        let reference = VersionRef {
            dataset: version.dataset,
            run: version.run,
            snapshot: (!own).then_some(scope.lake.snapshot),
            name: version.name.clone(),
            places,
        };
        if !plan.versions.iter().any(|known| known.run == version.run) {
            plan.answers.push(self.answer(&version, scope));
            plan.versions.push(version);
        }
        Ok(Replacement::Version(reference))
    }

    fn answer(&self, version: &Version, scope: &Scope) -> DatasetAnswer {
        let now = self.query.parts.clock.now();
        let dataset = scope.lake.datasets.get(&version.dataset);
        let fed = dataset.filter(|dataset| dataset.feed.is_some());
        DatasetAnswer {
            name: version.name.to_string(),
            feed: fed
                .and_then(|d| d.feed.as_ref())
                .map(|feed| feed.kind().to_owned()),
            run_id: version.run,
            snapshot_id: version.snapshot,
            data_timestamp: fed
                .and_then(|d| d.proof.as_ref())
                .map(|proof| proof.data_timestamp),
            age_seconds: fed.map_or(Some(0.0), |dataset| age_seconds(dataset, now)),
            freshness: fed.map_or(ducksync_core::freshness::Freshness::Fresh, |d| {
                freshness(d, now)
            }),
        }
    }

    /// A cache without data, when only its columns are wanted: those that its source describes.
    async fn unpublished(&self, dataset: &Arc<Dataset>) -> Result<Replacement> {
        let columns = self.described_columns(dataset).await?;
        Ok(Replacement::Query(
            BoundText::plain(empty(&columns)),
            Vec::new(),
        ))
    }

    /// The columns that a cache's source describes.
    pub(crate) async fn described_columns(
        &self,
        dataset: &Arc<Dataset>,
    ) -> Result<ducksync_core::types::Fields> {
        let cache = dataset.query_cache().ok_or_else(|| {
            Error::failed_precondition(format!("{} has no data yet", dataset.name))
                .with_reason(Reason::NotInitialized)
        })?;
        let source = self.query.parts.sources.source(&cache.source).await?;
        let context = SourceContext {
            types: cache.types.clone(),
            ..Default::default()
        };
        let described = source
            .describe(&cache.query, &context, Aspect::Columns)
            .await?;
        Ok(described.columns)
    }

    async fn view(
        &self,
        view: &View,
        scope: &Scope,
        depth: usize,
        plan: &mut LocalPlan,
    ) -> Result<Replacement> {
        if depth >= MAX_VIEW_DEPTH {
            return Err(Error::invalid(format!(
                "view {} is nested too deeply",
                view.name
            )));
        }
        let engine = self.query.parts.engine.as_ref();
        let Parsed::Query(query) = crate::parsed::query(engine, &view.sql).await? else {
            return Err(
                Error::failed_precondition(format!("view {} cannot be read", view.name))
                    .with_remedy("create it again"),
            );
        };
        call::check_functions(query.names.functions.iter())?;
        // A view sees the lake's names, not the session's current schema.
        let scope = Scope {
            schema: Some(view.name.schema.clone()),
            ..scope.clone()
        };
        let unknown = self.unknown(&query, &scope).await?;
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            return Err(Error::failed_precondition(format!(
                "view {} reads {names}, which does not exist any more",
                view.name
            )));
        }
        let inner = Box::pin(self.bind(&query, &scope, depth + 1)).await?;
        let text = inner.text.clone();
        plan.take(inner);
        Ok(Replacement::Query(text, view.column_aliases.clone()))
    }

    /// The columns of a view, by its names.
    pub(crate) async fn view_columns(&self, view: &View) -> Result<ducksync_core::types::Fields> {
        let (scope, mut plan) = (self.scope().await?, LocalPlan::default());
        let Replacement::Query(text, aliases) = self.view(view, &scope, 0, &mut plan).await? else {
            return Err(Error::internal("a view was bound to something else"));
        };
        let versions: Vec<_> = text.relations.iter().filter_map(|r| plan.find(r)).collect();
        let (sql, relations) = text.render(self.query.parts.engine.as_ref(), &versions);
        let plain = ducksync_core::engine::BoundStatement::plain(sql);
        let statement = ducksync_core::engine::BoundStatement { relations, ..plain };
        let mut columns = self
            .query
            .parts
            .engine
            .describe(&statement)
            .await?
            .columns
            .to_vec();
        columns
            .iter_mut()
            .zip(aliases)
            .for_each(|(column, name)| column.name = name);
        Ok(columns.into())
    }

    /// A command in FROM: its rows, or its columns if only they are wanted (G-2).
    async fn call(
        &self,
        spec: &'static CommandSpec,
        arguments: &[serde_json::Value],
        query: &ParsedQuery,
        depth: usize,
        plan: &mut LocalPlan,
    ) -> Result<Replacement> {
        if spec.side_effect && (depth > 0 || !query.names.sole_function) {
            return Err(Error::invalid(format!(
                "ducksync_{} may only be the one item in FROM of a SELECT, or be called",
                spec.name
            ))
            .with_remedy(format!("write CALL ducksync_{}(…)", spec.name)));
        }
        plan.rule = "G-1".into();
        if self.purpose == Purpose::Describe {
            call::check_arguments(spec, arguments)?;
            return Ok(Replacement::Query(
                BoundText::plain(empty(&spec.columns())),
                Vec::new(),
            ));
        }
        let command = call::command(spec, arguments, self.parameters)?;
        plan.parameters_used |= !call::parameter_kinds(spec, arguments).is_empty();
        let rows = Box::pin(self.query.run_command(self.session, command)).await?;
        Ok(Replacement::Query(BoundText::plain(rows.sql()), Vec::new()))
    }

    fn show(&self, shown: &str, scope: &Scope) -> Result<BoundText> {
        match shown {
            "tables" => {
                let rows = system::show_tables(&scope.lake, &self.session.principal());
                Ok(BoundText::plain(format!("{} ORDER BY name", rows.sql())))
            }
            other => Err(Error::invalid(format!("SHOW {other} is not offered"))
                .with_remedy("use SHOW TABLES, DESCRIBE or information_schema")),
        }
    }

    /// The scope of a relation with `AT (…)` (V-1).
    pub(super) async fn at(&self, unit: &str, value: &str, scope: &Scope) -> Result<Scope> {
        let versions = &self.query.parts.versions;
        let snapshot = match unit {
            "VERSION" => ducksync_core::id::SnapshotId(value.parse().map_err(|_| {
                Error::invalid(format!("AT (VERSION => {value}) is not a snapshot id"))
            })?),
            "TIMESTAMP" => versions.snapshot_at(parse_instant(value)?).await?,
            other => return Err(Error::invalid(format!("AT ({other} => …) is not offered"))),
        };
        Ok(Scope {
            lake: versions.at(snapshot).await?,
            transaction: None,
            ..scope.clone()
        })
    }
}

fn parse_instant(text: &str) -> Result<ducksync_core::time::Instant> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .map(|time| time.with_timezone(&Utc));
    let plain = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|t| t.and_utc());
    let day = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(|d| d.and_time(Default::default()).and_utc())
    };
    zoned.or_else(|_| plain()).or_else(|_| day()).map_err(|_| {
        Error::invalid(format!("AT (TIMESTAMP => {text:?}) is not a timestamp"))
            .with_remedy("write it as '2024-05-31 12:00:00+00'")
    })
}
