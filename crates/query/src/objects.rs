//! What metadata calls list: only what the principal may see (V-12).

use std::sync::Arc;

use ducksync_core::{
    Result,
    auth::{GrantTarget, Privilege},
    freshness::freshness,
    version::{Lake, Version, View},
};

use crate::{
    Query, Session,
    read::Purpose,
    statement::{CatalogObject, ObjectKind},
    system,
};

impl Query {
    /// Schemas that the principal may see, in order; those of the server itself included.
    ///
    /// # Errors
    /// None today.
    pub async fn schemas(&self, session: &Arc<Session>) -> Result<Vec<String>> {
        let (lake, principal) = (self.parts.versions.current(), session.principal());
        let shown = |schema: &str| {
            principal.may(Privilege::Select, &GrantTarget::Schema(schema.to_owned()))
                || lake.versions.values().any(|version| {
                    version.name.schema == schema
                        && system::visible(&principal, schema, &version.name.name)
                })
        };
        let names = lake.schemas.values().map(|schema| schema.name.clone());
        let mut names: Vec<_> = names.filter(|name| shown(name)).collect();
        names.push("ducksync".into());
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Tables and views that the principal may see, by schema and name.
    ///
    /// # Errors
    /// `Unavailable` if the engine cannot describe views now.
    pub async fn objects(&self, session: &Arc<Session>) -> Result<Vec<CatalogObject>> {
        let (lake, principal) = (self.parts.versions.current(), session.principal());
        let mut objects = Vec::new();
        for version in lake.versions.values() {
            if system::visible(&principal, &version.name.schema, &version.name.name) {
                objects.push(self.table_object(&lake, version));
            }
        }
        for view in lake.views.values() {
            if system::visible(&principal, &view.name.schema, &view.name.name)
                && let Some(object) = self.view_object(session, &lake, view).await
            {
                objects.push(object);
            }
        }
        let now = self.parts.clock.now();
        for name in system::ours() {
            let columns = system::rows("ducksync", name, &lake, &principal, now).columns;
            objects.push(CatalogObject {
                catalog: lake.name.clone(),
                schema: "ducksync".into(),
                name: name.into(),
                kind: ObjectKind::System,
                columns: columns.into(),
                remarks: None,
            });
        }
        objects.sort_by(|l, r| (&l.schema, &l.name).cmp(&(&r.schema, &r.name)));
        Ok(objects)
    }

    fn table_object(&self, lake: &Lake, version: &Version) -> CatalogObject {
        let dataset = lake.datasets.get(&version.dataset);
        let remarks = dataset.and_then(|dataset| {
            let feed = dataset.feed.as_ref()?;
            let freshness = freshness(dataset, self.parts.clock.now());
            Some(format!("fed by {}; {}", feed.kind(), freshness.as_str()))
        });
        CatalogObject {
            catalog: lake.name.clone(),
            schema: version.name.schema.clone(),
            name: version.name.name.clone(),
            kind: ObjectKind::Table,
            columns: version.columns.clone(),
            remarks,
        }
    }

    /// A view whose base is gone is left out: it cannot be read either.
    async fn view_object(
        &self,
        session: &Arc<Session>,
        lake: &Lake,
        view: &View,
    ) -> Option<CatalogObject> {
        let contract = session.contract();
        let planner = self.planner(session, &contract, None, None, Purpose::Describe);
        let columns = planner.view_columns(view).await.ok()?;
        Some(CatalogObject {
            catalog: lake.name.clone(),
            schema: view.name.schema.clone(),
            name: view.name.name.clone(),
            kind: ObjectKind::View,
            columns,
            remarks: None,
        })
    }
}
