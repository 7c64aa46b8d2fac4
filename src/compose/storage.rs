//! Moving catalog and data elsewhere (C-2), and finding them again.
//!
//! A move is made while nothing depends on the place: no table and no cache exists. Our state is
//! copied into the new catalog, then a pointer is left in the old one (a sealed secret, since an
//! address may hold a password) and beside the data (without password, so that a configuration that
//! names a third place is noticed). Then everything is made anew on the new place, under no running
//! statement: [`crate::serve`] drains, ends the parts and composes again. What was defined between the
//! copy and the end is copied again before that.

mod pointer;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ducksync_catalog::{Catalog, crypto::SecretKey};
use ducksync_core::{
    Error, ErrorKind, Result,
    catalog::{SecretStore, StorageMoves, Versions},
    command::{Init, SetupStorage},
    files::FileStore,
    name::Name,
    secret::SecretText,
};
use tokio_util::sync::CancellationToken;

use self::pointer::Pointer;
use super::{catalog, directories, engine};
use crate::config::Config;

/// Moves in a row that are followed at a start; more of them are a circle.
const MOST_MOVES: usize = 16;

/// Opens the catalog of the configuration, or the one that it was moved to.
///
/// # Errors
/// `FailedPrecondition` if the configuration names a third place, naming both.
pub(crate) async fn open(config: &Config, key: &SecretKey) -> Result<(Config, Arc<Catalog>)> {
    pointer::refuse_third_place(config)?;
    let mut config = config.clone();
    for _ in 0..MOST_MOVES {
        directories::prepare(&config)?;
        let catalog = catalog::open(&config, key).await?;
        match catalog.secret(&pointer::name()?).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((config, catalog)),
            Err(error) => return Err(error),
            Ok(secret) => {
                catalog.close().await;
                config = Pointer::read(&secret)?.follow(&config)?;
                tracing::info!(catalog = %config.catalog.shown(), "storage was moved there");
            }
        }
    }
    Err(
        Error::failed_precondition("catalogs point to each other in a circle")
            .with_remedy("set catalog.url to the catalog that holds the data"),
    )
}

/// Moves the storage of the running parts.
pub(crate) struct StorageMover {
    config: Config,
    key: SecretKey,
    catalog: Arc<Catalog>,
    secrets: Arc<dyn SecretStore>,
    /// Tells that the parts must be made anew.
    moved: CancellationToken,
    target: Mutex<Option<Config>>,
    /// One move at a time.
    turn: tokio::sync::Mutex<()>,
}

impl StorageMover {
    /// A mover away from `catalog`, which is open with `config`.
    pub(crate) fn new(
        config: Config,
        key: SecretKey,
        catalog: Arc<Catalog>,
        secrets: Arc<dyn SecretStore>,
    ) -> Self {
        Self {
            config,
            key,
            catalog,
            secrets,
            moved: CancellationToken::new(),
            target: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Tells when the parts must be made anew.
    pub(crate) fn moved(&self) -> &CancellationToken {
        &self.moved
    }

    /// Copies again what may have been defined since the move was made; called when no statement runs
    /// any more.
    ///
    /// # Errors
    /// As opening the new catalog. Its first copy is whole, and the pointer stands.
    pub(crate) async fn finish(&self) -> Result<()> {
        let target = self
            .target
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match target {
            Some(target) => self.carry(&target).await,
            None => Ok(()),
        }
    }

    async fn carry(&self, target: &Config) -> Result<()> {
        let new = catalog::open(target, &self.key).await?;
        let carried = match new.current().versions.is_empty() && new.current().datasets.is_empty() {
            true => self.catalog.carry_state_to(&new, &pointer::name()?).await,
            false => Err(Error::failed_precondition(format!(
                "the catalog {} has tables already",
                target.catalog.shown()
            ))
            .with_remedy("set catalog.url to it and start again, or name an empty database")),
        };
        new.close().await;
        carried
    }

    async fn refuse_with_tables(&self) -> Result<()> {
        let lake = self.catalog.ask().await?;
        let Some(table) = lake.tables.keys().next() else {
            return match lake.datasets.values().next() {
                Some(dataset) => Err(in_use(&dataset.name.to_string())),
                None => Ok(()),
            };
        };
        Err(in_use(&format!("{}.{}", table.0, table.1)))
    }

    /// Proves that the new data path can be written, with the engine that would write there.
    async fn probe(&self, target: &Config) -> Result<()> {
        let engine = engine::open(target, &target.lake.data_path, self.secrets.as_ref()).await?;
        engine.files().probe().await
    }

    fn same_place(&self, target: &Config) -> bool {
        self.config.catalog == target.catalog
            && self.config.lake.data_path == target.lake.data_path
            && self.config.catalog_schema == target.catalog_schema
    }
}

#[async_trait]
impl StorageMoves for StorageMover {
    async fn setup(&self, arguments: SetupStorage) -> Result<()> {
        let _turn = self.turn.lock().await;
        let url = SecretText::new(arguments.pg_connection_string);
        let schema = arguments.schema_name.as_deref();
        let target = self.config.elsewhere(&url, &arguments.data_path, schema)?;
        if self.same_place(&target) {
            return Ok(());
        }
        if self.moved.is_cancelled() {
            return Err(Error::unavailable("the storage is being moved")
                .with_remedy("try again in a moment"));
        }
        self.refuse_with_tables().await?;
        if self.config.catalog == target.catalog {
            return Err(Error::failed_precondition(format!(
                "the catalog {} holds a lake at {} already",
                target.catalog.shown(),
                self.config.lake.data_path
            ))
            .with_remedy("name another catalog for another data path or schema"));
        }
        directories::prepare(&target)?;
        Box::pin(self.probe(&target)).await?;
        Box::pin(self.carry(&target)).await?;
        Pointer::to(&target)
            .leave(&self.config, self.catalog.as_ref())
            .await?;
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
        self.moved.cancel();
        Ok(())
    }

    async fn init(&self, arguments: Init) -> Result<()> {
        let _turn = self.turn.lock().await;
        let schema = arguments.metadata_schema.as_deref().unwrap_or("public");
        let name = Name::parse("catalog_name", &arguments.catalog_name)?;
        self.catalog.adopt(&name, schema).await?;
        self.moved.cancel();
        Ok(())
    }
}

fn in_use(table: &str) -> Error {
    Error::failed_precondition(format!("the storage holds tables already, such as {table}"))
        .with_remedy("drop them first, or start another server for the other storage")
}
