//! What a decision needs to know: what the statement's relations are, and which caches could answer.

use std::{collections::HashMap, sync::Arc};

use ducksync_core::{
    Error, Result,
    auth::{GrantTarget, Privilege},
    dataset::{Dataset, InvalidationMode, QueryCache},
    freshness::{Freshness, age_seconds, freshness},
    id::DatasetId,
    name::{Name, ObjectName},
    session::{Consistency, Contract},
    source::{SourceContext, SourcePart},
    time::Instant,
    types::{Field, Fields},
};

use crate::{
    dialect::{Column, SourceQuery, Stand, Type},
    read::{Planner, Purpose},
    scope::{Scope, Target},
    system,
};

use super::{CopyOf, Meaning, decide::Candidate};

/// Why a fitting copy does not answer yet.
pub(super) const NO_DATA: &str = "it has no data yet";

/// The session parameter that every session of ours may set.
const ZONE: &str = "TIMEZONE";

/// All that a decision is made of.
pub(super) struct Gathered {
    /// In the order of the statement's relations.
    pub(super) meanings: Vec<Meaning>,
    pub(super) candidates: Vec<Candidate>,
    /// The caches of the candidates.
    pub(super) caches: Vec<Arc<Dataset>>,
}

/// The limits of gathering.
pub(super) struct Bounds<'a> {
    /// The source that the statement is for; `None` = none can be told.
    pub(super) source: Option<&'a Name>,
    /// Whether names may be of the lake.
    pub(super) ours: bool,
    /// Whether the source may be asked.
    pub(super) contact: bool,
    /// Columns of caches without data, as the source described them.
    pub(super) described: &'a HashMap<DatasetId, Fields>,
}

impl Planner<'_> {
    pub(super) async fn gather(
        &self,
        query: &SourceQuery,
        scope: &Scope,
        bounds: &Bounds<'_>,
    ) -> Result<Gathered> {
        let mut meanings = Vec::with_capacity(query.relations.len());
        for relation in &query.relations {
            meanings.push(self.meaning(&relation.parts, scope, bounds).await?);
        }
        let mut caches = self.caches_over(&meanings, scope, bounds.source);
        let now = self.query.parts.clock.now();
        // The freshest first, so that it is chosen where several would do.
        caches.sort_by_key(|cache| {
            let time = cache.proof.as_ref().map(|proof| proof.data_timestamp);
            (std::cmp::Reverse(time), cache.name.folded())
        });
        let candidates = caches
            .iter()
            .filter_map(|cache| Some((cache, cache.query_cache()?)))
            .map(|(cache, definition)| Candidate {
                name: cache.name.to_string(),
                of: self.copy_of(definition),
                columns: self.columns(cache, scope, bounds, now),
                plain_texts: definition.plain_texts.clone(),
            })
            .collect();
        Ok(Gathered {
            meanings,
            candidates,
            caches,
        })
    }

    /// What a cache is a copy of, for this session.
    fn copy_of(&self, definition: &QueryCache) -> CopyOf {
        let mut of = CopyOf::read(definition);
        // What moves to DuckDB asks for no zone; a whole query may.
        if self.session.source_parameters().contains_key(ZONE) {
            of.whole = Err("the session has a time zone of its own".into());
        }
        of
    }

    async fn meaning(
        &self,
        parts: &[SourcePart],
        scope: &Scope,
        bounds: &Bounds<'_>,
    ) -> Result<Meaning> {
        if bounds.ours
            && let Some(stand) = self.stand(parts, scope, bounds).await?
        {
            return Ok(Meaning::Ours(stand));
        }
        let Some(name) = bounds.source else {
            return Ok(Meaning::Unclear("no single source is meant".into()));
        };
        let context = self.context();
        let told = context.database.is_some() && context.schema.is_some();
        if parts.len() < 3 && !told && !bounds.contact {
            return Ok(Meaning::Unclear(
                "what an incomplete name means, the source says".into(),
            ));
        }
        let source = self.query.parts.sources.source(name).await?;
        match source.resolve(parts, &context).await {
            Ok(object) => Ok(Meaning::Object(object)),
            Err(error) => Ok(Meaning::Unclear(error.message().to_owned())),
        }
    }

    /// Database and schema in which a passed-through statement would run.
    pub(super) fn context(&self) -> SourceContext {
        let catalog = self.session.option("catalog");
        SourceContext {
            database: catalog.filter(|name| *name != self.query.lake_name()),
            schema: self.session.option("schema"),
            ..SourceContext::default()
        }
    }

    /// The columns of a relation of ours; `None` if the name is none.
    async fn stand(
        &self,
        parts: &[SourcePart],
        scope: &Scope,
        bounds: &Bounds<'_>,
    ) -> Result<Option<Stand>> {
        let (columns, cache): (Fields, Option<&QueryCache>) = match scope.resolve(&texts(parts))? {
            Target::Unknown => return Ok(None),
            Target::Table(version) => {
                let fed = scope.fed(version.dataset);
                let cache = fed.and_then(|dataset| dataset.query_cache());
                return Ok(Some(stand(&version.columns, cache)));
            }
            Target::Cache(cache) => match scope.lake.versions.get(&cache.id) {
                Some(version) => return Ok(Some(stand(&version.columns, cache.query_cache()))),
                None => match bounds.described.get(&cache.id) {
                    Some(columns) => return Ok(Some(stand(columns, cache.query_cache()))),
                    None => {
                        let name = &cache.name.name;
                        return Err(Error::failed_precondition(format!(
                            "cache {name} has no data yet"
                        ))
                        .with_reason(ducksync_core::Reason::NotCached)
                        .with_remedy(format!("call ducksync_refresh('{name}', force := true)")));
                    }
                },
            },
            Target::View(view) => (Box::pin(self.view_columns(&view)).await?, None),
            Target::System(schema, name) => {
                let (principal, now) = (self.session.principal(), self.query.parts.clock.now());
                let rows = system::rows(&schema, &name, &scope.lake, &principal, now);
                (rows.columns.into(), None)
            }
        };
        Ok(Some(stand(&columns, cache)))
    }

    /// Caches of the source that read an object of the statement, and that the principal may read.
    fn caches_over(
        &self,
        meanings: &[Meaning],
        scope: &Scope,
        source: Option<&Name>,
    ) -> Vec<Arc<Dataset>> {
        let objects: Vec<&ObjectName> = meanings
            .iter()
            .filter_map(|meaning| match meaning {
                Meaning::Object(object) => Some(object),
                Meaning::Ours(_) | Meaning::Unclear(_) => None,
            })
            .collect();
        let principal = self.session.principal();
        let over = |cache: &&Arc<Dataset>| {
            let Some(definition) = cache.query_cache() else {
                return false;
            };
            let (schema, name) = (cache.name.schema.clone(), cache.name.name.clone());
            source.is_some_and(|source| definition.source.matches(source.as_str()))
                && definition
                    .named_tables
                    .iter()
                    .any(|object| objects.contains(&object))
                && principal.may(Privilege::Select, &GrantTarget::Table(schema, name))
        };
        scope.lake.datasets.values().filter(over).cloned().collect()
    }

    /// The columns of a candidate, if it may answer in another's name.
    fn columns(
        &self,
        cache: &Dataset,
        scope: &Scope,
        bounds: &Bounds<'_>,
        now: Instant,
    ) -> Result<Vec<Field>, String> {
        if let Some(why) = unfit(cache, self.contract, now) {
            return Err(why);
        }
        let parameters = self.session.source_parameters();
        let other = parameters.keys().any(|name| name != ZONE);
        if self.session.option("role").is_some() || other {
            return Err("the session has a role or parameters of its own at the source".into());
        }
        match scope.lake.versions.get(&cache.id) {
            Some(version) => match &version.unreadable {
                Some(why) => Err(format!("it cannot be read: {why}")),
                None => Ok(version.columns.to_vec()),
            },
            None => match bounds.described.get(&cache.id) {
                Some(columns) if self.purpose == Purpose::Describe => Ok(columns.to_vec()),
                _ => Err(NO_DATA.into()),
            },
        }
    }
}

/// Names of a relation as the lake reads them.
pub(super) fn texts(parts: &[SourcePart]) -> Vec<String> {
    parts.iter().map(|part| part.text.clone()).collect()
}

/// A relation of ours: columns of a cache by the source's names, of other tables folded as the dialect
/// folds them.
fn stand(columns: &[Field], cache: Option<&QueryCache>) -> Stand {
    let column = |field: &Field| Column {
        name: match cache {
            Some(_) => field.name.clone(),
            None => field.name.to_uppercase(),
        },
        here: field.name.clone(),
        ty: Type::of(
            field,
            cache.is_none_or(|cache| cache.plain_texts.contains(&field.name)),
        ),
    };
    Stand {
        columns: columns.iter().map(column).collect(),
        complete: true,
    }
}

/// Why a cache may not answer for its table, although it may where it is named. Pure.
///
/// Who names a cache has chosen it. Who names a table is only served what promises to be fresh: a cache
/// that nothing refreshes any more does not, unless its TTL still runs or the statement itself says
/// which age will do.
pub(super) fn unfit(cache: &Dataset, contract: &Contract, now: Instant) -> Option<String> {
    let definition = cache.query_cache()?;
    if contract.snapshot.is_some() {
        return Some("the statement reads a snapshot of the lake".into());
    }
    if cache.quarantine.is_some() {
        return Some("it is quarantined".into());
    }
    let loaded = cache.head.as_ref()?.definition_hash.as_deref();
    if loaded != Some(definition.definition_hash().as_str()) {
        return Some("its definition changed after its data was loaded".into());
    }
    let manual = definition.invalidation_mode == InvalidationMode::Manual;
    if !manual && !cache.suspended {
        return None;
    }
    let state = if cache.suspended {
        "it is suspended"
    } else {
        "it is refreshed by hand only"
    };
    if contract.consistency == Consistency::Fresh {
        return Some(format!("{state}, and consistency is fresh"));
    }
    let ttl = cache.proof.as_ref().and_then(|proof| proof.expires_at);
    let in_time = ttl.is_some() && freshness(cache, now) == Freshness::Fresh;
    let agreed = match (contract.max_staleness, age_seconds(cache, now)) {
        (Some(most), Some(age)) => age <= most.as_secs_f64(),
        _ => false,
    };
    match in_time || agreed {
        true => None,
        false => Some(format!(
            "{state}, and no TTL or max_staleness says how old it may be"
        )),
    }
}
