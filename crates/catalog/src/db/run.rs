//! One connection of either engine, and running one statement on it within a deadline.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Postgres, Sqlite, pool::PoolConnection};
use tokio::time::timeout;

use super::{
    Database, Engine, Pools,
    error::{DbError, DbResult},
    row::Row,
    statement::{Statement, Text},
    value::{bind_postgres, bind_sqlite},
};

/// A connection taken from a pool. It goes back only when it is known to be idle and outside a
/// transaction; otherwise it is cut, which undoes what was open on it.
pub(super) struct Connection {
    pub(super) database: Database,
    pub(super) wire: Option<Wire>,
    /// How long one statement may take, its answer included.
    deadline: Duration,
}

/// Nothing that only reads waits for a lock.
const READ_DEADLINE: Duration = Duration::from_secs(10);

pub(super) enum Wire {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Database {
    pub(super) async fn reader(&self) -> DbResult<Connection> {
        self.connection(false).await
    }

    pub(super) async fn writer(&self) -> DbResult<Connection> {
        self.connection(true).await
    }

    async fn connection(&self, write: bool) -> DbResult<Connection> {
        let deadline = if write {
            self.deadline
        } else {
            self.deadline.min(READ_DEADLINE)
        };
        let wire = match &self.pools {
            Pools::Postgres(pool) => Wire::Postgres(within(deadline, pool.acquire()).await?),
            Pools::Sqlite { reads, writes } => {
                let pool = if write { writes } else { reads };
                Wire::Sqlite(within(deadline, pool.acquire()).await?)
            }
        };
        Ok(Connection {
            database: self.clone(),
            wire: Some(wire),
            deadline,
        })
    }
}

impl Connection {
    pub(super) fn engine(&self) -> Engine {
        self.database.engine()
    }

    pub(super) async fn fetch_all(&mut self, statement: Statement) -> DbResult<Vec<Row>> {
        let (text, persistent) = self.text(&statement);
        let deadline = self.deadline;
        let mut flight = self.take_off()?;
        let done = match flight.wire()? {
            Wire::Postgres(wire) => {
                let query = sqlx::query(AssertSqlSafe(text)).persistent(persistent);
                let query = statement.values.into_iter().fold(query, bind_postgres);
                let rows = within(deadline, query.fetch_all(&mut **wire)).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
            Wire::Sqlite(wire) => {
                let query = sqlx::query(AssertSqlSafe(text)).persistent(persistent);
                let query = statement.values.into_iter().fold(query, bind_sqlite);
                let rows = within(deadline, query.fetch_all(&mut **wire)).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
        };
        self.keep(flight, done)
    }

    pub(super) async fn execute(&mut self, statement: Statement) -> DbResult<u64> {
        let (text, persistent) = self.text(&statement);
        let deadline = self.deadline;
        let mut flight = self.take_off()?;
        let done = match flight.wire()? {
            Wire::Postgres(wire) => {
                let query = sqlx::query(AssertSqlSafe(text)).persistent(persistent);
                let query = statement.values.into_iter().fold(query, bind_postgres);
                let done = within(deadline, query.execute(&mut **wire)).await;
                done.map(|done| done.rows_affected())
            }
            Wire::Sqlite(wire) => {
                let query = sqlx::query(AssertSqlSafe(text)).persistent(persistent);
                let query = statement.values.into_iter().fold(query, bind_sqlite);
                let done = within(deadline, query.execute(&mut **wire)).await;
                done.map(|done| done.rows_affected())
            }
        };
        self.keep(flight, done)
    }

    /// Several statements without values, separated by `;`.
    pub(super) async fn execute_script(&mut self, text: &str) -> DbResult<()> {
        let text = self.database.dialect.translate_text(text);
        let deadline = self.deadline;
        let mut flight = self.take_off()?;
        let done = match flight.wire()? {
            Wire::Postgres(wire) => {
                let script = sqlx::raw_sql(AssertSqlSafe(text));
                within(deadline, script.execute(&mut **wire))
                    .await
                    .map(drop)
            }
            Wire::Sqlite(wire) => {
                let script = sqlx::raw_sql(AssertSqlSafe(text));
                within(deadline, script.execute(&mut **wire))
                    .await
                    .map(drop)
            }
        };
        self.keep(flight, done)
    }

    fn text(&self, statement: &Statement) -> (std::sync::Arc<str>, bool) {
        match &statement.text {
            Text::Static(text) => (self.database.dialect.translate(text), true),
            Text::Often(text) => (self.database.dialect.translate_text(text).into(), true),
            Text::Once(text) => (self.database.dialect.translate_text(text).into(), false),
        }
    }

    fn take_off(&mut self) -> DbResult<Flight> {
        match self.wire.take() {
            Some(wire) => Ok(Flight(Some(wire))),
            None => Err(DbError::Lost(None)),
        }
    }

    /// Keeps the connection unless it is lost.
    fn keep<T>(&mut self, mut flight: Flight, done: DbResult<T>) -> DbResult<T> {
        if !matches!(&done, Err(error) if error.lost()) {
            self.wire = flight.0.take();
        }
        done
    }
}

/// A connection while a statement runs on it. Dropped before the answer came (the caller went away,
/// or the deadline passed), the connection is cut: it must never go back to the pool with half a
/// transaction, which the next one would carry on.
struct Flight(Option<Wire>);

impl Flight {
    fn wire(&mut self) -> DbResult<&mut Wire> {
        self.0.as_mut().ok_or(DbError::Lost(None))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(wire) = self.0.take() {
            wire.cut();
        }
    }
}

impl Wire {
    /// Closes the connection without a word to the other side.
    pub(super) fn cut(self) {
        match self {
            Self::Postgres(wire) => drop(wire.detach()),
            Self::Sqlite(wire) => drop(wire.detach()),
        }
    }
}

pub(super) async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> DbResult<T> {
    match timeout(deadline, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(DbError::Lost(None)),
    }
}
