//! `add_source`, `drop_source`, `list_sources`.

use std::{collections::BTreeMap, sync::Arc};

use ducksync_core::{
    Error, Result,
    auth::{GrantTarget, Privilege},
    command::{AddSource, DropSource},
    name::Name,
    source::{Driver, SourceDefinition},
};

use super::{answer, status_row};
use crate::{
    Query, Session,
    system::{Rows, source_rows},
};

impl Query {
    pub(super) async fn add_source(
        &self,
        session: &Arc<Session>,
        arguments: AddSource,
    ) -> Result<Rows> {
        let name = Name::parse("source_name", &arguments.source_name)?;
        let target = GrantTarget::Source(name.to_string());
        session.principal().require(Privilege::Manage, &target)?;
        let secret = Name::parse("secret_name", &arguments.secret_name)?;
        let definition = SourceDefinition {
            driver: Driver::parse(&arguments.driver_type)?,
            passthrough_enabled: arguments.passthrough_enabled,
            options: options(arguments.options.as_deref())?,
            created_at: self.parts.versions.now().await?,
            name,
            secret,
        };
        // A source whose secret is missing would fail at its first use; it fails here instead.
        self.parts.secrets.secret(&definition.secret).await?;
        if let Some(known) = self.parts.versions.current().source(&definition.name)
            && same(known, &definition)
        {
            return status_row("add_source", "OK");
        }
        self.parts
            .datasets
            .put_source(definition, arguments.or_replace)
            .await?;
        status_row("add_source", "OK")
    }

    pub(super) async fn drop_source(
        &self,
        session: &Arc<Session>,
        arguments: DropSource,
    ) -> Result<Rows> {
        let name = Name::parse("source_name", &arguments.source_name)?;
        let target = GrantTarget::Source(name.to_string());
        session.principal().require(Privilege::Manage, &target)?;
        let lake = self.parts.versions.current();
        let name = lake
            .source(&name)
            .map(|source| source.name.clone())
            .ok_or_else(|| Error::not_found(format!("source {name} does not exist")))?;
        if arguments.cascade {
            let uses = |d: &&Arc<ducksync_core::dataset::Dataset>| {
                d.query_cache()
                    .is_some_and(|cache| cache.source.matches(name.as_str()))
            };
            for dataset in lake.datasets.values().filter(uses) {
                self.drop_dataset(session, dataset, false).await?;
            }
        }
        self.parts.datasets.drop_source(&name).await?;
        status_row("drop_source", "OK")
    }

    pub(super) fn list_sources(&self, session: &Session) -> Rows {
        let (lake, principal) = (self.parts.versions.current(), session.principal());
        answer("list_sources", source_rows(&lake, &principal)).unwrap_or_else(|_| Rows {
            columns: vec![],
            rows: vec![],
        })
    }
}

fn options(text: Option<&str>) -> Result<BTreeMap<String, serde_json::Value>> {
    let Some(text) = text else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("options is not a JSON object: {error}"))
            .with_remedy(r#"write it as '{"prefetch": 4}'"#)
    })
}

fn same(left: &SourceDefinition, right: &SourceDefinition) -> bool {
    left.driver == right.driver
        && left.secret == right.secret
        && left.passthrough_enabled == right.passthrough_enabled
        && left.options == right.options
}
