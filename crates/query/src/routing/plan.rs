//! From a decision to a plan: copies are refreshed as if they had been named, then bound; or the source
//! answers.

use std::{collections::HashMap, sync::Arc};

use ducksync_core::{
    Error, Reason, Result,
    dataset::Dataset,
    id::DatasetId,
    name::Name,
    session::{CacheStatus, Consistency},
    source::Aspect,
    types::Fields,
};

use crate::{
    dialect::SourceQuery,
    fallback::{Answerer, is_lacking},
    read::{PassthroughPlan, Plan, Planner, Purpose},
    scope::{Scope, Target},
};

use super::{
    Decision, Verdict, decide,
    decide::Candidate,
    gather::{Bounds, Gathered, NO_DATA, texts},
    why::Why,
};

/// How often a decision may change while copies are being refreshed.
const ROUNDS: usize = 5;

/// By what a description of a statement is remembered: source, database, schema and text.
pub(crate) type DescriptionKey = (Name, Option<String>, Option<String>, String);

/// A statement in the source's dialect, and whose it is.
pub(crate) struct SourceStatement<'a> {
    pub(crate) sql: &'a str,
    /// The source that was named; else the session's.
    pub(crate) source: Option<Name>,
    /// Whether its relations may be of the lake; else all are the source's.
    pub(crate) ours: bool,
}

impl Planner<'_> {
    /// The plan of a statement in the source's dialect: by copies where that is proved, else by the
    /// source.
    ///
    /// # Errors
    /// `NOT_CACHED` saying which copies came near and why they did not answer; `AMBIGUOUS`.
    pub(crate) async fn source_statement(&self, statement: &SourceStatement<'_>) -> Result<Plan> {
        let query = match SourceQuery::parse(statement.sql) {
            Ok(query) => query,
            Err(error) => return self.unread(statement, &error),
        };
        if self.contract.consistency == Consistency::Exact && !query.relations.is_empty() {
            let why = Why::plain("consistency is exact");
            return self.by_source(statement, &query, &why, "V-1");
        }
        let source = match &statement.source {
            Some(source) => Some(source.clone()),
            None => self.meant_source(),
        };
        let mut scope = self.scope().await?;
        let mut statuses = Statuses::default();
        let mut described = HashMap::new();
        let mut told = self.remembered_columns(statement.sql, source.as_ref());
        if statement.ours {
            let brought = self.bring_named(&query, &mut scope, &mut statuses, &mut described);
            if let Err(error) = brought.await {
                return self.instead_of_cache(statement.sql, &scope, error);
            }
        }
        for _ in 0..ROUNDS {
            let bounds = Bounds {
                source: source.as_ref(),
                ours: statement.ours,
                contact: !self.contract.only_if_cached,
                described: &described,
            };
            let gathered = self.gather(&query, &scope, &bounds).await?;
            let columns = told.as_deref();
            let decision = decide(&query, &gathered.meanings, &gathered.candidates, columns);
            let used = match &decision.verdict {
                Verdict::Ambiguous(relation, copies) => {
                    return Err(ambiguous(relation, copies, &gathered.candidates));
                }
                Verdict::No(_) => {
                    if self
                        .first_load(
                            &decision,
                            &gathered,
                            &mut scope,
                            &mut statuses,
                            &mut described,
                        )
                        .await?
                    {
                        continue;
                    }
                    let why = Why::of(&decision, &gathered);
                    return self.by_source(statement, &query, &why, "V-8");
                }
                Verdict::Untold { .. } => {
                    let asked = match told {
                        None => self.told_columns(statement.sql, source.as_ref()).await,
                        Some(_) => None,
                    };
                    if asked.is_some() {
                        told = asked;
                        continue;
                    }
                    let why = Why::of(&decision, &gathered);
                    return self.by_source(statement, &query, &why, "V-8");
                }
                Verdict::Whole(index, _) => vec![*index],
                Verdict::Moved { uses, .. } => uses.values().map(|(index, _)| *index).collect(),
            };
            let used: Vec<_> = used
                .into_iter()
                .map(|i| gathered.caches[i].clone())
                .collect();
            let waiting: Vec<_> = used
                .iter()
                .filter(|cache| !statuses.knows(cache.id))
                .cloned()
                .collect();
            if waiting.is_empty() || self.purpose == Purpose::Describe {
                let mut plan = self
                    .bound(&query, &gathered, &decision, &scope, &described)
                    .await?;
                plan.instead = self.source_for_files(statement, &query);
                let bound = self.query.statement(self.session, &plan, None);
                match self.query.answerer(&mut plan, &bound).await {
                    Ok(Answerer::Engine(_)) => {}
                    Ok(Answerer::Source(plan)) => return Ok(Plan::Passthrough(plan)),
                    // What the engine cannot do, the source can.
                    Err(error) => {
                        let why = Why::plain(&format!("DuckDB refuses it: {}", error.message()));
                        return self
                            .by_source(statement, &query, &why, "V-8")
                            .map_err(|_| error);
                    }
                }
                plan.cache_status = statuses.worst();
                plan.lake = scope.lake.clone();
                return Ok(Plan::Local(plan));
            }
            if let Err(error) = self.bring_all(&waiting, &mut scope, &mut statuses).await {
                return self.instead(statement, &query, error);
            }
        }
        let why = Why::plain("its copies changed while they were refreshed");
        self.by_source(statement, &query, &why, "V-8")
    }

    /// A statement that we cannot read: the source's, or an error (V-7).
    fn unread(&self, statement: &SourceStatement<'_>, error: &Error) -> Result<Plan> {
        let refused = || Error::invalid(error.message().to_owned());
        if self.contract.only_if_cached {
            return Err(refused());
        }
        match self.passing_source(statement) {
            Ok(Some(source)) if self.may_pass(&source).is_ok() => {
                Ok(Plan::Passthrough(PassthroughPlan {
                    source,
                    sql: statement.sql.to_owned(),
                    reason: "not a statement that can be read here".into(),
                    rule: "V-7",
                    of_cache: None,
                }))
            }
            _ => Err(refused()),
        }
    }

    /// The source that a statement without one means: the session's, the only one that lets statements
    /// through, or the only one there is.
    pub(super) fn meant_source(&self) -> Option<Name> {
        if let Ok(Some(source)) = self.source() {
            return Some(source);
        }
        let lake = self.query.parts.versions.current();
        if let Some(option) = self.session.option("source") {
            let name = Name::parse("option source", &option).ok()?;
            return lake.source(&name).map(|source| source.name.clone());
        }
        match lake.sources.len() {
            1 => lake
                .sources
                .values()
                .next()
                .map(|source| source.name.clone()),
            _ => None,
        }
    }

    fn passing_source(&self, statement: &SourceStatement<'_>) -> Result<Option<Name>> {
        let Some(named) = &statement.source else {
            return self.source();
        };
        let lake = self.query.parts.versions.current();
        let open = lake.source(named).filter(|s| s.passthrough_enabled);
        Ok(open.map(|source| source.name.clone()))
    }

    /// The source answers, or the error says why no copy did.
    fn by_source(
        &self,
        statement: &SourceStatement<'_>,
        query: &SourceQuery,
        why: &Why,
        rule: &'static str,
    ) -> Result<Plan> {
        let names: Vec<_> = query.relations.iter().map(|r| r.written()).collect();
        let scope = self.query.parts.versions.current();
        let ours = statement.ours && !why.local.is_empty();
        let refused = |remedy: &str| {
            let error = crate::read::not_cached(if ours { &why.local } else { &names });
            let error = match &why.construct {
                Some(construct) => Error::failed_precondition(format!(
                    "the statement cannot be answered by copies: {construct} cannot be moved from \
                     Snowflake's dialect"
                ))
                .with_reason(Reason::NotCached),
                None => error,
            };
            error.with_remedy(match why.notes.is_empty() {
                true => remedy.to_owned(),
                false => format!("{remedy}. Copies that came near: {}", why.notes.join("; ")),
            })
        };
        if ours && rule != "V-1" {
            return Err(refused(
                "a statement is answered by copies or by the source as a whole: write it in DuckDB's \
                 dialect, or name only tables of the source",
            ));
        }
        if self.contract.only_if_cached {
            return Err(refused("only_if_cached forbids to ask the source"));
        }
        let Some(source) = self.passing_source(statement)? else {
            return Err(refused(match &statement.source {
                Some(name) if scope.source(name).is_some() => {
                    "create a cache with ducksync_create_cache, or let statements through to this \
                     source with passthrough_enabled := true"
                }
                _ => {
                    "create a cache with ducksync_create_cache, or a source with \
                     passthrough_enabled := true"
                }
            }));
        };
        self.may_pass(&source)?;
        Ok(Plan::Passthrough(PassthroughPlan {
            source,
            sql: statement.sql.to_owned(),
            reason: why.reason(),
            rule,
            of_cache: None,
        }))
    }

    /// A copy that may not answer after all: the source does, if it may (C-13).
    fn instead(
        &self,
        statement: &SourceStatement<'_>,
        query: &SourceQuery,
        error: Error,
    ) -> Result<Plan> {
        if !is_lacking(&error) {
            return Err(error);
        }
        let why = Why::plain(error.message());
        self.by_source(statement, query, &why, "V-8")
            .map_err(|_| error)
    }

    /// The source's answer, if it may give one and of now, should the files of the copies be unreadable.
    fn source_for_files(
        &self,
        statement: &SourceStatement<'_>,
        query: &SourceQuery,
    ) -> Option<PassthroughPlan> {
        let now = self.contract.snapshot.is_none();
        let open = now.then(|| self.by_source(statement, query, &Why::plain(""), "V-13"))?;
        match open {
            Ok(Plan::Passthrough(plan)) => Some(plan),
            _ => None,
        }
    }

    /// The result's columns as the source described them before.
    fn remembered_columns(&self, sql: &str, source: Option<&Name>) -> Option<Fields> {
        self.query
            .described
            .get(&self.description_key(sql, source?))
    }

    /// The result's columns as the source describes them now; no warehouse is needed for that. `None` if
    /// it may not be asked, or does not say: then it is asked for the answer itself, or the error says
    /// which type is not known.
    async fn told_columns(&self, sql: &str, source: Option<&Name>) -> Option<Fields> {
        let name = source.filter(|_| !self.contract.only_if_cached)?;
        let parts = &self.query.parts;
        parts.breakers.require(name, parts.clock.now()).ok()?;
        let source = parts.sources.source(name).await.ok()?;
        let described = source.describe(sql, &self.context(), Aspect::Columns).await;
        parts.breakers.note(name, &described, parts.clock.now());
        let columns = described.ok()?.columns;
        let key = self.description_key(sql, name);
        self.query.described.insert(key, columns.clone());
        Some(columns)
    }

    fn description_key(&self, sql: &str, source: &Name) -> DescriptionKey {
        let context = self.context();
        (
            source.clone(),
            context.database,
            context.schema,
            sql.to_owned(),
        )
    }

    /// Refreshes what the statement itself names, as everywhere.
    async fn bring_named(
        &self,
        query: &SourceQuery,
        scope: &mut Scope,
        statuses: &mut Statuses,
        described: &mut HashMap<DatasetId, Fields>,
    ) -> Result<()> {
        let mut named: Vec<Arc<Dataset>> = Vec::new();
        for relation in &query.relations {
            if let Target::Cache(cache) = scope.resolve(&texts(&relation.parts))?
                && !named.iter().any(|known| known.id == cache.id)
            {
                named.push(cache);
            }
        }
        if self.contract.snapshot.is_some() {
            return Ok(());
        }
        for cache in &named {
            self.require_select(&cache.name.schema, &cache.name.name)?;
        }
        if self.purpose == Purpose::Describe {
            for cache in &named {
                if !scope.lake.versions.contains_key(&cache.id) {
                    self.describe_cache_query(cache, described).await?;
                }
            }
            return Ok(());
        }
        self.bring_all(&named, scope, statuses).await
    }

    async fn bring_all(
        &self,
        caches: &[Arc<Dataset>],
        scope: &mut Scope,
        statuses: &mut Statuses,
    ) -> Result<()> {
        let status = self.bring(caches, scope).await?;
        for cache in caches {
            statuses.known.push((cache.id, status));
        }
        Ok(())
    }

    /// Loads copies that would answer if they had data; whether there is anything new to decide.
    async fn first_load(
        &self,
        decision: &Decision,
        gathered: &Gathered,
        scope: &mut Scope,
        statuses: &mut Statuses,
        described: &mut HashMap<DatasetId, Fields>,
    ) -> Result<bool> {
        if self.contract.only_if_cached {
            return Ok(false);
        }
        let waiting: Vec<_> = decision
            .notes
            .iter()
            .filter(|note| note.why == NO_DATA)
            .filter_map(|note| gathered.caches.get(note.candidate))
            .filter(|cache| !statuses.tried.contains(&cache.id))
            .cloned()
            .collect();
        let mut news = false;
        for cache in waiting {
            statuses.tried.push(cache.id);
            news |= match self.purpose {
                Purpose::Describe => self.describe_cache_query(&cache, described).await.is_ok(),
                // What it failed of is in its history; the statement has other ways to go.
                Purpose::Execute => self
                    .bring_all(std::slice::from_ref(&cache), scope, statuses)
                    .await
                    .is_ok(),
            };
        }
        Ok(news)
    }

    async fn describe_cache_query(
        &self,
        cache: &Arc<Dataset>,
        described: &mut HashMap<DatasetId, Fields>,
    ) -> Result<()> {
        let columns = self.described_columns(cache).await?;
        described.insert(cache.id, columns);
        Ok(())
    }
}

/// How the caches that answer stood when they were asked for.
#[derive(Default)]
struct Statuses {
    known: Vec<(DatasetId, CacheStatus)>,
    /// Copies that were to be loaded for the first time.
    tried: Vec<DatasetId>,
}

impl Statuses {
    fn knows(&self, cache: DatasetId) -> bool {
        self.known.iter().any(|(known, _)| *known == cache)
    }

    fn worst(&self) -> Option<CacheStatus> {
        let statuses = self.known.iter().map(|(_, status)| *status);
        statuses.reduce(crate::read::worse)
    }
}

fn ambiguous(relation: &str, copies: &[usize], candidates: &[Candidate]) -> Error {
    let names: Vec<_> = copies
        .iter()
        .filter_map(|index| candidates.get(*index))
        .map(|candidate| candidate.name.clone())
        .collect();
    Error::invalid(format!(
        "several copies could answer for {relation}: {}",
        names.join(", ")
    ))
    .with_reason(Reason::Ambiguous)
    .with_remedy("name the one that is meant, or drop the others")
}
