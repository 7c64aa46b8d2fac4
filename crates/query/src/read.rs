//! Queries: what their names mean, where they are answered, and the text that answers them.
//!
//! [`Planner::plan`] decides; `ready` has caches brought up to date, `relations` puts versions in the
//! places of names.

mod ready;
mod relations;

use std::sync::Arc;

use arrow::array::RecordBatch;
use ducksync_core::{
    Error, ErrorKind, Reason, Result,
    auth::{GrantTarget, Privilege},
    name::{Name, quote},
    session::{CacheStatus, Consistency, Contract, DatasetAnswer},
    source::TypeOptions,
    types::Field,
    version::{Lake, Version},
};

use crate::{
    Query, Session,
    bind::{BoundText, VersionRef},
    call,
    parsed::{Foreign, ParsedQuery},
    routing::SourceStatement,
    scope::{Scope, Target},
    transaction::Transaction,
    tree::RelationRef,
};

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
