//! Opening the catalog database so that what the other modules rely on is true of every connection.

use ducksync_core::error::Result;

use crate::{
    config::{CatalogConfig, Location},
    db::Database,
};

mod postgres;
mod sqlite;

pub(crate) use postgres::connect_options;

/// What must live as long as the catalog is open.
pub(crate) struct Opened {
    pub(crate) db: Database,
    /// The lock of the SQLite file; `None` on Postgres.
    pub(crate) lock: Option<sqlite::FileLock>,
}

/// Connects, and proves that the connection is of the kind we need.
///
/// # Errors
/// `FailedPrecondition` naming what is wrong with the database or with what lies between; `Unavailable`
/// if it does not answer.
pub(crate) async fn connect(config: &CatalogConfig) -> Result<Opened> {
    match config.location()? {
        Location::Sqlite(path) => sqlite::open(config, &path).await,
        Location::Postgres => postgres::open(config).await,
    }
}
