//! `create_cache` and `drop_cache`.

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    auth::{GrantTarget, Privilege},
    command::{CreateCache, DropCache},
    dataset::{Dataset, Feed, InvalidationMode, QueryCache, RefreshMethod, TtlAction},
    id::DatasetId,
    name::{Name, TableName},
};

use super::{answer, definition, status_row};
use crate::{
    Query, Session,
    system::{Rows, text, text_list},
};

impl Query {
    pub(super) async fn create_cache(
        &self,
        session: &Arc<Session>,
        arguments: CreateCache,
    ) -> Result<Rows> {
        let name = Name::parse("cache_name", &arguments.cache_name)?;
        let source = Name::parse("source_name", &arguments.source_name)?;
        let lake = self.parts.versions.current();
        let source = lake
            .source(&source)
            .map(|known| known.name.clone())
            .ok_or_else(|| {
                Error::not_found(format!("source {source} does not exist"))
                    .with_remedy("add it with ducksync_add_source")
            })?;
        let target = GrantTarget::Schema(source.to_string());
        session.principal().require(Privilege::Manage, &target)?;
        let mut cache = cache_of(source, &arguments)?;
        let existing = lake.cache(name.as_str()).cloned();
        if let Some(existing) = &existing {
            if existing
                .query_cache()
                .is_some_and(|known| same_wishes(known, &cache))
            {
                return created(&[]);
            }
            if !arguments.or_replace {
                return Err(Error::already_exists(format!(
                    "cache {name} exists with another definition"
                ))
                .with_remedy("use ducksync_alter_cache, or or_replace := true"));
            }
            if !existing
                .query_cache()
                .is_some_and(|c| c.source.matches(cache.source.as_str()))
            {
                return Err(
                    Error::invalid(format!("cache {name} is one of another source"))
                        .with_remedy("drop it first"),
                );
            }
        }
        let checked = self
            .check_definition(name.as_str(), &cache, arguments.validate)
            .await?;
        cache.named_tables = checked.named_tables;
        cache.plain_texts = checked.plain_texts;
        cache.changes = checked.changes;
        match existing {
            Some(existing) => {
                self.parts
                    .datasets
                    .alter(existing.id, Feed::QueryCache(cache))
                    .await?;
            }
            None => {
                let table = TableName::new(cache.source.as_str(), name.as_str());
                let feed = Feed::QueryCache(cache);
                self.parts
                    .datasets
                    .create(DatasetId::generate(), table, feed)
                    .await?;
            }
        }
        created(&checked.warnings)
    }

    pub(super) async fn drop_cache(
        &self,
        session: &Arc<Session>,
        arguments: DropCache,
    ) -> Result<Rows> {
        let (_, cache) = self.cache_for(session, &arguments.cache_name, Privilege::Manage)?;
        self.drop_dataset(session, &cache, arguments.keep_data)
            .await?;
        status_row("drop_cache", "OK")
    }

    pub(super) async fn drop_dataset(
        &self,
        session: &Session,
        dataset: &Arc<Dataset>,
        keep_data: bool,
    ) -> Result<()> {
        let name = &dataset.name;
        let target = GrantTarget::Table(name.schema.clone(), name.name.clone());
        session.principal().require(Privilege::Manage, &target)?;
        self.parts.runs.cancel(dataset.id).await;
        self.parts.datasets.forget(dataset.id, keep_data).await
    }
}

/// Whether both were asked for in the same words; what was found out of them does not count.
fn same_wishes(left: &QueryCache, right: &QueryCache) -> bool {
    let wishes = |cache: &QueryCache| QueryCache {
        named_tables: Vec::new(),
        plain_texts: Vec::new(),
        changes: None,
        ..cache.clone()
    };
    wishes(left) == wishes(right)
}

fn created(warnings: &[String]) -> Result<Rows> {
    answer("create_cache", vec![vec![text("OK"), text_list(warnings)]])
}

fn cache_of(source: Name, arguments: &CreateCache) -> Result<QueryCache> {
    let keyword = |text: &Option<String>| text.as_deref().map(str::to_owned);
    Ok(QueryCache {
        source,
        query: arguments.source_query.clone(),
        monitor_tables: arguments
            .monitor_tables
            .as_deref()
            .map(definition::monitor_tables)
            .transpose()?,
        ttl: definition::ttl(arguments.ttl_seconds)?,
        invalidation_mode: keyword(&arguments.invalidation_mode)
            .map_or(Ok(InvalidationMode::Auto), |text| {
                InvalidationMode::parse(&text)
            })?,
        metadata_secret: definition::secret_name(arguments.metadata_secret.as_deref())?,
        ttl_action: keyword(&arguments.ttl_action)
            .map_or(Ok(TtlAction::Reload), |text| TtlAction::parse(&text))?,
        refresh_method: keyword(&arguments.refresh_method)
            .map_or(Ok(RefreshMethod::Auto), |text| RefreshMethod::parse(&text))?,
        named_tables: Vec::new(),
        plain_texts: Vec::new(),
        changes: None,
        refresh_every: definition::interval(arguments.refresh_every.as_deref())?,
        types: definition::type_options(arguments.options.as_deref())?,
    })
}
