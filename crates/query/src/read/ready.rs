//! Caches that a statement names are brought up to date before they are bound (C-13).

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    auth::{GrantTarget, Privilege},
    dataset::Dataset,
    session::CacheStatus,
};

use super::{Planner, Purpose, worse};
use crate::{
    caches,
    parsed::ParsedQuery,
    scope::{Scope, Target},
};

impl Planner<'_> {
    /// Makes every cache that the statement names barely as fresh as its contract wants.
    pub(super) async fn bring_caches(
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
}
