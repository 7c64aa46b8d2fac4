//! The SQLite file: readable by its owner only, in WAL mode, flushed at every commit, one process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use ducksync_core::error::{Error, Result};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::Opened;
use crate::{
    config::CatalogConfig,
    db::{Database, DbError, Dialect},
};

/// Readers never wait for the writer in WAL mode, so a few connections serve many.
const READERS: u32 = 4;

/// Held while this process has the catalog open; the operating system frees it with the process.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "held, never read")] File);

pub(super) async fn open(config: &CatalogConfig, path: &Path) -> Result<Opened> {
    let path = std::path::absolute(path).map_err(|error| cannot_open(path).with_source(error))?;
    // Waiting for the lock, like making the file, takes microseconds: no thread of its own.
    create_private(&path)?;
    let lock = lock(&path)?;
    let pool = |connections| pool(config, &path, connections);
    // The first connection sets WAL mode, which later ones only find.
    let writes = pool(1).await?;
    let reads = pool(READERS).await?;
    Ok(Opened {
        db: Database::sqlite(reads, writes, Dialect::sqlite(), config.statement_timeout),
        lock: Some(lock),
    })
}

async fn pool(config: &CatalogConfig, path: &Path, connections: u32) -> Result<SqlitePool> {
    // Other processes may use the file too (a DuckDB with the ducklake extension): wait for them.
    let busy = config
        .statement_timeout
        .saturating_sub(Duration::from_secs(1));
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .busy_timeout(busy.max(Duration::from_secs(1)));
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.statement_timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(|error| cannot_open(path).with_source(Error::from(DbError::from(error))))
}

/// Makes the file before SQLite does, because the `-wal` and `-shm` files take over its mode.
fn create_private(path: &Path) -> Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| cannot_open(path).with_source(error))
}

fn lock(path: &Path) -> Result<FileLock> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&name)
        .map_err(|error| cannot_open(&name).with_source(error))?;
    match file.try_lock() {
        Ok(()) => Ok(FileLock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::failed_precondition(format!(
            "the catalog {} is open in another process",
            path.display()
        ))
        .with_remedy("stop that server, or use a Postgres catalog for several processes")),
        Err(TryLockError::Error(error)) => Err(cannot_open(&name).with_source(error)),
    }
}

fn cannot_open(path: &Path) -> Error {
    Error::failed_precondition(format!(
        "the catalog file {} cannot be opened",
        path.display()
    ))
    .with_remedy("check that its directory exists and that this user may write there")
}
