//! What names mean for one statement (V-6).
//!
//! The order is: CTE (the tree's walk leaves those out), temporary, system, lake table, cache. The first
//! level with a match wins. What matches nothing is the source's, if a source may be asked.

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    dataset::Dataset,
    id::DatasetId,
    version::{Lake, Version, View},
};

use crate::transaction::Transaction;

/// The default schema of the lake.
pub(crate) const DEFAULT_SCHEMA: &str = "main";

/// What a name means.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A lake table, at one version.
    Table(Arc<Version>),
    /// A lake view.
    View(Arc<View>),
    /// A cache by its bare name: refreshed when it is due; it may have no version yet.
    Cache(Arc<Dataset>),
    /// One of ours: `information_schema.tables`, `ducksync.caches`.
    System(String, String),
    /// Nothing here.
    Unknown,
}

/// The names one statement sees: one lake, and what its transaction changed.
#[derive(Clone)]
pub(crate) struct Scope {
    /// The lake of its binding: all relations are of this one.
    pub(crate) lake: Arc<Lake>,
    /// Its transaction.
    pub(crate) transaction: Option<Arc<Transaction>>,
    /// The session's current schema.
    pub(crate) schema: Option<String>,
}

impl Scope {
    /// What `parts` name.
    ///
    /// # Errors
    /// `InvalidArgument` for a name of more than three parts.
    pub(crate) fn resolve(&self, parts: &[String]) -> Result<Target> {
        match parts {
            [name] => Ok(self.bare(name)),
            [schema, name] => Ok(self.qualified(schema, name)),
            [catalog, schema, name] if self.is_lake(catalog) => Ok(self.qualified(schema, name)),
            [_, _, _] => Ok(Target::Unknown),
            _ => Err(Error::invalid(format!(
                "name {} has too many parts",
                parts.join(".")
            ))),
        }
    }

    fn is_lake(&self, catalog: &str) -> bool {
        catalog.eq_ignore_ascii_case(&self.lake.name)
    }

    fn bare(&self, name: &str) -> Target {
        let schema = self.schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
        match self.lake_object(schema, name) {
            Target::Unknown => match self.lake.cache(name) {
                Some(cache) => Target::Cache(cache.clone()),
                None => Target::Unknown,
            },
            // In the schema of its source a cache is still a cache when it is named barely (C-13).
            Target::Table(version) => match self.fed(version.dataset) {
                Some(cache) => Target::Cache(cache.clone()),
                None => Target::Table(version),
            },
            other => other,
        }
    }

    fn qualified(&self, schema: &str, name: &str) -> Target {
        let folded = (schema.to_lowercase(), name.to_lowercase());
        if crate::system::exists(&folded.0, &folded.1) {
            return Target::System(folded.0, folded.1);
        }
        self.lake_object(schema, name)
    }

    fn lake_object(&self, schema: &str, name: &str) -> Target {
        match self.table(schema, name) {
            Some(version) => Target::Table(version),
            None => match self.view(schema, name) {
                Some(view) => Target::View(view),
                None => Target::Unknown,
            },
        }
    }

    /// The lake table of that name: the transaction's own state of it where it has one; else, for a
    /// table without feed, the transaction's snapshot; else the newest version (V-18).
    pub(crate) fn table(&self, schema: &str, name: &str) -> Option<Arc<Version>> {
        let Some(transaction) = &self.transaction else {
            return self.lake.table(schema, name).cloned();
        };
        if let Some(known) = transaction.table(schema, name) {
            return known;
        }
        let newest = self.lake.table(schema, name);
        if newest.is_some_and(|version| self.fed(version.dataset).is_some()) {
            return newest.cloned();
        }
        transaction.base(&self.lake).table(schema, name).cloned()
    }

    /// The view of that name.
    pub(crate) fn view(&self, schema: &str, name: &str) -> Option<Arc<View>> {
        if let Some(known) = self.transaction.as_ref().and_then(|t| t.view(schema, name)) {
            return known;
        }
        self.lake
            .views
            .get(&(schema.to_lowercase(), name.to_lowercase()))
            .cloned()
    }

    /// The dataset, if it has a feed.
    pub(crate) fn fed(&self, dataset: DatasetId) -> Option<&Arc<Dataset>> {
        self.lake
            .datasets
            .get(&dataset)
            .filter(|dataset| dataset.feed.is_some())
    }

    /// The schema and name that a DDL or DML statement means by `parts`.
    ///
    /// # Errors
    /// `InvalidArgument` for another catalog or too many parts.
    pub(crate) fn target(&self, parts: &[String]) -> Result<(String, String)> {
        let schema = || {
            self.schema
                .clone()
                .unwrap_or_else(|| DEFAULT_SCHEMA.to_owned())
        };
        match parts {
            [name] => Ok((schema(), name.clone())),
            [schema, name] => Ok((schema.clone(), name.clone())),
            [catalog, schema, name] if self.is_lake(catalog) => Ok((schema.clone(), name.clone())),
            _ => Err(
                Error::invalid(format!("{} is not a name in this lake", parts.join(".")))
                    .with_remedy(format!(
                        "use table, schema.table or {}.schema.table",
                        self.lake.name
                    )),
            ),
        }
    }
}
