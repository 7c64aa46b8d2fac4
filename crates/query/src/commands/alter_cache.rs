//! `alter_cache`.

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    auth::Privilege,
    command::AlterCache,
    dataset::{Feed, InvalidationMode, QueryCache, RefreshMethod, TtlAction},
};

use super::{answer, definition};
use crate::{
    Query, Session,
    system::{Rows, text, text_list},
};

impl Query {
    pub(super) async fn alter_cache(
        &self,
        session: &Arc<Session>,
        arguments: AlterCache,
    ) -> Result<Rows> {
        let (_, dataset) = self.cache_for(session, &arguments.cache_name, Privilege::Manage)?;
        let known = dataset
            .query_cache()
            .ok_or_else(|| Error::internal("a cache without its definition"))?;
        let mut altered = altered(known.clone(), &arguments)?;
        if altered == *known {
            return answer("alter_cache", vec![vec![text("OK"), text_list([""; 0])]]);
        }
        let name = &dataset.name.name;
        let checked = self
            .check_definition(name, &altered, arguments.validate)
            .await?;
        altered.named_tables = checked.named_tables;
        altered.plain_texts = checked.plain_texts;
        altered.changes = checked.changes;
        self.parts
            .datasets
            .alter(dataset.id, Feed::QueryCache(altered))
            .await?;
        answer(
            "alter_cache",
            vec![vec![text("OK"), text_list(&checked.warnings)]],
        )
    }
}

fn altered(mut cache: QueryCache, arguments: &AlterCache) -> Result<QueryCache> {
    if let Some(query) = &arguments.source_query {
        cache.query.clone_from(query);
    }
    if let Some(tables) = &arguments.monitor_tables {
        cache.monitor_tables = tables
            .as_deref()
            .map(definition::monitor_tables)
            .transpose()?;
    }
    if let Some(seconds) = arguments.ttl_seconds {
        cache.ttl = definition::ttl(seconds)?;
    }
    if let Some(mode) = &arguments.invalidation_mode {
        cache.invalidation_mode = InvalidationMode::parse(mode)?;
    }
    if let Some(secret) = &arguments.metadata_secret {
        cache.metadata_secret = definition::secret_name(secret.as_deref())?;
    }
    if let Some(action) = &arguments.ttl_action {
        cache.ttl_action = TtlAction::parse(action)?;
    }
    if let Some(method) = &arguments.refresh_method {
        cache.refresh_method = RefreshMethod::parse(method)?;
    }
    if let Some(every) = &arguments.refresh_every {
        cache.refresh_every = definition::interval(every.as_deref())?;
    }
    if arguments.options.is_some() {
        cache.types = definition::type_options(arguments.options.as_deref())?;
    }
    Ok(cache)
}
