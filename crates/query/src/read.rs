//! Queries: what their names mean, where they are answered, and the text that answers them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use ducksync_core::{
    Error, ErrorKind, Reason, Result,
    auth::{GrantTarget, Privilege},
    command::CommandSpec,
    dataset::Dataset,
    freshness::{age_seconds, freshness},
    name::{Name, quote},
    session::{CacheStatus, Consistency, Contract, DatasetAnswer},
    source::{Aspect, SourceContext, TypeOptions},
    types::Field,
    version::{Lake, Version, View},
};

use crate::{
    Query, Session,
    bind::{BoundText, Replacement, VersionRef, splice},
    caches, call,
    parsed::{Foreign, Parsed, ParsedQuery},
    routing::{SourceStatement, query_call},
    scope::{Scope, Target},
    system,
    transaction::Transaction,
    tree::RelationRef,
};

/// How deep views may name views.
const MAX_VIEW_DEPTH: usize = 32;

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Only the columns are wanted: nothing runs, nothing is contacted but for descriptions.
    Describe,
    /// The rows are wanted.
    Execute,
}

/// Where a query is answered.
#[derive(Debug)]
pub(crate) enum Plan {
    /// By the engine.
    Local(LocalPlan),
    /// By a source, unchanged.
    Passthrough(PassthroughPlan),
}

/// A query that the engine answers.
#[derive(Debug, Default)]
pub(crate) struct LocalPlan {
    pub(crate) text: BoundText,
    pub(crate) versions: Vec<Arc<Version>>,
    pub(crate) rule: String,
    pub(crate) reason: String,
    pub(crate) cache_status: Option<CacheStatus>,
    pub(crate) lake: Arc<Lake>,
    pub(crate) answers: Vec<DatasetAnswer>,
    /// Whether the call of a command took the statement's parameters.
    pub(crate) parameters_used: bool,
    /// The source's answer, should the files of the versions not be readable (V-13).
    pub(crate) instead: Option<PassthroughPlan>,
}

impl LocalPlan {
    /// Gives the plan its text, and its versions in the order in which the text names them.
    pub(crate) fn order_versions(&mut self, text: BoundText) {
        let versions = text.relations.iter().filter_map(|r| self.find(r)).collect();
        self.versions = versions;
        self.text = text;
    }

    /// Takes over what an inner plan reads.
    pub(crate) fn take(&mut self, inner: Self) {
        for (version, answer) in inner.versions.into_iter().zip(inner.answers) {
            if !self.versions.iter().any(|known| known.run == version.run) {
                self.versions.push(version);
                self.answers.push(answer);
            }
        }
    }

    fn find(&self, reference: &VersionRef) -> Option<Arc<Version>> {
        let same = |v: &&Arc<Version>| v.dataset == reference.dataset && v.run == reference.run;
        self.versions.iter().find(same).cloned()
    }
}

/// A query that a source answers.
#[derive(Debug)]
pub(crate) struct PassthroughPlan {
    pub(crate) source: Name,
    pub(crate) sql: String,
    pub(crate) reason: String,
    pub(crate) rule: &'static str,
    /// Set for a cache's query: it runs as a load runs it, with these types, and not in the session's
    /// context.
    pub(crate) of_cache: Option<TypeOptions>,
}

/// One query on its way to a plan.
pub(crate) struct Planner<'a> {
    pub(crate) query: &'a Query,
    pub(crate) session: &'a Arc<Session>,
    pub(crate) contract: &'a Contract,
    pub(crate) transaction: Option<Arc<Transaction>>,
    pub(crate) parameters: Option<&'a RecordBatch>,
    pub(crate) purpose: Purpose,
    /// Where the relation stands whose rows are changed, and so are bound with their places.
    pub(crate) places_at: Option<usize>,
}

impl Planner<'_> {
    /// The plan of a query.
    ///
    /// # Errors
    /// As the routing rules say; see SPEC V-5 to V-8 and C-13.
    pub(crate) async fn plan(&self, query: &ParsedQuery) -> Result<Plan> {
        call::check_functions(query.names.functions.iter())?;
        if let Some(plan) = self.sole_query_call(query).await? {
            return Ok(plan);
        }
        let mut scope = self.scope().await?;
        let ours = self.is_ours(query, &scope)?;
        if self.session.is_snowflake() && !ours {
            return self.source_statement(&self.of_session(&query.sql)).await;
        }
        let unknown = self.unknown(query, &scope).await?;
        let exact = self.contract.consistency == Consistency::Exact && !ours;
        if exact && !query.names.relations.is_empty() {
            let why = "consistency is exact";
            return match self.cache_by_source(&query.sql, &scope, "V-1", why) {
                Some(plan) => Ok(Plan::Passthrough(plan)),
                None => self.passthrough(&query.sql, why, &unknown),
            };
        }
        if !unknown.is_empty() {
            return self.missing(query, &unknown).await;
        }
        let statuses = match self.bring_caches(query, &mut scope).await {
            Ok(statuses) => statuses,
            Err(error) => return self.instead_of_cache(&query.sql, &scope, error),
        };
        let mut plan = self.bind(query, &scope, 0).await?;
        if query.names.relations.len() == 1 {
            plan.instead = self.cache_by_source(&query.sql, &scope, "V-13", "");
        }
        plan.cache_status = statuses;
        plan.lake = scope.lake.clone();
        Ok(Plan::Local(plan))
    }

    /// The plan of a text that DuckDB cannot parse: the source's, or none (V-7).
    pub(crate) async fn foreign(&self, foreign: &Foreign) -> Result<Plan> {
        let statement = self.of_session(&foreign.sql);
        match self.source_statement(&statement).await {
            Err(error) if !statement.ours && is_unanswered(&error) => {
                Err(Error::invalid(foreign.complaint.clone())
                    .with_remedy("statements are in DuckDB's dialect"))
            }
            planned => planned,
        }
    }

    /// A statement in the dialect of the session's source.
    pub(crate) fn of_session<'s>(&self, sql: &'s str) -> SourceStatement<'s> {
        SourceStatement {
            sql,
            source: None,
            ours: self.session.is_snowflake(),
        }
    }

    /// Whether a query is one to this server in whatever dialect: it calls functions of ours, lists, or
    /// reads system relations alone.
    pub(crate) fn is_ours(&self, query: &ParsedQuery, scope: &Scope) -> Result<bool> {
        if query.names.shows.is_some() {
            return Ok(true);
        }
        let relations = &query.names.relations;
        let mut system = !relations.is_empty();
        for relation in relations {
            let command = relation.call.is_some()
                && relation
                    .parts
                    .last()
                    .is_some_and(|name| name.to_lowercase().starts_with("ducksync_"));
            if command {
                return Ok(true);
            }
            system &= matches!(scope.resolve(&relation.parts), Ok(Target::System(..)));
        }
        Ok(system)
    }

    /// The names that this statement sees: of one lake (V-3).
    pub(crate) async fn scope(&self) -> Result<Scope> {
        let versions = &self.query.parts.versions;
        let ask = self.purpose == Purpose::Execute
            && (self.contract.consistency == Consistency::Fresh
                || self.contract.max_staleness.is_some());
        let lake = match self.contract.snapshot {
            Some(snapshot) => versions.at(snapshot).await?,
            None if ask => versions.ask().await?,
            None => versions.current(),
        };
        Ok(Scope {
            lake,
            transaction: self.transaction.clone(),
            schema: self.session.option("schema"),
        })
    }

    /// Relations that mean nothing here.
    async fn unknown(&self, query: &ParsedQuery, scope: &Scope) -> Result<Vec<String>> {
        let mut unknown = Vec::new();
        for relation in query.names.relations.iter().filter(|r| r.call.is_none()) {
            if !self.is_known(relation, scope).await? {
                unknown.push(relation.parts.join("."));
            }
        }
        Ok(unknown)
    }

    /// Whether a relation is one of ours, now or at the snapshot that it names: what is gone today may
    /// be there then.
    async fn is_known(&self, relation: &RelationRef, scope: &Scope) -> Result<bool> {
        let known = |scope: &Scope| {
            let target = scope.resolve(&relation.parts)?;
            Ok::<_, Error>(!matches!(target, Target::Unknown))
        };
        if known(scope)? {
            return Ok(true);
        }
        match &relation.at {
            // A form of AT that is not ours is the source's.
            Some((unit, value)) => match self.at(unit, value, scope).await {
                Ok(past) => known(&past),
                Err(_) => Ok(false),
            },
            None => Ok(false),
        }
    }

    /// A statement that names what is not ours: the source's as a whole, by its copies or itself; else
    /// none's.
    async fn missing(&self, query: &ParsedQuery, unknown: &[String]) -> Result<Plan> {
        if query.names.relations.len() == unknown.len() {
            let statement = self.of_session(&query.sql);
            return Box::pin(self.source_statement(&statement)).await;
        }
        if !self.contract.only_if_cached && self.source()?.is_some() {
            return Err(not_cached(unknown).with_remedy(
                "a statement is answered by the lake or by the source as a whole: cache these, or \
                 name only tables of the source",
            ));
        }
        self.passthrough(&query.sql, "no copy holds these relations", unknown)
    }

    fn passthrough(&self, sql: &str, reason: &str, unknown: &[String]) -> Result<Plan> {
        if self.contract.only_if_cached {
            return Err(not_cached(unknown).with_remedy("only_if_cached forbids to ask the source"));
        }
        let Some(source) = self.source()? else {
            return Err(not_cached(unknown).with_remedy(
                "create a cache with ducksync_create_cache, or a source with \
                 passthrough_enabled := true",
            ));
        };
        self.may_pass(&source)?;
        Ok(Plan::Passthrough(PassthroughPlan {
            source,
            sql: sql.to_owned(),
            reason: reason.to_owned(),
            rule: "V-8",
            of_cache: None,
        }))
    }

    pub(crate) fn may_pass(&self, source: &Name) -> Result<()> {
        let target = GrantTarget::Source(source.to_string());
        self.session
            .principal()
            .require(Privilege::Passthrough, &target)
    }

    /// The source that statements pass through to: the session's, else the only one that allows it.
    pub(crate) fn source(&self) -> Result<Option<Name>> {
        let lake = self.query.parts.versions.current();
        if let Some(name) = self.session.option("source") {
            let name = Name::parse("option source", &name)?;
            let source = lake.source(&name).ok_or_else(|| {
                Error::not_found(format!("source {name} of the session does not exist"))
            })?;
            return Ok(source.passthrough_enabled.then(|| source.name.clone()));
        }
        let mut open: Vec<_> = lake
            .sources
            .values()
            .filter(|s| s.passthrough_enabled)
            .collect();
        open.sort_by(|l, r| l.name.cmp(&r.name));
        match open.as_slice() {
            [] => Ok(None),
            [source] => Ok(Some(source.name.clone())),
            several => {
                let names: Vec<_> = several.iter().map(|source| source.name.as_str()).collect();
                Err(Error::invalid(format!(
                    "several sources could answer: {}",
                    names.join(", ")
                ))
                .with_reason(Reason::Ambiguous)
                .with_remedy("set the session option source"))
            }
        }
    }

    /// Makes every cache that the statement names barely as fresh as its contract wants.
    async fn bring_caches(
        &self,
        query: &ParsedQuery,
        scope: &mut Scope,
    ) -> Result<Option<CacheStatus>> {
        let caches = self.named_caches(query, scope)?;
        if caches.is_empty() || self.contract.snapshot.is_some() {
            return Ok((!caches.is_empty()).then_some(CacheStatus::Hit));
        }
        for cache in &caches {
            self.require_select(&cache.name.schema, &cache.name.name)?;
        }
        if self.purpose == Purpose::Describe {
            return Ok(None);
        }
        self.bring(&caches, scope).await.map(Some)
    }

    /// Makes these caches as fresh as the contract wants; says how the worst of them stood.
    pub(crate) async fn bring(
        &self,
        caches: &[Arc<Dataset>],
        scope: &mut Scope,
    ) -> Result<CacheStatus> {
        let (parts, config) = (&self.query.parts, &self.query.config);
        let needs = caches
            .iter()
            .map(|cache| caches::need(cache, self.contract, parts.clock.now()));
        let runs = caches.iter().zip(needs).map(|(cache, need)| {
            let versions = parts.versions.as_ref();
            caches::bring(&parts.runs, versions, cache, need, config.wait_timeout)
        });
        let ran = futures::future::try_join_all(runs).await?;
        if ran.iter().any(Option::is_some) {
            scope.lake = parts.versions.current();
        }
        let mut worst = CacheStatus::Hit;
        for (cache, ran) in caches.iter().zip(&ran) {
            let now = parts.clock.now();
            let cache = scope.lake.datasets.get(&cache.id).ok_or_else(|| {
                Error::not_found(format!("cache {} was dropped meanwhile", cache.name.name))
            })?;
            let limit = config.stale_if_error;
            let status = caches::verdict(cache, self.contract, ran.as_ref(), limit, now)?;
            worst = worse(worst, status);
        }
        Ok(worst)
    }

    fn named_caches(&self, query: &ParsedQuery, scope: &Scope) -> Result<Vec<Arc<Dataset>>> {
        let mut caches: Vec<Arc<Dataset>> = Vec::new();
        for relation in query
            .names
            .relations
            .iter()
            .filter(|r| r.call.is_none() && r.at.is_none())
        {
            if let Target::Cache(cache) = scope.resolve(&relation.parts)?
                && !caches.iter().any(|known| known.id == cache.id)
            {
                caches.push(cache);
            }
        }
        Ok(caches)
    }

    pub(crate) fn require_select(&self, schema: &str, name: &str) -> Result<()> {
        let target = GrantTarget::Table(schema.to_owned(), name.to_owned());
        self.session.principal().require(Privilege::Select, &target)
    }

    /// Puts versions, rows of ours and views in the places of the relations.
    async fn bind(&self, query: &ParsedQuery, scope: &Scope, depth: usize) -> Result<LocalPlan> {
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
    async fn at(&self, unit: &str, value: &str, scope: &Scope) -> Result<Scope> {
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

/// The worse of two.
pub(crate) fn worse(left: CacheStatus, right: CacheStatus) -> CacheStatus {
    let rank = |status| match status {
        CacheStatus::Bypass => 0,
        CacheStatus::Hit => 1,
        CacheStatus::Revalidated => 2,
        CacheStatus::Miss => 3,
        CacheStatus::Stale => 4,
    };
    if rank(left) >= rank(right) {
        left
    } else {
        right
    }
}

/// These relations are nowhere here.
pub(crate) fn not_cached(unknown: &[String]) -> Error {
    let names = unknown.join(", ");
    let message = match unknown {
        [] => "the statement must be answered by a source".to_owned(),
        [_] => format!("{names} is not a table of the lake and not cached"),
        _ => format!("{names} are not tables of the lake and not cached"),
    };
    Error::failed_precondition(message).with_reason(Reason::NotCached)
}

/// Parameters of a statement that a source would answer.
pub(crate) fn no_parameters() -> Error {
    // Not UNIMPLEMENTED: clients take that of a Prepare for "nothing to prepare", and hide it.
    Error::invalid("parameters cannot be passed through to a source, nor moved to its copies, yet")
        .with_remedy("write the values into the statement, or name a cache, which takes parameters")
}

/// Whether nobody could answer, for whatever reason.
fn is_unanswered(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidArgument && error.reason().is_none()
        || error.reason() == Some(Reason::NotCached)
}

/// A query of no rows with these columns.
pub(crate) fn empty(columns: &[Field]) -> String {
    format!("SELECT {} WHERE false", nulls(columns))
}

/// A NULL for each of these columns, under its name and of its type.
pub(crate) fn nulls(columns: &[Field]) -> String {
    let null = |column: &Field| {
        let sql = column.lake_type.duckdb_sql();
        format!("CAST(NULL AS {sql}) AS {}", quote(&column.name))
    };
    columns.iter().map(null).collect::<Vec<_>>().join(", ")
}
