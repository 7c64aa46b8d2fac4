//! One way to talk to the catalog database, on Postgres and on SQLite.
//!
//! SQL is written once, as Postgres reads it, where both engines agree; [`dialect`] turns a few words
//! of it into what the engine at hand understands. Where they differ for good, callers match on
//! [`Database::engine`]. Every await has a deadline, so that a connection that swallows packets
//! cannot hang a publish. This module knows nothing of DuckLake and nothing of our tables.
//!
//! ```text
//! let rows = db.fetch_all(sql("SELECT id FROM ducksync.runs WHERE dataset = $1").bind(dataset.0)).await?;
//! let mut tx = db.begin().await?;                     // takes SQLite's write lock at once
//! tx.execute(sql("UPDATE ducksync.runs SET status = $1 WHERE id = $2").bind("failed").bind(run.0)).await?;
//! tx.commit().await?;                                  // dropping it without commit undoes it
//! ```

use std::{sync::Arc, time::Duration};

use ducksync_core::time::Instant;
use sqlx::{PgPool, SqlitePool};

pub(crate) mod dialect;
mod error;
mod row;
mod run;
mod statement;
mod transaction;
mod value;

pub(crate) use dialect::Dialect;
pub(crate) use error::{DbError, DbResult};
pub(crate) use row::{LakeTime, Row};
pub(crate) use statement::{Statement, insert_rows, sql};
pub(crate) use transaction::Tx;
pub(crate) use value::Value;

/// Which database holds the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Sqlite,
}

/// The connections of this process to the catalog database.
#[derive(Clone)]
pub(crate) struct Database {
    pub(super) pools: Pools,
    pub(super) dialect: Arc<Dialect>,
    /// How long one statement may take, its answer included.
    pub(super) deadline: Duration,
}

/// SQLite has one writer at a time: ours wait for each other in the pool, not in the file's lock.
#[derive(Clone)]
pub(super) enum Pools {
    Postgres(PgPool),
    Sqlite {
        reads: SqlitePool,
        writes: SqlitePool,
    },
}

impl Database {
    pub(crate) fn postgres(pool: PgPool, dialect: Dialect, deadline: Duration) -> Self {
        Self {
            pools: Pools::Postgres(pool),
            dialect: Arc::new(dialect),
            deadline,
        }
    }

    pub(crate) fn sqlite(
        reads: SqlitePool,
        writes: SqlitePool,
        dialect: Dialect,
        deadline: Duration,
    ) -> Self {
        Self {
            pools: Pools::Sqlite { reads, writes },
            dialect: Arc::new(dialect),
            deadline,
        }
    }

    /// The same connections for a lake whose tables lie in another schema.
    pub(crate) fn with_lake(&self, schema: &str, metadata_schema: &str) -> Self {
        let dialect = match self.engine() {
            Engine::Postgres => Dialect::postgres(schema, metadata_schema),
            Engine::Sqlite => Dialect::sqlite(),
        };
        Self {
            dialect: Arc::new(dialect),
            ..self.clone()
        }
    }

    /// The schema of DuckLake's tables on Postgres.
    pub(crate) fn metadata_schema(&self) -> &str {
        self.dialect.metadata_schema()
    }

    /// The key of the lake's commit lock on Postgres.
    pub(crate) fn commit_lock(&self) -> i64 {
        self.dialect.commit_lock()
    }

    /// Which database it is.
    pub(crate) fn engine(&self) -> Engine {
        self.dialect.engine()
    }

    /// All rows of one statement outside a transaction; reads only.
    pub(crate) async fn fetch_all(&self, statement: Statement) -> DbResult<Vec<Row>> {
        let mut connection = self.reader().await?;
        connection.fetch_all(statement).await
    }

    /// The first row of one statement outside a transaction; reads only.
    pub(crate) async fn fetch_optional(&self, statement: Statement) -> DbResult<Option<Row>> {
        Ok(self.fetch_all(statement).await?.into_iter().next())
    }

    /// The one row of one statement outside a transaction; reads only.
    pub(crate) async fn fetch_one(&self, statement: Statement) -> DbResult<Row> {
        self.fetch_optional(statement).await?.ok_or(DbError::NoRow)
    }

    /// Runs one statement in a transaction of its own, and says how many rows it touched.
    pub(crate) async fn execute(&self, statement: Statement) -> DbResult<u64> {
        let mut tx = self.begin().await?;
        let touched = tx.execute(statement).await?;
        tx.commit().await?;
        Ok(touched)
    }

    /// A transaction that may write: READ COMMITTED on Postgres; on SQLite it holds the write lock
    /// from here on, so two such transactions never run at once.
    pub(crate) async fn begin(&self) -> DbResult<Tx> {
        let begin = match self.engine() {
            Engine::Postgres => "BEGIN",
            Engine::Sqlite => "BEGIN IMMEDIATE",
        };
        Tx::begin(self.writer().await?, begin).await
    }

    /// A transaction that only reads and sees one moment throughout.
    pub(crate) async fn snapshot(&self) -> DbResult<Tx> {
        let begin = match self.engine() {
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Engine::Sqlite => "BEGIN DEFERRED",
        };
        Tx::begin(self.reader().await?, begin).await
    }

    /// The catalog's clock (G-5): Postgres' own, or this machine's where the file is.
    pub(crate) async fn now(&self) -> DbResult<Instant> {
        match self.engine() {
            Engine::Postgres => self.fetch_one(sql("SELECT now()")).await?.get(0),
            Engine::Sqlite => Ok(dialect::local_now()),
        }
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        let closed = async {
            match &self.pools {
                Pools::Postgres(pool) => pool.close().await,
                Pools::Sqlite { reads, writes } => {
                    reads.close().await;
                    writes.close().await;
                }
            }
        };
        // A peer that does not answer is closed by dropping it.
        let _ = tokio::time::timeout(self.deadline, closed).await;
    }
}
