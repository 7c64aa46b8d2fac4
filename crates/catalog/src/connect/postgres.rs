//! Connections to Postgres: flushed commits, bounded waits, and no pooler that swaps sessions.

use std::time::Duration;

use ducksync_core::error::{Error, Result};
use sqlx::{
    Connection, Executor, PgConnection, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::Opened;
use crate::{
    config::CatalogConfig,
    db::{Database, DbError, Dialect},
};

/// Publishes queue for one lock anyway; the rest is reading.
const CONNECTIONS: u32 = 8;

pub(super) async fn open(config: &CatalogConfig) -> Result<Opened> {
    let options = connect_options(config)?;
    timeout(
        config.statement_timeout,
        refuse_pooler(&options, idle_timeout(config)),
    )
    .await
    .map_err(|_| cannot_connect())??;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(config.statement_timeout)
        .idle_timeout(Duration::from_secs(300))
        .connect_with(options)
        .await
        .map_err(explain)?;
    let dialect = Dialect::postgres(&config.schema, &config.metadata_schema);
    Ok(Opened {
        db: Database::postgres(pool, dialect, config.statement_timeout),
        lock: None,
    })
}

/// How every connection is made, the one that holds the owner's lock included.
pub(crate) fn connect_options(config: &CatalogConfig) -> Result<PgConnectOptions> {
    // The parser's error may quote the URL, and with it the password: it is not passed on.
    let options: PgConnectOptions = config
        .url
        .parse()
        .map_err(|_| Error::invalid("catalog.url is not a valid postgresql:// URL"))?;
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    Ok(options
        .application_name("ducksync")
        .statement_cache_capacity(200)
        .options([
            ("synchronous_commit", "on".to_owned()),
            // Postgres gives up before we do, so that it can say so.
            ("lock_timeout", millis(config.statement_timeout * 6 / 7)),
            // A frozen process of ours must not hold the commit lock for longer than this.
            (
                "idle_in_transaction_session_timeout",
                millis(idle_timeout(config)),
            ),
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "30000".to_owned()),
            ("TimeZone", "UTC".to_owned()),
        ]))
}

/// How long a transaction of ours may wait for us.
fn idle_timeout(config: &CatalogConfig) -> Duration {
    config.statement_timeout.min(Duration::from_secs(10))
}

/// A transaction pooler gives each statement another session: session locks and LISTEN would be
/// somebody else's. Others drop the settings that bound our waits.
async fn refuse_pooler(options: &PgConnectOptions, idle: Duration) -> Result<()> {
    let mut connection = PgConnection::connect_with(options).await.map_err(explain)?;
    let mut first = None;
    for _ in 0..3 {
        let row = connection
            .fetch_one("SELECT pg_backend_pid()")
            .await
            .map_err(explain)?;
        let pid: i32 = row.try_get(0).map_err(explain)?;
        if *first.get_or_insert(pid) != pid {
            return Err(pooler());
        }
    }
    let setting = connection
        .fetch_one(
            "SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'",
        )
        .await
        .map_err(explain)?;
    let setting: String = setting.try_get(0).map_err(explain)?;
    if setting != idle.as_millis().to_string() {
        return Err(pooler());
    }
    let _ = connection.close().await;
    Ok(())
}

fn explain(error: sqlx::Error) -> Error {
    if let sqlx::Error::Database(database) = &error {
        let message = database.message();
        if message.contains("unsupported startup parameter") {
            return pooler();
        }
        let code = database.code();
        if matches!(code.as_deref(), Some("28000" | "28P01" | "3D000" | "42501")) {
            return Error::failed_precondition(format!(
                "the catalog database refused the connection: {message}"
            ))
            .with_remedy("check user, password and database of catalog.url");
        }
    }
    match DbError::from(error) {
        DbError::Lost(Some(source)) => cannot_connect().with_source(source),
        other => other.into(),
    }
}

fn pooler() -> Error {
    Error::failed_precondition(
        "catalog.url leads to a connection pooler that does not keep sessions and their settings",
    )
    .with_remedy("connect to Postgres directly: this server pools its connections itself")
}

fn cannot_connect() -> Error {
    Error::unavailable("the catalog database cannot be reached")
        .with_remedy("check host and port of catalog.url and that Postgres is up")
}
