//! Transactions that undo themselves unless they are committed.

use ducksync_core::time::Instant;

use super::{
    Engine,
    dialect::local_now,
    error::{DbError, DbResult},
    row::Row,
    run::Connection,
    statement::{Statement, sql},
};

/// An open transaction. Dropped without [`Tx::commit`], its connection is cut and the database undoes
/// it, whatever state the wire was in.
pub(crate) struct Tx {
    connection: Connection,
    open: bool,
}

impl Tx {
    pub(super) async fn begin(connection: Connection, begin: &'static str) -> DbResult<Self> {
        // Marked open before BEGIN is sent: a BEGIN of unknown outcome must not go back to the pool.
        let mut tx = Self {
            connection,
            open: true,
        };
        tx.connection.execute(sql(begin)).await?;
        Ok(tx)
    }

    /// Which database it is.
    pub(crate) fn engine(&self) -> Engine {
        self.connection.engine()
    }

    /// The key of the lake's commit lock on Postgres.
    pub(crate) fn commit_lock(&self) -> i64 {
        self.connection.database.dialect.commit_lock()
    }

    /// All rows.
    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> DbResult<Vec<Row>> {
        self.connection.fetch_all(statement).await
    }

    /// The first row.
    pub(crate) async fn fetch_optional(&mut self, statement: Statement) -> DbResult<Option<Row>> {
        Ok(self.fetch_all(statement).await?.into_iter().next())
    }

    /// The one row.
    pub(crate) async fn fetch_one(&mut self, statement: Statement) -> DbResult<Row> {
        self.fetch_optional(statement).await?.ok_or(DbError::NoRow)
    }

    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(&mut self, statement: Statement) -> DbResult<u64> {
        self.connection.execute(statement).await
    }

    /// Several statements without values, separated by `;`.
    pub(crate) async fn execute_script(&mut self, text: &str) -> DbResult<()> {
        self.connection.execute_script(text).await
    }

    /// The catalog's clock, which moves on during a transaction.
    pub(crate) async fn now(&mut self) -> DbResult<Instant> {
        match self.engine() {
            Engine::Postgres => self.fetch_one(sql("SELECT now()")).await?.get(0),
            Engine::Sqlite => Ok(local_now()),
        }
    }

    /// Commits. [`DbError::Lost`] means that the outcome is not known.
    pub(crate) async fn commit(mut self) -> DbResult<()> {
        self.connection.execute(sql("COMMIT")).await?;
        self.open = false;
        Ok(())
    }

    /// Undoes everything and keeps the connection.
    pub(crate) async fn rollback(mut self) -> DbResult<()> {
        self.connection.execute(sql("ROLLBACK")).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if self.open
            && let Some(wire) = self.connection.wire.take()
        {
            wire.cut();
        }
    }
}
