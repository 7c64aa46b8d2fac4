//! The open catalog, and how it is opened and closed.

use std::sync::Arc;

use ducksync_core::{error::Result, id::OwnerId};

use crate::{
    adopt,
    config::CatalogConfig,
    connect::{self, Opened},
    crypto::SealingKey,
    db::{Database, Engine, sql},
    ducklake,
    migrate::migrate_state,
    notify::{self, Follower},
    owner::OwnerLock,
    state::HeldClaims,
    versions::Known,
};

/// The open catalog of this process. It implements the catalog's traits of `ducksync_core`.
pub struct Catalog {
    pub(crate) db: Database,
    pub(crate) config: CatalogConfig,
    /// This process.
    pub(crate) owner: OwnerId,
    /// Seals secrets (G-11).
    pub(crate) sealing: SealingKey,
    /// The versions this process knows (G-14).
    pub(crate) known: Arc<Known>,
    /// The claims this process believes to hold (G-5).
    pub(crate) held: HeldClaims,
    #[expect(dead_code, reason = "held until the catalog is dropped")]
    guards: Guards,
}

/// What ends with the catalog.
struct Guards {
    _follower: Follower,
    _owner: Option<OwnerLock>,
    _file: Option<Box<dyn Send + Sync>>,
}

impl Catalog {
    /// Opens the catalog: connects, migrates our tables, makes the lake if there is none, shows other
    /// processes that this one lives, and reads all versions.
    ///
    /// # Errors
    /// `FailedPrecondition` if it is of another DuckLake version, of a newer server, open in another
    /// process (SQLite), or of another data path, naming both; `Unavailable` if it does not answer.
    pub async fn open(config: CatalogConfig) -> Result<Arc<Self>> {
        config.check()?;
        let Opened { db, lock } = connect::connect(&config).await?;
        migrate_state(&db, &config.schema).await?;
        let db = ducklake::open(db, &config).await?;
        let owner = live(&db, &config).await?;
        let known =
            Arc::new(Known::load(db.clone(), &adopt::lake_name(&db, &config).await?).await?);
        let follower = notify::follow(&config, Arc::clone(&known))?;
        Ok(Arc::new(Self {
            db,
            owner: config.owner,
            sealing: config.secret_key.derive("secret"),
            known,
            held: HeldClaims::default(),
            guards: Guards {
                _follower: follower,
                _owner: owner,
                _file: lock.map(|lock| Box::new(lock) as _),
            },
            config,
        }))
    }

    /// Lets go of everything at once: other processes may take over our claims.
    pub async fn close(&self) {
        let forget = sql("DELETE FROM ducksync.owners WHERE id = $1").bind(self.config.owner.0);
        if let Err(error) = self.db.execute(forget).await {
            tracing::warn!(error = %ducksync_core::Error::from(error), "cannot sign off from the catalog");
        }
        self.db.close().await;
    }

    /// Shows in [`ducksync_core::catalog::Versions::current`] what this process just committed.
    pub(crate) async fn show_own_change(&self) {
        // The commit stands whether or not it can be read back now; the follower tries again.
        if let Err(error) = self.known.refresh().await {
            tracing::warn!(%error, "cannot read back what was just committed");
        }
    }
}

/// Signs this process on, so that its claims live as long as it does.
async fn live(db: &Database, config: &CatalogConfig) -> Result<Option<OwnerLock>> {
    let lock = match db.engine() {
        Engine::Postgres => {
            let options = connect::connect_options(config)?;
            Some(OwnerLock::take(options, config.owner, config.statement_timeout).await?)
        }
        Engine::Sqlite => None,
    };
    let sign_on = "INSERT INTO ducksync.owners (id, started_at) VALUES ($1, now()) \
                   ON CONFLICT (id) DO NOTHING";
    db.execute(sql(sign_on).bind(config.owner.0)).await?;
    Ok(lock)
}
