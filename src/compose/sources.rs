//! Open sources by name: opened on first use, and again when their definition or secret changed.
//!
//! Whether something changed is asked of the lake's revision, which counts every change of our state:
//! while it stands still, a source is found without any catalog, so that pass-through goes on while the
//! catalog is down (V-13). No source is contacted here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use ducksync_core::{
    Error, ErrorKind, Result,
    by_source::SourceTraffic,
    catalog::{SecretStore, Versions},
    name::Name,
    secret::Secret,
    source::{Driver, Source, SourceDefinition, SourceFactory, Sources},
    version::Lake,
};
use ducksync_sources::SnowflakeFactory;

use crate::config::{Config, Sync};

/// The sources that the lake of `versions` defines, by every driver that is built in.
pub(crate) fn open(
    config: &Config,
    versions: Arc<dyn Versions>,
    secrets: Arc<dyn SecretStore>,
    traffic: &Arc<SourceTraffic>,
) -> OpenSources {
    let snowflake = match config.testing {
        true => SnowflakeFactory::for_testing(),
        false => SnowflakeFactory::new(),
    };
    let snowflake = snowflake.counting(traffic.clone());
    let snowflake: Arc<dyn SourceFactory> = Arc::new(WithDefaults::new(snowflake, &config.sync));
    OpenSources::new(
        versions,
        secrets,
        HashMap::from([(Driver::Snowflake, snowflake)]),
    )
}

/// A factory that fills in what a definition leaves to `[sync]`.
struct WithDefaults<F> {
    factory: F,
    defaults: Vec<(&'static str, u64)>,
}

impl<F> WithDefaults<F> {
    fn new(factory: F, sync: &Sync) -> Self {
        let prefetch = sync.prefetch.map(|count| ("prefetch", count as u64));
        let budget = sync.memory_budget.map(|size| ("memory_budget", size.0));
        Self {
            factory,
            defaults: prefetch.into_iter().chain(budget).collect(),
        }
    }
}

#[async_trait]
impl<F: SourceFactory> SourceFactory for WithDefaults<F> {
    async fn open(
        &self,
        definition: &SourceDefinition,
        secret: &Secret,
    ) -> Result<Arc<dyn Source>> {
        let mut definition = definition.clone();
        for (option, value) in &self.defaults {
            let given = definition.options.entry((*option).to_owned());
            given.or_insert_with(|| (*value).into());
        }
        self.factory.open(&definition, secret).await
    }
}

/// One source of each name that was asked for.
pub(crate) struct OpenSources {
    versions: Arc<dyn Versions>,
    secrets: Arc<dyn SecretStore>,
    factories: HashMap<Driver, Arc<dyn SourceFactory>>,
    /// By folded name, with the secret behind it where that is not the source's own.
    open: Mutex<HashMap<String, Opened>>,
}

#[derive(Clone)]
struct Opened {
    /// The revision at which definition and secret were found to be these.
    revision: i64,
    definition: Arc<SourceDefinition>,
    secret: Secret,
    source: Arc<dyn Source>,
}

impl OpenSources {
    /// No source yet; `factories` open them.
    fn new(
        versions: Arc<dyn Versions>,
        secrets: Arc<dyn SecretStore>,
        factories: HashMap<Driver, Arc<dyn SourceFactory>>,
    ) -> Self {
        Self {
            versions,
            secrets,
            factories,
            open: Mutex::default(),
        }
    }

    /// The lake that defines the source; another process may have done so a moment ago.
    async fn lake_with(&self, name: &Name) -> Result<Arc<Lake>> {
        let lake = self.versions.current();
        match lake.source(name) {
            Some(_) => Ok(lake),
            None => self.versions.ask().await,
        }
    }

    async fn reopen(
        &self,
        key: String,
        revision: i64,
        definition: Arc<SourceDefinition>,
        known: Option<Opened>,
    ) -> Result<Arc<dyn Source>> {
        let secret = match self.secrets.secret(&definition.secret).await {
            Ok(secret) => secret,
            Err(error) => return unchanged_as_far_as_known(error, &definition, known),
        };
        let source = match known {
            Some(known) if known.definition == definition && known.secret == secret => known.source,
            _ => {
                self.factory(&definition)?
                    .open(&definition, &secret)
                    .await?
            }
        };
        let opened = Opened {
            revision,
            definition: definition.clone(),
            secret,
            source: source.clone(),
        };
        self.lock().insert(key, opened);
        Ok(source)
    }

    fn factory(&self, definition: &SourceDefinition) -> Result<&Arc<dyn SourceFactory>> {
        self.factories.get(&definition.driver).ok_or_else(|| {
            Error::unimplemented(format!(
                "driver {} is not built in",
                definition.driver.as_str()
            ))
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A catalog that does not answer does not close a source that was open with this definition.
fn unchanged_as_far_as_known(
    error: Error,
    definition: &Arc<SourceDefinition>,
    known: Option<Opened>,
) -> Result<Arc<dyn Source>> {
    match known {
        Some(known)
            if error.kind() == ErrorKind::Unavailable && known.definition == *definition =>
        {
            Ok(known.source)
        }
        _ => Err(error),
    }
}

fn no_such_source(name: &Name) -> Error {
    Error::not_found(format!("there is no source {name}"))
        .with_remedy("add it with ducksync_add_source, or see ducksync_list_sources()")
}

#[async_trait]
impl Sources for OpenSources {
    async fn source(&self, name: &Name) -> Result<Arc<dyn Source>> {
        let lake = self.lake_with(name).await?;
        let Some(definition) = lake.source(name) else {
            // With every login of it.
            let metadata = format!("{}\0", name.folded());
            let of_source = |key: &String| *key == name.folded() || key.starts_with(&metadata);
            self.lock().retain(|key, _| !of_source(key));
            return Err(no_such_source(name));
        };
        let known = self.lock().get(&name.folded()).cloned();
        match known {
            Some(known) if known.revision == lake.revision => Ok(known.source),
            known => {
                let key = name.folded();
                self.reopen(key, lake.revision, definition.clone(), known)
                    .await
            }
        }
    }

    async fn metadata(&self, name: &Name, secret: &Name) -> Result<Arc<dyn Source>> {
        let lake = self.lake_with(name).await?;
        let definition = lake.source(name).ok_or_else(|| no_such_source(name))?;
        let key = format!("{}\0{}", name.folded(), secret.folded());
        let known = self.lock().get(&key).cloned();
        let definition = SourceDefinition {
            secret: secret.clone(),
            ..SourceDefinition::clone(definition)
        };
        match known {
            Some(known) if known.revision == lake.revision => Ok(known.source),
            known => {
                self.reopen(key, lake.revision, Arc::new(definition), known)
                    .await
            }
        }
    }
}
